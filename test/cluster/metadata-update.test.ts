import assert from 'node:assert/strict'
import { test } from 'node:test'

import { isIncomplete, snapshotAfter, withBrokers, withLeader } from '#src/cluster/metadata-update.js'
import { MetadataSnapshot } from '#src/cluster/metadata.js'
import { ProtocolError } from '#src/errors/errors.js'
import type { MetadataResponse } from '#src/wire/messages/metadata.js'
import { zeroUuid } from '#src/wire/primitives/uuid.js'

type Partition = readonly [index: number, leader: number, epoch: number]

const firstId = 'AAAAAAAAAAAAAAAAAAAAAQ'
const secondId = 'AAAAAAAAAAAAAAAAAAAAAg'

function answer(
  partitions: readonly Partition[],
  { topicId = firstId, errorCode = 0, name = 'orders', brokers = [1, 2] } = {},
): MetadataResponse {
  return {
    throttleTimeMs: 0,
    brokers: brokers.map((nodeId) => ({ nodeId, host: `kafka-${nodeId}`, port: 9092, rack: null })),
    clusterId: 'c',
    controllerId: 1,
    topics: [
      {
        errorCode,
        name,
        topicId,
        isInternal: false,
        topicAuthorizedOperations: 0,
        partitions: partitions.map(([partitionIndex, leaderId, leaderEpoch]) => ({
          errorCode: 0,
          partitionIndex,
          leaderId,
          leaderEpoch,
          replicaNodes: [1, 2],
          isrNodes: [1, 2],
          offlineReplicas: [],
        })),
      },
    ],
    clusterAuthorizedOperations: 0,
    errorCode: 0,
  }
}

const none = (): boolean => false

function snapshot(partitions: readonly Partition[], topicId = firstId): MetadataSnapshot {
  return snapshotAfter(answer(partitions, { topicId }), MetadataSnapshot.empty, none)
}

test('partitions are at their numbers, in whatever order the answer has them', () => {
  const { topics, version } = snapshot([
    [2, 1, 5],
    [0, 2, 6],
    [1, -1, 7],
  ])
  assert.equal(version, 1)
  assert.deepEqual(
    topics.get('orders')!.partitions.map(({ partition, leader, leaderEpoch }) => [partition, leader, leaderEpoch]),
    [
      [0, 2, 6],
      [1, -1, 7],
      [2, 1, 5],
    ],
  )
})

for (const index of [3, -1, 2_000_000_000, 0]) {
  test(`a second partition that is numbered ${index} is refused`, () => {
    assert.throws(
      () =>
        snapshot([
          [0, 1, 1],
          [index, 1, 1],
        ]),
      ProtocolError,
    )
  })
}

test('an answer that is older than what is known, by leader epoch, changes nothing of that partition', () => {
  const known = snapshot([
    [0, 1, 5],
    [1, 1, 5],
  ])
  const next = snapshotAfter(
    answer([
      [0, 2, 4],
      [1, 2, 6],
    ]),
    known,
    none,
  )
  assert.deepEqual([...next.leaders('orders')], [1, 2])
  assert.equal(next.leaderEpoch('orders', 0), 5)
  assert.equal(next.version, 2)
})

test('the same epoch with another leader is taken, as when the leader went away', () => {
  const next = snapshotAfter(answer([[0, -1, 5]]), snapshot([[0, 1, 5]]), none)
  assert.equal(next.leader('orders', 0), -1)
})

test('a topic made again under its name begins its epochs anew', () => {
  const next = snapshotAfter(answer([[0, 2, 0]], { topicId: secondId }), snapshot([[0, 1, 9]]), none)
  assert.equal(next.leader('orders', 0), 2)
  assert.equal(next.leaderEpoch('orders', 0), 0)
  assert.equal(next.topicName(secondId), 'orders')
  assert.equal(next.topicName(firstId), undefined)
})

test('brokers too old for epochs are believed', () => {
  const next = snapshotAfter(answer([[0, 2, -1]], { topicId: zeroUuid }), snapshot([[0, 1, 3]], zeroUuid), none)
  assert.equal(next.leader('orders', 0), 2)
})

