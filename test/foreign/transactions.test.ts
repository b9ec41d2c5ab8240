/** Transactions of clients that are not ours, read by others that are not ours either. */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Kafka as KafkaJs, logLevel } from 'kafkajs'
import { fetchKafka, runCommand } from '#scripts/kafka.mjs'
import { linesOf, uniqueName } from '../support/kafka/kafka.ts'
import { aiokafka } from './aiokafka.ts'
import { developmentBroker, withoutTools } from './development-broker.ts'
import { numbered, writeWithOurs, type PlainRecord } from './support.ts'

const withoutPython = await withoutTools('aiokafka')
const withoutJava = await withoutTools('java', 'mvn')
const withoutKcat = await withoutTools('kcat')
const broker = await developmentBroker({ after }, ['--brokers', '3'])
const program = new URL('../../../test/broker/java/Transactions.java', import.meta.url).pathname

/** Has the Java producer write transactions: `commit:a,b`, `abort:c`, `leave:d`. */
async function writeWithJava(transactionalId: string, topic: string, ...steps: string[]): Promise<void> {
  const classPath = join(await fetchKafka(broker.version), '*')
  const command = ['java', '-cp', classPath, program, broker.bootstrapServers, transactionalId, topic, ...steps]
  const { code, stderr } = await runCommand(command)
  assert.equal(code, 0, stderr)
}

async function write(topic: string, values: readonly string[]): Promise<void> {
  await writeWithOurs(
    broker,
    topic,
    values.map((value) => ({ key: null, value, headers: [] })),
  )
}

test(
  'what Java commits, Java and kcat read as committed, and nothing that it aborted or left behind',
  { skip: withoutJava || withoutKcat },
  async () => {
    const topic = await broker.createTopic()
    const transactionalId = uniqueName('java')
    await writeWithJava(transactionalId, topic, 'abort:a1,a2', 'commit:c1,c2', 'abort:a3', 'commit:c3', 'leave:open')
    await write(topic, ['behind it'])
    const withKcat = async (isolation: string): Promise<string[]> => {
      const args = ['-C', '-t', topic, '-o', 'beginning', '-e', '-q', '-X', `isolation.level=${isolation}`]
      return linesOf(await broker.kcat(args))
    }
    assert.deepEqual(await withKcat('read_committed'), ['c1', 'c2', 'c3'])
    const all = ['a1', 'a2', 'c1', 'c2', 'a3', 'c3', 'open', 'behind it']
    assert.deepEqual(await withKcat('read_uncommitted'), all)
    // Who takes the id has the transaction aborted that was left open.
    await writeWithJava(transactionalId, topic, 'commit:c4')
    const committed = ['c1', 'c2', 'c3', 'behind it', 'c4']
    const isolation = ['--isolation-level', 'read_committed']
    const read = await broker.consoleConsumer(topic, { maxMessages: committed.length, args: isolation })
    assert.deepEqual(read, committed)
  },
)

test(
  "Kafka's transactions tool lists and describes them, and what partitions know",
  { skip: withoutJava },
  async () => {
    const topic = await broker.createTopic()
    const transactionalId = uniqueName('java')
    await writeWithJava(transactionalId, topic, 'commit:c1', 'leave:open')
    const tool = async (...args: string[]): Promise<string[][]> => {
      const output = await broker.toolOutput('org.apache.kafka.tools.TransactionsCommand', args)
      return linesOf(output).map((line) => line.trim().split(/\s+/))
    }
    const listed = (await tool('list')).find(([id]) => id === transactionalId)!
    // id, coordinator, producer id, state
    assert.equal(listed[3], 'Ongoing')
    const described = (await tool('describe', '--transactional-id', transactionalId)).find((row) =>
      row.includes(transactionalId),
    )!
    assert.ok(described.includes('Ongoing') && described.includes(`${topic}-0`), described.join(' '))
    const [head, row] = await tool('describe-producers', '--topic', topic, '--partition', '0')
    const producer = Object.fromEntries(head!.map((name, i) => [name, row![i]]))
    assert.equal(producer['ProducerId'], listed[2])
    assert.equal(producer['CurrentTransactionStartOffset'], '2')
    await tool('abort', '--topic', topic, '--partition', '0', '--start-offset', '2')
    await write(topic, ['behind it'])
    const read = await broker.consoleConsumer(topic, { maxMessages: 2, args: ['--isolation-level', 'read_committed'] })
    assert.deepEqual(read, ['c1', 'behind it'])
  },
)

