/** What a producer says of records that cannot be taken: which of them, why, and what of their neighbours. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KafkaError } from '#src/errors/kafka-error.js'
import { DeliveryError, SendBatchError } from '#src/index.js'
import type { ProducerRecord } from '#src/producer/producer-record.js'
import { Producer } from '#src/producer/producer.js'
import { without } from '../support/kafka/foreign-tools.ts'
import { kafka, notInProcess } from '../support/kafka/kafka.ts'
import { makeProducer, numbered, readBack } from './producing-support.ts'

const compact = { 'cleanup.policy': 'compact' }
const skip = without('kcat')

/** The keys of ten records; those without one are what a compacted topic blames. */
const keys = ['a', 'b', null, 'c', 'd', 'e', null, 'f', 'g', 'h']
const blamed = [2, 6]

test('of records in one batch, the one that a compacted topic blames hears why, and the others what kept them (KIP-467)', async (t) => {
  const broker = await kafka()
  const topic = await broker.createTopic({ configs: compact })
  const producer = makeProducer(t, broker, { lingerMs: 200 })
  await producer.partitionsFor(topic)
  const outcomes = await Promise.allSettled(keys.map((key, i) => producer.send({ topic, key, value: `${i}` })))
  assert.equal(producer.metrics().batchesSent, 1, 'they travelled together')
  outcomes.forEach((outcome, i) => {
    assert.ok(outcome.status === 'rejected')
    const error = outcome.reason as KafkaError
    assert.equal(error.code, 'INVALID_RECORD')
    assert.equal(error.persistence, 'not-persisted')
    assert.match(error.message, new RegExp(`partition 0 of '${topic}'`))
    if (blamed.includes(i)) assert.match(error.message, /did not take a record: INVALID_RECORD \(.+\)/)
    else assert.match(error.message, /because of others in its batch/)
  })
  assert.equal((await producer.send({ topic, key: 'k', value: 'fine' })).offset, 0)
})

test('sendBatch lists each of them with its own words, and enqueue tells how many', async (t) => {
  const broker = await kafka()
  const [topic, other] = await Promise.all([
    broker.createTopic({ configs: compact, partitions: 2 }),
    broker.createTopic({ configs: compact }),
  ])
  const told: { code: string; count: number }[] = []
  const producer = makeProducer(t, broker, {
    lingerMs: 200,
    onDeliveryError: (error, { count }) => told.push({ code: (error as KafkaError).code, count }),
  })
  await Promise.all([producer.partitionsFor(topic), producer.partitionsFor(other)])
  // What goes to partition 1 is of another batch, and taken.
  const records = keys.flatMap((key, i) => [
    { key, value: `${i}`, partition: 0 },
    { key: 'k', value: `${i}`, partition: 1 },
  ])
  const error = await producer.sendBatch(topic, records).then(
    () => assert.fail('it was taken'),
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof SendBatchError)
  assert.deepEqual(
    error.failures.map(({ index }) => index),
    keys.map((_, i) => 2 * i),
  )
  for (const { index, error: reason } of error.failures) {
    assert.equal(!/because of others/.test(reason.message), blamed.includes(index / 2), `${index}: ${reason.message}`)
  }
  for (const key of keys) producer.enqueue({ topic: other, key, value: 'x' })
  const flushed = await producer.flush().then(
    () => assert.fail('nothing was said of it'),
    (reason: unknown) => reason,
  )
  assert.ok(flushed instanceof DeliveryError)
  assert.deepEqual(told, [{ code: 'INVALID_RECORD', count: 10 }])
  await producer.flush()
})

test(
  'one partition that refuses fails its own records, and no other of the request is sent twice',
  { skip },
  async (t) => {
    const broker = await kafka()
    const [bad, ...good] = await Promise.all([
      broker.createTopic({ configs: compact }),
      broker.createTopic({ partitions: 4 }),
      broker.createTopic(),
    ])
    const producer = makeProducer(t, broker, { lingerMs: 100 })
    await Promise.all([bad, ...good].map((topic) => producer.partitionsFor(topic)))
    const sent: Promise<unknown>[] = []
    for (const value of numbered(100)) {
      for (const topic of good) sent.push(producer.send({ topic, value }))
      sent.push(assert.rejects(producer.send({ topic: bad, value }), { code: 'INVALID_RECORD' }))
    }
    await Promise.all(sent)
    assert.equal(producer.metrics().retries, 0)
    for (const topic of good) {
      const log = await readBack(broker, topic, '%s')
      assert.deepEqual(
        log.map(Number).sort((a, b) => a - b),
        numbered(100).map(Number),
      )
    }
    assert.deepEqual(await readBack(broker, bad, '%s'), [])
  },
)

