/** Produce: what is checked, the sequence numbers of idempotent producers, and what a topic's configs make of a batch. */

import { Fetch } from '#src/wire/messages/fetch.js'
import { InitProducerId } from '#src/wire/messages/init-producer-id.js'
import { Produce } from '#src/wire/messages/produce.js'
import { gzip } from '#src/wire/compression/gzip.js'
import { DefaultRecordBatch } from '#src/wire/records/record-batch.js'
import { batch, changed } from './batches.js'
import type { Script, Stage } from './scripts.js'

const unknownId = 'c29tZS11bmtub3duLWlkLQ'

function produce(stage: Stage, topic: { name: string; id: string }, partition = 0) {
  return (what: string, records: Buffer | null, { version = 13, acks = -1 } = {}) =>
    stage.ask(what, Produce, version, {
      acks,
      timeoutMs: 5_000,
      topicData: [
        {
          ...(version >= 13 ? { topicId: topic.id } : { name: topic.name }),
          partitionData: [{ index: partition, records }],
        },
      ],
    })
}

/** The header of the only batch at an offset. */
async function noteBatch(stage: Stage, what: string, topic: { id: string }, fetchOffset: number): Promise<void> {
  const { responses } = await stage.send(Fetch, 17, {
    maxWaitMs: 1_000,
    minBytes: 1,
    maxBytes: 1_000_000,
    topics: [{ topicId: topic.id, partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 1_000_000 }] }],
  })
  const bytes = responses[0]!.partitions[0]!.records!
  const { baseOffset, lastOffset, count, compression, timestampType, partitionLeaderEpoch, maxTimestamp, ...found } =
    new DefaultRecordBatch(bytes.subarray(0, 12 + bytes.readInt32BE(8)))
  void found
  stage.transcript.note(what, {
    baseOffset,
    lastOffset,
    count,
    compression,
    timestampType,
    partitionLeaderEpoch,
    maxTimestamp,
  })
}

export const producing: readonly Script[] = [
  {
    name: 'a batch that is not as it should be is refused with the reason',
    async run(stage) {
      const topic = await stage.topic()
      const say = produce(stage, topic)
      const good = batch(3)
      await say('good', good)
      await say('version 12, by name', good, { version: 12 })
      await say('version 3', good, { version: 3 })
      await say('acks 1', good, { acks: 1 })
      await say('acks 2', good, { acks: 2 })
      await say('nothing', Buffer.alloc(0))
      await say(
        'a wrong checksum',
        changed(good, (bytes) => bytes.writeUInt8(1, bytes.length - 1), { withChecksum: false }),
      )
      await say('two batches', Buffer.concat([good, good]))
      await say(
        'magic 1',
        changed(good, (bytes) => bytes.writeUInt8(1, 16), { withChecksum: false }),
      )
      await say(
        'a base offset of 7',
        changed(good, (bytes) => bytes.writeBigInt64BE(7n, 0)),
      )
      await say(
        'a control batch',
        changed(good, (bytes) => bytes.writeInt16BE(0x20, 21)),
      )
      await say(
        'LogAppendTime from the producer',
        changed(good, (bytes) => bytes.writeInt16BE(0x08, 21)),
      )
      await noteBatch(stage, 'which was made CreateTime again', topic, 12)
      await say(
        'a count that is not that of the offsets',
        changed(good, (bytes) => bytes.writeInt32BE(9, 23)),
      )
      await say('too large', batch(1, { valueBytes: 1_100_000 }))
      await say('from the future', batch(2, { timestamp: Date.now() + 7_200_000 }))
      await say('from 1970', batch(2, { timestamp: 5 }))
      await say('without a timestamp', batch(1, { timestamp: -1 }))
      await produce(stage, topic, 1)('no such partition', good)
      await produce(stage, { name: 'nobody', id: unknownId })('no such topic id', good)
      await produce(stage, { name: 'nobody', id: unknownId })('no such topic', good, { version: 12 })
      await stage.askToBeDropped('acks 0, no such topic', Produce, 12, {
        acks: 0,
        timeoutMs: 1_000,
        topicData: [{ name: 'nobody', partitionData: [{ index: 0, records: good }] }],
      })
      // Made when the first group asks for its coordinator.
      await stage.group()
      await stage.ask('an internal topic', Produce, 12, {
        acks: 1,
        timeoutMs: 1_000,
        topicData: [{ name: '__consumer_offsets', partitionData: [{ index: 0, records: good }] }],
      })
      await say('good again', good)
    },
  },
  {
    name: 'sequence numbers of a producer are judged by its last five batches',
    async run(stage) {
      const topic = await stage.topic()
      const { producerId } = await stage.send(InitProducerId, 5, { transactionalId: null, transactionTimeoutMs: 1_000 })
      const say = produce(stage, topic)
      const from = (baseSequence: number, count = 1, producerEpoch = 0) => {
        return batch(count, { producerId, producerEpoch, baseSequence, timestamp: 1_700_000_000_000 })
      }
      await say('begins at 7', from(7))
      await say('0 behind 7', from(0))
      await say('9 behind 7', from(9))
      await say('8', from(8, 2))
      await say('8 again', from(8, 2))
      await say('8 with one record', from(8, 1))
      for (const sequence of [10, 11, 12, 13]) await say(`${sequence}`, from(sequence))
      await say('8 again, fifth last', from(8, 2))
      await say('14', from(14))
      await say('8 again, sixth last', from(8, 2))
      await say('10 again', from(10))
      await say('20, a gap', from(20))
      await say('epoch 1 from 0', from(0, 1, 1))
      await say('epoch 3 from 5', from(5, 1, 3))
      await say('epoch 0 again', from(15))
      await say('epoch 1 goes on', from(1, 1, 1))
      await say('no sequence number', from(-1))
    },
  },
  {
    name: "a topic's configs decide on timestamps, compression, keys and sizes",
    async run(stage) {
      const stamped = await stage.topic({ configs: { 'message.timestamp.type': 'LogAppendTime' } })
      await produce(stage, stamped)('LogAppendTime', batch(3, { timestamp: 1_000 }))
      await noteBatch(stage, 'the batch with LogAppendTime', stamped, 0)

      const packed = await stage.topic({ configs: { 'compression.type': 'gzip' } })
      await produce(stage, packed)('compressed by the broker', batch(3))
      await noteBatch(stage, 'the compressed batch', packed, 0)
      const unpacked = await stage.topic({ configs: { 'compression.type': 'uncompressed' } })
      await gzip.load()
      await produce(stage, unpacked)('uncompressed by the broker', batch(3, { codec: gzip }))
      await noteBatch(stage, 'the uncompressed batch', unpacked, 0)
      const kept = await stage.topic()
      await produce(stage, kept)('as the producer wants it', batch(3, { codec: gzip }))
      await noteBatch(stage, 'the batch as it came', kept, 0)

      const compacted = await stage.topic({ configs: { 'cleanup.policy': 'compact' } })
      await produce(stage, compacted)('no key for a compacted topic', batch(2, { key: null }))
      await produce(stage, compacted)('a key for a compacted topic', batch(2))

      const narrow = await stage.topic({ configs: { 'max.message.bytes': '200' } })
      await produce(stage, narrow)('too large for the topic', batch(10))
      const strict = await stage.topic({ configs: { 'min.insync.replicas': '2' } })
      await produce(stage, strict)('too few in sync', batch(1))
      await produce(stage, strict)('too few in sync, acks 1', batch(1), { acks: 1 })
    },
  },
]
