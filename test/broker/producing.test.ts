import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { ClusterOptions } from '#src/cluster/cluster-options.js'
import type { ProducerOwnOptions } from '#src/producer/producer-options.js'
import { Producer } from '#src/producer/producer.js'
import { startKafka } from '#scripts/kafka.mjs'
import { without } from '../support/kafka/foreign-tools.ts'
import { fromCluster, kafka, linesOf, notInProcess, uniqueName, type Kafka } from '../support/kafka/kafka.ts'

type Options = ProducerOwnOptions & ClusterOptions

function makeProducer(t: TestContext, broker: Kafka, options: Options = {}): Producer {
  const producer = new Producer({ bootstrapServers: broker.bootstrapServers, closeTimeoutMs: 10_000, ...options })
  t.after(() => {
    producer.destroy()
  })
  return producer
}

/** What kcat (librdkafka) reads of a topic up to its end, by its format. */
async function readBack(broker: Kafka, topic: string, format: string): Promise<string[]> {
  return linesOf(await broker.kcat(['-C', '-q', '-e', '-t', topic, '-o', 'beginning', '-f', `${format}\\n`]))
}

test(
  'records of send, sendBatch and enqueue are in the log where the producer says',
  { skip: without('kcat') },
  async (t) => {
    const broker = await kafka()
    const topic = await broker.createTopic({ partitions: 3 })
    const producer = makeProducer(t, broker)
    const expected = new Map<string, string>()
    const sent = await Promise.all(
      Array.from({ length: 300 }, (_, i) => producer.send({ topic, key: `key-${i % 50}`, value: `send-${i}` })),
    )
    sent.forEach(({ partition, offset }, i) => expected.set(`${partition} ${offset}`, `key-${i % 50} send-${i}`))
    const batch = Array.from({ length: 1_000 }, (_, i) => ({ key: `key-${i % 50}`, value: `batch-${i}` }))
    const result = await producer.sendBatch(topic, batch)
    assert.equal(
      result.partitions.reduce((sum, { count }) => sum + count, 0),
      1_000,
    )
    for (let i = 0; i < 200; i++) {
      assert.equal(producer.enqueue({ topic, key: `key-${i % 50}`, value: `enqueue-${i}` }), true)
    }
    await producer.flush()
    await producer.close()
    const log = new Map<string, string>()
    for (const line of await readBack(broker, topic, '%p %o %k %s')) {
      const [partition, offset, key, value] = line.split(' ')
      log.set(`${partition} ${offset}`, `${key} ${value}`)
    }
    assert.equal(log.size, 1_500)
    for (const [place, record] of expected) assert.equal(log.get(place), record)
    const values = [...log.values()].map((record) => record.split(' ')[1]!)
    for (const { partition, baseOffset, count } of result.partitions) {
      for (let i = 0; i < count; i++) assert.match(log.get(`${partition} ${baseOffset! + i}`)!, / batch-/)
    }
    batch.forEach(({ key, value }, i) => {
      const home = result.partitions.find(
        ({ partition }) => log.get(`${partition} ${result.offsetOf(i)}`) === `${key} ${value}`,
      )
      assert.notEqual(home, undefined, `record ${i} is where offsetOf says`)
    })
    assert.equal(values.filter((value) => value.startsWith('enqueue-')).length, 200)
  },
)

test("keys land where librdkafka's murmur2 partitioner puts them", { skip: without('kcat') }, async (t) => {
  const broker = await kafka()
  const [ours, theirs] = await Promise.all([
    broker.createTopic({ partitions: 7 }),
    broker.createTopic({ partitions: 7 }),
  ])
  const keys = Array.from({ length: 100 }, (_, i) => (i % 3 === 0 ? `ключ-${i}` : `key-${i}`))
  const producer = makeProducer(t, broker)
  await producer.sendBatch(
    ours,
    keys.map((key) => ({ key, value: 'x' })),
  )
  const lines = keys.map((key) => `${key}=x\n`).join('')
  await broker.kcat(['-P', '-t', theirs, '-K', '=', '-X', 'topic.partitioner=murmur2_random'], lines)
  const [a, b] = await Promise.all([readBack(broker, ours, '%k %p'), readBack(broker, theirs, '%k %p')])
  assert.deepEqual(a.sort(), b.sort())
})