test(
  'more than a request holds is sent in several; one record that is larger is refused at once with the sizes',
  { skip },
  async (t) => {
    const broker = await kafka()
    const topic = await broker.createTopic()
    const producer = makeProducer(t, broker)
    const value = Buffer.alloc(100_000, 'x')
    const result = await producer.sendBatch(
      topic,
      numbered(20).map((key) => ({ key, value })),
    )
    assert.deepEqual(
      numbered(20).map((_, i) => result.offsetOf(i)),
      numbered(20).map(Number),
    )
    assert.deepEqual(
      await readBack(broker, topic, '%k %S'),
      numbered(20).map((key) => `${key} 100000`),
    )
    const refused = {
      code: 'INVALID_ARGUMENT',
      persistence: 'not-persisted',
      message: /20000\d\d bytes.*maxRequestSize.*1048576/,
    }
    const large = Buffer.alloc(2_000_000)
    const startedAt = performance.now()
    await assert.rejects(producer.send({ topic, value: large }), refused)
    await assert.rejects(producer.sendBatch(topic, [{ value: 'x' }, { value: large }]), {
      code: 'INVALID_ARGUMENT',
      message: /record 1 .*20000\d\d bytes/,
    })
    assert.throws(() => producer.enqueue({ topic, value: large }), refused)
    assert.ok(performance.now() - startedAt < 1_000)
    assert.equal((await producer.send({ topic, value: 'x' })).offset, 20, 'nothing of that batch was sent')
  },
)

for (const compression of ['none', 'gzip'] as const) {
  test(
    `a batch larger than its topic takes is divided, whoever sent the records (compression ${compression})`,
    { skip },
    async (t) => {
      const broker = await kafka()
      const topic = await broker.createTopic({ configs: { 'max.message.bytes': 1_500 } })
      const producer = makeProducer(t, broker, { lingerMs: 200, batchSize: 65_536, compression })
      await producer.partitionsFor(topic)
      // Noise, so that no codec makes the batch fit.
      let seed = 7
      const noise = (): string =>
        Array.from({ length: 300 }, () =>
          String.fromCharCode(33 + ((seed = (seed * 48_271) % 2_147_483_647) % 94)),
        ).join('')
      const values = numbered(60).map((n) => `${n} ${noise()}`)
      const single = values.slice(0, 20).map((value) => producer.send({ topic, value }))
      const batch = producer.sendBatch(
        topic,
        values.slice(20, 40).map((value) => ({ value })),
      )
      for (const value of values.slice(40)) assert.equal(producer.enqueue({ topic, value }), true)
      const places = await Promise.all(single)
      const result = await batch
      await producer.flush()
      assert.ok(producer.metrics().batchesDivided > 0)
      assert.deepEqual(await readBack(broker, topic, '%s'), values)
      assert.deepEqual(
        places.map(({ offset }) => offset),
        numbered(20).map(Number),
      )
      assert.deepEqual(
        numbered(20).map((_, i) => result.offsetOf(i)),
        numbered(20, 20).map(Number),
      )
    },
  )
}

test('arguments are read and never written to, nor are options', async (t) => {
  const broker = await kafka()
  const topic = await broker.createTopic({ partitions: 3 })
  const frozen = <T>(value: T): T => {
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
    for (const part of Object.values(value)) frozen(part)
    return Object.freeze(value)
  }
  const options = frozen({
    bootstrapServers: [broker.bootstrapServers, broker.bootstrapServers],
    compression: { codec: 'gzip', level: 1 } as const,
  })
  const producer = new Producer(options)
  t.after(() => producer.close())
  const timestamp = Date.now()
  const record: ProducerRecord = frozen({
    topic,
    key: 'k',
    value: 'v',
    timestamp,
    partition: 2,
    headers: { list: ['b', 'a'] },
  })
  const result = await producer.send(record)
  assert.deepEqual(result, { topic, partition: 2, offset: 0, timestamp })
  await producer.sendBatch(
    topic,
    frozen([
      { value: 'b', partition: 2 },
      { value: 'a', partition: 0 },
    ]),
  )
  assert.equal(producer.enqueue(record), true)
  await producer.flush()
  assert.equal((await producer.send(record)).offset, 3)
})

