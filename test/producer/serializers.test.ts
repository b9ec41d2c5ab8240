/** What serializers do to a producer's records: their bytes, their order, their failures, and how long they may take. */

import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { systemDoors, type Doors } from '#src/async/doors.js'
import type { ClusterOptions } from '#src/cluster/cluster-options.js'
import { KafkaError } from '#src/errors/kafka-error.js'
import type { SerdeHeaders, Serializer } from '#src/model/serde.js'
import { serializers } from '#src/model/standard-serdes.js'
import { DeliveryError, SendBatchError } from '#src/producer/delivery-errors.js'
import type { ProducerOwnOptions } from '#src/producer/producer-options.js'
import { Producer } from '#src/producer/producer.js'
import { Produce } from '#src/wire/messages/produce.js'
import { DefaultRecordBatch } from '#src/wire/records/record-batch.js'
import { ManualClock } from '../support/manual-clock.ts'
import { ScriptedCluster, type ScriptedTopics } from '../support/scripted-broker.ts'
import { LogKeeper } from './log-keeper.ts'

type Options<Key, Value> = ProducerOwnOptions<Key, Value> & ClusterOptions

async function setUp<Key, Value>(
  t: TestContext,
  options: Options<Key, Value>,
  { doors, topics = { orders: 1, others: 1 } }: { doors?: Doors; topics?: ScriptedTopics } = {},
) {
  const cluster = await ScriptedCluster.start({}, { brokers: 1, topics })
  const keeper = new LogKeeper(cluster.state)
  /** Key, value and headers of every record that arrived. */
  const arrived: [string | null, string | null, ...string[]][] = []
  cluster.on(Produce, (request, context) => {
    for (const { records } of request.topicData.flatMap(({ partitionData }) => partitionData)) {
      const batch = new DefaultRecordBatch(records!, 10_000_000)
      for (const cursor = batch.cursor(); cursor.next();) {
        const headers = cursor.headers().map(({ key, value }) => `${key}=${String(value)}`)
        arrived.push([text(cursor.key()), text(cursor.value()), ...headers])
      }
    }
    return keeper.handler(request, context)
  })
  const producer = new Producer<Key, Value>(
    { bootstrapServers: cluster.address, lingerMs: 0, closeTimeoutMs: 2_000, ...options },
    doors,
  )
  t.after(async () => {
    producer.destroy()
    await cluster.close()
  })
  await producer.start()
  return { cluster, keeper, producer, arrived, broker: cluster.brokers[0]! }
}

const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString())

/** A serializer that answers when the test says so, by the record's own name. */
function byHand() {
  const waiting = new Map<string, { resolve: (bytes: string) => void; reject: (reason: unknown) => void }>()
  const called: string[] = []
  const serialize = (_topic: string, data: string): Promise<string> => {
    called.push(data)
    return new Promise((resolve, reject) => {
      waiting.set(data, { resolve, reject })
    })
  }
  return {
    serialize,
    called,
    finish(data: string) {
      waiting.get(data)!.resolve(data)
    },
    fail(data: string, reason: unknown = new Error(`no ${data}`)) {
      waiting.get(data)!.reject(reason)
    },
  }
}