test(
  'aiokafka copies in transactions, records and offsets together: what it aborts it reads again',
  { skip: withoutPython },
  async () => {
    const topic = await broker.createTopic()
    const to = await broker.createTopic()
    const group = uniqueName('group')
    const transactionalId = uniqueName('aiokafka')
    await write(topic, numbered('r', 6))
    const copy = (count: number, end: 'commit' | 'abort'): Promise<{ offset: number }[]> =>
      aiokafka(broker, { do: 'transact', topic, to, group, transactionalId, count, end })
    assert.equal((await copy(2, 'commit')).length, 2)
    assert.equal((await copy(3, 'abort')).length, 3)
    assert.equal((await copy(4, 'commit')).length, 4)
    const read = await aiokafka<PlainRecord & { offset: number }>(broker, {
      do: 'consume',
      topic: to,
      group: uniqueName('group'),
      isolation: 'read_committed',
      count: 6,
    })
    assert.deepEqual(
      read.map(({ value }) => value),
      numbered('R', 6),
    )
    // Three transactions have three markers, and one of them three records that nobody sees.
    assert.deepEqual(
      read.map(({ offset }) => offset),
      [0, 1, 7, 8, 9, 10],
    )
    const [offsets] = await aiokafka<{ committed: number }>(broker, { do: 'offsets', topic, group, timestamp: 1 })
    assert.equal(offsets!.committed, 6)
  },
)

test('kafkajs writes transactions over several partitions, with offsets, and reads what was committed', async (t) => {
  const topic = await broker.createTopic({ partitions: 3 })
  const groupId = uniqueName('group')
  const client = new KafkaJs({ brokers: broker.bootstrapServers.split(','), logLevel: logLevel.NOTHING })
  const producer = client.producer({ transactionalId: uniqueName('kafkajs'), maxInFlightRequests: 1, idempotent: true })
  t.after(() => producer.disconnect())
  await producer.connect()
  const messages = (prefix: string) =>
    [0, 1, 2].map((partition) => ({ partition, key: String(partition), value: `${prefix}-${partition}` }))
  for (const [prefix, end] of [
    ['one', 'commit'],
    ['two', 'abort'],
    ['three', 'commit'],
  ] as const) {
    const transaction = await producer.transaction()
    await transaction.send({ topic, messages: messages(prefix) })
    const offset = String(prefix.length)
    await transaction.sendOffsets({
      consumerGroupId: groupId,
      topics: [{ topic, partitions: [{ partition: 0, offset }] }],
    })
    await transaction[end]()
  }
  const consumer = client.consumer({ groupId: uniqueName('group'), readUncommitted: false, maxWaitTimeInMs: 200 })
  t.after(() => consumer.disconnect())
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const values = await new Promise<string[]>((resolve, reject) => {
    const read: string[] = []
    consumer
      .run({
        eachMessage: ({ message }) => {
          read.push(String(message.value))
          if (read.length === 6) resolve(read)
          return Promise.resolve()
        },
      })
      .catch(reject)
  })
  assert.deepEqual(values.sort(), [...messages('one'), ...messages('three')].map(({ value }) => value).sort())
  const admin = client.admin()
  t.after(() => admin.disconnect())
  await admin.connect()
  const [committed] = await admin.fetchOffsets({ groupId, topics: [topic] })
  assert.equal(committed!.partitions.find(({ partition }) => partition === 0)!.offset, String('three'.length))
})
