/** When batches go out: full, lingered, flushed or closed; and how many records of what size get through. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { without } from '../support/kafka/foreign-tools.ts'
import { kafka } from '../support/kafka/kafka.ts'
import { makeProducer, numbered, readBack } from './producing-support.ts'

const skip = without('kcat')

test('close sends what lingers, at once, whoever sent it, and waits for its answers', { skip }, async (t) => {
  const broker = await kafka()
  const topic = await broker.createTopic({ partitions: 3 })
  const producer = makeProducer(t, broker, { lingerMs: 60_000 })
  await producer.partitionsFor(topic)
  const startedAt = performance.now()
  const sent = numbered(200).map((value) => producer.send({ topic, value }))
  const batch = producer.sendBatch(
    topic,
    numbered(100, 200).map((value) => ({ value })),
  )
  for (const value of numbered(100, 300)) assert.equal(producer.enqueue({ topic, value }), true)
  await producer.close()
  assert.ok(performance.now() - startedAt < 20_000)
  assert.equal((await Promise.all(sent)).length, 200)
  await batch
  const log = (await readBack(broker, topic, '%s')).map(Number)
  assert.deepEqual(
    log.sort((a, b) => a - b),
    numbered(400).map(Number),
  )
  await assert.rejects(producer.send({ topic, value: 'x' }), { code: 'CLOSED', persistence: 'not-persisted' })
  await producer.close()
})

test('an empty batch and an idle flush send nothing', async (t) => {
  const broker = await kafka()
  const topic = await broker.createTopic()
  const producer = makeProducer(t, broker)
  await producer.start()
  assert.deepEqual((await producer.sendBatch(topic, [])).partitions, [])
  await assert.rejects(producer.sendBatch(topic, [{ value: 7 as unknown as string }]), { code: 'INVALID_ARGUMENT' })
  await producer.flush()
  assert.equal(producer.metrics().requestsSent, 0)
})

test('linger delays the first record of a batch, and is no rate limit', async (t) => {
  const broker = await kafka()
  const topic = await broker.createTopic()
  const lingerMs = 2_000
  const producer = makeProducer(t, broker, { lingerMs, batchSize: 4_096 })
  await producer.partitionsFor(topic)
  const startedAt = performance.now()
  // 101 batches of which 100 are full, and each of those would otherwise wait for two seconds.
  const sent = Array.from({ length: 400 }, () => producer.send({ topic, value: Buffer.alloc(1_000) }))
  await Promise.all(sent.slice(0, -4))
  const fullMs = performance.now() - startedAt
  assert.ok(fullMs < lingerMs, `full batches took ${fullMs} ms`)
  await Promise.all(sent)
  const single = performance.now()
  await producer.send({ topic, value: 'alone' })
  const aloneMs = performance.now() - single
  assert.ok(aloneMs >= lingerMs - 50, `a batch that is not full was sent after ${aloneMs} ms`)
})

test('records of 30 kB go through by the hundred in a second', async (t) => {
  const broker = await kafka()
  const topic = await broker.createTopic({ partitions: 2 })
  const producer = makeProducer(t, broker, { batchSize: 200_000 })
  await producer.partitionsFor(topic)
  const value = Buffer.alloc(30_000, 'x')
  const startedAt = performance.now()
  const sent = await Promise.all(Array.from({ length: 1_000 }, () => producer.send({ topic, value })))
  const seconds = (performance.now() - startedAt) / 1_000
  assert.equal(new Set(sent.map(({ partition, offset }) => `${partition} ${offset}`)).size, 1_000)
  t.diagnostic(`${Math.round(1_000 / seconds)} records of 30 kB per second`)
  // Another client was seen at 160.
  assert.ok(seconds < 5, `${seconds} s`)
})
