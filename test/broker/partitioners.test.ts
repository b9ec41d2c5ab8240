/** Keys land where other clients put them, so that a topic may be written by both. */

import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { Producer } from '#src/producer/producer.js'
import type { Partitioner } from '#src/producer/partitioner.js'
import { without } from '../support/kafka/foreign-tools.ts'
import { kafka, linesOf, type Kafka } from '../support/kafka/kafka.ts'

const partitions = 13
const keys = [
  ...Array.from({ length: 300 }, (_, i) => `key-${i}`),
  ...['ü', 'ключ', '鍵', '🔑', 'a b', '!', 'x'.repeat(5_000)],
]

async function placesOf(broker: Kafka, topic: string): Promise<Map<string, number>> {
  const lines = linesOf(await broker.kcat(['-C', '-q', '-e', '-t', topic, '-o', 'beginning', '-f', '%p %k\\n']))
  return new Map(lines.map((line) => [line.slice(line.indexOf(' ') + 1), Number(line.slice(0, line.indexOf(' ')))]))
}

async function makeProducer(t: TestContext, broker: Kafka, partitioner: Partitioner): Promise<Producer> {
  const producer = new Producer({ bootstrapServers: broker.bootstrapServers, closeTimeoutMs: 10_000, partitioner })
  t.after(() => {
    producer.destroy()
  })
  return producer.start()
}

for (const [ours, theirs] of [
  ['consistent-random', 'consistent_random'],
  ['murmur2-random', 'murmur2_random'],
  ['default', 'murmur2'],
] as const) {
  test(`'${ours}' puts keys where librdkafka's ${theirs} puts them`, { skip: without('kcat') }, async (t) => {
    const broker = await kafka()
    const [topic, reference] = await Promise.all([
      broker.createTopic({ partitions }),
      broker.createTopic({ partitions }),
    ])
    const producer = await makeProducer(t, broker, ours)
    await producer.sendBatch(
      topic,
      keys.map((key, i) => ({ key: i % 2 === 0 ? key : Buffer.from(key), value: '' })),
    )
    await broker.kcat(
      ['-P', '-t', reference, '-K\t', '-X', `topic.partitioner=${theirs}`],
      keys.map((key) => `${key}\tvalue\n`).join(''),
    )
    const expected = await placesOf(broker, reference)
    assert.equal(expected.size, keys.length)
    assert.equal(new Set(expected.values()).size, partitions, 'every partition was met')
    assert.deepEqual(await placesOf(broker, topic), expected)
  })
}

test(
  "with 'consistent-random' an empty key is as good as none, and stays a key",
  { skip: without('kcat') },
  async (t) => {
    const broker = await kafka()
    const topic = await broker.createTopic({ partitions })
    const producer = await makeProducer(t, broker, 'consistent-random')
    for (const key of ['', new Uint8Array(), null]) {
      const { partitions: met } = await producer.sendBatch(
        topic,
        Array.from({ length: 200 }, () => ({ key, value: 'v' })),
      )
      assert.ok(met.length > partitions / 2, `only ${met.length} partitions for ${String(key)}`)
    }
    const lengths = linesOf(await broker.kcat(['-C', '-q', '-e', '-t', topic, '-o', 'beginning', '-f', '%K\\n']))
    assert.deepEqual(
      [...new Set(lengths)].sort().map((length) => [length, lengths.filter((one) => one === length).length]),
      [
        ['-1', 200],
        ['0', 400],
      ],
    )
  },
)
