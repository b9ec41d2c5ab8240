/** Topics that a broker stores as messages of magic 1 and 0, whatever it is sent, and hands out as they are. */

import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import { Cluster } from '#src/cluster/cluster.js'
import { AlterConfigs } from '#src/wire/messages/alter-configs.js'
import type { Kafka } from '../../support/kafka/kafka.js'
import { consumerOn, numbered, patienceMs, take, valuesOf } from '../consumer-support.js'
import { javaReads, producerOn, type OldBroker } from './support.js'

const formats = [
  { magic: 1, format: '0.10.2' },
  { magic: 0, format: '0.9.0' },
] as const

export function oldFormatScenarios(old: OldBroker): void {
  const { kafka } = old

  for (const { magic, format } of formats) {
    const configs = { 'message.format.version': format }

    test(`messages of magic ${magic} are read as they are stored, from any offset`, async (t) => {
      const topic = await kafka.createTopic({ configs })
      const producer = producerOn(t, kafka, { idempotent: false, lingerMs: 20 })
      const partition = { topic, partition: 0 }
      await producer.sendBatch(topic, [
        { key: 'k', value: 'first', timestamp: 1_000 },
        { key: 'gone', value: null, timestamp: 2_000 },
        { value: '', timestamp: 3_000 },
      ])
      await producer.sendBatch(
        topic,
        numbered('v', 20).map((value) => ({ value, timestamp: 4_000 })),
      )
      const consumer = consumerOn(t, kafka)
      consumer.assign([partition])
      const records = await take(consumer, 23)
      assert.deepEqual(valuesOf(records), ['first', null, '', ...numbered('v', 20)])
      assert.deepEqual(
        records.map(({ offset }) => offset),
        Array.from({ length: 23 }, (_, i) => i),
      )
      const [first, tombstone] = records
      assert.equal(first!.key!.toString(), 'k')
      assert.equal(tombstone!.key!.toString(), 'gone')
      assert.deepEqual(first!.headers, [])
      assert.equal(first!.timestamp, magic === 0 ? -1 : 1_000)
      // Only what is really stored in the old format has no type of timestamp, so this tells that it was.
      assert.equal(first!.timestampType, magic === 0 ? 'NoTimestampType' : 'CreateTime')
      consumer.seek(partition, 5)
      assert.deepEqual(valuesOf(await take(consumer, 2)), ['v-2', 'v-3'])
      const lines = await javaReads(old, topic, 23, { 'print.timestamp': true })
      assert.equal(lines[0], `${magic === 0 ? 'NO_TIMESTAMP' : 'CreateTime:1000'}\tfirst`)
    })

    for (const compression of ['gzip', 'snappy', 'lz4'] as const) {
      test(`messages of magic ${magic} are read out of a wrapper of ${compression}`, async (t) => {
        const topic = await kafka.createTopic({ configs })
        const partition = { topic, partition: 0 }
        const producer = producerOn(t, kafka, { idempotent: false, compression, lingerMs: 20 })
        const values = Array.from({ length: 300 }, (_, i) => `value ${i} ${'abc '.repeat(i % 40)}`.trim())
        for (const part of [values.slice(0, 150), values.slice(150)]) {
          await producer.sendBatch(
            topic,
            part.map((value) => ({ value, timestamp: 1_000 })),
          )
        }
        const consumer = consumerOn(t, kafka)
        consumer.assign([partition])
        const records = await take(consumer, 300)
        assert.deepEqual(valuesOf(records), values)
        assert.deepEqual(
          records.map(({ offset }) => offset),
          values.map((_, i) => i),
        )
        assert.equal(records[0]!.timestamp, magic === 0 ? -1 : 1_000)
        // In the middle of a wrapper: the broker answers with the whole of it.
        consumer.seek(partition, 77)
        assert.deepEqual(valuesOf(await take(consumer, 2)), values.slice(77, 79))
      })
    }

    test(`a moment is looked up in messages of magic ${magic}${magic === 0 ? ', which have none' : ''}`, async (t) => {
      const topic = await kafka.createTopic({ configs })
      const producer = producerOn(t, kafka, { idempotent: false, lingerMs: 0 })
      for (const timestamp of [1_000, 2_000, 3_000]) await producer.send({ topic, value: 'x', timestamp })
      const consumer = consumerOn(t, kafka)
      const [found] = await consumer.offsetsForTimes([{ topic, partition: 0, timestamp: 1_500 }])
      assert.deepEqual(found, magic === 0 ? null : { offset: 1, timestamp: 2_000 })
      assert.deepEqual(await consumer.endOffsets([{ topic, partition: 0 }]), [3])
    })
  }

  test('a topic whose format is older than idempotence says so, and what to do', async (t) => {
    const topic = await kafka.createTopic({ configs: { 'message.format.version': '0.10.2' } })
    await assert.rejects(producerOn(t, kafka).send({ topic, value: 'x' }), {
      code: 'UNSUPPORTED_FOR_MESSAGE_FORMAT',
      persistence: 'not-persisted',
      message: /message format older than idempotence.*idempotent: false/,
    })
  })

  test('a log that changed its format in the middle is read through', async (t) => {
    const topic = await kafka.createTopic({ configs: { 'message.format.version': '0.10.2' } })
    const producer = producerOn(t, kafka, { idempotent: false, compression: 'gzip', lingerMs: 20 })
    await producer.sendBatch(
      topic,
      numbered('old', 10).map((value) => ({ value })),
    )
    await setFormat(t, kafka, topic, kafka.version.split('.').slice(0, 2).join('.'))
    // Brokers hear of the change a little later: until then there is no place for headers.
    const deadline = performance.now() + patienceMs
    for (let isStored = false; !isStored;) {
      isStored = await producer.send({ topic, value: 'new', headers: { stored: 'as magic 2' } }).then(
        () => true,
        (error: unknown) => {
          if (performance.now() > deadline) throw error
          return false
        },
      )
    }
    const consumer = consumerOn(t, kafka)
    consumer.assign([{ topic, partition: 0 }])
    const records = await take(consumer, 11)
    assert.deepEqual(valuesOf(records), [...numbered('old', 10), 'new'])
    assert.equal(records[10]!.header('stored')?.toString(), 'as magic 2')
  })
}

/** By the request that brokers of every age know; the topic has no other settings. */
async function setFormat(t: TestContext, { bootstrapServers }: Kafka, topic: string, format: string): Promise<void> {
  const cluster = new Cluster({ bootstrapServers })
  t.after(() => cluster.close())
  await cluster.start()
  const configs = [{ name: 'message.format.version', value: format }]
  const resources = [{ resourceType: 2, resourceName: topic, configs }]
  const { responses } = await cluster.send({ kind: 'controller' }, AlterConfigs, { resources, validateOnly: false })
  assert.equal(responses[0]!.errorCode, 0)
}
