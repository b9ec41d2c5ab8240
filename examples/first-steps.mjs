// First steps with Jackdaw: make a topic, produce ten orders, read them back as a member of a group, let a second member
// join. `npm start` runs this.
//
//     BOOTSTRAP_SERVERS=localhost:9092 node examples/first-steps.mjs

import { EventEmitter, once } from 'node:events'
import { Admin, Consumer, Producer } from 'jackdaw'

const connection = {
  bootstrapServers: process.env.BOOTSTRAP_SERVERS ?? 'localhost:9092',
  clientId: 'first-steps',
}
const topic = `first-steps-${Date.now()}`
const customers = ['Ada', 'Grace', 'Barbara']
const assignments = new EventEmitter()

// 1. A topic. Each result has its own error, so that one bad topic takes nothing from the others.
const admin = new Admin(connection)
await admin.start()
const [created] = await admin.createTopics([{ name: topic, partitions: 3 }])
if (created.error !== null) throw created.error
console.log(`created topic '${topic}' with ${created.partitions ?? 3} partitions`)

// 2. Records. `send` resolves once the cluster has the record; one customer's orders stay in order, in one partition.
const producer = new Producer(connection)
await producer.start()
const sent = await Promise.all(
  Array.from({ length: 10 }, (_, i) => {
    const customer = customers[i % customers.length]
    const order = { number: i + 1, item: `book ${i + 1}` }
    return producer.send({ topic, key: customer, value: JSON.stringify(order), headers: { source: 'example' } })
  }),
)
for (const { partition, offset } of sent) console.log(`  sent to partition ${partition}, offset ${offset}`)
await producer.close()

// 3. A consumer in a group: it is given the partitions, reads on from what the group has committed, and commits.
const consumer = await joinGroup('first')
let count = 0
for await (const record of consumer) {
  const { number, item } = JSON.parse(String(record.value))
  console.log(
    `  ${String(record.key)} ordered ${item}: partition ${record.partition}, offset ${record.offset} (order ${number})`,
  )
  count++
  if (count === sent.length) break
}
await consumer.commit()
console.log(`read ${count} of ${sent.length} records, and committed them`)

// 4. A second member joins, and the group shares the work out anew. Whoever reads takes part in that; each member is told
// what it is given at a moment of its own.
const signal = AbortSignal.timeout(30_000)
const sharedAnew = once(assignments, 'first', { signal })
const newcomer = await joinGroup('second')
const reading = readUntilClosed(consumer)
await Promise.all([sharedAnew, newcomer.assigned({ signal })])
console.log(`first member has ${names(consumer.assignment())}, second member has ${names(newcomer.assignment())}`)
await newcomer.close()
await consumer.close()
await reading

// 5. Tidy up.
const [deleted] = await admin.deleteTopics([topic])
if (deleted.error !== null) throw deleted.error
await admin.close()
console.log('deleted the topic: done')

async function joinGroup(name) {
  const member = new Consumer({ ...connection, groupId: `${topic}-readers`, autoOffsetReset: 'earliest' })
  await member.start()
  await member.subscribe([topic], {
    onAssigned: (partitions) => {
      console.log(`${name} member of the group: given ${names(partitions)}`)
      assignments.emit(name)
    },
    onRevoked: (partitions) => console.log(`${name} member of the group: gave up ${names(partitions)}`),
  })
  return member
}

async function readUntilClosed(member) {
  for await (const record of member) console.log(`  partition ${record.partition}, offset ${record.offset}`)
}

function names(partitions) {
  if (partitions.length === 0) return 'no partitions'
  return partitions.map(({ partition }) => `partition ${partition}`).join(' and ')
}