test('what cannot be meant is refused at once and by name, before anything is sent', async (t) => {
  const broker = await kafka()
  const topic = await broker.createTopic({ partitions: 3 })
  const producer = makeProducer(t, broker)
  await producer.start()
  const startedAt = performance.now()
  const refused = async (record: object, message: RegExp): Promise<void> => {
    await assert.rejects(producer.send(record as ProducerRecord), {
      code: 'INVALID_ARGUMENT',
      message,
      persistence: 'not-persisted',
    })
  }
  await refused({}, /topic/)
  await refused({ topic, value: 42 }, /the value .* is 42.*Uint8Array/)
  await refused({ topic }, /undefined/)
  await refused({ topic, key: 7, value: 'x' }, /the key .* is 7/)
  await refused({ topic, value: 'x', partition: -1 }, /-1/)
  await refused({ topic, value: 'x', partition: 1.5 }, /1\.5/)
  await refused({ topic, value: 'x', partition: 100 }, /no partition 100 .*partitions 0 to 2/)
  await refused({ topic, value: 'x', timestamp: new Date() }, /getTime/)
  await refused({ topic, value: 'x', timestamp: 10n }, /timestamp/)
  await refused({ topic, value: 'x', headers: { a: 1 } }, /header 'a'/)
  assert.ok(performance.now() - startedAt < 5_000)
  assert.equal((await producer.send({ topic, value: 'x', timestamp: Date.now() })).offset, 0)
  const bad = (options: object, option: string): void => {
    assert.throws(() => new Producer({ bootstrapServers: broker.bootstrapServers, ...options }), {
      name: 'InvalidOptionError',
      option,
    })
  }
  bad({ ackz: 1 }, 'ackz')
  bad({ retries: -5 }, 'retries')
  bad({ clientId: 7 }, 'clientId')
  bad({ bootstrapServers: [] }, 'bootstrapServers')
})

test('a long key is hashed in linear time, and 20 000 records of one call are too', { timeout: 60_000 }, async (t) => {
  const broker = await kafka()
  const topic = await broker.createTopic({ partitions: 3 })
  const producer = makeProducer(t, broker)
  await producer.partitionsFor(topic)
  const cpuOf = async (work: () => Promise<unknown>): Promise<number> => {
    const before = process.cpuUsage()
    await work()
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1_000
  }
  const keyed = (length: number) => () => producer.send({ topic, key: Buffer.alloc(length, 'k'), value: null })
  await cpuOf(keyed(1_000))
  // A quadratic one took 102 ms for 50 kB: it would take 10 s for these.
  assert.ok((await cpuOf(keyed(500_000))) < 500)
  const records = numbered(20_000).map((value) => ({ key: `key-${Number(value) % 100}`, value }))
  const tookMs = await cpuOf(() => producer.sendBatch(topic, records))
  assert.ok(tookMs < 1_000, `${tookMs} ms of CPU`)
})

test(
  'a topic that takes only its own time says so, and refuses a record of another one by itself',
  { skip: notInProcess('checks no timestamps') },
  async (t) => {
    const broker = await kafka()
    const topic = await broker.createTopic({ configs: { 'message.timestamp.after.max.ms': 60_000 } })
    const producer = makeProducer(t, broker, { lingerMs: 100 })
    await producer.partitionsFor(topic)
    const fine = producer.send({ topic, value: 'now' })
    const early = producer.send({ topic, value: 'tomorrow', timestamp: Date.now() + 86_400_000 })
    await assert.rejects(early, { code: 'INVALID_TIMESTAMP', persistence: 'not-persisted', message: /out of range/ })
    await assert.rejects(fine, { code: 'INVALID_TIMESTAMP', message: /because of others in its batch/ })
  },
)
