import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Consumer } from '#src/consumer/consumer.js'
import { Producer } from '#src/producer/producer.js'

// Nothing is sent or asked: a misspelled option is refused before anything else.
const complaint = (message: string): object => ({ name: 'InvalidArgumentError', message })

test('an option that a call does not have is refused, with those it has', async (t) => {
  const producer = new Producer()
  const consumer = new Consumer()
  t.after(() => Promise.all([producer.close(), consumer.close()]))
  const misspelled = { timeout: 5 } as object
  const record = { topic: 'orders', value: null }
  await assert.rejects(producer.send(record, misspelled), complaint("send has no option 'timeout'; it has signal"))
  await assert.rejects(
    producer.sendBatch('orders', [record], misspelled),
    complaint("sendBatch has no option 'timeout'; it has signal"),
  )
  await assert.rejects(
    consumer.getMany(misspelled),
    complaint("getMany has no option 'timeout'; it has partitions, timeoutMs, maxRecords, signal"),
  )
  await assert.rejects(
    consumer.getOne(misspelled),
    complaint("getOne has no option 'timeout'; it has partitions, signal"),
  )
  await assert.rejects(consumer.close(misspelled), complaint("close has no option 'timeout'; it has group"))
})

test('a signal that is none, and options that are no object, are refused', async (t) => {
  const producer = new Producer()
  const consumer = new Consumer()
  t.after(() => Promise.all([producer.close(), consumer.close()]))
  const record = { topic: 'orders', value: null }
  const wrong = { signal: new AbortController() } as object
  const calls: Record<string, (options: object) => Promise<unknown>> = {
    start: (options) => producer.start(options),
    send: (options) => producer.send(record, options),
    sendBatch: (options) => producer.sendBatch('orders', [record], options),
    flush: (options) => producer.flush(options),
    drained: (options) => producer.drained(options),
    partitionsFor: (options) => producer.partitionsFor('orders', options),
    getMany: (options) => consumer.getMany(options),
  }
  for (const [name, call] of Object.entries(calls)) {
    await assert.rejects(
      call(wrong),
      complaint(`the signal of ${name} must be an AbortSignal, not a AbortController`),
      name,
    )
    await assert.rejects(
      call(5 as unknown as object),
      complaint(`the options of ${name} must be an object, not 5`),
      name,
    )
  }
  await assert.rejects(
    producer.flush({ timeoutMs: 5 } as object),
    complaint("flush has no option 'timeoutMs'; it has signal"),
  )
})
