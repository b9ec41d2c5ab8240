import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Deferred } from '#src/async/deferred.js'
import { Consumer } from '#src/consumer/consumer.js'
import { Fetch } from '#src/wire/messages/fetch.js'
import { ScriptedLogs } from './scripted-logs.ts'

function soon() {
  return { signal: AbortSignal.timeout(5_000) }
}

test('brokers that have nothing to give leave room in the buffer for those that do', async (t) => {
  const logs = await ScriptedLogs.start({ orders: [1, 2, 3] }, { brokers: 3 })
  t.after(() => logs.close())
  // Long polls that never end, as far as the test goes: each may still bring what it was promised room for.
  const ended = new Deferred<void>()
  t.after(() => {
    ended.resolve()
  })
  logs.holdFetch = ({ topics }) => (topics[0]!.partitions[0]!.partition === 2 ? undefined : ended.promise)
  logs.append('orders', 2, ['a'])
  const consumer = new Consumer({
    bootstrapServers: logs.address,
    autoOffsetReset: 'earliest',
    fetchMaxWaitMs: 50,
    maxPartitionFetchBytes: 1_000,
    fetchBufferBytes: 2_000,
  })
  t.after(() => {
    consumer.destroy()
  })
  await consumer.subscribe(['orders'])
  assert.equal(String((await consumer.getOne(soon())).value), 'a')
  const asked = logs.cluster.requests(Fetch).map(({ request }) => request.maxBytes)
  assert.ok(asked.slice(0, 3).reduce((sum, bytes) => sum + bytes, 0) <= 2_000, `${asked.join()} fit in the buffer`)
})

test('a broker with much to give does not fill the whole buffer while another has something, too', async (t) => {
  const logs = await ScriptedLogs.start({ orders: [1, 1, 1, 1, 2] }, { brokers: 2 })
  t.after(() => logs.close())
  const large = 'x'.repeat(900)
  for (let partition = 0; partition < 4; partition++)
    for (let i = 0; i < 50; i++) logs.append('orders', partition, [large])
  const first = new Deferred<void>()
  logs.holdFetch = ({ topics }) => (topics[0]!.partitions[0]!.partition === 4 ? first.promise : undefined)
  logs.append('orders', 4, ['a'])
  const consumer = new Consumer({
    bootstrapServers: logs.address,
    autoOffsetReset: 'earliest',
    fetchMaxWaitMs: 50,
    maxPartitionFetchBytes: 1_000,
    fetchBufferBytes: 4_000,
  })
  t.after(() => {
    consumer.destroy()
  })
  await consumer.subscribe(['orders'])
  await consumer.getOne(soon())
  first.resolve()
  let read = 1
  for (; (await consumer.getOne(soon())).partition !== 4; read++) assert.ok(read < 40, 'it is read among the others')
})

test('what is paused does not keep the rest from an application that asks without waiting', async (t) => {
  const logs = await ScriptedLogs.start({ orders: 2 })
  t.after(() => logs.close())
  for (let i = 0; i < 10; i++) logs.append('orders', 0, ['x'.repeat(900)])
  const consumer = new Consumer({
    bootstrapServers: logs.address,
    autoOffsetReset: 'earliest',
    fetchMaxWaitMs: 20,
    maxPartitionFetchBytes: 1_000,
    fetchBufferBytes: 1_000,
  })
  t.after(() => {
    consumer.destroy()
  })
  await consumer.subscribe(['orders'])
  await consumer.getOne(soon())
  while (consumer.metrics().bufferedBytes === 0) await new Promise((resolve) => setTimeout(resolve, 2))
  consumer.pause([{ topic: 'orders', partition: 0 }])
  logs.append('orders', 1, ['a'])
  const deadline = performance.now() + 3_000
  let records = await consumer.getMany({ timeoutMs: 0 })
  while (records.size === 0) {
    assert.ok(performance.now() < deadline, 'partition 1 is not read')
    await new Promise((resolve) => setTimeout(resolve, 5))
    records = await consumer.getMany({ timeoutMs: 0 })
  }
  assert.deepEqual(records.partitions(), [{ topic: 'orders', partition: 1 }])
})

test('fetches that wait for different partitions of a broker become one, so that the other place is free again', async (t) => {
  const logs = await ScriptedLogs.start({ orders: 3 })
  t.after(() => logs.close())
  const consumer = new Consumer({ bootstrapServers: logs.address, autoOffsetReset: 'earliest', fetchMaxWaitMs: 300 })
  t.after(() => {
    consumer.destroy()
  })
  const [zero, one, two] = [0, 1, 2].map((partition) => ({ topic: 'orders', partition }))
  consumer.assign([zero!, one!, two!])
  consumer.pause([one!, two!])
  const record = consumer.getOne(soon())
  const broker = logs.cluster.broker(1)
  const partitionsOf = () => broker.requests(Fetch).map(({ request }) => request.topics[0]!.partitions.length)
  await broker.untilReceived(Fetch, 1)
  assert.deepEqual(partitionsOf(), [1])
  consumer.resume([one!])
  await broker.untilReceived(Fetch, 2)
  assert.deepEqual(partitionsOf(), [1, 1], 'the second place does not wait for the first')
  for (let n = 3; !partitionsOf().includes(2); n++) await broker.untilReceived(Fetch, n)
  const before = performance.now()
  logs.append('orders', 2, ['a'])
  consumer.resume([two!])
  assert.equal(String((await record).value), 'a')
  assert.ok(performance.now() - before < 200, 'what is resumed waits for no long poll')
})
