/** What encoders do with values that a version cannot say, and decoders with values that it has not. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  CreateTopics,
  EndTxn,
  Fetch,
  Heartbeat,
  InitProducerId,
  JoinGroup,
  ListOffsets,
  Metadata,
  OffsetCommit,
  Produce,
  Reader,
  Writer,
  zeroUuid,
  type Api,
  type Init,
} from '#src/wire/index.js'

function writeRequest<Request>(api: Api<Request, unknown>, message: Init<Request>, version: number): Buffer {
  const writer = new Writer()
  api.request.encode(writer, message, version)
  return writer.toBuffer()
}

function again<Request>(api: Api<Request, unknown>, message: Init<Request>, version: number): Request {
  return api.request.decode(new Reader(writeRequest(api, message, version)), version)
}

test('a field that the version lacks throws, naming message, field and version', () => {
  assert.throws(() => writeRequest(Heartbeat, { groupInstanceId: 'a' }, 2), {
    code: 'UNSUPPORTED_VERSION',
    message: "HeartbeatRequest version 2 has no field 'groupInstanceId', which is set",
  })
  // Were it to vanish in silence, the topics would really be made.
  assert.throws(() => writeRequest(CreateTopics, { validateOnly: true }, 0), { code: 'UNSUPPORTED_VERSION' })
})

test('a field deep inside that the version lacks throws', () => {
  const message = { topics: [{ topic: 'a', partitions: [{ lastFetchedEpoch: 3 }] }] }
  assert.throws(() => writeRequest(Fetch, message, 11), { code: 'UNSUPPORTED_VERSION', message: /lastFetchedEpoch/ })
  assert.doesNotThrow(() => writeRequest(Fetch, message, 12))
})

test('a tagged struct that the version lacks throws unless it is all defaults', () => {
  assert.throws(() => writeRequest(Fetch, { replicaState: { replicaId: 1 } }, 14), { code: 'UNSUPPORTED_VERSION' })
  assert.doesNotThrow(() => writeRequest(Fetch, { replicaState: { replicaId: -1 } }, 14))
  assert.doesNotThrow(() => writeRequest(Fetch, { replicaState: {} }, 14))
})

test('a field that the version lacks is left out where Kafka calls it ignorable', () => {
  assert.equal(again(JoinGroup, { rebalanceTimeoutMs: 5 }, 0).rebalanceTimeoutMs, -1)
})

test('a field given its default says nothing in a version that lacks it', () => {
  assert.doesNotThrow(() => writeRequest(Heartbeat, { groupInstanceId: null }, 2))
})

test('null throws in a version in which the field must not be null', () => {
  assert.throws(() => writeRequest(Metadata, { topics: null }, 0), {
    code: 'UNSUPPORTED_VERSION',
    message: "MetadataRequest version 0 does not allow 'topics' to be null",
  })
  assert.equal(again(Metadata, { topics: null }, 1).topics, null)
  assert.throws(() => writeRequest(Metadata, { topics: [{ name: null }] }, 9), { code: 'UNSUPPORTED_VERSION' })
})

test('fields that the version lacks are read as their defaults', () => {
  const message = again(Fetch, { maxWaitMs: 7, topics: [{ topic: 'a', partitions: [{ partition: 1 }] }] }, 4)
  assert.equal(message.maxWaitMs, 7)
  assert.equal(message.sessionEpoch, -1)
  assert.equal(message.rackId, '')
  assert.deepEqual(message.replicaState, { replicaId: -1, replicaEpoch: -1 })
  const [topic] = message.topics
  assert.equal(topic?.topicId, zeroUuid)
  assert.equal(topic?.partitions[0]?.highWatermark, 2n ** 63n - 1n)
})

test('what is left out and what is undefined are both written as defaults', () => {
  const nothing = writeRequest(Produce, {}, 9)
  const undefineds = writeRequest(Produce, { acks: undefined, topicData: undefined, transactionalId: undefined }, 9)
  assert.deepEqual(undefineds, nothing)
})

test('versions that only brokers before 2.1 speak are there', () => {
  assert.deepEqual(
    [Fetch.minVersion, Produce.minVersion, ListOffsets.minVersion, OffsetCommit.minVersion],
    [0, 0, 0, 0],
  )
  const writer = new Writer()
  ListOffsets.response.encode(writer, { topics: [{ name: 'a', partitions: [{ oldStyleOffsets: [7, 5] }] }] }, 0)
  const { topics } = ListOffsets.response.decode(new Reader(writer.toBuffer()), 0)
  assert.deepEqual(topics[0]?.partitions[0]?.oldStyleOffsets, [7, 5])
  assert.equal(
    again(ListOffsets, { topics: [{ partitions: [{ maxNumOffsets: 9 }] }] }, 0).topics[0]?.partitions[0]?.maxNumOffsets,
    9,
  )
  assert.throws(() => writeRequest(ListOffsets, { topics: [{ partitions: [{ maxNumOffsets: 9 }] }] }, 1), {
    code: 'UNSUPPORTED_VERSION',
  })
})

test('an unstable version can be written, but is not the highest for clients', () => {
  assert.deepEqual([InitProducerId.maxVersion, InitProducerId.latestVersion], [5, 6])
  assert.deepEqual([EndTxn.maxVersion, EndTxn.latestVersion], [5, 5])
})

test('int64 values beyond 2^53 - 1 are refused on both sides', () => {
  const message = (fetchOffset: number) => ({ topics: [{ topic: 'a', partitions: [{ fetchOffset }] }] })
  assert.throws(() => writeRequest(Fetch, message(2 ** 53), 4), { code: 'INVALID_ARGUMENT' })
  const bytes = writeRequest(Fetch, message(2 ** 53 - 1), 4)
  const at = bytes.indexOf(Buffer.from('001fffffffffffff', 'hex'))
  assert.ok(at > 0)
  bytes.writeBigInt64BE(2n ** 53n, at)
  assert.throws(() => Fetch.request.decode(new Reader(bytes), 4), { code: 'MALFORMED_MESSAGE' })
})

test('unknown tagged fields come back where they were', () => {
  const unknown = [{ tag: 20, data: Buffer.from('new') }]
  const topics = [{ topic: 'a', unknownTaggedFields: unknown, partitions: [{ unknownTaggedFields: unknown }] }]
  const message = again(Fetch, { topics, unknownTaggedFields: unknown }, 12)
  assert.deepEqual(message.unknownTaggedFields, unknown)
  assert.deepEqual(message.topics[0]?.unknownTaggedFields, unknown)
  assert.deepEqual(message.topics[0]?.partitions[0]?.unknownTaggedFields, unknown)
})

test('a known tag of a later version is kept as an unknown one', () => {
  const replicaState = { tag: 1, data: Buffer.from('0000000700000000000000070000', 'hex').subarray(0, 13) }
  const message = again(Fetch, { unknownTaggedFields: [replicaState] }, 12)
  assert.deepEqual(message.unknownTaggedFields, [replicaState])
  assert.equal(message.replicaState.replicaId, -1)
})
