/** What transactions do to logs: what batches are refused, how far a reader of committed records comes, what it is told of
 *  aborted ones, and what is left of a producer when its records are deleted. */

import { DeleteRecords } from '#src/wire/messages/delete-records.js'
import { Fetch } from '#src/wire/messages/fetch.js'
import { InitProducerId } from '#src/wire/messages/init-producer-id.js'
import { ListOffsets } from '#src/wire/messages/list-offsets.js'
import { OffsetForLeaderEpoch } from '#src/wire/messages/offset-for-leader-epoch.js'
import { Produce } from '#src/wire/messages/produce.js'
import { readControlRecord, type ControlRecord } from '#src/wire/records/control-record.js'
import type { RecordBatch } from '#src/wire/records/record-batch.js'
import { RecordBatchReader } from '#src/wire/records/record-batch-reader.js'
import { batch } from './batches.js'
import { before, describeProducers, TransactionalClient, type Topic } from './transactional-client.js'
import type { Script, Stage } from './scripts.js'

const committed = 1
const uncommitted = 0

/** What a reader gets, batch by batch. */
async function read(
  stage: Stage,
  what: string,
  topic: Topic,
  fetchOffset: number,
  isolationLevel: number,
  { version = 17, maxBytes = 1_000_000 }: { version?: number; maxBytes?: number } = {},
): Promise<void> {
  const { responses } = await stage.send(Fetch, version, {
    maxWaitMs: 50,
    minBytes: 1,
    maxBytes: 1_000_000,
    isolationLevel,
    ...(version >= 7 ? { sessionEpoch: -1 } : {}),
    topics: [
      {
        ...(version >= 13 ? { topicId: topic.id } : { topic: topic.name }),
        partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: maxBytes }],
      },
    ],
  })
  const { records, highWatermark, lastStableOffset, logStartOffset, abortedTransactions, errorCode } =
    responses[0]!.partitions[0]!
  const batches: unknown[] = []
  for (const each of new RecordBatchReader(records ?? Buffer.alloc(0))) {
    const { baseOffset, lastOffset, producerId, producerEpoch, baseSequence, isTransactional, isControl } = each
    const marker = each.isControl ? markerOf(each) : undefined
    batches.push({
      offsets: `${baseOffset}-${lastOffset}`,
      producerId,
      producerEpoch,
      baseSequence,
      isTransactional,
      isControl,
      partitionLeaderEpoch: each.partitionLeaderEpoch,
      ...(marker === undefined ? {} : { marker, bytes: each.sizeInBytes }),
    })
  }
  stage.transcript.note(what, {
    errorCode,
    highWatermark,
    lastStableOffset,
    logStartOffset,
    // In their order: brokers promise none, and clients must not need one.
    abortedTransactions:
      abortedTransactions?.map(({ producerId, firstOffset }) => ({ producerId, firstOffset })) ?? null,
    batches,
  })
}

function markerOf(control: RecordBatch): ControlRecord {
  const cursor = control.cursor()
  cursor.next()
  return readControlRecord(cursor.key(), cursor.value())
}

/** Offsets of the ends and of some times, which nobody may know yet whose records are not decided. */
async function noteOffsets(stage: Stage, when: string, topic: Topic, from: number, special = [-1, -2]): Promise<void> {
  for (const [isolation, isolationLevel] of [
    ['committed', committed],
    ['uncommitted', uncommitted],
  ] as const) {
    const noted: unknown[] = []
    for (const timestamp of [...special, from, from + 100, from + 300]) {
      const { topics } = await stage.send(ListOffsets, 9, {
        replicaId: -1,
        isolationLevel,
        topics: [{ name: topic.name, partitions: [{ partitionIndex: 0, timestamp }] }],
      })
      const { offset, leaderEpoch, errorCode } = topics[0]!.partitions[0]!
      noted.push(`${timestamp < 0 ? timestamp : `+${timestamp - from} ms`}: ${offset} ${leaderEpoch} ${errorCode}`)
    }
    stage.transcript.note(`${when}: offsets, ${isolation}`, noted)
  }
}

