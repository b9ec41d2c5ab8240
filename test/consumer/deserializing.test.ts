import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import { Deferred } from '#src/async/deferred.js'
import type { ClusterOptions } from '#src/cluster/cluster-options.js'
import { Consumer } from '#src/consumer/consumer.js'
import type { ConsumerOptions } from '#src/consumer/consumer-options.js'
import { CorruptRecordError, DeserializationError } from '#src/errors/errors.js'
import type { SerdeHeaders } from '#src/model/serde.js'
import { deserializers } from '#src/model/standard-serdes.js'
import { Heartbeat } from '#src/wire/messages/heartbeat.js'
import { RecordBatchBuilder } from '#src/wire/records/record-batch-builder.js'
import { ScriptedLogs } from './scripted-logs.ts'

const zero = { topic: 'orders', partition: 0 }
const one = { topic: 'orders', partition: 1 }

async function logsOf(t: TestContext, partitions = 1): Promise<ScriptedLogs> {
  const logs = await ScriptedLogs.start({ orders: partitions })
  t.after(() => logs.close())
  return logs
}

function consumerOf<Key, Value>(
  t: TestContext,
  logs: ScriptedLogs,
  options: ConsumerOptions<Key, Value> & ClusterOptions,
): Consumer<Key, Value> {
  const consumer = new Consumer<Key, Value>({
    bootstrapServers: logs.address,
    autoOffsetReset: 'earliest',
    fetchMaxWaitMs: 50,
    retryBackoffMs: 10,
    ...options,
  })
  t.after(() => {
    consumer.destroy()
  })
  return consumer
}

function soon(): { signal: AbortSignal } {
  return { signal: AbortSignal.timeout(5_000) }
}

/** Fails for values that begin with '!'. */
function picky(_topic: string, data: Buffer): string {
  const text = data.toString()
  if (text.startsWith('!')) throw new RangeError(`no ${text} please`)
  return text
}

/** The same, for each value not before the test says so. */
function gated() {
  const gates = new Map<string, Deferred<void>>()
  const gate = (text: string): Deferred<void> => {
    let found = gates.get(text)
    if (found === undefined) gates.set(text, (found = new Deferred()))
    return found
  }
  const begun: string[] = []
  return {
    begun,
    open: (text: string) => {
      gate(text).resolve()
    },
    deserialize: async (topic: string, data: Buffer) => {
      begun.push(data.toString())
      await gate(data.toString()).promise
      return picky(topic, data)
    },
  }
}

test('keys and values are what the deserializers make of topic, bytes and headers; null is null without asking them', async (t) => {
  const logs = await logsOf(t)
  const builder = new RecordBatchBuilder({ sizeLimit: 10_000 })
  builder.append(1, Buffer.of(0, 0, 0, 7), '{"total":10}', [{ key: 'kind', value: 'order' }])
  builder.append(2, null, null)
  logs.appendBytes('orders', 0, Buffer.from(builder.seal()), 1)
  const asked: [string, SerdeHeaders][] = []
  const valueDeserializer = {
    made: 0,
    deserialize(topic: string, data: Buffer, headers: SerdeHeaders) {
      this.made++
      asked.push([topic, { ...headers }])
      return JSON.parse(data.toString()) as { total: number }
    },
  }
  const consumer = consumerOf(t, logs, { keyDeserializer: deserializers.int32, valueDeserializer })
  consumer.assign([zero])
  const [order, tombstone] = await consumer.getMany(soon())
  assert.deepEqual([order!.key, order!.value], [7, { total: 10 }])
  assert.equal(order!.header('kind')?.toString(), 'order')
  assert.deepEqual([tombstone!.key, tombstone!.value], [null, null])
  assert.equal(valueDeserializer.made, 1, 'the object is its own this, and is not asked about null')
  assert.deepEqual(asked, [['orders', { kind: Buffer.from('order') }]])
})

