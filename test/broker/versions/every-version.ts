/** Every version of the requests that producing, consuming and administering are made of, on a broker that speaks them. */

import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import { Admin } from '#src/admin/admin.js'
import type { ClusterOptions } from '#src/cluster/cluster-options.js'
import { UnsupportedVersionError } from '#src/errors/errors.js'
import type { Api } from '#src/wire/api.js'
import { CreatePartitions } from '#src/wire/messages/create-partitions.js'
import { CreateTopics } from '#src/wire/messages/create-topics.js'
import { DeleteTopics } from '#src/wire/messages/delete-topics.js'
import { DescribeConfigs } from '#src/wire/messages/describe-configs.js'
import { Fetch } from '#src/wire/messages/fetch.js'
import { FindCoordinator } from '#src/wire/messages/find-coordinator.js'
import { Heartbeat } from '#src/wire/messages/heartbeat.js'
import { JoinGroup } from '#src/wire/messages/join-group.js'
import { LeaveGroup } from '#src/wire/messages/leave-group.js'
import { ListOffsets } from '#src/wire/messages/list-offsets.js'
import { Metadata } from '#src/wire/messages/metadata.js'
import { OffsetCommit } from '#src/wire/messages/offset-commit.js'
import { OffsetFetch } from '#src/wire/messages/offset-fetch.js'
import { Produce } from '#src/wire/messages/produce.js'
import { SyncGroup } from '#src/wire/messages/sync-group.js'
import { uniqueName } from '../../support/kafka/kafka.js'
import { consumerOn, soon, take, valuesOf } from '../consumer-support.js'
import { capBroker, type CappedBroker } from './capped-broker.js'
import { partitionsOf, producerOn, type OldBroker } from './support.js'

/** The lowest version with which the pass below can do its work, as Jackdaw says or must; 0 of those not named. */
const lowest = new Map<Api<unknown, unknown>, number>([
  [Produce, 3], // record batches of magic 2
  [ListOffsets, 1], // version 0 answers with segments
  [OffsetCommit, 1], // version 0 speaks of offsets in ZooKeeper
  [OffsetFetch, 1], // the same
  [Metadata, 4], // before, asking for a topic makes it
])

const apis: readonly Api<unknown, unknown>[] = [
  ...[Produce, Fetch, ListOffsets, Metadata, FindCoordinator],
  ...[JoinGroup, SyncGroup, Heartbeat, LeaveGroup, OffsetCommit, OffsetFetch],
  ...[CreateTopics, DeleteTopics, CreatePartitions, DescribeConfigs],
]

/** One pass through all of it. */
async function pass(t: TestContext, { kafka }: OldBroker, relay: CappedBroker): Promise<void> {
  const options: ClusterOptions = { bootstrapServers: relay.address, mapAddress: relay.mapAddress }
  const admin = new Admin(options)
  t.after(() => admin.close())
  const topic = uniqueName('topic')
  const groupId = uniqueName('group')
  const [created] = await admin.createTopics([
    { name: topic, partitions: 1, replicationFactor: 1, configs: { 'retention.ms': 7_777_777 } },
  ])
  assert.equal(created!.error, null)
  await partitionsOf(kafka, topic, 1)
  assert.equal((await admin.createPartitions([{ name: topic, totalCount: 2 }]))[0]!.error, null)
  await partitionsOf(kafka, topic, 2)
  const [described] = await admin.describeConfigs([{ type: 'topic', name: topic }])
  const retention = described!.configs?.find(({ name }) => name === 'retention.ms')
  assert.equal(retention?.value, '7777777')
  assert.equal(retention.isDefault, false)

  const producer = producerOn(t, kafka, { ...options, compression: 'gzip' })
  const records = ['a', 'b', 'c'].map((value, i) => ({ partition: 0, key: 'k', value, timestamp: 1_000 * (i + 1) }))
  assert.equal((await producer.sendBatch(topic, records)).offsetOf(2), 2)

  const group = {
    ...options,
    groupId,
    autoCommit: false,
    heartbeatIntervalMs: 20,
    isolationLevel: 'read_uncommitted',
  } as const
  const first = consumerOn(t, kafka, group)
  await first.subscribe([topic])
  assert.equal((await first.assigned(soon())).length, 2)
  assert.deepEqual(valuesOf(await take(first, 2)), ['a', 'b'])
  await first.commit([{ topic, partition: 0, offset: 2, metadata: 'two' }])
  const [found] = await first.offsetsForTimes([{ topic, partition: 0, timestamp: 1_500 }])
  assert.equal(found?.timestamp, found?.offset === 1 ? 2_000 : 1_000)
  assert.deepEqual(await first.endOffsets([{ topic, partition: 0 }]), [3])
  const before = first.metrics().heartbeats
  while (first.metrics().heartbeats < before + 2) await first.getMany({ timeoutMs: 20 })
  await first.close()

  const second = consumerOn(t, kafka, group)
  await second.subscribe([topic])
  assert.deepEqual(valuesOf(await take(second, 1)), ['c'])
  const [committed] = await second.committed([{ topic, partition: 0 }])
  assert.equal(committed?.metadata, 'two')
  await second.close()
  assert.equal((await admin.deleteTopics([topic]))[0]!.error, null)
}

export function everyVersionScenarios(old: OldBroker): void {
  test('every version of every request does its work, from the newest to the oldest', async (t) => {
    const offered = new Map<string, number>()
    const used = new Map<string, Set<number>>(apis.map(({ name }) => [name, new Set()]))
    const deepest = Math.max(...apis.map((api) => api.maxVersion - (lowest.get(api) ?? 0)))
    for (let below = 0; below <= deepest; below++) {
      await t.test(`${below} below the newest`, async (tt) => {
        const relay = await capBroker(old.kafka.bootstrapServers, (range) => {
          const api = apis.find(({ key }) => key === range.apiKey)
          if (api === undefined) return range
          const newest = Math.min(api.maxVersion, range.maxVersion)
          offered.set(api.name, newest)
          // Fetch from version 13 on needs the ids of topics, which Metadata tells from version 10 on.
          const steps = api === Metadata ? Math.max(0, below - 4) : below
          return { ...range, maxVersion: Math.max(newest - steps, lowest.get(api) ?? 0) }
        })
        tt.after(() => {
          relay.close()
        })
        await pass(tt, old, relay)
        for (const api of apis) for (const version of relay.versionsUsed(api)) used.get(api.name)!.add(version)
      })
    }
    for (const api of apis) {
      const oldest = lowest.get(api) ?? 0
      const all = Array.from({ length: offered.get(api.name)! - oldest + 1 }, (_, i) => oldest + i)
      assert.deepEqual(
        [...used.get(api.name)!].toSorted((a, b) => a - b),
        all,
        `${api.name} was used in every version`,
      )
    }
  })

  test('a broker too old for record batches is refused in words that name both ranges', async (t) => {
    const topic = await old.kafka.createTopic()
    const relay = await capBroker(old.kafka.bootstrapServers, (offered) =>
      offered.apiKey === Produce.key ? { ...offered, maxVersion: 2 } : offered,
    )
    t.after(() => {
      relay.close()
    })
    const producer = producerOn(t, old.kafka, { bootstrapServers: relay.address, mapAddress: relay.mapAddress })
    await assert.rejects(producer.send({ topic, value: 'x' }), (error: unknown) => {
      assert.ok(error instanceof UnsupportedVersionError)
      assert.match(error.message, /offers Produce versions 0 to 2, Jackdaw speaks versions 0 to 13, and .*3/)
      return true
    })
  })
}
