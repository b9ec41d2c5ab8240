/** What interceptors of a producer see, may change, and hear, whichever call sent the record. */

import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { ClusterOptions } from '#src/cluster/cluster-options.js'
import type { ProducerInterceptor } from '#src/model/interceptor.js'
import type { ProducerRecord } from '#src/model/produced-record.js'
import type { ProducerOwnOptions } from '#src/producer/producer-options.js'
import { Producer } from '#src/producer/producer.js'
import { Produce } from '#src/wire/messages/produce.js'
import { ScriptedCluster } from '../support/scripted-broker.ts'
import { LogKeeper } from './log-keeper.ts'

async function setUp(t: TestContext, options: ProducerOwnOptions & ClusterOptions) {
  const cluster = await ScriptedCluster.start({}, { brokers: 1, topics: { orders: 1, others: 1 } })
  const keeper = new LogKeeper(cluster.state)
  cluster.on(Produce, keeper.handler)
  const errors: string[] = []
  const ignore = (): void => {}
  const logger = { debug: ignore, info: ignore, warn: ignore, error: (message: string) => errors.push(message) }
  const producer = new Producer({ bootstrapServers: cluster.address, lingerMs: 0, logger, ...options })
  t.after(async () => {
    producer.destroy()
    await cluster.close()
  })
  await producer.start()
  return { cluster, keeper, producer, errors }
}

/** Writes down what it hears: the value of the record, then where it is or with which code it failed. */
function listener() {
  const heard: [unknown, unknown][] = []
  const onAcknowledged: NonNullable<ProducerInterceptor['onAcknowledged']> = (metadata, error, record) => {
    assert.equal(metadata === null, error !== null)
    heard.push([record.value, metadata === null ? (error as { code?: string }).code : metadata.offset])
  }
  return { heard, onAcknowledged }
}

const adding = (suffix: string) => ({
  onSend: (record: ProducerRecord): ProducerRecord => ({ ...record, value: `${String(record.value)}${suffix}` }),
})

test('every record passes the interceptors in their order, and each is heard of once', async (t) => {
  const { heard, onAcknowledged } = listener()
  const interceptors = [adding('1'), { ...adding('2'), onAcknowledged }]
  const { producer, keeper, errors } = await setUp(t, { interceptors })
  const { offset } = await producer.send({ topic: 'orders', value: 'send' })
  assert.equal(offset, 0)
  assert.deepEqual(heard, [['send12', 0]], 'heard before the promise resolved')
  await producer.sendBatch('orders', [{ value: 'a' }, { value: 'b' }])
  assert.equal(producer.enqueue({ topic: 'orders', value: 'enqueue' }), true)
  await producer.flush()
  assert.deepEqual(keeper.log('orders'), ['send12', 'a12', 'b12', 'enqueue12'])
  assert.deepEqual(heard, [
    ['send12', 0],
    ['a12', 1],
    ['b12', 2],
    ['enqueue12', 3],
  ])
  assert.deepEqual(errors, [])
})

test('an interceptor may send a record elsewhere, but not one of a batch', async (t) => {
  const { heard, onAcknowledged } = listener()
  const interceptors = [
    { onSend: (record: ProducerRecord) => ({ ...record, topic: 'others' }), onAcknowledged },
    { onConsume: () => {}, onCommit: () => {} },
  ]
  const { producer, keeper } = await setUp(t, { interceptors })
  assert.equal((await producer.send({ topic: 'orders', value: 'moved' })).topic, 'others')
  await assert.rejects(producer.sendBatch('orders', [{ value: 'a' }, { value: 'b' }]), {
    code: 'INVALID_ARGUMENT',
    message: "an interceptor sent record 0 of a batch for 'orders' to 'others': a batch has one topic",
  })
  assert.deepEqual(keeper.log('others'), ['moved'])
  assert.deepEqual(heard, [
    ['moved', 0],
    ['a', 'INVALID_ARGUMENT'],
  ])
})

test('an interceptor that fails is logged, and the record goes on as it was', async (t) => {
  const interceptors: ProducerInterceptor[] = [
    adding('1'),
    {
      onSend: () => {
        throw new Error('broken')
      },
      onAcknowledged: () => {
        throw new Error('deaf')
      },
    },
    { onSend: () => undefined as unknown as ProducerRecord },
    { onSend: (async () => Promise.reject(new Error('late'))) as unknown as () => ProducerRecord },
    adding('2'),
  ]
  const { producer, keeper, errors } = await setUp(t, { interceptors })
  await producer.send({ topic: 'orders', value: 'v' })
  assert.deepEqual(keeper.log('orders'), ['v12'])
  assert.deepEqual(errors.sort(), [
    'onAcknowledged of an interceptor threw deaf',
    'onSend of an interceptor gave a promise in place of a record',
    'onSend of an interceptor gave undefined in place of a record',
    'onSend of an interceptor threw broken',
    'onSend of an interceptor threw late',
  ])
})

