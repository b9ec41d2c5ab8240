import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { after, test, type TestContext } from 'node:test'
import { Kafka as KafkaJs, logLevel } from 'kafkajs'
import { linesOf, uniqueName } from '../support/kafka/kafka.ts'
import { aiokafkaMember } from './aiokafka.ts'
import { developmentBroker, withoutTools } from './development-broker.ts'
import { range } from './kafkajs-range.ts'
import { numbered, ourMember, until } from './support.ts'

// Before the first test: a wait between two tests lets the runner believe that there are no more.
const noKcat = await withoutTools('kcat')
const noPython = await withoutTools('kcat', 'aiokafka')
const noJava = await withoutTools('java', 'mvn', 'kcat')
// Three brokers: who coordinates a group need not lead its partitions.
const broker = await developmentBroker({ after }, ['--brokers', '3'])

interface Member {
  /** What it has read. */
  readonly values: string[]
  /** Leaves the group. Idempotent. */
  close(): Promise<void>
}

/** kcat as a member of a group, which leaves in order at SIGTERM. */
function kcatMember(t: TestContext, topic: string, group: string): Member {
  const settings = ['auto.offset.reset=earliest', 'heartbeat.interval.ms=200', 'auto.commit.interval.ms=200']
  const args = [
    '-b',
    broker.bootstrapServers,
    '-G',
    group,
    '-q',
    '-u',
    ...settings.flatMap((one) => ['-X', one]),
    topic,
  ]
  const child = spawn('kcat', args, { stdio: ['ignore', 'pipe', 'ignore'] })
  const exited = once(child, 'exit')
  const values: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => values.push(line))
  const close = async (): Promise<void> => {
    child.kill('SIGTERM')
    await exited
  }
  t.after(close)
  return { values, close }
}

async function kafkajsMember(t: TestContext, topic: string, groupId: string) {
  const client = new KafkaJs({ brokers: broker.bootstrapServers.split(','), logLevel: logLevel.NOTHING })
  const consumer = client.consumer({
    groupId,
    partitionAssigners: [range],
    heartbeatInterval: 200,
    maxWaitTimeInMs: 200,
  })
  t.after(() => consumer.disconnect())
  const values: string[] = []
  let partitions = 0
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    partitions = payload.memberAssignment[topic]?.length ?? 0
  })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    eachMessage: ({ message }) => {
      values.push(String(message.value))
      return Promise.resolve()
    },
  })
  return { values, partitions: () => partitions, close: () => consumer.disconnect() }
}

/** Writes a value into each of four partitions. */
async function writeToEach(topic: string, values: readonly string[]): Promise<void> {
  for (const [partition, value] of values.entries()) {
    await broker.kcat(['-P', '-t', topic, '-p', String(partition)], `${value}\n`)
  }
}

/** Both read, each about half, none twice; when one leaves, the other goes on where it committed. */
async function shareAndTakeOver(topic: string, stays: Member, leaves: Member): Promise<void> {
  const together = numbered('together', 4)
  await writeToEach(topic, together)
  await until('all are read', () => stays.values.length + leaves.values.length >= 4)
  assert.deepEqual([...stays.values, ...leaves.values].toSorted(), together)
  assert.deepEqual([stays.values.length, leaves.values.length], [2, 2])
  await leaves.close()
  const alone = numbered('alone', 4)
  await writeToEach(topic, alone)
  await until('the one that stays reads all', () => stays.values.length >= 6)
  assert.deepEqual(stays.values.slice(2).toSorted(), alone)
}

test('kcat joins our group, and takes over when we leave', { skip: noKcat }, async (t) => {
  const topic = await broker.createTopic({ partitions: 4 })
  const groupId = uniqueName('group')
  const ours = await ourMember(broker, topic, { groupId, autoCommitIntervalMs: 100 })
  t.after(() => ours.close())
  await until('ours has all', () => ours.partitions() === 4)
  const kcat = kcatMember(t, topic, groupId)
  await until('ours has two', () => ours.partitions() === 2)
  await shareAndTakeOver(topic, kcat, ours)
})