for (const acks of ['all', -1, 0, 1] as const) {
  test(`acks ${acks} works`, { skip: without('kcat') }, async (t) => {
    const broker = await kafka()
    const topic = await broker.createTopic()
    const producer = makeProducer(t, broker, { acks })
    const { offset } = await producer.send({ topic, value: 'x' })
    assert.equal(offset, acks === 0 ? null : 0)
    await producer.close()
    if (acks === 0) {
      // Nobody says when it is there: whoever reads has to wait for it.
      assert.deepEqual(await broker.consoleConsumer(topic, { maxMessages: 1 }), ['x'])
    } else {
      assert.deepEqual(await readBack(broker, topic, '%s'), ['x'])
    }
  })
}

for (const compression of [
  'gzip',
  'snappy',
  'lz4',
  'zstd',
  { codec: 'gzip', level: 9 },
  { codec: 'zstd', level: 1 },
] as const) {
  const name = typeof compression === 'string' ? compression : `${compression.codec} at level ${compression.level}`
  test(`${name} is read by other clients`, { skip: without('kcat') }, async (t) => {
    const broker = await kafka()
    const topic = await broker.createTopic()
    const producer = makeProducer(t, broker, { compression, lingerMs: 50 })
    const values = Array.from({ length: 500 }, (_, i) => `value ${i} ${'abc '.repeat(i % 40)}`.trim())
    await Promise.all(values.map((value) => producer.send({ topic, value })))
    await producer.close()
    const plain = values.reduce((sum, value) => sum + value.length, 0)
    assert.ok(producer.metrics().bytesSent < plain, 'it was compressed')
    assert.deepEqual(await readBack(broker, topic, '%s'), values)
    if (typeof compression === 'string') {
      assert.deepEqual(await broker.consoleConsumer(topic, { maxMessages: 500 }), values)
    }
  })
}

test('headers keep their order and their repetitions; nulls stay null', { skip: without('kcat') }, async (t) => {
  const broker = await kafka()
  const topic = await broker.createTopic()
  const producer = makeProducer(t, broker)
  const headers = [
    ['trace', 'ä'],
    ['n', Buffer.from('1')],
    ['trace', 'b'],
    ['none', null],
    ['empty', ''],
  ] as const
  await producer.send({ topic, key: null, value: null, headers })
  await producer.send({ topic, key: '', value: '', headers: { list: ['x', 'y'], one: 'z' } })
  await producer.send({ topic, key: 'k', value: 'v', headers: new Map([['m', 'w']]) })
  // %K and %S are the lengths, -1 for null.
  assert.deepEqual(await readBack(broker, topic, '%K %S %h'), [
    '-1 -1 trace=ä,n=1,trace=b,none=NULL,empty=',
    '0 0 list=x,list=y,one=z',
    '1 1 m=w',
  ])
})

test(
  'the timestamp is the one given, or the time of the call, or that of the broker',
  { skip: without('kcat') },
  async (t) => {
    const broker = await kafka()
    const [own, brokers] = await Promise.all([
      broker.createTopic(),
      broker.createTopic({ configs: { 'message.timestamp.type': 'LogAppendTime' } }),
    ])
    const producer = makeProducer(t, broker)
    const before = Date.now()
    const given = await producer.send({ topic: own, value: 'x', timestamp: 1_600_000_000_000 })
    const taken = await producer.send({ topic: own, value: 'y' })
    const appended = await producer.send({ topic: brokers, value: 'z', timestamp: 1_600_000_000_000 })
    const after = Date.now()
    assert.equal(given.timestamp, 1_600_000_000_000)
    for (const { timestamp } of [taken, appended]) assert.ok(timestamp >= before && timestamp <= after)
    assert.deepEqual(await readBack(broker, own, '%T'), ['1600000000000', String(taken.timestamp)])
    assert.deepEqual(await readBack(broker, brokers, '%T'), [String(appended.timestamp)])
  },
)