test('a record that is refused, at once or by the broker, is heard of too', async (t) => {
  const { heard, onAcknowledged } = listener()
  const { producer, keeper } = await setUp(t, {
    interceptors: [{ onAcknowledged }],
    maxRequestSize: 5_000,
    valueSerializer: (_topic, data) => {
      if (data === 'unspeakable') throw new Error('no')
      if (data === 'later') return Promise.reject(new Error('no'))
      return data
    },
  })
  const large = 'x'.repeat(6_000)
  const outcomes = await Promise.allSettled([
    producer.send({ topic: 'orders', value: 'unspeakable' }),
    producer.send({ topic: 'orders', value: 'later' }),
    producer.send({ topic: 'orders', value: large }),
    producer.send({ topic: 'orders', value: 'nowhere', partition: 5 }),
    producer.sendBatch('orders', [{ value: 'unspeakable' }, { value: 'good' }]),
  ])
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    Array.from(outcomes, () => 'rejected'),
  )
  keeper.refuse = () => ({
    errorCode: 87,
    errorMessage: 'bad',
    recordErrors: [{ batchIndex: 0, batchIndexErrorMessage: 'bad' }],
  })
  await assert.rejects(producer.send({ topic: 'orders', value: 'invalid' }), { code: 'INVALID_RECORD' })
  assert.throws(() => producer.enqueue({ topic: 'orders', value: 'x', partition: -2 }), { code: 'INVALID_ARGUMENT' })
  const byValue = heard.map(([value, what]) => `${String(value).slice(0, 12)} ${String(what)}`).sort()
  assert.deepEqual(byValue, [
    'good 0',
    'invalid INVALID_RECORD',
    'later SERIALIZATION_FAILED',
    'nowhere INVALID_ARGUMENT',
    'unspeakable SERIALIZATION_FAILED',
    'unspeakable SERIALIZATION_FAILED',
    'x INVALID_ARGUMENT',
    'xxxxxxxxxxxx INVALID_ARGUMENT',
  ])
})

test('a record that enqueue does not take is heard of as refused, and again when it is taken', async (t) => {
  const { heard, onAcknowledged } = listener()
  const value = 'x'.repeat(900)
  const { producer, keeper } = await setUp(t, {
    interceptors: [{ onAcknowledged }],
    bufferMemory: 4_096,
    batchSize: 1_024,
  })
  let refusals = 0
  for (let i = 0; i < 20; i++) {
    while (!producer.enqueue({ topic: 'orders', value })) {
      refusals++
      await producer.drained()
    }
  }
  await producer.flush()
  assert.equal(keeper.log('orders').length, 20)
  assert.ok(refusals > 0)
  assert.equal(heard.filter(([, what]) => what === 'BUFFER_FULL').length, refusals)
  assert.equal(heard.filter(([, what]) => typeof what === 'number').length, 20)
})

test('records of a batch that is divided are heard of with their own offsets', async (t) => {
  const { heard, onAcknowledged } = listener()
  const { producer, cluster, keeper } = await setUp(t, { interceptors: [{ onAcknowledged }], lingerMs: 2 })
  cluster.brokers[0]!.once(Produce, ({ topicData }) => ({
    responses: topicData.map(({ topicId, name, partitionData }) => ({
      topicId,
      name,
      partitionResponses: partitionData.map(({ index }) => ({ index, errorCode: 10 })),
    })),
  }))
  const values = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(300))
  for (const value of values) producer.enqueue({ topic: 'orders', value })
  await producer.flush()
  assert.deepEqual(keeper.log('orders'), values)
  assert.ok(keeper.batches.get('orders-0')!.length > 1)
  assert.deepEqual(
    heard,
    values.map((value, i) => [value, i]),
  )
})

test('an interceptor may destroy the producer when it hears of a record', async (t) => {
  const heard: unknown[] = []
  const { producer } = await setUp(t, {
    interceptors: [
      {
        onAcknowledged: (metadata, error) => {
          heard.push(metadata?.offset ?? (error as { code?: string }).code)
          producer.destroy()
        },
      },
    ],
  })
  await producer.send({ topic: 'orders', value: 'a' })
  await assert.rejects(producer.send({ topic: 'orders', value: 'b' }), { code: 'CLOSED' })
  assert.deepEqual(heard, [0], 'a record that no interceptor saw is not heard of')
})

test('the list of interceptors may be changed by the caller afterwards', async (t) => {
  const interceptors = [adding('1')]
  const { producer, keeper } = await setUp(t, { interceptors })
  interceptors.push(adding('2'))
  await producer.send({ topic: 'orders', value: 'v' })
  assert.deepEqual(keeper.log('orders'), ['v1'])
})

test('what is no interceptor is refused by the constructor', () => {
  for (const wrong of [{}, [1], [{}], [{ onSent: () => {} }], [{ onSend: 1 }], 'x']) {
    assert.throws(() => new Producer({ interceptors: wrong as [] }), { code: 'INVALID_OPTION', option: 'interceptors' })
  }
  for (const option of ['keySerializer', 'valueSerializer']) {
    for (const wrong of [1, 'json', {}, { serialise: () => '' }, null]) {
      assert.throws(() => new Producer({ [option]: wrong }), {
        code: 'INVALID_OPTION',
        option,
        message: /must be a function, or an object with the method serialize/,
      })
    }
  }
})