test('a record that cannot be deserialized ends what comes before it, and rejects every call until a seek passes it', async (t) => {
  const logs = await logsOf(t, 2)
  logs.append('orders', 0, ['a', 'b', '!', 'c'])
  logs.append('orders', 1, ['x'])
  const consumer = consumerOf(t, logs, { groupId: 'g', autoCommit: false, valueDeserializer: picky })
  consumer.assign([zero, one])
  const values: (string | null)[] = []
  let failure: unknown
  while (failure === undefined) {
    const records = await consumer.getMany(soon()).catch((error: unknown) => {
      failure = error
      return []
    })
    for (const { value } of records) values.push(value)
  }
  assert.deepEqual(
    values.filter((value) => value !== 'x'),
    ['a', 'b'],
  )
  assert.ok(failure instanceof DeserializationError)
  assert.equal(failure.message, "the value of the record at offset 2 of partition 0 of 'orders' cannot be deserialized")
  assert.deepEqual([failure.topic, failure.partition, failure.offset, failure.part], ['orders', 0, 2, 'value'])
  assert.ok(failure.cause instanceof RangeError)
  assert.equal(failure.record.value?.toString(), '!', 'its bytes are there for a topic of dead letters')
  assert.equal(await consumer.position(zero), 2)
  await assert.rejects(consumer.getOne({ partitions: [zero], ...soon() }), DeserializationError)
  await consumer.commit()
  assert.equal(logs.committed.get('orders-0'), 2, 'it was not handed out')
  consumer.seek(zero, failure.offset + 1)
  assert.equal((await consumer.getOne({ partitions: [zero], ...soon() })).value, 'c')
})

test('a partition whose record cannot be deserialized keeps nobody from the others', async (t) => {
  const logs = await logsOf(t, 2)
  logs.append('orders', 0, ['!'])
  logs.append('orders', 1, ['x', 'y'])
  const consumer = consumerOf(t, logs, { valueDeserializer: picky })
  consumer.assign([zero, one])
  await assert.rejects(consumer.getOne({ partitions: [zero], ...soon() }), DeserializationError)
  const records = await consumer.getMany({ partitions: [one], ...soon() })
  assert.deepEqual(
    Array.from(records, ({ value }) => value),
    ['x', 'y'],
  )
})

test('records that are skipped are passed and warned of, and raw ones say why they are raw', async (t) => {
  const logs = await logsOf(t)
  logs.append('orders', 0, ['!1', 'a', '!2', 'b', '!3'])
  const warnings: string[] = []
  const ignore = (): void => {}
  const logger = { debug: ignore, info: ignore, error: ignore, warn: (message: string) => warnings.push(message) }
  const skipping = consumerOf(t, logs, { valueDeserializer: picky, onDeserializationError: 'skip', logger })
  skipping.assign([zero])
  const records = await skipping.getMany(soon())
  assert.deepEqual(
    Array.from(records, ({ value }) => value),
    ['a', 'b'],
  )
  assert.deepEqual(records.nextOffsets(), [{ ...zero, offset: 5, leaderEpoch: 1 }])
  assert.equal(skipping.lag(zero), 0)
  assert.equal(skipping.metrics().undeserializableRecords, 3)
  assert.deepEqual(warnings, [
    "the value of the record at offset 0 of partition 0 of 'orders' cannot be deserialized: it is skipped, as are 2 more behind it",
  ])
  const raw = consumerOf(t, logs, { valueDeserializer: picky, onDeserializationError: 'raw' })
  raw.assign([zero])
  const all = [...(await raw.getMany(soon()))]
  assert.deepEqual(
    all.map(({ value }) => String(value)),
    ['!1', 'a', '!2', 'b', '!3'],
  )
  assert.ok(Buffer.isBuffer(all[0]!.value))
  assert.equal(all[0]!.deserializationError?.offset, 0)
  assert.equal(all[1]!.deserializationError, undefined)
})

test('nothing but records that are skipped is waited behind, however many batches there are', async (t) => {
  const logs = await logsOf(t)
  for (let n = 0; n < 5; n++) logs.append('orders', 0, ['!', '!'])
  logs.append('orders', 0, ['a'])
  const consumer = consumerOf(t, logs, { valueDeserializer: picky, onDeserializationError: 'skip' })
  consumer.assign([zero])
  assert.equal((await consumer.getOne(soon())).offset, 10)
})

test('asynchronous deserializers work side by side, and records keep their order', async (t) => {
  const logs = await logsOf(t)
  logs.append('orders', 0, ['a', 'b', 'c'])
  const { deserialize, begun, open } = gated()
  const consumer = consumerOf(t, logs, { valueDeserializer: deserialize })
  consumer.assign([zero])
  const pending = consumer.getMany(soon())
  while (begun.length < 3) await new Promise(setImmediate)
  for (const value of ['c', 'b', 'a']) open(value)
  const records = await pending
  assert.deepEqual(
    Array.from(records, ({ value }) => value),
    ['a', 'b', 'c'],
  )
})

