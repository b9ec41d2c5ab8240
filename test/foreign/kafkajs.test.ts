import assert from 'node:assert/strict'
import { after, test, type TestContext } from 'node:test'
import { CompressionTypes, Kafka as KafkaJs, logLevel, type Consumer, type KafkaMessage, type Message } from 'kafkajs'
import { uniqueName } from '../support/kafka/kafka.ts'
import { developmentBroker } from './development-broker.ts'
import { numbered, readWithOurs, until, variedRecords, writeWithOurs, type PlainRecord } from './support.ts'

const broker = await developmentBroker({ after })
const client = new KafkaJs({
  clientId: 'kafkajs',
  brokers: broker.bootstrapServers.split(','),
  logLevel: logLevel.NOTHING,
})

/** kafkajs has no headers that come twice in one order: a name has a list of values. */
function toMessage({ key, value, headers }: PlainRecord): Message {
  const byName: Record<string, string[]> = {}
  for (const [name, text] of headers) (byName[name] ??= []).push(text)
  return { key, value, headers: byName }
}

function fromMessage({ key, value, headers = {} }: KafkaMessage): PlainRecord {
  return {
    key: key?.toString() ?? null,
    value: value?.toString() ?? null,
    headers: Object.entries(headers).flatMap(([name, values]) =>
      [values].flat().map((text) => [name, String(text)] as const),
    ),
  }
}

const sorted = ({ headers, ...rest }: PlainRecord): PlainRecord => ({
  ...rest,
  headers: headers.toSorted(([a, x], [b, y]) => (a + x < b + y ? -1 : 1)),
})

/** A member of a group that collects what it reads. */
async function member(t: TestContext, topic: string, groupId: string) {
  const consumer: Consumer = client.consumer({ groupId, heartbeatInterval: 200, maxWaitTimeInMs: 200 })
  t.after(() => consumer.disconnect())
  const records: PlainRecord[] = []
  const state = { partitions: 0 }
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    state.partitions = payload.memberAssignment[topic]?.length ?? 0
  })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    eachMessage: ({ message }) => {
      records.push(fromMessage(message))
      return Promise.resolve()
    },
  })
  return { consumer, records, state }
}

test('the admin of kafkajs makes, lists, describes, widens and deletes topics', async (t) => {
  const admin = client.admin()
  t.after(() => admin.disconnect())
  await admin.connect()
  const topic = uniqueName('kafkajs')
  const wanted = { topic, numPartitions: 2, configEntries: [{ name: 'retention.ms', value: '3600000' }] }
  assert.equal(await admin.createTopics({ topics: [wanted], waitForLeaders: true }), true)
  assert.equal(await admin.createTopics({ topics: [wanted] }), false)
  assert.ok((await admin.listTopics()).includes(topic))
  await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] })
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
  assert.deepEqual(
    topics[0]!.partitions.map(({ partitionId }) => partitionId).toSorted((a, b) => a - b),
    [0, 1, 2],
  )
  await writeWithOurs(broker, topic, variedRecords)
  const offsets = await admin.fetchTopicOffsets(topic)
  assert.deepEqual(
    offsets.toSorted((a, b) => a.partition - b.partition),
    [String(variedRecords.length), '0', '0'].map((high, partition) => ({ partition, offset: high, high, low: '0' })),
  )
  const { brokers, clusterId } = await admin.describeCluster()
  assert.equal(brokers.length, broker.bootstrapServers.split(',').length)
  assert.ok(clusterId.length > 0)
  await admin.deleteTopics({ topics: [topic] })
  assert.ok(!(await admin.listTopics()).includes(topic))
})

for (const codec of ['None', 'GZIP'] as const) {
  test(`kafkajs writes keys, headers and nulls, compression ${codec}`, async (t) => {
    const topic = await broker.createTopic()
    const producer = client.producer()
    t.after(() => producer.disconnect())
    await producer.connect()
    const [told] = await producer.send({
      topic,
      compression: CompressionTypes[codec],
      messages: variedRecords.map(toMessage),
    })
    assert.deepEqual([told!.partition, told!.baseOffset], [0, '0'])
    const read = await readWithOurs(broker, topic, variedRecords.length)
    assert.deepEqual(read.map(sorted), variedRecords.map(sorted))
  })
}

test('an idempotent producer of kafkajs writes every record once, in order', async (t) => {
  const topic = await broker.createTopic()
  const producer = client.producer({ idempotent: true, maxInFlightRequests: 1 })
  t.after(() => producer.disconnect())
  await producer.connect()
  const values = numbered('once', 20)
  for (const value of values) await producer.send({ topic, messages: [{ value }] })
  const read = await readWithOurs(broker, topic, 20)
  assert.deepEqual(
    read.map(({ value }) => value),
    values,
  )
})

test('kafkajs reads keys, headers and nulls as they were sent, and goes on where the group committed', async (t) => {
  const topic = await broker.createTopic()
  const groupId = uniqueName('group')
  await writeWithOurs(broker, topic, variedRecords)
  await writeWithOurs(broker, topic, variedRecords, 'gzip')
  const first = await member(t, topic, groupId)
  await until('all are read', () => first.records.length >= variedRecords.length * 2)
  assert.deepEqual(first.records.map(sorted), [...variedRecords, ...variedRecords].map(sorted))
  await first.consumer.disconnect()
  await writeWithOurs(broker, topic, [{ key: null, value: 'later', headers: [] }])
  const second = await member(t, topic, groupId)
  await until('the new one is read', () => second.records.length > 0)
  assert.deepEqual(second.records, [{ key: null, value: 'later', headers: [] }])
})

test('two members of kafkajs share the partitions, and when one leaves the other takes over', async (t) => {
  const topic = await broker.createTopic({ partitions: 4 })
  const groupId = uniqueName('group')
  const first = await member(t, topic, groupId)
  await until('the first has all', () => first.state.partitions === 4)
  const second = await member(t, topic, groupId)
  await until('each has two', () => first.state.partitions === 2 && second.state.partitions === 2)
  await first.consumer.disconnect()
  await until('the second has all', () => second.state.partitions === 4)
  const admin = client.admin()
  t.after(() => admin.disconnect())
  await admin.connect()
  const { groups } = await admin.describeGroups([groupId])
  assert.deepEqual([groups[0]!.state, groups[0]!.protocolType, groups[0]!.members.length], ['Stable', 'consumer', 1])
  await second.consumer.disconnect()
  await admin.deleteGroups([groupId])
  assert.ok(!(await admin.listGroups()).groups.some((group) => group.groupId === groupId))
})