export const transactionalReading: readonly Script[] = [
  {
    name: 'a reader of committed records comes to the first open transaction, and is told of aborted ones',
    async run(stage) {
      const topic = await stage.topic()
      const one = await TransactionalClient.start(stage)
      const two = await TransactionalClient.start(stage)
      // A batch of another time than its marker would begin another segment, at whose end a read ends.
      const timestamp = Date.now() - 60_000
      await read(stage, 'nothing yet', topic, 0, committed)
      await one.produce('one: first', topic, 0, { count: 2, timestamp })
      await read(stage, 'one is open, committed', topic, 0, committed)
      await read(stage, 'one is open, uncommitted', topic, 0, uncommitted)
      await read(stage, 'one is open, version 4', topic, 0, committed, { version: 4 })
      await noteOffsets(stage, 'one is open', topic, timestamp, [-1, -2, -3])
      await two.produce('two: first', topic, 0, { timestamp: timestamp + 100 })
      await one.produce('one: second', topic, 2, { timestamp: timestamp + 200 })
      await stage.ask('a broker asks while one is open', ListOffsets, 9, {
        replicaId: 1,
        isolationLevel: committed,
        topics: [{ name: topic.name, partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
      })
      await one.end('one aborts', false)
      await read(stage, 'two is open', topic, 0, committed)
      await noteOffsets(stage, 'two is open', topic, timestamp)
      await one.produce('one: the next', topic, 0, { timestamp: timestamp + 300 })
      await two.end('two commits', true)
      await read(stage, 'one is open again', topic, 0, committed)
      await one.end('one aborts again', false)
      await two.produce('two: the next', topic, 0, { timestamp: timestamp + 400 })
      await one.produce('one: the third', topic, 0, { timestamp: timestamp + 500 })
      await one.end('one aborts the third time', false)
      await two.end('two aborts', false)
      await read(stage, 'all are over', topic, 0, committed)
      await read(stage, 'all are over, uncommitted', topic, 0, uncommitted)
      await read(stage, 'from the middle', topic, 4, committed)
      await read(stage, 'from the last', topic, 9, committed)
      await read(stage, 'from the end', topic, 12, committed)
      await read(stage, 'few bytes', topic, 0, committed, { maxBytes: 100 })
      await noteOffsets(stage, 'all are over', topic, timestamp)
      await stage.ask('the end of the epoch', OffsetForLeaderEpoch, 4, {
        replicaId: -1,
        topics: [{ topic: topic.name, partitions: [{ partition: 0, leaderEpoch: 0, currentLeaderEpoch: -1 }] }],
      })
    },
  },
  {
    name: 'aborted transactions are told as far as the index knows',
    async run(stage) {
      const topic = await stage.topic()
      const client = await TransactionalClient.start(stage)
      for (let i = 0; i < 8; i++) {
        await client.produce(`batch ${i}`, topic, 0, { valueBytes: 1_500 })
        await client.end(`end ${i}`, i % 2 === 1)
      }
      for (const maxBytes of [100, 1_000_000]) {
        for (const from of [0, 4]) {
          await read(stage, `from ${from}, ${maxBytes} bytes`, topic, from, committed, { maxBytes })
        }
      }
    },
  },
  {
    name: 'batches that do not belong to the transaction are refused',
    async run(stage) {
      const topic = await stage.topic({ partitions: 2 })
      const client = await TransactionalClient.start(stage)
      const other = await TransactionalClient.start(stage)
      await client.produce('no transactional id', topic, 0, { transactionalId: null })
      await client.produce('another transactional id', topic, 0, { transactionalId: other.transactionalId })
      await client.produce('a transactional id that nobody has', topic, 0, { transactionalId: 'nobody' })
      await client.produce('an empty transactional id', topic, 0, { transactionalId: '' })
      await client.produce('a later epoch', topic, 0, {
        identity: { ...client.identity, producerEpoch: client.producerEpoch + 1 },
      })
      await client.produce('not transactional', topic, 0, { isTransactional: false })
      await client.produce('transactional, behind it', topic, 1)
      await client.produce('not transactional, in the transaction', topic, 2, { isTransactional: false })
      await client.produce('a partition that there is not', topic, 0, { partition: 7 })
      await client.describe('what belongs to it')
      const records = (each: TransactionalClient, sequence: number) =>
        batch(1, { ...each.identity, baseSequence: sequence, isTransactional: true })
      await stage.ask('two producers in a request', Produce, 13, {
        transactionalId: client.transactionalId,
        acks: -1,
        timeoutMs: 5_000,
        topicData: [
          {
            topicId: topic.id,
            partitionData: [
              { index: 0, records: records(client, 2) },
              { index: 1, records: records(other, 0) },
            ],
          },
        ],
      })
      await stage.ask('one of two is refused', Produce, 13, {
        transactionalId: client.transactionalId,
        acks: -1,
        timeoutMs: 5_000,
        topicData: [
          {
            topicId: topic.id,
            partitionData: [
              { index: 0, records: records(client, 2) },
              { index: 1, records: records(client, 9) },
            ],
          },
        ],
      })
      await stage.ask('with others that are not transactional', Produce, 13, {
        transactionalId: client.transactionalId,
        acks: -1,
        timeoutMs: 5_000,
        topicData: [
          {
            topicId: topic.id,
            partitionData: [
              { index: 0, records: records(client, 3) },
              { index: 1, records: batch(1) },
            ],
          },
        ],
      })
      await client.describe('what belongs to it now')
      await client.end('commit', true)
      await describeProducers(stage, 'the producers', topic, [0, 1])
    },
  },
  {
    name: 'a batch that was refused keeps those behind it out',
    async run(stage) {
      const topic = await stage.topic()
      const client = await TransactionalClient.start(stage, before)
      await client.produce('0, not added', topic, 0)
      await client.addPartitions('add', topic, [0])
      await client.produce('1 before 0', topic, 1)
      await client.produce('0', topic, 0)
      await client.produce('1', topic, 1)
      await client.end('commit', true)
      await client.addPartitions('add to the next', topic, [0])
      await client.produce('5 behind 1', topic, 5)
      await client.produce('2', topic, 2)
      await client.end('abort', false)
      const late = await TransactionalClient.start(stage, before)
      await late.addPartitions('add to another', topic, [0])
      await late.produce('begins at 5', topic, 5)
      await late.produce('0 behind 5', topic, 0)
      await late.end('commit another', true)
      const newer = await TransactionalClient.start(stage)
      await newer.produce('version 2 begins at 5', topic, 5)
      await newer.produce('version 2 begins at 0', topic, 0)
      await newer.end('commit of version 2', true)
    },
  },
  {
    name: 'a producer is known when its records are deleted',
    async run(stage) {
      const topic = await stage.topic()
      const idempotent = await stage.send(InitProducerId, 5, { transactionalId: null, transactionTimeoutMs: 1_000 })
      stage.transcript.meet(idempotent.producerId)
      const say = (what: string, baseSequence: number) =>
        stage.ask(what, Produce, 13, {
          acks: -1,
          timeoutMs: 5_000,
          topicData: [
            {
              topicId: topic.id,
              partitionData: [
                {
                  index: 0,
                  records: batch(2, { producerId: idempotent.producerId, producerEpoch: 0, baseSequence }),
                },
              ],
            },
          ],
        })
      const remove = (what: string, offset: number) =>
        stage.ask(what, DeleteRecords, 2, {
          topics: [{ name: topic.name, partitions: [{ partitionIndex: 0, offset }] }],
          timeoutMs: 5_000,
        })
      await say('0', 0)
      await say('2', 2)
      await remove('all', -1)
      await say('2 again', 2)
      await say('a gap', 9)
      await say('4', 4)
      const client = await TransactionalClient.start(stage)
      await client.produce('in a transaction', topic, 0, { count: 3 })
      await say('6, behind it', 6)
      await remove('into the transaction', 8)
      await read(stage, 'from the start of the log', topic, 8, committed)
      await remove('beyond the transaction', 10)
      await read(stage, 'what is left', topic, 10, committed)
      await remove('the rest', -1)
      await read(stage, 'nothing is left', topic, 11, committed)
      await describeProducers(stage, 'the producers', topic)
      await client.produce('goes on', topic, 3)
      await client.end('abort', false)
      await read(stage, 'after the abort', topic, 11, committed)
      await remove('beyond the end', 99)
    },
  },
]