test('callers side by side get records of their own, and no more are begun than they have asked for', async (t) => {
  const logs = await logsOf(t)
  logs.append(
    'orders',
    0,
    Array.from({ length: 20 }, (_, i) => String(i)),
  )
  const { deserialize, begun, open } = gated()
  const consumer = consumerOf(t, logs, { valueDeserializer: deserialize })
  consumer.assign([zero])
  const calls = [1, 2, 3].map(async () => {
    const records = await consumer.getMany({ maxRecords: 2, ...soon() })
    return Array.from(records, ({ value }) => value)
  })
  while (begun.length < 6) await new Promise(setImmediate)
  // Later ones first: they wait for their turn all the same.
  for (const value of [...begun].reverse()) open(value)
  assert.deepEqual(await Promise.all(calls), [
    ['0', '1'],
    ['2', '3'],
    ['4', '5'],
  ])
  assert.equal(begun.length, 6)
  for (let n = 6; n < 20; n++) open(String(n))
  const walked: (string | null)[] = []
  for await (const { value } of consumer) if (walked.push(value) === 14) break
  assert.deepEqual(
    walked,
    Array.from({ length: 14 }, (_, i) => String(6 + i)),
  )
})

test('what is being deserialized counts neither as handed out nor as finished', async (t) => {
  const logs = await logsOf(t)
  logs.append('orders', 0, ['a', 'b'])
  const { deserialize, begun, open } = gated()
  const consumer = consumerOf(t, logs, { groupId: 'g', autoCommit: false, valueDeserializer: deserialize })
  consumer.assign([zero])
  open('a')
  const first = await consumer.getOne(soon())
  assert.equal(first.value, 'a')
  const second = consumer.getOne(soon())
  while (begun.length < 2) await new Promise(setImmediate)
  // Another call says that what was handed out before it is finished: 'b' is in nobody's hands yet.
  const third = consumer.getMany({ timeoutMs: 0 })
  assert.equal((await third).size, 0)
  await consumer.commit()
  assert.equal(logs.committed.get('orders-0'), 1)
  assert.equal(await consumer.position(zero), 1)
  assert.equal(consumer.lag(zero), 1)
  open('b')
  assert.equal((await second).value, 'b')
  await consumer.commit()
  assert.equal(logs.committed.get('orders-0'), 2)
})

test('a call that stops waiting for a deserializer loses no record: the next one gets it', async (t) => {
  const logs = await logsOf(t)
  logs.append('orders', 0, ['a', 'b'])
  const { deserialize, begun, open } = gated()
  const consumer = consumerOf(t, logs, { valueDeserializer: deserialize })
  consumer.assign([zero])
  const stop = new AbortController()
  const first = consumer.getOne({ signal: stop.signal })
  while (begun.length < 1) await new Promise(setImmediate)
  stop.abort(new Error('enough'))
  await assert.rejects(first, { message: 'enough' })
  assert.equal((await consumer.getMany({ maxRecords: 1, timeoutMs: 1 })).size, 0)
  open('a')
  open('b')
  assert.equal((await consumer.getOne(soon())).value, 'a')
  assert.equal((await consumer.getOne(soon())).value, 'b')
  assert.deepEqual(begun, ['a', 'b'], 'none was made twice')
})

test('a seek drops what is being deserialized, a pause keeps it for later', async (t) => {
  const logs = await logsOf(t)
  logs.append('orders', 0, ['a', 'b', 'c'])
  const { deserialize, begun, open } = gated()
  const consumer = consumerOf(t, logs, { valueDeserializer: deserialize })
  consumer.assign([zero])
  const pending = consumer.getOne(soon())
  while (begun.length < 1) await new Promise(setImmediate)
  consumer.seek(zero, 2)
  open('a')
  open('c')
  assert.equal((await pending).value, 'c')
  consumer.seek(zero, 1)
  const paused = consumer.getOne(soon())
  while (!begun.includes('b')) await new Promise(setImmediate)
  consumer.pause([zero])
  open('b')
  assert.equal((await consumer.getMany({ timeoutMs: 20 })).size, 0)
  consumer.resume([zero])
  assert.equal((await paused).value, 'b')
})

