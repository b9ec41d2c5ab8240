/**
 * Reads orders, writes invoices, and commits how far it has come, all in transactions: whatever crashes in between, each
 * order has one invoice. Run it with a broker at localhost:9092, or at BOOTSTRAP_SERVERS:
 *
 *     node examples/exactly-once.mjs
 */

import { Admin, Consumer, Producer, TransactionalProducer } from 'jackdaw'

const connection = { bootstrapServers: process.env.BOOTSTRAP_SERVERS ?? 'localhost:9092', clientId: 'exactly-once' }
const run = Date.now()
const [orders, invoices] = [`orders-${run}`, `invoices-${run}`]
const count = 1_000

const admin = new Admin(connection)
await admin.createTopics([orders, invoices].map((name) => ({ name, partitions: 3 })))
await admin.close()

const shop = new Producer(connection)
await shop.sendBatch(
  orders,
  Array.from({ length: count }, (_, i) => ({ key: `customer-${i % 10}`, value: `order ${i}` })),
)
await shop.close()

const consumer = new Consumer({
  ...connection,
  groupId: `billing-${run}`,
  autoCommit: false, // the transaction commits
  autoOffsetReset: 'earliest',
  isolationLevel: 'read_committed',
})
// The id names this instance: whoever starts later under the same one takes over, and this one is fenced.
const producer = new TransactionalProducer({ ...connection, transactionalId: `billing-${run}-0` })
await Promise.all([producer.start(), consumer.subscribe([orders])])

let transactions = 0
let mistakes = 0
for (let billed = 0; billed < count;) {
  const records = await consumer.getMany({ maxRecords: 100 })
  try {
    await producer.transaction(async (tx) => {
      for (const { key, value } of records) {
        // What fails here is told by the end of the transaction.
        void tx.send({ topic: invoices, key, value: `invoice for ${String(value)}` })
      }
      await tx.sendOffsets(records.nextOffsets(), records.groupMetadata)
      // Sometimes something goes wrong in the middle.
      if (++transactions % 4 === 0) throw new Error('the printer is out of paper')
    })
    billed += records.size
  } catch (error) {
    console.log(`a transaction of ${records.size} records was aborted: ${String(error)}`)
    mistakes++
    // Nothing of it counts: the same records come again.
    await consumer.seekToCommitted()
  }
}
await Promise.all([producer.close(), consumer.close()])

// Whoever reads what was committed sees each order once.
const reader = new Consumer({ ...connection, isolationLevel: 'read_committed', autoOffsetReset: 'earliest' })
reader.assign([0, 1, 2].map((partition) => ({ topic: invoices, partition })))
const seen = new Set()
let read = 0
while (read < count) {
  for (const { value } of await reader.getMany()) {
    seen.add(String(value))
    read++
  }
}
await reader.close()
console.log(`${count} orders, ${read} invoices, ${seen.size} of them different, after ${mistakes} aborted transactions`)
if (seen.size !== count || read !== count) process.exitCode = 1
