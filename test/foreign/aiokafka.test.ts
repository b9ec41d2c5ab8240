import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { uniqueName } from '../support/kafka/kafka.ts'
import { aiokafka, aiokafkaMember } from './aiokafka.ts'
import { developmentBroker, withoutTools } from './development-broker.ts'
import { numbered, readWithOurs, until, variedRecords, writeWithOurs, type PlainRecord } from './support.ts'

const skip = await withoutTools('aiokafka')
const broker = await developmentBroker({ after }, ['--brokers', '3'])
const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

interface Place {
  partition: number
  offset: number
}

const placesFrom = (offset: number, count: number): Place[] =>
  Array.from({ length: count }, (_, i) => ({ partition: 0, offset: offset + i }))

test('aiokafka writes keys, headers and nulls in every codec, idempotently too', { skip }, async () => {
  const topic = await broker.createTopic()
  const count = variedRecords.length
  for (const [i, codec] of codecs.entries()) {
    const job = { do: 'produce' as const, topic, records: variedRecords, codec, idempotent: i % 2 === 1 }
    assert.deepEqual(await aiokafka<Place>(broker, job), placesFrom(i * count, count))
  }
  const read = await readWithOurs(broker, topic, count * codecs.length)
  assert.deepEqual(
    read,
    codecs.flatMap(() => variedRecords),
  )
})

test('aiokafka reads keys, headers and nulls of every codec', { skip }, async () => {
  const topic = await broker.createTopic()
  for (const codec of codecs) await writeWithOurs(broker, topic, variedRecords, codec)
  const count = variedRecords.length * codecs.length
  const read = await aiokafka<PlainRecord & Place>(broker, { do: 'consume', topic, group: uniqueName('group'), count })
  assert.deepEqual(
    read.map(({ key, value, headers }) => ({ key, value, headers })),
    codecs.flatMap(() => variedRecords),
  )
  assert.deepEqual(
    read.map(({ partition, offset }) => ({ partition, offset })),
    placesFrom(0, count),
  )
})

test('aiokafka goes on where the group committed, and tells the offsets', { skip }, async () => {
  const topic = await broker.createTopic()
  const group = uniqueName('group')
  const records = numbered('record', 6).map((value) => ({ key: null, value, headers: [] }))
  await writeWithOurs(broker, topic, records)
  const read = async (count: number): Promise<(string | null)[]> =>
    (await aiokafka<PlainRecord>(broker, { do: 'consume', topic, group, count })).map(({ value }) => value)
  assert.deepEqual(await read(2), ['record-0', 'record-1'])
  assert.deepEqual(await read(3), ['record-2', 'record-3', 'record-4'])
  assert.deepEqual(await aiokafka(broker, { do: 'offsets', topic, group, timestamp: 1 }), [
    { beginning: 0, end: 6, committed: 5, forTime: 0 },
  ])
})

test('two members of aiokafka share the partitions, and when one leaves the other takes over', { skip }, async (t) => {
  const topic = await broker.createTopic({ partitions: 4 })
  const group = uniqueName('group')
  const first = aiokafkaMember(broker, topic, group)
  t.after(() => first.close())
  await until('the first has all', () => first.partitions() === 4)
  const second = aiokafkaMember(broker, topic, group)
  t.after(() => second.close())
  await until('each has two', () => first.partitions() === 2 && second.partitions() === 2)
  await first.close()
  await until('the second has all', () => second.partitions() === 4)
  await writeWithOurs(broker, topic, [{ key: null, value: 'the last', headers: [] }])
  await until('it reads', () => second.values.includes('the last'))
})
