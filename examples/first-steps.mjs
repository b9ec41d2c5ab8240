/**
 * Jackdaw's main job in one page: make a topic, produce, consume in a group, let a second member join.
 * `npm start` runs it; so does `BOOTSTRAP_SERVERS=localhost:9092 node examples/first-steps.mjs`.
 */

import { Admin, Consumer, Producer } from 'jackdaw'

const connection = { bootstrapServers: process.env.BOOTSTRAP_SERVERS ?? 'localhost:9092', clientId: 'first-steps' }
const run = Math.random().toString(36).slice(2, 8)
const topic = `orders-${run}`
const groupId = `billing-${run}`

// 1. A topic of three partitions.
const admin = await new Admin(connection).start()
const [created] = await admin.createTopics([{ name: topic, partitions: 3, replicationFactor: 1 }])
if (created.error) throw created.error
console.log(`made the topic '${topic}' with 3 partitions`)

// 2. Nine orders of three customers. A key always goes to the same partition, so each customer's orders stay in order.
const producer = await new Producer({ ...connection, lingerMs: 5 }).start()
const customers = ['ada', 'grace', 'edsger']
const places = await Promise.all(
  Array.from({ length: 9 }, (_, i) =>
    producer.send({ topic, key: customers[i % 3], value: JSON.stringify({ order: i + 1, total: 10 * (i + 1) }) }),
  ),
)
for (const { partition, offset } of places) console.log(`produced to partition ${partition} at offset ${offset}`)

// 3. One member of a group reads all of them, and says in the group that they are done.
const first = await member('first')
for (let read = 0; read < places.length; read++) {
  const { partition, offset, key, value } = await first.getOne({ signal: AbortSignal.timeout(30_000) })
  console.log(`first member read ${key} ${value} from partition ${partition} at offset ${offset}`)
}
await first.commit()

// 4. A second member joins: the group shares the partitions out anew. Reading is what lets a member take part.
const second = await member('second')
const reading = readUntilClosed(first)
await second.assigned({ signal: AbortSignal.timeout(30_000) })
console.log(`first member now has ${names(first.assignment())}; second member has ${names(second.assignment())}`)

// 5. Everything ends in order: what was accepted is sent, what was read is committed, members leave their group.
await Promise.all([first.close(), second.close(), producer.close()])
await reading
await admin.deleteTopics([topic])
await admin.close()
console.log('done')

/** A started consumer of the group that tells what it is given and what it gives up. */
async function member(name) {
  const consumer = await new Consumer({ ...connection, groupId, autoOffsetReset: 'earliest' }).start()
  await consumer.subscribe([topic], {
    onAssigned: (partitions) => console.log(`${name} member was given ${names(partitions)}`),
    onRevoked: (partitions) => console.log(`${name} member gave up ${names(partitions)}`),
  })
  return consumer
}

async function readUntilClosed(consumer) {
  for await (const { partition, offset } of consumer) console.log(`read partition ${partition}, offset ${offset}`)
}

function names(partitions) {
  if (partitions.length === 0) return 'nothing'
  return partitions.map(({ partition }) => `partition ${partition}`).join(', ')
}
