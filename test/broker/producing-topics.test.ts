/** Topics as producers meet them: not there yet, gone, made again, grown. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startKafka } from '#scripts/kafka.mjs'
import { without } from '../support/kafka/foreign-tools.ts'
import { fromCluster, kafka, notInProcess, uniqueName } from '../support/kafka/kafka.ts'
import { makeAdmin, makeProducer, numbered, readBack, Writer } from './producing-support.ts'

const quick = { retryBackoffMs: 20, retryBackoffMaxMs: 200 }

test(
  'records for a topic that comes later wait in order, and hold up no other topic',
  { skip: without('kcat') },
  async (t) => {
    const broker = await kafka()
    const there = await broker.createTopic()
    const later = uniqueName('later')
    const producer = makeProducer(t, broker, quick)
    const waiting = numbered(50).map((value) => producer.send({ topic: later, value }))
    const batch = producer.sendBatch(
      later,
      numbered(50, 50).map((value) => ({ value })),
    )
    for (const value of numbered(50, 100)) assert.equal(producer.enqueue({ topic: later, value }), true)
    assert.equal((await producer.send({ topic: there, value: 'x' })).offset, 0)
    await broker.createTopic({ name: later })
    const offsets = (await Promise.all(waiting)).map(({ offset }) => offset)
    assert.deepEqual(
      offsets,
      offsets.map((_, i) => i),
    )
    await batch
    await producer.flush()
    assert.deepEqual(await readBack(broker, later, '%s'), numbered(150))
  },
)

test('waiting for a topic ends at maxBlockMs, and the signal ends it sooner', async (t) => {
  const broker = await kafka()
  const topic = uniqueName('nowhere')
  const producer = makeProducer(t, broker, { ...quick, maxBlockMs: 700 })
  await producer.start()
  const startedAt = performance.now()
  const calling = new AbortController()
  const outcomes = Promise.allSettled([
    producer.send({ topic, value: 'x' }),
    producer.sendBatch(topic, [{ value: 'a' }, { value: 'b' }]),
    producer.partitionsFor(topic),
    producer.send({ topic, value: 'x' }, { signal: calling.signal }),
  ])
  const reason = new Error('changed my mind')
  calling.abort(reason)
  const [sent, batch, asked, cancelled] = await outcomes
  const tookMs = performance.now() - startedAt
  assert.ok(tookMs >= 600 && tookMs < 5_000, `${tookMs} ms`)
  assert.equal(cancelled.status === 'rejected' && cancelled.reason, reason)
  for (const outcome of [sent, asked]) {
    assert.ok(outcome.status === 'rejected')
    assert.equal((outcome.reason as { code: string }).code, 'UNKNOWN_TOPIC_OR_PARTITION')
    assert.match((outcome.reason as Error).message, new RegExp(topic))
  }
  assert.ok(batch.status === 'rejected')
  const { failures } = batch.reason as { failures: { index: number; error: { code: string } }[] }
  assert.deepEqual(
    failures.map(({ index, error }) => [index, error.code]),
    [0, 1].map((index) => [index, 'UNKNOWN_TOPIC_OR_PARTITION']),
  )
})

test('a name that no topic can have is refused at once, and costs nobody else anything', async (t) => {
  const broker = await kafka()
  const topic = await broker.createTopic()
  const producer = makeProducer(t, broker, quick)
  for (const name of ['', 'x'.repeat(250), 'x'.repeat(40_000), 'half\ud800']) {
    await assert.rejects(producer.send({ topic: name, value: 'x' }), { code: 'INVALID_ARGUMENT' })
    await assert.rejects(producer.sendBatch(name, [{ value: 'x' }]), { code: 'INVALID_ARGUMENT' })
    await assert.rejects(producer.partitionsFor(name), { code: 'INVALID_ARGUMENT' })
  }
  await assert.rejects(producer.send({ topic: 'x'.repeat(250), value: 'x' }), {
    message: /at most 249 characters.*250/,
  })
  for (const name of ['.', '..', 'a/b', 'ä', 'a b']) {
    const startedAt = performance.now()
    await assert.rejects(producer.send({ topic: name, value: 'x' }), {
      code: 'INVALID_TOPIC_EXCEPTION',
      message: new RegExp(`'${name.replaceAll('.', '\\.')}'`),
      persistence: 'not-persisted',
    })
    assert.ok(performance.now() - startedAt < 5_000, 'not after maxBlockMs')
  }
  assert.equal((await producer.send({ topic, value: 'x' })).offset, 0)
})

for (const pace of ['quickly', 'slowly'] as const) {
  for (const load of ['under load', 'while idle'] as const) {
    test(
      `a topic that is deleted and made again ${pace} ${load} is written to by itself`,
      { skip: without('kcat') },
      async (t) => {
        const broker = await kafka()
        const topic = await broker.createTopic({ partitions: 2 })
        const producer = makeProducer(t, broker, quick)
        const admin = makeAdmin(t, broker)
        await producer.send({ topic, partition: 0, value: 'first' })
        const writer = load === 'under load' ? new Writer(t, producer, topic, { partition: 0 }) : undefined
        await writer?.more(100)
        const [deleted] = await admin.deleteTopics([topic])
        assert.equal(deleted!.error, null)
        // Long enough that every answer to metadata says that the topic is not there.
        if (pace === 'slowly') await new Promise((resolve) => setTimeout(resolve, 1_500))
        await broker.createTopic({ name: topic, partitions: 1 })
        await writer?.more(100)
        const failed = (await writer?.stop()) ?? []
        const { offset } = await producer.send({ topic, partition: 0, value: 'last' })
        const log = await readBack(broker, topic, '%s')
        assert.equal(log.at(-1), 'last')
        assert.equal(log[offset!], 'last')
        assert.deepEqual(failed, [])
        const order = log.slice(0, -1).map(Number)
        assert.ok(!order.includes(NaN), 'nothing of the old topic is in the new one')
        assert.deepEqual(
          order,
          order.toSorted((a, b) => a - b),
          'in order',
        )
        assert.equal(new Set(order).size, order.length, 'once each')
        // A partition that the new topic does not have is refused, although the old one had it.
        await assert.rejects(producer.send({ topic, partition: 1, value: 'x' }), { code: 'INVALID_ARGUMENT' })
        await producer.close()
      },
    )
  }
}

test('partitions that are added are used, by name at once and by keys with the next metadata', async (t) => {
  const broker = await kafka()
  const topic = await broker.createTopic({ partitions: 1 })
  const producer = makeProducer(t, broker, { ...quick, metadataMaxAgeMs: 300 })
  const admin = makeAdmin(t, broker)
  await producer.send({ topic, value: 'x' })
  const [added] = await admin.createPartitions([{ name: topic, totalCount: 4 }])
  assert.equal(added!.error, null)
  assert.equal((await producer.send({ topic, partition: 3, value: 'named' })).partition, 3)
  const deadline = performance.now() + 20_000
  const seen = new Set<number>()
  for (let i = 0; seen.size < 4; i++) {
    assert.ok(performance.now() < deadline, `only partitions ${[...seen].join(', ')} are written to`)
    seen.add((await producer.send({ topic, key: `key-${i}`, value: 'x' })).partition)
  }
})

const skip = notInProcess('that this file shares makes none')
test('a broker that makes topics makes one again that was deleted under a running producer', { skip }, async (t) => {
  const cluster = await startKafka({ properties: { 'auto.create.topics.enable': true, 'num.partitions': 1 } })
  t.after(() => cluster.stop())
  const broker = fromCluster(cluster)
  const producer = makeProducer(t, broker, quick)
  const admin = makeAdmin(t, broker)
  const topic = uniqueName('made')
  const writer = new Writer(t, producer, topic)
  await writer.more(50)
  const before = (await admin.describeTopics([topic]))[0]!
  await admin.deleteTopics([topic])
  await writer.more(50)
  assert.deepEqual(await writer.stop(), [])
  const after = (await admin.describeTopics([topic]))[0]!
  assert.notEqual(JSON.stringify(after), JSON.stringify(before))
  await producer.close()
})