test(
  'a record larger than the topic takes fails by itself, and others in its batch do not',
  { skip: without('kcat') },
  async (t) => {
    const broker = await kafka()
    const topic = await broker.createTopic({ configs: { 'max.message.bytes': 2_000 } })
    const producer = makeProducer(t, broker, { lingerMs: 100 })
    await producer.partitionsFor(topic)
    const small = Array.from({ length: 10 }, (_, i) => producer.send({ topic, value: `${i}`.padEnd(500) }))
    const large = assert.rejects(producer.send({ topic, value: 'x'.repeat(3_000) }), {
      code: 'MESSAGE_TOO_LARGE',
      persistence: 'not-persisted',
    })
    await Promise.all([...small, large])
    assert.deepEqual(
      (await readBack(broker, topic, '%s')).map((value) => value.trim()),
      Array.from({ length: 10 }, (_, i) => `${i}`),
    )
    await assert.rejects(producer.send({ topic, value: Buffer.alloc(1_100_000) }), {
      message: /11000\d\d bytes.*1048576/,
    })
  },
)

test('an unknown topic is waited for, and is not made by a broker that makes none', async (t) => {
  const broker = await kafka()
  const producer = makeProducer(t, broker, { maxBlockMs: 1_000 })
  const topic = uniqueName('nowhere')
  await assert.rejects(producer.send({ topic, value: 'x' }), {
    code: 'UNKNOWN_TOPIC_OR_PARTITION',
    message: new RegExp(topic),
  })
  await assert.rejects(producer.send({ topic: 'bad name!', value: 'x' }), {
    code: 'INVALID_TOPIC_EXCEPTION',
    message: /'bad name!'/,
  })
  const later = uniqueName('later')
  const sent = makeProducer(t, broker).send({ topic: later, value: 'x' })
  await broker.createTopic({ name: later })
  assert.equal((await sent).offset, 0)
})

const skip = notInProcess('that this file shares makes none')
test('an unknown topic is made by a broker that makes them, and what waited comes in order', { skip }, async (t) => {
  const cluster = await startKafka({ properties: { 'auto.create.topics.enable': true } })
  t.after(() => cluster.stop())
  const broker = fromCluster(cluster)
  const producer = makeProducer(t, broker)
  const topic = uniqueName('made')
  const sent = await Promise.all(
    Array.from({ length: 100 }, (_, i) => producer.send({ topic, partition: 0, value: `${i}` })),
  )
  assert.deepEqual(
    sent.map(({ offset }) => offset),
    sent.map((_, i) => i),
  )
  await producer.close()
})

test('a partition that does not exist is refused with the range', async (t) => {
  const broker = await kafka()
  const topic = await broker.createTopic({ partitions: 3 })
  const producer = makeProducer(t, broker)
  await assert.rejects(producer.send({ topic, partition: 100, value: 'x' }), {
    code: 'INVALID_ARGUMENT',
    message: `there is no partition 100 of topic '${topic}': it has partitions 0 to 2`,
  })
})

test('flush does not wait for linger', async (t) => {
  const broker = await kafka()
  const topic = await broker.createTopic()
  const producer = makeProducer(t, broker, { lingerMs: 60_000 })
  await producer.partitionsFor(topic)
  const sent = producer.send({ topic, value: 'x' })
  const startedAt = performance.now()
  await producer.flush()
  assert.equal((await sent).offset, 0)
  assert.ok(performance.now() - startedAt < 20_000)
})

test('a small memory slows the caller down and loses nothing', { skip: without('kcat') }, async (t) => {
  const broker = await kafka()
  const topic = await broker.createTopic({ partitions: 2 })
  const producer = makeProducer(t, broker, { bufferMemory: 65_536, batchSize: 4_096 })
  await producer.partitionsFor(topic)
  const total = 20_000
  let refused = 0
  for (let i = 0; i < total; i++) {
    while (!producer.enqueue({ topic, partition: i % 2, value: `${i}` })) {
      refused++
      await producer.drained()
    }
  }
  await producer.close()
  assert.ok(refused > 0)
  const log = await readBack(broker, topic, '%p %s')
  for (const partition of [0, 1]) {
    assert.deepEqual(
      log.filter((line) => line.startsWith(`${partition} `)).map((line) => Number(line.slice(2))),
      Array.from({ length: total / 2 }, (_, i) => 2 * i + partition),
    )
  }
})
