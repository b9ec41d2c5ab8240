import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { linesOf, uniqueName } from '../support/kafka/kafka.ts'
import { developmentBroker, withoutTools } from './development-broker.ts'
import { numbered, readWithOurs, variedRecords, writeWithOurs } from './support.ts'

const skip = await withoutTools('java', 'mvn')
const broker = await developmentBroker({ after })

test("Kafka's topics tool makes, lists, describes, widens and deletes topics", { skip }, async () => {
  const topic = uniqueName('tool')
  const topics = (...args: string[]): Promise<string> => broker.toolOutput('TopicCommand', args)
  await topics('--create', '--topic', topic, '--partitions', '2', '--config', 'retention.ms=3600000')
  await topics('--alter', '--topic', topic, '--partitions', '3')
  const described = linesOf(await topics('--describe', '--topic', topic))
  assert.match(described[0]!, /PartitionCount: 3\s+ReplicationFactor: 1\s+Configs: .*retention\.ms=3600000/)
  assert.equal(
    described.filter((line) => /Partition: \d+\s+Leader: \d+\s+Replicas: \d+\s+Isr: \d+/.test(line)).length,
    3,
  )
  const again = await broker.tool('TopicCommand', ['--create', '--topic', topic])
  assert.equal(again.code, 1)
  assert.match(again.stdout + again.stderr, /TopicExistsException/)
  await topics('--delete', '--topic', topic)
  assert.ok(!linesOf(await topics('--list')).includes(topic))
})

test("Kafka's configs tool sets a topic's settings and tells them", { skip }, async () => {
  const topic = await broker.createTopic()
  const entity = ['--entity-type', 'topics', '--entity-name', topic]
  await broker.toolOutput('kafka.admin.ConfigCommand', [...entity, '--alter', '--add-config', 'cleanup.policy=compact'])
  const described = await broker.toolOutput('kafka.admin.ConfigCommand', [...entity, '--describe'])
  assert.match(described, /cleanup\.policy=compact/)
  const refused = await broker.tool('kafka.admin.ConfigCommand', [...entity, '--alter', '--add-config', 'no.such=1'])
  assert.equal(refused.code, 1)
})

for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
  test(`the Java producer, idempotent as it is by default, writes ${codec}`, { skip }, async () => {
    const topic = await broker.createTopic()
    const values = numbered('a value that can be compressed, for it says the same again', 500)
    await broker.consoleProducer(
      topic,
      values.map((value, i) => `a:1,b:2,a:3\tk${i}\t${value}`),
      { reading: { 'parse.key': true, 'parse.headers': true }, args: ['--compression-codec', codec] },
    )
    const headers = [
      ['a', '1'],
      ['b', '2'],
      ['a', '3'],
    ]
    assert.deepEqual(
      await readWithOurs(broker, topic, 500),
      values.map((value, i) => ({ key: `k${i}`, value, headers })),
    )
  })
}

test('the Java consumer reads keys, headers and nulls as they were sent, of every codec', { skip }, async () => {
  const topic = await broker.createTopic()
  const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
  for (const codec of codecs) await writeWithOurs(broker, topic, variedRecords, codec)
  const lines = await broker.consoleConsumer(topic, {
    maxMessages: variedRecords.length * codecs.length,
    format: { 'print.key': true, 'print.headers': true, 'print.offset': true, 'key.separator': '|' },
  })
  const shown = ({ key, value, headers }: (typeof variedRecords)[number]): string => {
    const headersShown = headers.map((header) => header.join(':')).join(',') || 'NO_HEADERS'
    return `${headersShown}|${key ?? 'null'}|${value ?? 'null'}`
  }
  assert.deepEqual(
    lines,
    codecs.flatMap((_, round) =>
      variedRecords.map((record, i) => `Offset:${round * variedRecords.length + i}|${shown(record)}`),
    ),
  )
})

test('a Java consumer group goes on where it committed, and its tool tells how far it is', { skip }, async () => {
  const topic = await broker.createTopic({ partitions: 2 })
  const group = uniqueName('group')
  const write = (values: readonly string[]): Promise<void> =>
    writeWithOurs(
      broker,
      topic,
      values.map((value) => ({ key: null, value, headers: [] })),
    )
  const read = (count: number): Promise<string[]> =>
    broker.consoleConsumer(topic, { maxMessages: count, args: ['--group', group] })
  await write(['a', 'b', 'c'])
  assert.deepEqual(await read(3), ['a', 'b', 'c'])
  await write(['d', 'e'])
  const groups = (...args: string[]): Promise<string> => broker.toolOutput('ConsumerGroupCommand', args)
  const described = await groups('--describe', '--group', group)
  const rows = linesOf(described)
    .map((line) => line.split(/\s+/))
    .filter(([name, of]) => name === group && of === topic)
  // group, topic, partition, committed, end, lag
  assert.deepEqual(
    rows.map((row) => row.slice(2, 6)),
    [
      ['0', '3', '5', '2'],
      ['1', '0', '0', '0'],
    ],
  )
  assert.ok(linesOf(await groups('--list')).includes(group))
  assert.deepEqual(await read(2), ['d', 'e'])
  await groups('--delete', '--group', group)
  assert.ok(!linesOf(await groups('--list')).includes(group))
})

test("Kafka's offsets tool tells the ends of partitions", { skip }, async () => {
  const topic = await broker.createTopic({ partitions: 2 })
  await writeWithOurs(broker, topic, variedRecords)
  const offsets = (time: string): Promise<string> =>
    broker.toolOutput('org.apache.kafka.tools.GetOffsetShell', ['--topic', topic, '--time', time])
  assert.deepEqual(linesOf(await offsets('latest')), [`${topic}:0:${variedRecords.length}`, `${topic}:1:0`])
  assert.deepEqual(linesOf(await offsets('earliest')), [`${topic}:0:0`, `${topic}:1:0`])
})