test('a partition that is revoked while its records are being deserialized is not waited for, and they come to its next owner', async (t) => {
  const logs = await logsOf(t)
  logs.append('orders', 0, ['a'])
  const { deserialize, begun, open } = gated()
  const consumer = consumerOf(t, logs, {
    groupId: 'g',
    heartbeatIntervalMs: 20,
    valueDeserializer: deserialize,
  })
  const events: string[] = []
  await consumer.subscribe(['orders'], {
    onAssigned: () => events.push('assigned'),
    onRevoked: () => events.push('revoked'),
  })
  const pending = consumer.getMany(soon())
  while (begun.length < 1) await new Promise(setImmediate)
  logs.cluster.broker(1).once(Heartbeat, () => ({ errorCode: 27 }))
  while (begun.length < 2) await new Promise(setImmediate)
  assert.deepEqual(events, ['assigned', 'revoked', 'assigned'])
  open('a')
  const records = await pending
  assert.deepEqual([records.size, records.groupMetadata.generationId], [1, 2])
  assert.equal(begun.length, 2, 'what the first generation began was dropped')
})

test('a broken batch behind good records is told after these, with deserializers too', async (t) => {
  const logs = await logsOf(t)
  logs.append('orders', 0, ['a', 'b'])
  const builder = new RecordBatchBuilder({ sizeLimit: 10_000 })
  builder.append(1, null, 'c')
  const broken = Buffer.from(builder.seal())
  broken.writeBigInt64BE(2n, 0)
  broken[broken.length - 2]! ^= 1
  logs.appendBytes('orders', 0, broken, 2)
  const consumer = consumerOf(t, logs, { valueDeserializer: deserializers.string })
  consumer.assign([zero])
  assert.deepEqual(
    Array.from(await consumer.getMany(soon()), ({ value }) => value),
    ['a', 'b'],
  )
  await assert.rejects(consumer.getMany(soon()), CorruptRecordError)
  await assert.rejects(consumer.getMany(soon()), CorruptRecordError)
  assert.equal(await consumer.position(zero), 2)
})

test('interceptors see what is handed out and what is committed, and cannot do harm', async (t) => {
  const logs = await logsOf(t)
  logs.append('orders', 0, ['a', 'b', 'c'])
  const seen: unknown[] = []
  const errors: string[] = []
  const ignore = (): void => {}
  const consumer = consumerOf(t, logs, {
    groupId: 'g',
    autoCommit: false,
    valueDeserializer: deserializers.string,
    logger: { debug: ignore, info: ignore, warn: ignore, error: (message: string) => errors.push(message) },
    interceptors: [
      {
        onConsume: () => {
          throw new Error('no')
        },
        onCommit: () => Promise.reject(new Error('never')) as never,
      },
      {
        onConsume: (records) => seen.push(records.map(({ value }) => value)),
        onCommit: (offsets) => seen.push(offsets.map(({ partition, offset }) => [partition, offset])),
      },
    ],
  })
  consumer.assign([zero])
  await consumer.getOne(soon())
  await consumer.getMany(soon())
  await consumer.commit()
  assert.deepEqual(seen, [['a'], ['b', 'c'], [[0, 3]]])
  await new Promise(setImmediate)
  assert.deepEqual(errors, [
    'onConsume of an interceptor failed: Error: no',
    'onConsume of an interceptor failed: Error: no',
    'onCommit of an interceptor failed: Error: never',
  ])
})

test('a consumer’s types follow from its deserializers', async () => {
  const plain = new Consumer()
  const inferred = new Consumer({
    keyDeserializer: deserializers.uuid,
    valueDeserializer: async (_topic, data) => ({ size: await Promise.resolve(data.length) }),
    interceptors: [{ onConsume: (records) => records.map(({ key, value }) => key?.concat(String(value?.size))) }],
  })
  const stated = new Consumer<string, { total: number }>({ valueDeserializer: deserializers.json })
  const types: [Consumer<Buffer | null, Buffer | null>, Consumer<string, { size: number }>] = [plain, inferred]
  const total = async (): Promise<number | undefined> => (await stated.getOne()).value?.total
  // @ts-expect-error A Buffer is no string.
  const wrong = async (): Promise<string | null> => (await plain.getOne()).value
  for (const call of [total, wrong]) await assert.rejects(call(), { code: 'ILLEGAL_STATE' })
  await Promise.all([...types, stated].map((consumer) => consumer.close()))
})
