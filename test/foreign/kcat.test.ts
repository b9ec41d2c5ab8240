import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { linesOf, uniqueName } from '../support/kafka/kafka.ts'
import { developmentBroker, withoutTools } from './development-broker.ts'
import { numbered, readWithOurs, variedRecords, writeWithOurs } from './support.ts'

const skip = await withoutTools('kcat')
const broker = await developmentBroker({ after })

test('kcat lists the broker, its topics and their leaders', { skip }, async () => {
  const topic = await broker.createTopic({ partitions: 3 })
  const metadata = JSON.parse(await broker.kcat(['-L', '-J'])) as {
    brokers: { id: number; name: string }[]
    controllerid: number
    topics: { topic: string; partitions: { partition: number; leader: number; isrs: { id: number }[] }[] }[]
  }
  assert.deepEqual(
    metadata.brokers.map(({ name }) => name),
    broker.bootstrapServers.split(','),
  )
  const ids = metadata.brokers.map(({ id }) => id)
  assert.ok(ids.includes(metadata.controllerid))
  const { partitions } = metadata.topics.find((one) => one.topic === topic)!
  assert.deepEqual(
    partitions.map(({ partition }) => partition),
    [0, 1, 2],
  )
  for (const { leader, isrs } of partitions) {
    assert.ok(ids.includes(leader))
    assert.deepEqual(isrs, [{ id: leader }])
  }
})

for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
  test(`kcat writes and reads ${codec === 'none' ? 'plain batches' : codec}`, { skip }, async () => {
    const topic = await broker.createTopic()
    const values = numbered('a value that can be compressed, for it says the same again', 500)
    await broker.kcat(['-P', '-t', topic, '-z', codec, '-K:'], values.map((value, i) => `k${i}:${value}\n`).join(''))
    const written = values.map((value, i) => ({ key: `k${i}`, value, headers: [] }))
    assert.deepEqual(await readWithOurs(broker, topic, 500), written)
    const theirs = await broker.kcat(['-C', '-q', '-e', '-t', topic, '-o', 'beginning', '-f', '%o %k %s\\n'])
    assert.deepEqual(
      linesOf(theirs),
      values.map((value, i) => `${i} k${i} ${value}`),
    )
    // From the middle of a batch on.
    const tail = await broker.kcat(['-C', '-q', '-e', '-t', topic, '-o', '498', '-f', '%o\\n'])
    assert.deepEqual(linesOf(tail), ['498', '499'])
  })
}

test('kcat reads keys, headers and nulls as they were sent', { skip }, async () => {
  const topic = await broker.createTopic()
  await writeWithOurs(broker, topic, variedRecords)
  const read = await broker.kcat(['-C', '-q', '-e', '-t', topic, '-o', 'beginning', '-f', '%K|%k|%S|%s|%h\\n'])
  assert.deepEqual(
    linesOf(read),
    variedRecords.map(({ key, value, headers }) => {
      const length = (text: string | null): number => (text === null ? -1 : Buffer.byteLength(text))
      const shown = headers.map((header) => header.join('=')).join(',')
      return `${length(key)}|${key ?? ''}|${length(value)}|${value ?? ''}|${shown}`
    }),
  )
})

test('kcat writes headers, keys and tombstones', { skip }, async () => {
  const topic = await broker.createTopic()
  await broker.kcat(['-P', '-t', topic, '-K:', '-H', 'a=1', '-H', 'b=2', '-H', 'a=3'], 'the key:the value\n')
  await broker.kcat(['-P', '-t', topic, '-Z', '-K:'], 'tombstone:\n')
  assert.deepEqual(await readWithOurs(broker, topic, 2), [
    {
      key: 'the key',
      value: 'the value',
      headers: [
        ['a', '1'],
        ['b', '2'],
        ['a', '3'],
      ],
    },
    { key: 'tombstone', value: null, headers: [] },
  ])
})

test('an idempotent producer of librdkafka writes every record once', { skip }, async () => {
  const topic = await broker.createTopic({ partitions: 2 })
  const values = numbered('once', 2_000)
  await broker.kcat(
    ['-P', '-t', topic, '-X', 'enable.idempotence=true', '-X', 'batch.num.messages=50'],
    `${values.join('\n')}\n`,
  )
  const read = await readWithOurs(broker, topic, 2_000)
  assert.deepEqual(read.map(({ value }) => String(value)).toSorted(), values.toSorted())
})

test('a topic that kcat writes to is made when there is none', { skip }, async () => {
  const topic = uniqueName('made')
  await broker.kcat(['-P', '-t', topic], 'first\n')
  assert.deepEqual(await readWithOurs(broker, topic, 1), [{ key: null, value: 'first', headers: [] }])
})

test('kcat finds offsets by time', { skip }, async () => {
  const topic = await broker.createTopic()
  await writeWithOurs(broker, topic, variedRecords)
  const places = [`${topic}:0:-2`, `${topic}:0:-1`, `${topic}:0:1`, `${topic}:0:${Date.now() + 60_000}`]
  const found = await Promise.all(places.map(async (place) => (await broker.kcat(['-Q', '-t', place])).trim()))
  assert.deepEqual(found, [
    `${topic} [0] offset 0`,
    `${topic} [0] offset ${variedRecords.length}`,
    `${topic} [0] offset 0`,
    `${topic} [0] offset -1`,
  ])
})

test('kcat in a group goes on where the group committed', { skip }, async () => {
  const topic = await broker.createTopic({ partitions: 2 })
  const group = uniqueName('group')
  const read = async (count: number): Promise<string[]> =>
    linesOf(
      await broker.kcat(['-G', group, '-q', '-c', String(count), '-X', 'auto.offset.reset=earliest', topic]),
    ).toSorted()
  const produce = async (values: readonly string[]): Promise<void> => {
    for (const [i, value] of values.entries()) {
      await broker.kcat(['-P', '-t', topic, '-p', String(i % 2)], `${value}\n`)
    }
  }
  await produce(['a', 'b', 'c'])
  assert.deepEqual(await read(3), ['a', 'b', 'c'])
  await produce(['d', 'e'])
  assert.deepEqual(await read(2), ['d', 'e'])
})
