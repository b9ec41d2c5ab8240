import assert from 'node:assert/strict'
import { test } from 'node:test'

import { handlers } from '#src/testing/handlers/registry.js'
import { TestCluster } from '#src/testing/index.js'
import type { Api, Init } from '#src/wire/api.js'
import { RawClient } from './raw-client.js'

/** One thing of each kind that a request may name, so that an error has places to be told in. */
function requestOf({ name }: Api<unknown, unknown>, version: number): Init<unknown> {
  const topicId = 'c29tZS11bmtub3duLWlkLQ'
  switch (name) {
    case 'Produce':
      return {
        acks: -1,
        topicData: [{ ...(version >= 13 ? { topicId } : { name: 't' }), partitionData: [{ index: 0 }] }],
      }
    case 'Fetch':
      return { topics: [{ ...(version >= 13 ? { topicId } : { topic: 't' }), partitions: [{ partition: 0 }] }] }
    case 'ListOffsets':
      return { topics: [{ name: 't', partitions: [{ partitionIndex: 0, timestamp: -1 }] }] }
    case 'Metadata':
      return { topics: [{ name: 't' }] }
    case 'OffsetCommit':
      return {
        groupId: 'g',
        topics: [{ ...(version >= 10 ? { topicId } : { name: 't' }), partitions: [{ partitionIndex: 0 }] }],
      }
    case 'OffsetFetch': {
      const topics = [{ ...(version >= 10 ? { topicId } : { name: 't' }), partitionIndexes: [0] }]
      return version >= 8 ? { groups: [{ groupId: 'g', topics }] } : { groupId: 'g', topics }
    }
    case 'FindCoordinator':
      return version >= 4 ? { coordinatorKeys: ['g'] } : { key: 'g' }
    case 'DescribeGroups':
      return { groups: ['g'] }
    case 'DeleteGroups':
      return { groupsNames: ['g'] }
    case 'LeaveGroup':
      return { groupId: 'g', ...(version >= 3 ? { members: [{ memberId: 'm' }] } : { memberId: 'm' }) }
    case 'CreateTopics':
      return { topics: [{ name: 't', numPartitions: 1, replicationFactor: 1 }] }
    case 'CreatePartitions':
      return { topics: [{ name: 't', count: 9, assignments: null }] }
    case 'DeleteTopics':
      return version >= 6 ? { topics: [{ name: 't' }] } : { topicNames: ['t'] }
    case 'DeleteRecords':
    case 'OffsetDelete':
      return { topics: [{ name: 't', partitions: [{ partitionIndex: 0 }] }] }
    case 'OffsetForLeaderEpoch':
      return { topics: [{ topic: 't', partitions: [{ partition: 0 }] }] }
    case 'DescribeConfigs':
      return { resources: [{ resourceType: 2, resourceName: 't', configurationKeys: null }] }
    case 'IncrementalAlterConfigs':
      return { resources: [{ resourceType: 2, resourceName: 't', configs: [] }] }
    case 'AddPartitionsToTxn': {
      const topics = [{ name: 't', partitions: [0] }]
      return version >= 4 ? { transactions: [{ transactionalId: 'x', topics }] } : { v3AndBelowTopics: topics }
    }
    case 'TxnOffsetCommit':
      return { groupId: 'g', transactionalId: 'x', topics: [{ name: 't', partitions: [{ partitionIndex: 0 }] }] }
    case 'WriteTxnMarkers':
      return { markers: [{ topics: [{ name: 't', partitionIndexes: [0] }] }] }
    case 'DescribeProducers':
      return { topics: [{ name: 't', partitionIndexes: [0] }] }
    case 'DescribeTransactions':
      return { transactionalIds: ['x'] }
    case 'ApiVersions':
      return version >= 3 ? { clientSoftwareName: 'a', clientSoftwareVersion: '1' } : {}
    default:
      return {}
  }
}

for (const { api, minVersion, maxVersion } of handlers) {
  test(`${api.name} is answered, and refused by a control, in every version from ${minVersion} to ${maxVersion}`, async (t) => {
    const errors: string[] = []
    const ignore = (): void => {}
    const logger = { debug: ignore, info: ignore, warn: ignore, error: (line: string) => void errors.push(line) }
    const cluster = await TestCluster.start({ logger })
    t.after(() => cluster.close())
    const client = await RawClient.connect(cluster.bootstrapServers)
    t.after(() => {
      client.close()
    })
    for (let version = minVersion; version <= maxVersion; version++) {
      await client.send(api, version, requestOf(api, version) as object)
      cluster.control(api, () => ({ errorCode: 'UNKNOWN_SERVER_ERROR' }))
      const refused = await client.send(api, version, requestOf(api, version) as object)
      assert.match(
        JSON.stringify(refused, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
        /rrorCode":-1/,
      )
    }
    assert.deepEqual(errors, [], 'no handler failed')
  })
}