/** Lets everything go on that does not wait for a timer or the network. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('a function and an object with serialize are given topic, data and headers, and what they give is sent', async (t) => {
  const seen: unknown[] = []
  const valueSerializer = {
    prefix: '>',
    serialize(topic: string, data: number, headers: SerdeHeaders) {
      seen.push([topic, data, { ...headers }])
      return this.prefix + data
    },
  }
  const { producer, arrived } = await setUp(t, {
    keySerializer: (_topic: string, data: boolean) => Buffer.from(data ? 'yes' : 'no'),
    valueSerializer,
  })
  await producer.send({ topic: 'orders', key: true, value: 1, headers: { a: '1', b: ['2', '3'] } })
  await producer.sendBatch('others', [{ key: false, value: 2 }])
  assert.equal(producer.enqueue({ topic: 'orders', value: 3 }), true)
  await producer.flush()
  assert.deepEqual(seen, [
    ['orders', 1, { a: '1', b: ['2', '3'] }],
    ['others', 2, {}],
    ['orders', 3, {}],
  ])
  assert.deepEqual(arrived, [
    ['yes', '>1', 'a=1', 'b=2', 'b=3'],
    ['no', '>2'],
    [null, '>3'],
  ])
})

test('null is null: a tombstone and a missing key are no business of a serializer', async (t) => {
  const refuse = (): never => {
    throw new Error('nothing to serialize')
  }
  const { producer, arrived } = await setUp(t, { keySerializer: refuse, valueSerializer: refuse })
  await producer.send({ topic: 'orders', key: null, value: null })
  await producer.send({ topic: 'orders', value: null })
  assert.deepEqual(arrived, [
    [null, null],
    [null, null],
  ])
  await assert.rejects(producer.send({ topic: 'orders', value: undefined as unknown as null }), {
    code: 'INVALID_ARGUMENT',
    message: /value of a record for 'orders' is undefined; give null, if it is meant to be empty/,
  })
})

test('a serializer may give null', async (t) => {
  const { producer, arrived } = await setUp(t, {
    keySerializer: () => null,
    valueSerializer: () => Promise.resolve(null),
  })
  await producer.send({ topic: 'orders', key: 'k', value: 'v' })
  assert.deepEqual(arrived, [[null, null]])
})

test('where only one of the two has a serializer, the other must be bytes', async (t) => {
  const { producer, arrived } = await setUp(t, { valueSerializer: serializers.json })
  await producer.send({ topic: 'orders', key: Buffer.from('k'), value: { n: 1 } })
  await assert.rejects(producer.send({ topic: 'orders', key: 1 as unknown as string, value: {} }), {
    code: 'INVALID_ARGUMENT',
    message: /the key of a record for 'orders' is 1/,
  })
  assert.deepEqual(arrived, [['k', '{"n":1}']])
})

test('a record whose serializer throws, rejects or gives no bytes fails, says which part it was, and is not sent', async (t) => {
  const cause = new Error('no such schema')
  const behaviours: Record<string, () => string | Promise<string>> = {
    throws: () => {
      throw cause
    },
    rejects: () => Promise.reject(cause),
    number: () => 7 as unknown as string,
    laterNumber: () => Promise.resolve(7 as unknown as string),
  }
  const serializer: Serializer<string> = (_topic, data) => behaviours[data]?.() ?? data
  for (const part of ['key', 'value'] as const) {
    const options: Options<string, string> = { [`${part}Serializer`]: serializer }
    const { producer, arrived }: Awaited<ReturnType<typeof setUp<string, string>>> = await setUp(t, options)
    const record = (data: string) => ({ topic: 'orders', key: 'k', value: 'v', [part]: data })
    for (const [behaviour, message, expectedCause] of [
      ['throws', `the ${part} of a record for 'orders' could not be serialized: no such schema`, cause],
      ['rejects', `the ${part} of a record for 'orders' could not be serialized: no such schema`, cause],
      [
        'number',
        `the serializer gave 7 for the ${part} of a record for 'orders'; it must give a string, a Uint8Array or null`,
        undefined,
      ],
      [
        'laterNumber',
        `the serializer gave 7 for the ${part} of a record for 'orders'; it must give a string, a Uint8Array or null`,
        undefined,
      ],
    ] as const) {
      await assert.rejects(producer.send(record(behaviour)), (error) => {
        assert.ok(error instanceof KafkaError)
        assert.equal(error.name, 'SerializationError')
        assert.equal(error.code, 'SERIALIZATION_FAILED')
        assert.equal(error.persistence, 'not-persisted')
        assert.equal(error.retriable, false)
        assert.equal(error.message, message)
        assert.equal(error.cause, expectedCause)
        return true
      })
    }
    await producer.send(record('good'))
    assert.equal(arrived.length, 1)
  }
})

test('a record whose two serializers both fail, each in its way, fails once and ends no process', async (t) => {
  const unheard: unknown[] = []
  const onUnhandled = (reason: unknown): void => {
    unheard.push(reason)
  }
  process.on('unhandledRejection', onUnhandled)
  t.after(() => process.off('unhandledRejection', onUnhandled))
  const rejects = (): Promise<string> => Promise.reject(new Error('no such schema'))
  const noBytes = () => 7 as unknown as string
  for (const [keySerializer, valueSerializer, part] of [
    [rejects, noBytes, 'schema|value'],
    [noBytes, rejects, 'schema|key'],
    [rejects, rejects, 'schema'],
  ] as const) {
    const { producer, arrived } = await setUp<string, string>(t, { keySerializer, valueSerializer })
    const sent = producer.send({ topic: 'orders', key: 'k', value: 'v' })
    await assert.rejects(sent, { code: 'SERIALIZATION_FAILED', message: new RegExp(part) })
    await turn()
    assert.deepEqual(arrived, [])
  }
  assert.deepEqual(unheard, [])
})

test('asynchronous serializers run side by side, and records are appended in the order of the calls', async (t) => {
  const hand = byHand()
  const { producer, keeper } = await setUp(t, { valueSerializer: hand.serialize })
  const names = ['a', 'b', 'c', 'd']
  const sent = names.map((value) => producer.send({ topic: 'orders', value }))
  assert.deepEqual(hand.called, names)
  for (const name of ['d', 'b', 'c']) hand.finish(name)
  await turn()
  assert.equal(producer.metrics().recordsAppended, 0, 'none before the first')
  hand.finish('a')
  const places = await Promise.all(sent)
  assert.deepEqual(
    places.map(({ offset }) => offset),
    [0, 1, 2, 3],
  )
  assert.deepEqual(keeper.log('orders'), names)
})

test('a record that needs no waiting still waits behind one that does, in its topic and no other', async (t) => {
  const hand = byHand()
  const { producer, keeper } = await setUp(t, {
    valueSerializer: (topic: string, data: string) => (data === 'slow' ? hand.serialize(topic, data) : data),
  })
  await producer.send({ topic: 'orders', value: 'before' })
  const slow = producer.send({ topic: 'orders', value: 'slow' })
  const quick = producer.send({ topic: 'orders', value: 'quick' })
  await producer.send({ topic: 'others', value: 'elsewhere' })
  assert.deepEqual(keeper.log('orders'), ['before'])
  hand.finish('slow')
  await Promise.all([slow, quick])
  assert.deepEqual(keeper.log('orders'), ['before', 'slow', 'quick'])
})

test('one that rejects fails only its record, and those behind it go on', async (t) => {
  const hand = byHand()
  const { producer, keeper } = await setUp(t, { valueSerializer: hand.serialize })
  const sent = ['a', 'b', 'c'].map((value) => producer.send({ topic: 'orders', value }))
  hand.finish('c')
  hand.finish('b')
  hand.fail('a')
  await assert.rejects(sent[0]!, { code: 'SERIALIZATION_FAILED' })
  await Promise.all(sent.slice(1))
  assert.deepEqual(keeper.log('orders'), ['b', 'c'])
})

test('records of a topic that is not known yet are serialized meanwhile', async (t) => {
  const hand = byHand()
  const { producer, keeper, cluster } = await setUp(t, { valueSerializer: hand.serialize, retryBackoffMs: 5 })
  const sent = ['a', 'b'].map((value) => producer.send({ topic: 'new', value }))
  hand.finish('b')
  await turn()
  cluster.state.addTopic('new', 1)
  hand.finish('a')
  await Promise.all(sent)
  assert.deepEqual(keeper.log('new'), ['a', 'b'])
})

test('a partition that is named and does not exist fails the record after it was serialized', async (t) => {
  const hand = byHand()
  const { producer, keeper } = await setUp(t, { valueSerializer: hand.serialize })
  const wrong = producer.send({ topic: 'orders', partition: 7, value: 'wrong' })
  const right = producer.send({ topic: 'orders', partition: 0, value: 'right' })
  hand.finish('right')
  hand.finish('wrong')
  await assert.rejects(wrong, { code: 'INVALID_ARGUMENT', message: /no partition 7 of topic 'orders'/ })
  await right
  assert.deepEqual(keeper.log('orders'), ['right'])
})

test('flush() and close() wait for records that are being serialized', async (t) => {
  const hand = byHand()
  const { producer, keeper } = await setUp(t, { valueSerializer: hand.serialize, lingerMs: 60_000 })
  const sent = producer.send({ topic: 'orders', value: 'a' })
  let flushed = false
  const flushing = producer.flush().then(() => {
    flushed = true
  })
  const later = producer.send({ topic: 'orders', value: 'later' })
  await turn()
  assert.equal(flushed, false)
  hand.finish('a')
  await flushing
  await sent
  assert.deepEqual(keeper.log('orders'), ['a'])
  const closing = producer.close()
  hand.finish('later')
  await closing
  await later
  assert.deepEqual(keeper.log('orders'), ['a', 'later'])
})

test('close() gives up on a serializer that does not answer within closeTimeoutMs', async (t) => {
  const hand = byHand()
  const { producer } = await setUp(t, { valueSerializer: hand.serialize, closeTimeoutMs: 20 })
  const sent = producer.send({ topic: 'orders', value: 'a' })
  const failed = assert.rejects(sent, { code: 'CLOSED', persistence: 'not-persisted' })
  await producer.close()
  await failed
  // What it answers now is nobody's business, not even when it is a failure.
  hand.fail('a')
  await turn()
})

test('purge() fails what is being serialized', async (t) => {
  const hand = byHand()
  const { producer, keeper } = await setUp(t, { valueSerializer: hand.serialize })
  const sent = producer.send({ topic: 'orders', value: 'a' })
  const failed = assert.rejects(sent, { code: 'PURGED', persistence: 'not-persisted' })
  producer.purge()
  await failed
  hand.finish('a')
  await turn()
  assert.equal(producer.metrics().waiting, 0)
  assert.deepEqual(keeper.log('orders'), [])
})

test('a signal ends the wait for a serializer, and those behind go on', async (t) => {
  const hand = byHand()
  const { producer, keeper } = await setUp(t, { valueSerializer: hand.serialize })
  const controller = new AbortController()
  const { signal } = controller
  const aborted = producer.send({ topic: 'orders', value: 'a' }, { signal })
  const batch = producer.sendBatch('orders', [{ value: 'b' }, { value: 'c' }], { signal })
  const kept = producer.send({ topic: 'orders', value: 'd' })
  hand.finish('d')
  const reason = new Error('changed my mind')
  controller.abort(reason)
  await assert.rejects(aborted, reason)
  await assert.rejects(batch, reason)
  await kept
  hand.finish('a')
  await turn()
  assert.deepEqual(keeper.log('orders'), ['d'])
})

test('a serializer that never answers is given up after maxBlockMs, and those behind go on', async (t) => {
  const clock = new ManualClock()
  const hand = byHand()
  const { producer, keeper } = await setUp(
    t,
    { valueSerializer: hand.serialize, maxBlockMs: 100 },
    { doors: { ...systemDoors, clock } },
  )
  const before = producer.send({ topic: 'orders', value: 'before' })
  hand.finish('before')
  await before
  const first = producer.send({ topic: 'orders', value: 'first' })
  const failed = assert.rejects(first, {
    code: 'TIMEOUT',
    persistence: 'not-persisted',
    message: "the serializer of a record for 'orders' gave no answer within 100 ms",
  })
  await clock.advance(50)
  const second = producer.send({ topic: 'orders', value: 'second' })
  hand.finish('second')
  await clock.advance(50)
  await failed
  await second
  assert.deepEqual(keeper.log('orders'), ['before', 'second'])
})

test('what waits for serializers is bounded: send rejects beyond it, enqueue says false until drained', async (t) => {
  const hand = byHand()
  let failures = 0
  const { producer, keeper } = await setUp(t, {
    valueSerializer: hand.serialize,
    bufferMemory: 16_384,
    batchSize: 1_024,
    onDeliveryError: () => failures++,
  })
  const accepted: string[] = []
  while (producer.enqueue({ topic: 'orders', value: `e${accepted.length}` })) accepted.push(`e${accepted.length}`)
  assert.ok(accepted.length > 3 && accepted.length <= 16, `${accepted.length} accepted`)
  const drained = producer.drained()
  let isDrained = false
  void drained.then(() => {
    isDrained = true
  })
  await turn()
  assert.equal(isDrained, false)
  for (const name of accepted) hand.finish(name)
  await drained
  assert.equal(producer.enqueue({ topic: 'orders', value: 'again' }), true)
  hand.finish('again')
  await producer.flush()
  assert.deepEqual(keeper.log('orders'), [...accepted, 'again'])
  assert.equal(failures, 0)

  const sent = Array.from({ length: 400 }, (_, i) => producer.send({ topic: 'orders', value: `s${i}` }))
  sent.forEach((_, i) => {
    hand.finish(`s${i}`)
  })
  const outcomes = await Promise.allSettled(sent)
  const refused = outcomes.filter(({ status }) => status === 'rejected')
  assert.ok(refused.length > 0 && refused.length < 400)
  for (const one of refused) assert.equal((one as PromiseRejectedResult).reason.code, 'BUFFER_FULL')
  const kept = outcomes.flatMap(({ status }, i) => (status === 'fulfilled' ? [`s${i}`] : []))
  assert.deepEqual(keeper.log('orders').slice(accepted.length + 1), kept)
})

test('records that turn out much larger than those before are refused where they do not fit', async (t) => {
  const { producer, keeper } = await setUp(t, {
    valueSerializer: (_topic: string, data: string) => Promise.resolve(data),
    bufferMemory: 65_536,
    batchSize: 4_096,
  })
  const value = 'x'.repeat(8_000)
  const outcomes = await Promise.allSettled(Array.from({ length: 40 }, () => producer.send({ topic: 'orders', value })))
  const refused = outcomes.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[]
  assert.ok(refused.length > 0)
  for (const { reason } of refused) assert.equal(reason.code, 'BUFFER_FULL')
  assert.equal(keeper.log('orders').length, 40 - refused.length)
  assert.equal(producer.metrics().waitingBytes, 0)
})

test('an enqueued record whose serializer rejects later is told to onDeliveryError and to flush()', async (t) => {
  const hand = byHand()
  const told: unknown[] = []
  const { producer, keeper } = await setUp(t, {
    valueSerializer: hand.serialize,
    onDeliveryError: (error, place) => told.push([(error as KafkaError).code, place]),
  })
  assert.equal(producer.enqueue({ topic: 'orders', value: 'a' }), true)
  assert.equal(producer.enqueue({ topic: 'orders', value: 'b' }), true)
  hand.fail('a')
  hand.finish('b')
  await assert.rejects(producer.flush(), (error) => error instanceof DeliveryError && error.count === 1)
  assert.deepEqual(told, [['SERIALIZATION_FAILED', { topic: 'orders', partition: -1, count: 1 }]])
  assert.deepEqual(keeper.log('orders'), ['b'])
})

test('an enqueued record whose serializer throws at once throws from enqueue()', async (t) => {
  const { producer } = await setUp(t, { valueSerializer: serializers.int32 })
  assert.throws(() => producer.enqueue({ topic: 'orders', value: 1.5 }), {
    code: 'SERIALIZATION_FAILED',
    message: /an integer is needed, not 1.5/,
  })
  await producer.flush()
})

for (const [kind, wrap] of [
  ['at once', (data: string) => data],
  ['later', (data: string) => Promise.resolve(data)],
] as const) {
  test(`in a batch, a record that cannot be serialized ${kind} fails alone`, async (t) => {
    const { producer, keeper } = await setUp(t, {
      maxRequestSize: 10_000,
      valueSerializer: (_topic: string, data: string) => {
        if (data === 'bad') throw new Error('bad')
        return wrap(data === 'large' ? 'x'.repeat(20_000) : data)
      },
    })
    const records = ['a', 'bad', 'b', 'large', 'c'].map((value) => ({ value }))
    await assert.rejects(producer.sendBatch('orders', records), (error) => {
      assert.ok(error instanceof SendBatchError)
      assert.deepEqual(
        error.failures.map((failure) => [failure.index, (failure.error as KafkaError).code]),
        [
          [1, 'SERIALIZATION_FAILED'],
          [3, 'INVALID_ARGUMENT'],
        ],
      )
      return true
    })
    assert.deepEqual(keeper.log('orders'), ['a', 'b', 'c'])
    const result = await producer.sendBatch('orders', [{ value: 'd' }, { value: 'e' }])
    assert.deepEqual(result.partitions, [{ partition: 0, baseOffset: 3, count: 2 }])
    assert.equal(result.offsetOf(1), 4)
    assert.equal((await producer.sendBatch('orders', [])).partitions.length, 0)
  })
}

test('in a batch, what can be seen before serializing is checked of all before any is taken', async (t) => {
  const { producer, keeper } = await setUp(t, { valueSerializer: serializers.json })
  const records = [{ value: 1 }, { value: 2, partition: -1 }]
  await assert.rejects(producer.sendBatch('orders', records), {
    code: 'INVALID_ARGUMENT',
    message: /record 1 of a batch: the partition of a record for 'orders' must be/,
  })
  assert.deepEqual(keeper.log('orders'), [])
})

test('headers that a serializer writes are sent, at the place of their name or behind all others', async (t) => {
  const given = { a: '1', b: '2' }
  const { producer, arrived } = await setUp(t, {
    keySerializer: (_topic: string, data: string, headers: SerdeHeaders) => {
      headers['key-schema'] = Buffer.from('k')
      return data
    },
    valueSerializer: async (_topic: string, data: string, headers: SerdeHeaders) => {
      await turn()
      if (data === 'change') headers['a'] = ['3', '4']
      if (data === 'push') (headers['a'] as string[]).push('9')
      if (data === 'delete') delete headers['b']
      headers['value-schema'] = 'v'
      return data
    },
  })
  await producer.send({ topic: 'orders', key: 'k', value: 'plain' })
  await producer.send({ topic: 'orders', key: 'k', value: 'change', headers: given })
  await producer.send({ topic: 'orders', key: 'k', value: 'delete', headers: given })
  const pairs = [
    ['a', '1'],
    ['b', '2'],
    ['a', '3'],
  ] as const
  await producer.send({ topic: 'orders', key: 'k', value: 'push', headers: pairs })
  await producer.send({ topic: 'orders', key: 'k', value: 'keep', headers: pairs })
  assert.deepEqual(arrived, [
    ['k', 'plain', 'key-schema=k', 'value-schema=v'],
    ['k', 'change', 'a=3', 'a=4', 'b=2', 'key-schema=k', 'value-schema=v'],
    ['k', 'delete', 'a=1', 'key-schema=k', 'value-schema=v'],
    ['k', 'push', 'a=1', 'a=3', 'a=9', 'b=2', 'key-schema=k', 'value-schema=v'],
    ['k', 'keep', 'a=1', 'b=2', 'a=3', 'key-schema=k', 'value-schema=v'],
  ])
  assert.deepEqual(given, { a: '1', b: '2' }, "the caller's own headers are left alone")
})

test('a header that is no bytes is an error of the serializer', async (t) => {
  const { producer } = await setUp(t, {
    valueSerializer: (_topic: string, data: string, headers: SerdeHeaders) => {
      headers['n'] = 1 as unknown as string
      return data
    },
  })
  await assert.rejects(producer.send({ topic: 'orders', value: 'a' }), {
    code: 'SERIALIZATION_FAILED',
    message: /a serializer wrote 1 as header 'n' of a record for 'orders'/,
  })
})

test('bytes that are given may be used again when the call returns, while another part is serialized', async (t) => {
  const hand = byHand()
  const { producer, arrived } = await setUp(t, { valueSerializer: hand.serialize })
  const key = Buffer.from('before')
  const header = Buffer.from('before')
  const sent = producer.send({ topic: 'orders', key, value: 'v', headers: { header } })
  key.fill('x')
  header.fill('x')
  hand.finish('v')
  await sent
  assert.deepEqual(arrived, [['before', 'v', 'header=before']])
})

test('the partitioner sees the bytes that are sent', async (t) => {
  const seen: unknown[] = []
  const { producer } = await setUp(
    t,
    {
      keySerializer: serializers.int32,
      valueSerializer: (_topic: string, data: number) => Promise.resolve(String(data)),
      partitioner: ({ key, value }) => {
        seen.push([Buffer.from(key!).toString('hex'), value])
        return 1
      },
    },
    { topics: { orders: [1, 1] } },
  )
  assert.equal((await producer.send({ topic: 'orders', key: 258, value: 3 })).partition, 1)
  assert.deepEqual(seen, [['00000102', '3']])
})

test('a record is as large as its bytes are', async (t) => {
  const { producer } = await setUp(t, { valueSerializer: () => 'x'.repeat(2_000), maxRequestSize: 1_000 })
  await assert.rejects(producer.send({ topic: 'orders', value: 'small' }), {
    code: 'INVALID_ARGUMENT',
    message: /takes 2\d\d\d bytes, which is more than maxRequestSize \(1000\) allows/,
  })
})

test('serializers of many records at once keep the order under memory that is always full', async (t) => {
  const random = mulberry(7)
  const { producer, keeper } = await setUp(t, {
    bufferMemory: 60_000,
    batchSize: 500,
    valueSerializer: async (_topic: string, data: string) => {
      for (let turns = Math.floor(random() * 4); turns > 0; turns--) await turn()
      return data
    },
  })
  const values = Array.from({ length: 1_500 }, (_, i) => `${i}`)
  for (const value of values) while (!producer.enqueue({ topic: 'orders', value })) await producer.drained()
  await producer.flush()
  assert.deepEqual(keeper.log('orders'), values)
  assert.equal(producer.metrics().waitingBytes, 0)
})

/** Chance from a seed. */
function mulberry(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
