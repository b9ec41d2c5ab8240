/** What transactions promise, on any broker: the same scenarios run where brokers add partitions by themselves
 *  (transaction.version 2) and where they are told. What was committed is read by clients that are not ours. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Consumer } from '#src/consumer/consumer.js'
import { EndTxn } from '#src/wire/messages/end-txn.js'
import type { ConsumerGroupMetadata } from '#src/model/consumer-group-metadata.js'
import type { TransactionalProducer } from '#src/transactions/transactional-producer.js'
import { without } from '../support/kafka/foreign-tools.ts'
import { uniqueName, type Kafka } from '../support/kafka/kafka.ts'
import { consumerOn, numbered, produce, soon, take, valuesOf } from './consumer-support.ts'
import { committedIn, describeTransaction, LossyNetwork, producerOn, storedIn } from './transaction-support.ts'

export interface Abilities {
  /** Brokers check the epoch that a producer goes on from (KIP-360, Kafka 2.5), and members of groups (KIP-447). */
  readonly continues: boolean
  /** DescribeTransactions (KIP-664, Kafka 3.0). */
  readonly describes: boolean
}

const newest: Abilities = { continues: true, describes: true }

export function transactionScenarios(kafka: Kafka, { continues, describes }: Abilities = newest): void {
  const skip = without('kcat')

  /** A transaction of values in partition 0, committed or aborted. */
  async function write(producer: TransactionalProducer, topic: string, end: 'commit' | 'abort', ...values: string[]) {
    const tx = await producer.begin()
    await Promise.all(values.map((value) => tx.send({ topic, partition: 0, value })))
    await tx[end]()
  }

  test(
    'T1: of a producer that aborts twice, commits and aborts, only what was committed is read',
    { skip },
    async (t) => {
      const topic = await kafka.createTopic()
      const producer = producerOn(t, kafka)
      await write(producer, topic, 'abort', 'abort1-a', 'abort1-b')
      await write(producer, topic, 'abort', 'abort2-a', 'abort2-b')
      await write(producer, topic, 'commit', 'a', 'b')
      await write(producer, topic, 'abort', 'abort3')
      assert.deepEqual(await committedIn(kafka, topic), ['0 a', '0 b'])
      assert.equal((await storedIn(kafka, topic)).length, 7)
      const consumer = consumerOn(t, kafka, { isolationLevel: 'read_committed' })
      consumer.assign([{ topic, partition: 0 }])
      assert.deepEqual(valuesOf(await take(consumer, 2)), ['a', 'b'])
      assert.equal((await consumer.getMany({ timeoutMs: 200 })).size, 0)
      const { transactionsCommitted, transactionsAborted } = producer.metrics()
      assert.deepEqual([transactionsCommitted, transactionsAborted], [1, 3])
    },
  )

  test('T2: nothing is read of an aborted transaction that takes many fetches', { skip }, async (t) => {
    const topic = await kafka.createTopic()
    const producer = producerOn(t, kafka, { batchSize: 12_000 })
    const tx = await producer.begin()
    for (let i = 0; i < 5; i++) await tx.send({ topic, value: Buffer.alloc(20_000, `${i}`) })
    await tx.abort()
    await write(producer, topic, 'commit', 'committed')
    const consumer = consumerOn(t, kafka, {
      isolationLevel: 'read_committed',
      maxPartitionFetchBytes: 30_000,
      fetchMaxBytes: 30_000,
    })
    consumer.assign([{ topic, partition: 0 }])
    assert.deepEqual(valuesOf(await take(consumer, 1)), ['committed'])
    assert.deepEqual(await committedIn(kafka, topic), ['0 committed'])
  })

  test('T3: a producer that is started again under its transactionalId goes on at once', { skip }, async (t) => {
    const topic = await kafka.createTopic()
    const transactionalId = uniqueName('restarted')
    const ids: string[] = []
    for (const value of ['first', 'second', 'third']) {
      const producer = producerOn(t, kafka, { transactionalId })
      await write(producer, topic, 'commit', value)
      await producer.close()
      if (describes) ids.push(`${(await describeTransaction(t, kafka, transactionalId)).producerId}`)
    }
    assert.deepEqual(await committedIn(kafka, topic), ['0 first', '0 second', '0 third'])
    assert.ok(new Set(ids).size <= 1, `it keeps its producer id: ${ids.join()}`)
  })

  test('T4: a transaction that is open for too long is aborted, and the producer goes on', { skip }, async (t) => {
    const topic = await kafka.createTopic()
    const producer = producerOn(t, kafka, { transactionTimeoutMs: 1_000 })
    await producer.start()
    const tx = await producer.begin()
    await tx.send({ topic, value: 'too late' })
    // The coordinator looks every second or ten, and then the marker is in the log.
    const consumer = consumerOn(t, kafka, { isolationLevel: 'read_committed' })
    await untilStable(consumer, topic, 2)
    if (!continues) {
      await assert.rejects(tx.commit(), { code: 'PRODUCER_FENCED' })
      return
    }
    await assert.rejects(tx.commit(), {
      code: 'TRANSACTION_ABORTED',
      message: /longer than transactionTimeoutMs \(1000 ms\)/,
    })
    const work = producer.transaction(async (next) => {
      await next.send({ topic, value: 'first' })
      await untilStable(consumer, topic, 4)
      await next.send({ topic, value: 'too late again' })
    })
    await assert.rejects(work, { code: 'TRANSACTION_ABORTED' })
    await write(producer, topic, 'commit', 'in time')
    assert.deepEqual(await committedIn(kafka, topic), ['0 in time'])
  })

  test('T5: offsets that are sent side by side are all committed', async (t) => {
    const topic = await kafka.createTopic({ partitions: 3 })
    const groupId = uniqueName('group')
    const group = { groupId, generationId: -1, memberId: '', groupInstanceId: null }
    const producer = producerOn(t, kafka)
    await producer.transaction(async (tx) => {
      await Promise.all(
        [0, 1, 2].map((partition) => tx.sendOffsets([{ topic, partition, offset: partition + 5 }], group)),
      )
    })
    assert.deepEqual(await committedOffsets(groupId, topic, 3), [5, 6, 7])
  })

  test('T6: records for many partitions that are sent side by side are all in the transaction', { skip }, async (t) => {
    const topic = await kafka.createTopic({ partitions: 4 })
    const producer = producerOn(t, kafka)
    await producer.transaction(async (tx) => {
      await Promise.all([0, 1, 2, 3].map((partition) => tx.send({ topic, partition, value: 'together' })))
    })
    assert.deepEqual(await committedIn(kafka, topic), ['0 together', '1 together', '2 together', '3 together'])
  })

  /** Registers a scenario where brokers can do what it is about. */
  const where = (isAble: boolean): typeof test | (() => void) => (isAble ? test : () => {})

  void where(describes)('an empty transaction leaves no trace, committed or aborted', async (t) => {
    const transactionalId = uniqueName('empty')
    const producer = producerOn(t, kafka, { transactionalId })
    await producer.transaction(() => {})
    await (await producer.begin()).abort()
    const { transactionState, producerEpoch } = await describeTransaction(t, kafka, transactionalId)
    assert.deepEqual([transactionState, producerEpoch], ['Empty', 0])
  })

  test(
    'who starts later takes over: the one before is fenced, and what it had open is aborted',
    { skip },
    async (t) => {
      const topic = await kafka.createTopic()
      const transactionalId = uniqueName('fenced')
      const old = producerOn(t, kafka, { transactionalId })
      const tx = await old.begin()
      await tx.send({ topic, value: 'of the old one' })
      const young = producerOn(t, kafka, { transactionalId })
      await young.start()
      const late = tx.send({ topic, value: 'late' })
      await assert.rejects(late, { code: /INVALID_PRODUCER_EPOCH|PRODUCER_FENCED|TRANSACTION_ABORTED/ })
      await assert.rejects(tx.commit(), { name: 'FencedError', code: 'PRODUCER_FENCED' })
      await assert.rejects(old.begin(), { name: 'FencedError' })
      await write(young, topic, 'commit', 'of the young one')
      assert.deepEqual(await committedIn(kafka, topic), ['0 of the young one'])
      await old.close()
    },
  )

  test('a producer that was idle when another took over is fenced by what it does next', { skip }, async (t) => {
    const topic = await kafka.createTopic()
    const transactionalId = uniqueName('fenced')
    const old = producerOn(t, kafka, { transactionalId })
    await write(old, topic, 'commit', 'old')
    const young = producerOn(t, kafka, { transactionalId })
    await write(young, topic, 'commit', 'young')
    await assert.rejects(
      old.transaction((tx) => tx.send({ topic, value: 'late' })),
      { name: 'FencedError' },
    )
    const other = producerOn(t, kafka, { transactionalId })
    await other.start()
    await assert.rejects(
      young.transaction((tx) => tx.sendOffsets([{ topic, partition: 0, offset: 1 }], outsider())),
      { name: 'FencedError' },
    )
    // And the other way round: who was fenced may start anew, and fences in turn.
    await write(producerOn(t, kafka, { transactionalId }), topic, 'commit', 'again')
    await assert.rejects(
      other.transaction((tx) => tx.send({ topic, value: 'late' })),
      { name: 'FencedError' },
    )
    assert.deepEqual(await committedIn(kafka, topic), ['0 again', '0 old', '0 young'])
  })

  test('commit sends what lingers, in as many batches as it takes, and waits for all', { skip }, async (t) => {
    const topic = await kafka.createTopic({ partitions: 2 })
    const producer = producerOn(t, kafka, { lingerMs: 60_000, batchSize: 1_000 })
    const tx = await producer.begin()
    const values = numbered('value', 10_000)
    for (const [i, value] of values.entries()) void tx.send({ topic, partition: i % 2, value })
    await tx.commit()
    assert.equal(new Set(await committedIn(kafka, topic)).size, 10_000)
  })

  test('offsets are committed with the transaction, and not by one that is aborted', async (t) => {
    // In a member's name, where brokers check it.
    const memberOf = ({ groupMetadata }: { groupMetadata: ConsumerGroupMetadata }): ConsumerGroupMetadata =>
      continues ? groupMetadata : outsider(groupMetadata.groupId)
    const [source, target] = [await kafka.createTopic(), await kafka.createTopic()]
    await produce(kafka, source, numbered('in', 100))
    const groupId = uniqueName('group')
    const producer = producerOn(t, kafka)
    const first = consumerOn(t, kafka, { groupId, autoCommit: false })
    await first.subscribe([source])
    const records = await first.getMany({ maxRecords: 100, ...soon() })
    const tx = await producer.begin()
    for (const { value } of records) void tx.send({ topic: target, value }).catch(() => {})
    await tx.sendOffsets(records.nextOffsets(), memberOf(records))
    await tx.abort()
    assert.deepEqual(await committedOffsets(groupId, source, 1), [null])
    // Whoever reads again has everything before it once more.
    first.seekToBeginning([{ topic: source, partition: 0 }])
    let copied = 0
    while (copied < 100) {
      const some = await first.getMany({ maxRecords: 30, ...soon() })
      await producer.transaction(async (next) => {
        for (const { value } of some) void next.send({ topic: target, value })
        await next.sendOffsets(some.nextOffsets(), memberOf(some))
      })
      copied += some.size
    }
    assert.deepEqual(await committedOffsets(groupId, source, 1), [100])
    assert.equal((await committedIn(kafka, target)).length, 100)
  })

  test('one transaction carries offsets of several groups, from several tasks at once', async (t) => {
    const topic = await kafka.createTopic({ partitions: 2 })
    const groups = ['one', 'two', 'three'].map((name) => outsider(uniqueName(name)))
    const producer = producerOn(t, kafka)
    for (const end of ['abort', 'commit'] as const) {
      const tx = await producer.begin()
      await Promise.all([
        tx.send({ topic, value: 'beside them' }),
        ...groups.flatMap((group, i) => [
          tx.sendOffsets([{ topic, partition: 0, offset: 10 + i, metadata: 'by transaction' }], group),
          tx.sendOffsets([{ topic, partition: 1, offset: 20 + i }], group),
        ]),
      ])
      await tx[end]()
      for (const [i, { groupId }] of groups.entries()) {
        const offsets = end === 'abort' ? [null, null] : [10 + i, 20 + i]
        assert.deepEqual(await committedOffsets(groupId, topic, 2), offsets)
      }
    }
  })

  test('of offsets for one partition the last call counts, however fast they follow', async (t) => {
    const topic = await kafka.createTopic()
    const group = outsider()
    const producer = producerOn(t, kafka)
    const tx = await producer.begin()
    for (let offset = 1; offset <= 200; offset++) void tx.sendOffsets([{ topic, partition: 0, offset }], group)
    await tx.commit()
    assert.deepEqual(await committedOffsets(group.groupId, topic, 1), [200])
  })

  void where(continues)(
    'offsets of a member that the group has parted with since the records were handed out fail the transaction',
    async (t) => {
      const [source, target] = [await kafka.createTopic({ partitions: 2 }), await kafka.createTopic()]
      await produce(kafka, source, numbered('in', 10))
      const groupId = uniqueName('group')
      const options = { groupId, autoCommit: false, heartbeatIntervalMs: 300 }
      const first = consumerOn(t, kafka, options)
      await first.subscribe([source])
      const records = await first.getMany({ maxRecords: 10, ...soon() })
      const stale = records.groupMetadata
      const producer = producerOn(t, kafka)
      const tx = await producer.begin()
      await tx.send({ topic: target, value: 'twice' })
      // A rebalance between the hand-out and the offsets.
      const second = consumerOn(t, kafka, options)
      await second.subscribe([source])
      const joining = second.assigned(soon())
      while (first.groupMetadata().generationId === stale.generationId) await first.getMany({ timeoutMs: 100 })
      await joining
      await assert.rejects(tx.sendOffsets(records.nextOffsets(), stale), { code: 'ILLEGAL_GENERATION' })
      await assert.rejects(tx.commit(), { code: 'ILLEGAL_GENERATION' })
      assert.deepEqual(await committedOffsets(groupId, source, 2), [null, null])
      const unknown = { ...stale, memberId: 'nobody' }
      await assert.rejects(
        producer.transaction((next) => next.sendOffsets(records.nextOffsets(), unknown)),
        { code: 'UNKNOWN_MEMBER_ID' },
      )
      // Both were abortable: the producer goes on.
      await producer.transaction((next) => next.sendOffsets(records.nextOffsets(), first.groupMetadata()))
      assert.deepEqual(await committedOffsets(groupId, source, 1), [10])
    },
  )

  void where(!continues)(
    'offsets in the name of a member are refused where brokers cannot check it, and the words say what to do',
    async (t) => {
      const topic = await kafka.createTopic()
      const producer = producerOn(t, kafka)
      const member = { ...outsider(), generationId: 1, memberId: 'm' }
      const offsets = [{ topic, partition: 0, offset: 3 }]
      await assert.rejects(
        producer.transaction((tx) => tx.sendOffsets(offsets, member)),
        { code: 'UNSUPPORTED_VERSION', message: /before Kafka 2\.5 cannot check.*generationId: -1/ },
      )
    },
  )

  test('a consumer that commits by itself is told so, before anything is sent', async (t) => {
    const groupId = uniqueName('group')
    const topic = await kafka.createTopic()
    const consumer = consumerOn(t, kafka, { groupId })
    await consumer.subscribe([topic])
    await consumer.assigned(soon())
    const producer = producerOn(t, kafka)
    await assert.rejects(
      producer.transaction((tx) => tx.sendOffsets([{ topic, partition: 0, offset: 1 }], consumer.groupMetadata())),
      { code: 'INVALID_ARGUMENT', message: /commits by itself.*autoCommit: false/ },
    )
  })

  test(
    'a record that fails aborts the transaction, and the next is written by the same producer',
    { skip },
    async (t) => {
      const topic = await kafka.createTopic({ configs: { 'max.message.bytes': 2_000 } })
      const producer = producerOn(t, kafka)
      const tx = await producer.begin()
      await tx.send({ topic, value: 'aborted' })
      tx.send({ topic, value: Buffer.alloc(5_000, 'x') }).catch(() => {})
      await assert.rejects(tx.commit(), { code: 'MESSAGE_TOO_LARGE' })
      if (!continues) await producer.start()
      await write(producer, topic, 'commit', 'committed')
      assert.deepEqual(await committedIn(kafka, topic), ['0 committed'])
    },
  )

  for (const [loss, what] of [
    ['answer', 'the coordinator had it, and nobody heard'],
    ['request', 'it never came there'],
  ] as const) {
    test(
      `the outcome of a commit is unknown when ${what}; the next transaction begins nevertheless`,
      { skip },
      async (t) => {
        const topic = await kafka.createTopic()
        const network = new LossyNetwork(t, EndTxn)
        const producer = producerOn(t, kafka, { maxBlockMs: 1_500, dial: network.dial })
        await write(producer, topic, 'commit', 'before')
        const tx = await producer.begin()
        await tx.send({ topic, value: 'who knows' })
        network.loss = loss
        await assert.rejects(tx.commit(), { code: 'TRANSACTION_OUTCOME_UNKNOWN' })
        assert.ok(network.losses > 1, 'it was tried again')
        network.loss = undefined
        await write(producer, topic, 'commit', 'after')
        await write(producer, topic, 'abort', 'aborted')
        // As a whole, one way or the other: what the coordinator had counts.
        const whatCounts = loss === 'answer' ? ['0 after', '0 before', '0 who knows'] : ['0 after', '0 before']
        assert.deepEqual(await committedIn(kafka, topic), whatCounts)
      },
    )

    test(`an abort that is not confirmed, since ${what}, is an abort nevertheless`, { skip }, async (t) => {
      const topic = await kafka.createTopic()
      const network = new LossyNetwork(t, EndTxn)
      const producer = producerOn(t, kafka, { maxBlockMs: 1_500, dial: network.dial })
      const tx = await producer.begin()
      await tx.send({ topic, value: 'aborted' })
      network.loss = loss
      await assert.rejects(tx.abort(), { code: 'TIMEOUT' })
      network.loss = undefined
      await write(producer, topic, 'commit', 'after')
      assert.deepEqual(await committedIn(kafka, topic), ['0 after'])
    })
  }

  test('a single lost answer of the coordinator is not felt', { skip }, async (t) => {
    const topic = await kafka.createTopic()
    const network = new LossyNetwork(t, EndTxn)
    const producer = producerOn(t, kafka, { dial: network.dial })
    for (const end of ['commit', 'abort', 'commit', 'abort'] as const) {
      const tx = await producer.begin()
      await tx.send({ topic, value: `to ${end}` })
      network.loss = 'answer'
      const ended = tx[end]()
      while (network.losses === 0) await new Promise((resolve) => setTimeout(resolve, 5))
      network.loss = undefined
      network.losses = 0
      await ended
    }
    assert.deepEqual(await committedIn(kafka, topic), ['0 to commit', '0 to commit'])
  })

  test('closing aborts what is open, and a reader is not held up by it', { skip }, async (t) => {
    const topic = await kafka.createTopic()
    const producer = producerOn(t, kafka)
    const tx = await producer.begin()
    await tx.send({ topic, value: 'open' })
    await producer.close()
    await write(producerOn(t, kafka), topic, 'commit', 'behind it')
    assert.deepEqual(await committedIn(kafka, topic), ['0 behind it'])
  })

  test('a transactionTimeoutMs that the broker does not allow is refused when the producer starts', async (t) => {
    const producer = producerOn(t, kafka, { transactionTimeoutMs: 3_600_000 })
    await assert.rejects(producer.start(), { code: 'INVALID_OPTION', option: 'transactionTimeoutMs' })
  })

  /** Waits until everything below this offset is decided. */
  async function untilStable(consumer: Consumer, topic: string, offset: number): Promise<void> {
    const deadline = performance.now() + 25_000
    for (;;) {
      const [end] = await consumer.endOffsets([{ topic, partition: 0 }])
      if (end! >= offset) return
      assert.ok(performance.now() < deadline, `the last stable offset is ${end}, not ${offset}`)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  /** What the group has committed, by partition; null for nothing. */
  async function committedOffsets(groupId: string, topic: string, partitions: number): Promise<(number | null)[]> {
    const consumer = new Consumer({ bootstrapServers: kafka.bootstrapServers, groupId })
    try {
      const places = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
      const committed = await consumer.committed(places)
      return committed.map((one) => one?.offset ?? null)
    } finally {
      await consumer.close()
    }
  }
}

/** Someone who commits for a group without being its member. */
function outsider(groupId = uniqueName('group')) {
  return { groupId, generationId: -1, memberId: '', groupInstanceId: null }
}
