/** What an application does with a cluster, through what is published and without any foreign tool. Written once: real
 *  Kafka and the in-process cluster must both do it all, so nothing here knows which one it has. */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import { Admin, Consumer, Producer, type ConsumerOptions, type ConsumerRecord, type ProducerOptions } from 'jackdaw'

/** A cluster that makes no topics by itself. */
export interface Target {
  readonly bootstrapServers: string
  /** Makes a topic and resolves to its name once it can be used. */
  createTopic(options: { partitions: number; configs?: Record<string, string | number> }): Promise<string>
}

const patienceMs = 30_000
const soon = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(patienceMs) })

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + patienceMs
  while (!condition()) {
    if (performance.now() > deadline) assert.fail(`still not so after ${patienceMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

async function take(consumer: Consumer, count: number): Promise<ConsumerRecord[]> {
  const records: ConsumerRecord[] = []
  const { signal } = soon()
  while (records.length < count) {
    records.push(...(await consumer.getMany({ maxRecords: count - records.length, signal })))
  }
  return records
}

const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString())
const valuesOf = (records: readonly ConsumerRecord[]): (string | null)[] => records.map(({ value }) => text(value))
const numbered = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${prefix}-${i}`)

export function mainPaths(find: () => Promise<Target>): void {
  const producerOn = (
    { bootstrapServers }: Target,
    t: TestContext,
    options: Omit<ProducerOptions, 'cluster'> = {},
  ): Producer => {
    const producer = new Producer({ bootstrapServers, ...options })
    t.after(() => producer.close())
    return producer
  }
  const consumerOn = ({ bootstrapServers }: Target, t: TestContext, options: ConsumerOptions = {}): Consumer => {
    const consumer = new Consumer({ bootstrapServers, autoOffsetReset: 'earliest', ...options })
    t.after(() => consumer.close())
    return consumer
  }
  const adminOn = ({ bootstrapServers }: Target, t: TestContext): Admin => {
    const admin = new Admin({ bootstrapServers })
    t.after(() => admin.close())
    return admin
  }

  for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
    test(`records come back as they were sent, compression ${compression}`, async (t) => {
      const target = await find()
      const topic = await target.createTopic({ partitions: 2 })
      const producer = producerOn(target, t, { compression })
      const sent = [
        { key: 'key', value: 'value', headers: [['a', '1'] as const, ['b', null] as const, ['a', '2'] as const] },
        { key: null, value: 'no key' },
        { key: 'tombstone', value: null },
        { key: '', value: '' },
        { key: 'large', value: 'again and '.repeat(20_000) },
      ].map((record, i) => ({ topic, partition: 1, timestamp: 1_700_000_000_000 + i, ...record }))
      const told = await Promise.all(sent.map((record) => producer.send(record)))
      assert.deepEqual(
        told.map(({ partition, offset, timestamp }) => [partition, offset, timestamp]),
        sent.map(({ timestamp }, i) => [1, i, timestamp]),
      )
      const consumer = consumerOn(target, t)
      await consumer.subscribe([topic])
      const read = await take(consumer, sent.length)
      assert.deepEqual(
        read.map(({ partition, offset, timestamp, key, value, headers }) => ({
          ...{ topic, partition, offset, timestamp, key: text(key), value: text(value) },
          headers: headers.map((header) => [header.key, text(header.value)]),
        })),
        sent.map((record, offset) => ({ ...record, offset, headers: record.headers ?? [] })),
      )
    })
  }

  test('10 000 records over six partitions come back, each once, in order per partition', async (t) => {
    const target = await find()
    const topic = await target.createTopic({ partitions: 6 })
    const producer = producerOn(target, t, { lingerMs: 1, compression: 'lz4' })
    const expected = new Map<number, string[]>()
    const results = await producer.sendBatch(
      topic,
      numbered('record', 10_000).map((value, i) => ({ key: `k${i % 97}`, value })),
    )
    assert.equal(
      results.partitions.reduce((sum, { count }) => sum + count, 0),
      10_000,
    )
    const consumer = consumerOn(target, t, { fetchMaxBytes: 50_000, maxPartitionFetchBytes: 20_000 })
    await consumer.subscribe([topic])
    for (const { partition, offset, value } of await take(consumer, 10_000)) {
      const log = expected.get(partition) ?? []
      expected.set(partition, log)
      assert.equal(offset, log.length)
      log.push(text(value)!)
    }
    const all = [...expected.values()]
    assert.equal(new Set(all.flat()).size, 10_000)
    for (const log of all) {
      const numbers = log.map((value) => Number(value.slice('record-'.length)))
      assert.ok(numbers.every((number, i) => i === 0 || number > numbers[i - 1]!))
    }
  })

  test('a record larger than the topic takes is refused, and the next one is not', async (t) => {
    const target = await find()
    const topic = await target.createTopic({ partitions: 1, configs: { 'max.message.bytes': 5_000 } })
    const producer = producerOn(target, t)
    await assert.rejects(producer.send({ topic, value: Buffer.alloc(10_000) }), {
      code: 'MESSAGE_TOO_LARGE',
      persistence: 'not-persisted',
    })
    assert.equal((await producer.send({ topic, value: 'small' })).offset, 0)
  })

  test('positions are sought, told, and found by time', async (t) => {
    const target = await find()
    const topic = await target.createTopic({ partitions: 2 })
    const producer = producerOn(target, t)
    for (let i = 0; i < 10; i++) await producer.send({ topic, partition: 0, value: `${i}`, timestamp: 1_000 * (i + 1) })
    const zero = { topic, partition: 0 }
    const one = { topic, partition: 1 }
    const consumer = consumerOn(target, t)
    consumer.assign([zero, one])
    assert.deepEqual(await consumer.beginningOffsets([zero, one]), [0, 0])
    assert.deepEqual(await consumer.endOffsets([zero, one]), [10, 0])
    const found = await consumer.offsetsForTimes([
      { ...zero, timestamp: 3_500 },
      { ...zero, timestamp: 11_000 },
      { ...one, timestamp: 0 },
    ])
    assert.deepEqual(
      found.map((place) => place && [place.offset, place.timestamp]),
      [[3, 4_000], null, null],
    )
    consumer.seek(zero, 7)
    assert.deepEqual(valuesOf(await take(consumer, 3)), ['7', '8', '9'])
    assert.equal(await consumer.position(zero), 10)
    consumer.seekToBeginning([zero])
    assert.deepEqual(valuesOf(await take(consumer, 2)), ['0', '1'])
  })

  test('a group goes on where it committed, and its metadata comes back', async (t) => {
    const target = await find()
    const topic = await target.createTopic({ partitions: 1 })
    const producer = producerOn(target, t)
    for (const value of numbered('record', 6)) await producer.send({ topic, value })
    const groupId = `group-${randomUUID()}`
    const first = consumerOn(target, t, { groupId, autoCommit: false })
    await first.subscribe([topic])
    assert.deepEqual(valuesOf(await take(first, 6)), numbered('record', 6))
    await first.commit([{ topic, partition: 0, offset: 4, metadata: 'four of six' }])
    const [committed] = await first.committed([{ topic, partition: 0 }])
    assert.deepEqual([committed?.offset, committed?.metadata], [4, 'four of six'])
    await first.close()
    const second = consumerOn(target, t, { groupId })
    await second.subscribe([topic])
    assert.deepEqual(valuesOf(await take(second, 2)), ['record-4', 'record-5'])
  })

  test('members that come and go share the partitions, and no record is read twice or left out', async (t) => {
    const target = await find()
    const topic = await target.createTopic({ partitions: 6 })
    const groupId = `group-${randomUUID()}`
    const producer = producerOn(target, t)
    const seen: string[] = []
    const member = async (): Promise<{ consumer: Consumer; reading: Promise<void> }> => {
      const consumer = consumerOn(target, t, { groupId, heartbeatIntervalMs: 100, autoCommitIntervalMs: 100 })
      await consumer.subscribe([topic])
      const reading = (async () => {
        for await (const { value } of consumer) seen.push(text(value)!)
      })()
      await consumer.assigned(soon())
      return { consumer, reading }
    }
    const expected: string[] = []
    const write = async (name: string): Promise<void> => {
      const values = numbered(name, 60)
      expected.push(...values)
      await producer.sendBatch(
        topic,
        values.map((value, i) => ({ value, partition: i % 6 })),
      )
      await until(`all of ${name} are read`, () => seen.length >= expected.length)
    }
    const a = await member()
    await write('one')
    const b = await member()
    await until('each has three', () => [a, b].every(({ consumer }) => consumer.assignment().length === 3))
    await write('two')
    const c = await member()
    await until('each has two', () => [a, b, c].every(({ consumer }) => consumer.assignment().length === 2))
    await write('three')
    await a.consumer.close()
    await until('each has three again', () => [b, c].every(({ consumer }) => consumer.assignment().length === 3))
    await write('four')
    for (const { consumer } of [b, c]) await consumer.close()
    await Promise.all([a.reading, b.reading, c.reading])
    assert.deepEqual(seen.toSorted(), expected.toSorted())
  })

  test('a regular expression finds topics that come later', async (t) => {
    const target = await find()
    const mark = randomUUID().slice(0, 8)
    const admin = adminOn(target, t)
    const create = async (name: string): Promise<void> => {
      const [created] = await admin.createTopics([{ name, partitions: 1 }])
      assert.equal(created?.error, null)
    }
    await create(`found-${mark}-1`)
    const options = { groupId: `group-${mark}`, heartbeatIntervalMs: 100, metadataMaxAgeMs: 300 }
    const consumer = consumerOn(target, t, options)
    await consumer.subscribe(new RegExp(`^found-${mark}-`))
    const producer = producerOn(target, t)
    await producer.send({ topic: `found-${mark}-1`, value: 'first' })
    assert.deepEqual(valuesOf(await take(consumer, 1)), ['first'])
    await create(`found-${mark}-2`)
    await producer.send({ topic: `found-${mark}-2`, value: 'second' })
    assert.deepEqual(valuesOf(await take(consumer, 1)), ['second'])
  })

  test('topics are made, described, widened, configured and deleted; what fails takes nothing else along', async (t) => {
    const target = await find()
    const admin = adminOn(target, t)
    const [name, taken] = [`made-${randomUUID()}`, await target.createTopic({ partitions: 1 })]
    const created = await admin.createTopics([
      { name, partitions: 2, configs: { 'retention.ms': 60_000 } },
      { name: taken, partitions: 1 },
      { name: 'not a name', partitions: 1 },
      { name: `${name}-wide`, partitions: 1, replicationFactor: 30 },
    ])
    const codes = (results: readonly { error: { code: string } | null }[]): (string | null)[] =>
      results.map(({ error }) => error?.code ?? null)
    assert.deepEqual(codes(created), [
      null,
      'TOPIC_ALREADY_EXISTS',
      'INVALID_TOPIC_EXCEPTION',
      'INVALID_REPLICATION_FACTOR',
    ])
    assert.deepEqual(codes(await admin.createPartitions([{ name, totalCount: 4 }])), [null])
    assert.deepEqual(codes(await admin.createPartitions([{ name, totalCount: 3 }])), ['INVALID_PARTITIONS'])
    const [described, missing] = await admin.describeTopics([name, `${name}-missing`])
    assert.equal(described?.partitions?.length, 4)
    assert.equal(missing?.error?.code, 'UNKNOWN_TOPIC_OR_PARTITION')
    const resource = { type: 'topic', name } as const
    const operations = [{ name: 'cleanup.policy', op: 'set', value: 'compact' } as const]
    assert.deepEqual(codes(await admin.incrementalAlterConfigs([{ ...resource, operations }])), [null])
    const [configs] = await admin.describeConfigs([{ ...resource, configNames: ['cleanup.policy', 'retention.ms'] }])
    assert.deepEqual(
      configs?.configs?.map((config) => [config.name, config.value]).toSorted(([a], [b]) => (a! < b! ? -1 : 1)),
      [
        ['cleanup.policy', 'compact'],
        ['retention.ms', '60000'],
      ],
    )
    assert.deepEqual(codes(await admin.deleteTopics([name, `${name}-missing`])), [null, 'UNKNOWN_TOPIC_OR_PARTITION'])
    const names = (await admin.listTopics()).map((topic) => topic.name)
    assert.ok(names.includes(taken) && !names.includes(name))
  })
}