test('a topic that was deleted is there with its error and without partitions', () => {
  const next = snapshotAfter(answer([], { errorCode: 3, topicId: zeroUuid }), snapshot([[0, 1, 3]]), none)
  const topic = next.topics.get('orders')!
  assert.equal(topic.error, 'UNKNOWN_TOPIC_OR_PARTITION')
  assert.equal(next.partitionCount('orders'), 0)
})

test('a topic that the answer does not speak of is kept only while it is in use', () => {
  const known = snapshot([[0, 1, 1]])
  const other = answer([[0, 1, 1]], { name: 'invoices', topicId: secondId })
  assert.deepEqual([...snapshotAfter(other, known, none).topics.keys()], ['invoices'])
  assert.deepEqual(
    [...snapshotAfter(other, known, (topic) => topic === 'orders').topics.keys()],
    ['invoices', 'orders'],
  )
})

test('an error code newer than ours is an error all the same', () => {
  const next = snapshotAfter(answer([], { errorCode: 31_999 }), MetadataSnapshot.empty, none)
  assert.equal(next.topics.get('orders')!.error, 'UNKNOWN_SERVER_ERROR')
})

test('a newer leader is learned with its address, and the snapshot before is as it was', () => {
  const known = snapshot([
    [0, 1, 5],
    [1, 2, 5],
  ])
  const endpoint = { id: 7, host: 'kafka-7', port: 9092, rack: 'a' }
  const next = withLeader(known, { topic: 'orders', partition: 0 }, { leaderId: 7, leaderEpoch: 6 }, [endpoint])!
  assert.deepEqual([...next.leaders('orders')], [7, 2])
  assert.equal(next.leaderEpoch('orders', 0), 6)
  assert.deepEqual(next.brokers.get(7), endpoint)
  assert.equal(next.version, known.version + 1)
  assert.deepEqual([...known.leaders('orders')], [1, 2])
  assert.equal(known.brokers.has(7), false)
})

test('a leader that is no news makes no new snapshot', () => {
  const known = snapshot([[0, 1, 5]])
  const partition = { topic: 'orders', partition: 0 }
  assert.equal(withLeader(known, partition, { leaderId: 2, leaderEpoch: 5 }, []), undefined)
  assert.equal(withLeader(known, partition, { leaderId: 2, leaderEpoch: 4 }, []), undefined)
  assert.equal(withLeader(known, { topic: 'orders', partition: 9 }, { leaderId: 2, leaderEpoch: 9 }, []), undefined)
  assert.equal(withLeader(known, { topic: 'other', partition: 0 }, { leaderId: 2, leaderEpoch: 9 }, []), undefined)
})

test('a broker at a new address is learned and keeps its rack; at the same one it is no news', () => {
  const known = withBrokers(snapshot([]), [{ id: 3, host: 'a', port: 1, rack: 'r' }])!
  assert.equal(withBrokers(known, [{ id: 3, host: 'a', port: 1, rack: null }]), undefined)
  const moved = withBrokers(known, [{ id: 3, host: 'b', port: 1, rack: null }])!
  assert.deepEqual(moved.brokers.get(3), { id: 3, host: 'b', port: 1, rack: 'r' })
})

test('a missing topic, a missing leader and a passing error are incomplete; a refusal is not', () => {
  assert.equal(isIncomplete(snapshot([[0, 1, 1]]), ['orders']), false)
  assert.equal(isIncomplete(snapshot([[0, -1, 1]]), ['orders']), true)
  assert.equal(isIncomplete(snapshot([[0, 1, 1]]), ['orders', 'other']), true)
  const failing = (errorCode: number): MetadataSnapshot =>
    snapshotAfter(answer([], { errorCode }), MetadataSnapshot.empty, none)
  assert.equal(isIncomplete(failing(3), ['orders']), true)
  assert.equal(isIncomplete(failing(5), ['orders']), true)
  assert.equal(isIncomplete(failing(29), ['orders']), false)
})
