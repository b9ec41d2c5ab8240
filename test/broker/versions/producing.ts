/** What producing must do on every broker, and say of brokers that cannot. */

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { UnsupportedVersionError } from '#src/errors/errors.js'
import { consumerOn, numbered, take, valuesOf } from '../consumer-support.js'
import { javaReads, producerOn, type BrokerAbilities, type OldBroker } from './support.js'

/** Records of some size, that compress. */
function compressible(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `value ${i} ${'abc '.repeat(i % 40)}`.trim())
}

export function producingScenarios(old: OldBroker, abilities: BrokerAbilities): void {
  const { kafka } = old

  test('send and sendBatch say where the records are; headers, keys, tombstones and timestamps come back', async (t) => {
    const topic = await kafka.createTopic()
    const producer = producerOn(t, kafka)
    const headers: [string, string | null][] = [
      ['trace', 'one'],
      ['trace', 'two'],
      ['none', null],
    ]
    const sent = await producer.send({ topic, key: 'k', value: 'v', headers, timestamp: 1_600_000_000_123 })
    assert.deepEqual(sent, { topic, partition: 0, offset: 0, timestamp: 1_600_000_000_123 })
    const batch = await producer.sendBatch(topic, [{ key: 'gone', value: null }, { value: '' }, { value: 'last' }])
    assert.deepEqual(
      [0, 1, 2].map((i) => batch.offsetOf(i)),
      [1, 2, 3],
    )
    const consumer = consumerOn(t, kafka)
    consumer.assign([{ topic, partition: 0 }])
    const records = await take(consumer, 4)
    const [first, tombstone] = records
    assert.deepEqual(
      first!.headers.map(({ key, value }) => [key, value?.toString() ?? null]),
      headers,
    )
    assert.equal(first!.timestamp, 1_600_000_000_123)
    assert.equal(first!.timestampType, 'CreateTime')
    assert.equal(tombstone!.key?.toString(), 'gone')
    assert.deepEqual(valuesOf(records), ['v', null, '', 'last'])
    const lines = await javaReads(old, topic, 4, { 'print.timestamp': true, 'print.key': true })
    assert.equal(lines[0], 'CreateTime:1600000000123\tk\tv')
    assert.match(lines[1]!, /^CreateTime:\d+\tgone\tnull$/)
  })

  test('a topic with LogAppendTime has the time of the broker, which send tells', async (t) => {
    const topic = await kafka.createTopic({ configs: { 'message.timestamp.type': 'LogAppendTime' } })
    const before = Date.now()
    const sent = await producerOn(t, kafka).send({ topic, value: 'x', timestamp: 1_000 })
    assert.ok(sent.timestamp >= before && sent.timestamp <= Date.now() + 1_000)
    const consumer = consumerOn(t, kafka)
    consumer.assign([{ topic, partition: 0 }])
    const [record] = await take(consumer, 1)
    assert.equal(record!.timestamp, sent.timestamp)
    assert.equal(record!.timestampType, 'LogAppendTime')
  })

  test('without acknowledgement, and with that of the leader alone, records arrive as well', async (t) => {
    const topic = await kafka.createTopic()
    const [none, leader] = [producerOn(t, kafka, { acks: 0 }), producerOn(t, kafka, { acks: 1 })]
    assert.equal((await none.send({ topic, value: 'a' })).offset, null)
    const consumer = consumerOn(t, kafka)
    consumer.assign([{ topic, partition: 0 }])
    assert.deepEqual(valuesOf(await take(consumer, 1)), ['a'])
    assert.equal((await leader.send({ topic, value: 'b' })).offset, 1)
  })

  const codecs = ['gzip', 'snappy', 'lz4', ...(abilities.zstd ? (['zstd'] as const) : [])] as const
  test(`what is compressed with ${codecs.join(', ')} is read by Java and by us`, async (t) => {
    const topic = await kafka.createTopic()
    const values = compressible(200)
    for (const compression of codecs) {
      const producer = producerOn(t, kafka, { compression, lingerMs: 50 })
      await producer.sendBatch(
        topic,
        values.map((value) => ({ value: `${compression} ${value}` })),
      )
      const { bytesSent } = producer.metrics()
      assert.ok(bytesSent < values.join('').length / 2, `${compression} sent ${bytesSent} bytes`)
    }
    const expected = codecs.flatMap((codec) => values.map((value) => `${codec} ${value}`))
    const consumer = consumerOn(t, kafka)
    consumer.assign([{ topic, partition: 0 }])
    assert.deepEqual(valuesOf(await take(consumer, expected.length)), expected)
    assert.deepEqual(await javaReads(old, topic, expected.length), expected)
  })

  if (!abilities.zstd) {
    test('zstd is refused at once, in words that name the codec and both ranges of versions', async (t) => {
      const topic = await kafka.createTopic()
      const producer = producerOn(t, kafka, { compression: 'zstd' })
      await assert.rejects(producer.send({ topic, value: 'x' }), (error: unknown) => {
        assert.ok(error instanceof UnsupportedVersionError)
        assert.equal(error.retriable, false)
        assert.equal(error.persistence, 'not-persisted')
        assert.match(error.message, /zstd/)
        assert.match(error.message, /offers Produce versions 0 to 5, Jackdaw speaks versions 0 to 13/)
        assert.match(error.message, /version 7/)
        return true
      })
    })
  }

  test('keys go where the Java producer puts them', async (t) => {
    const [ours, theirs] = [await kafka.createTopic({ partitions: 5 }), await kafka.createTopic({ partitions: 5 })]
    const keys = numbered('key', 40)
    await producerOn(t, kafka).sendBatch(
      ours,
      keys.map((key) => ({ key, value: 'x' })),
    )
    const { code, stderr } = await old.cluster.javaTool(
      'ConsoleProducer',
      [
        ...['--broker-list', kafka.bootstrapServers, '--topic', theirs],
        ...['--property', 'parse.key=true', '--property', 'key.separator=:'],
      ],
      { stdin: keys.map((key) => `${key}:x\n`).join('') },
    )
    assert.equal(code, 0, stderr)
    const consumer = consumerOn(t, kafka)
    consumer.assign([ours, theirs].flatMap((topic) => [0, 1, 2, 3, 4].map((partition) => ({ topic, partition }))))
    const places = new Map<string, string[]>([ours, theirs].map((topic) => [topic, []]))
    for (const { topic, partition, key } of await take(consumer, 80)) {
      places.get(topic)!.push(`${partition} ${key!.toString()}`)
    }
    assert.deepEqual(places.get(ours)!.toSorted(), places.get(theirs)!.toSorted())
  })
}