test('we join the group of kcat, and take over when it leaves', { skip: noKcat }, async (t) => {
  const topic = await broker.createTopic({ partitions: 4 })
  const groupId = uniqueName('group')
  const kcat = kcatMember(t, topic, groupId)
  await writeToEach(topic, ['first'])
  await until('kcat reads', () => kcat.values.length === 1)
  kcat.values.length = 0
  const ours = await ourMember(broker, topic, { groupId })
  t.after(() => ours.close())
  await until('ours has two', () => ours.partitions() === 2)
  await shareAndTakeOver(topic, ours, kcat)
})

test('aiokafka joins the group of kcat, and takes over when it leaves', { skip: noPython }, async (t) => {
  const topic = await broker.createTopic({ partitions: 4 })
  const group = uniqueName('group')
  const kcat = kcatMember(t, topic, group)
  await writeToEach(topic, ['first'])
  await until('kcat reads', () => kcat.values.length === 1)
  kcat.values.length = 0
  const python = aiokafkaMember(broker, topic, group)
  t.after(() => python.close())
  await until('aiokafka has two', () => python.partitions() === 2)
  await shareAndTakeOver(topic, python, kcat)
})

test('kafkajs and ours share a group, and we take over', { skip: noKcat }, async (t) => {
  const topic = await broker.createTopic({ partitions: 4 })
  const groupId = uniqueName('group')
  const kafkajs = await kafkajsMember(t, topic, groupId)
  await until('kafkajs has all', () => kafkajs.partitions() === 4)
  // kafkajs leads: it is its range assignor that tells us what we get.
  const ours = await ourMember(broker, topic, { groupId, assignors: ['range'] })
  t.after(() => ours.close())
  await until('each has two', () => ours.partitions() === 2 && kafkajs.partitions() === 2)
  await shareAndTakeOver(topic, ours, kafkajs)
})

test('a Java member joins the group of kafkajs, and kafkajs takes over when it leaves', { skip: noJava }, async (t) => {
  const topic = await broker.createTopic({ partitions: 4 })
  const groupId = uniqueName('group')
  const kafkajs = await kafkajsMember(t, topic, groupId)
  await until('kafkajs has all', () => kafkajs.partitions() === 4)
  const java = broker.consoleConsumer(topic, { maxMessages: 2, args: ['--group', groupId] })
  await until('kafkajs has two', () => kafkajs.partitions() === 2)
  const together = numbered('together', 4)
  await writeToEach(topic, together)
  const javaRead = await java
  await until('kafkajs has all again', () => kafkajs.partitions() === 4)
  assert.deepEqual([...javaRead, ...kafkajs.values].toSorted(), together)
  const described = await broker.toolOutput('ConsumerGroupCommand', ['--describe', '--group', groupId, '--members'])
  assert.equal(linesOf(described).filter((line) => line.startsWith(groupId)).length, 1)
})

test('clients without an assignor in common are not let into one group', async (t) => {
  const topic = await broker.createTopic()
  const groupId = uniqueName('group')
  const ours = await ourMember(broker, topic, { groupId })
  t.after(() => ours.close())
  await until('ours has it', () => ours.partitions() === 1)
  const client = new KafkaJs({
    brokers: broker.bootstrapServers.split(','),
    logLevel: logLevel.NOTHING,
    retry: { retries: 0 },
  })
  const theirs = client.consumer({ groupId })
  t.after(() => theirs.disconnect())
  const crashed = new Promise<string>((resolve) => {
    theirs.on(theirs.events.CRASH, ({ payload }) => {
      resolve((payload.error as Error & { type?: string }).type ?? payload.error.name)
    })
  })
  await theirs.connect()
  await theirs.subscribe({ topic })
  await theirs.run({ eachMessage: () => Promise.resolve() }).catch(() => {}) // CRASH tells why
  assert.equal(await crashed, 'INCONSISTENT_GROUP_PROTOCOL')
})
