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
