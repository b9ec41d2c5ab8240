import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { ClusterOptions } from '#src/cluster/cluster-options.js'
import { Producer } from '#src/producer/producer.js'
import type { ProducerOwnOptions } from '#src/producer/producer-options.js'
import { Metadata } from '#src/wire/messages/metadata.js'
import { Produce } from '#src/wire/messages/produce.js'
import { ScriptedCluster, type ScriptedTopics } from '../support/scripted-broker.ts'
import { LogKeeper } from './log-keeper.ts'

interface Setup {
  brokers?: number
  topics?: ScriptedTopics
  options?: ProducerOwnOptions & ClusterOptions
  /** Default true. */
  start?: boolean
}

async function setUp(t: TestContext, { brokers = 1, topics = { orders: 1 }, options = {}, start = true }: Setup = {}) {
  const cluster = await ScriptedCluster.start({}, { brokers, topics })
  const keeper = new LogKeeper(cluster.state)
  cluster.on(Produce, keeper.handler)
  const producer = new Producer({
    bootstrapServers: cluster.address,
    lingerMs: 0,
    retryBackoffMs: 5,
    retryBackoffMaxMs: 20,
    closeTimeoutMs: 2_000,
    ...options,
  })
  t.after(async () => {
    producer.destroy()
    await cluster.close()
  })
  if (start) await producer.start()
  return { cluster, keeper, producer, broker: cluster.brokers[0]! }
}

/** A door that opens when the test says so. */
function gate() {
  let open!: () => void
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}

const numbered = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => `${from + i}`)

test('a record is acknowledged with its place and time', async (t) => {
  const { producer, keeper } = await setUp(t, { topics: { orders: [1, 1, 1] } })
  const first = await producer.send({ topic: 'orders', partition: 2, value: 'a', timestamp: 1_234 })
  assert.deepEqual(first, { topic: 'orders', partition: 2, offset: 0, timestamp: 1_234 })
  const before = Date.now()
  const second = await producer.send({ topic: 'orders', partition: 2, value: 'b' })
  assert.equal(second.offset, 1)
  assert.ok(second.timestamp >= before && second.timestamp <= Date.now())
  assert.deepEqual(keeper.log('orders', 2), ['a', 'b'])
})

test('a producer that is used before start() starts by itself', async (t) => {
  const { producer } = await setUp(t, { start: false })
  const { offset } = await producer.send({ topic: 'orders', value: 'a' })
  assert.equal(offset, 0)
})

test('records of one burst travel in one request and keep their order', async (t) => {
  const { producer, keeper, broker } = await setUp(t)
  await producer.send({ topic: 'orders', value: 'first' })
  const sent = await Promise.all(numbered(100).map((value) => producer.send({ topic: 'orders', value })))
  assert.deepEqual(keeper.log('orders'), ['first', ...numbered(100)])
  assert.deepEqual(
    sent.map(({ offset }) => offset),
    numbered(100, 1).map(Number),
  )
  assert.equal(broker.requests(Produce).length, 2)
})

test("a batch's records may be reused by the caller as soon as send() returns", async (t) => {
  const { producer, keeper } = await setUp(t, { start: false })
  const value = Buffer.from('before')
  const waits = producer.send({ topic: 'orders', value })
  value.write('AFTER!')
  await waits
  value.write('before')
  const placed = producer.send({ topic: 'orders', value })
  value.write('AFTER!')
  await placed
  assert.deepEqual(keeper.log('orders'), ['before', 'before'])
})

test('sendBatch tells where each of its records is', async (t) => {
  const { producer, keeper } = await setUp(t, { topics: { orders: [1, 1, 1] } })
  await producer.send({ topic: 'orders', partition: 1, value: 'other' })
  const partitions = [1, 0, 1, 1, 2, 0]
  const result = await producer.sendBatch(
    'orders',
    partitions.map((partition, i) => ({ partition, value: `${i}` })),
  )
  assert.deepEqual(result.partitions, [
    { partition: 0, baseOffset: 0, count: 2 },
    { partition: 1, baseOffset: 1, count: 3 },
    { partition: 2, baseOffset: 0, count: 1 },
  ])
  partitions.forEach((partition, i) => {
    assert.equal(keeper.log('orders', partition)[result.offsetOf(i)!], `${i}`)
  })
  assert.throws(() => result.offsetOf(6), RangeError)
  const none = await producer.sendBatch('orders', [])
  assert.deepEqual(none.partitions, [])
})

test('sendBatch takes no record when one of them cannot be sent', async (t) => {
  const { producer, keeper } = await setUp(t)
  const records = [{ value: 'good' }, { value: 5 as unknown as string }]
  await assert.rejects(producer.sendBatch('orders', records), {
    code: 'INVALID_ARGUMENT',
    message: /^record \d+ of a batch: .* is 5/,
  })
  await assert.rejects(producer.sendBatch('orders', [{ value: 'good' }, { value: 'x', partition: 7 }]), {
    code: 'SEND_BATCH_FAILED',
    message: /no partition 7/,
  })
  await producer.flush()
  assert.deepEqual(keeper.log('orders'), [])
})

test('sendBatch lists the records that failed, and only them', async (t) => {
  const { producer, keeper } = await setUp(t, { topics: { orders: [1, 1] } })
  keeper.refuse = (_, partition) => (partition === 1 ? { errorCode: 87, errorMessage: 'no' } : undefined)
  const error: unknown = await producer
    .sendBatch(
      'orders',
      [0, 1, 0, 1].map((partition, i) => ({ partition, value: `${i}` })),
    )
    .catch((reason: unknown) => reason)
  const { code, failures, message } = error as {
    code: string
    message: string
    failures: { index: number; error: Error }[]
  }
  assert.equal(code, 'SEND_BATCH_FAILED')
  assert.match(message, /2 of 4 records for 'orders' failed/)
  assert.deepEqual(
    failures.map(({ index }) => index),
    [1, 3],
  )
  assert.equal((failures[0]!.error as { code?: string }).code, 'INVALID_RECORD')
  assert.deepEqual(keeper.log('orders', 0), ['0', '2'])
})

test('sendBatch refuses at once what is beyond all memory, and takes what only looks like it', async (t) => {
  const { producer, keeper } = await setUp(t, { options: { batchSize: 1_000, bufferMemory: 10_000 } })
  await producer.send({ topic: 'orders', value: 'first' })
  const large = Array.from({ length: 30 }, () => ({ value: 'x'.repeat(900) }))
  const error: unknown = await producer.sendBatch('orders', large).catch((reason: unknown) => reason)
  const { failures, retriable } = error as { failures: { error: { code: string } }[]; retriable: boolean }
  assert.equal(failures.length, 30)
  assert.equal(retriable, true)
  assert.equal(failures[0]!.error.code, 'BUFFER_FULL')
  await producer.flush()
  assert.deepEqual(keeper.log('orders'), ['first'])
  // Many small records: in line they would cost much more than in batches, where they fit.
  await producer.sendBatch(
    'orders',
    numbered(400).map((value) => ({ value })),
  )
  // More than fits into batches at once: the rest waits in line, and copies are made of it.
  const some = Array.from({ length: 16 }, (_, i) => ({ value: Buffer.from(`${i}`.padEnd(800)) }))
  const sent = producer.sendBatch('orders', some)
  for (const { value } of some) value.fill('!')
  const result = await sent
  assert.equal(result.offsetOf(15), 416)
  assert.deepEqual(
    keeper.log('orders').slice(401),
    some.map((_, i) => `${i}`.padEnd(800)),
  )
})

test('flush waits for all that was accepted, and not for linger', async (t) => {
  const { producer, keeper } = await setUp(t, { options: { lingerMs: 60_000 } })
  for (const value of numbered(10)) assert.equal(producer.enqueue({ topic: 'orders', value }), true)
  await producer.flush()
  assert.deepEqual(keeper.log('orders'), numbered(10))
  await producer.flush()
})

test('enqueued records that fail are told to onDeliveryError, and to the next flush once', async (t) => {
  const told: unknown[] = []
  const { producer, keeper } = await setUp(t, {
    options: {
      onDeliveryError: (error, place) => {
        told.push([(error as { code?: string }).code, place])
        throw new Error('a listener that breaks')
      },
    },
  })
  await producer.send({ topic: 'orders', value: 'known' })
  keeper.refuse = () => ({ errorCode: 87 })
  for (const value of numbered(3)) producer.enqueue({ topic: 'orders', value })
  const sent = assert.rejects(producer.send({ topic: 'orders', value: 'x' }), { code: 'INVALID_RECORD' })
  await assert.rejects(producer.flush(), {
    code: 'DELIVERY_FAILED',
    count: 3,
    message: /3 enqueued records failed, the first for partition 0 of 'orders'/,
  })
  await sent
  assert.deepEqual(told, [['INVALID_RECORD', { topic: 'orders', partition: 0, count: 3 }]])
  await producer.flush()
  await producer.close()
})

test('what enqueue fails for before it has a partition is told too', async (t) => {
  const told: unknown[] = []
  const { producer, cluster } = await setUp(t, { options: { onDeliveryError: (_, place) => told.push(place) } })
  cluster.state.addTopic('secret', []).errorCode = 29
  assert.equal(producer.enqueue({ topic: 'secret', value: 'x' }), true)
  await assert.rejects(producer.close(), { code: 'DELIVERY_FAILED', count: 1 })
  assert.deepEqual(told, [{ topic: 'secret', partition: -1, count: 1 }])
})

test('with acks 0 a record is done when it is written, and has no offset', async (t) => {
  const { producer, broker } = await setUp(t, { options: { acks: 0 } })
  const { offset, partition } = await producer.send({ topic: 'orders', value: 'x' })
  assert.deepEqual([offset, partition], [null, 0])
  const result = await producer.sendBatch('orders', [{ value: 'y' }, { value: 'z' }])
  assert.deepEqual(result.partitions, [{ partition: 0, baseOffset: null, count: 2 }])
  assert.equal(result.offsetOf(1), null)
  await broker.untilReceived(Produce, 2)
  assert.equal(broker.requests(Produce)[0]!.request.acks, 0)
})

test('a topic with LogAppendTime gives the time of the broker', async (t) => {
  const { producer, broker } = await setUp(t)
  broker.once(Produce, ({ topicData }) => ({
    responses: topicData.map(({ topicId }) => ({
      topicId,
      partitionResponses: [{ index: 0, baseOffset: 5, logAppendTimeMs: 999 }],
    })),
  }))
  const metadata = await producer.send({ topic: 'orders', value: 'x', timestamp: 1 })
  assert.deepEqual(metadata, { topic: 'orders', partition: 0, offset: 5, timestamp: 999 })
})

test('a batch refused by the old leader goes to the new one, ahead of what was sent after it', async (t) => {
  const { producer, cluster, keeper } = await setUp(t, { brokers: 2, topics: { orders: [1] } })
  await producer.send({ topic: 'orders', value: 'before' })
  const held = gate()
  cluster.broker(1).on(Produce, async (request, context) => {
    await held.opened
    keeper.refuse = (_, __, { broker }) => (broker.id === 1 ? { errorCode: 6 } : undefined)
    return keeper.handler(request, context)
  })
  const all = numbered(5).map((value) => producer.send({ topic: 'orders', value }))
  await cluster.broker(1).untilReceived(Produce, 2)
  all.push(...numbered(5, 5).map((value) => producer.send({ topic: 'orders', value })))
  cluster.state.moveLeader('orders', 0, 2)
  held.open()
  await Promise.all(all)
  assert.deepEqual(keeper.log('orders'), ['before', ...numbered(10)])
  assert.equal(cluster.broker(2).requests(Produce).length >= 1, true)
})

test('a leader named in the answer is used at once, without asking for metadata (KIP-951)', async (t) => {
  const { producer, cluster, keeper } = await setUp(t, {
    brokers: 2,
    topics: { orders: [1] },
    options: { retryBackoffMs: 60_000, retryBackoffMaxMs: 60_000 },
  })
  await producer.send({ topic: 'orders', value: 'before' })
  const { port } = cluster.broker(2)
  cluster.broker(1).on(Produce, ({ topicData }) => ({
    responses: topicData.map(({ topicId }) => ({
      topicId,
      partitionResponses: [{ index: 0, errorCode: 6, currentLeader: { leaderId: 2, leaderEpoch: 2 } }],
    })),
    nodeEndpoints: [{ nodeId: 2, host: '127.0.0.1', port, rack: null }],
  }))
  await producer.send({ topic: 'orders', value: 'after' })
  assert.deepEqual(keeper.log('orders'), ['before', 'after'])
})

test('a leader named in the answer is not asked for in the background either (KIP-951)', async (t) => {
  const { producer, cluster, keeper } = await setUp(t, {
    brokers: 2,
    topics: { orders: [1] },
    options: { retryBackoffMs: 1, retryBackoffMaxMs: 1 },
  })
  await producer.send({ topic: 'orders', value: 'before' })
  const asked = cluster.requests(Metadata).length
  const { port } = cluster.broker(2)
  cluster.state.moveLeader('orders', 0, 2)
  cluster.broker(1).once(Produce, ({ topicData }) => ({
    responses: topicData.map(({ topicId }) => ({
      topicId,
      partitionResponses: [{ index: 0, errorCode: 6, currentLeader: { leaderId: 2, leaderEpoch: 2 } }],
    })),
    nodeEndpoints: [{ nodeId: 2, host: '127.0.0.1', port, rack: null }],
  }))
  // Each takes a round trip: together they take longer than a refresh would wait.
  for (let i = 0; i < 50; i++) await producer.send({ topic: 'orders', value: `${i}` })
  assert.equal(cluster.requests(Metadata).length, asked)
  assert.equal(cluster.broker(1).requests(Produce).length, 2)
  // One that names nobody is what metadata is asked for.
  cluster.broker(2).once(Produce, ({ topicData }) => ({
    responses: topicData.map(({ topicId }) => ({ topicId, partitionResponses: [{ index: 0, errorCode: 6 }] })),
  }))
  await producer.send({ topic: 'orders', value: 'last' })
  await cluster.brokers[0]!.until(() => cluster.requests(Metadata).length > asked)
  assert.equal(keeper.log('orders').length, 52)
})

test('a hint about the leader of a topic that was deleted says nothing about the one made in its place', async (t) => {
  const { producer, cluster, broker, keeper } = await setUp(t, { brokers: 2, topics: { orders: [1] } })
  await producer.send({ topic: 'orders', value: 'old' })
  const held = gate()
  broker.once(Produce, async ({ topicData }) => {
    await held.opened
    return {
      responses: topicData.map(({ topicId }) => ({
        topicId,
        // The old topic had many leaders, and its epochs are higher than any the new one will soon have.
        partitionResponses: [{ index: 0, errorCode: 6, currentLeader: { leaderId: 2, leaderEpoch: 50 } }],
      })),
    }
  })
  const sent = producer.send({ topic: 'orders', value: 'new' })
  await broker.untilReceived(Produce, 2)
  cluster.state.addTopic('orders', [1])
  // Whoever looks up another topic brings home the news of this one.
  cluster.state.addTopic('other', 1)
  await producer.partitionsFor('other')
  held.open()
  await sent
  assert.deepEqual(keeper.log('orders'), ['old', 'new'])
  assert.equal(cluster.broker(2).requests(Produce).length, 0)
})

test('one partition that fails for a while does not hold up another in the same request', async (t) => {
  const { producer, keeper } = await setUp(t, { topics: { orders: [1, 1] } })
  let refusals = 0
  keeper.refuse = (_, partition) => (partition === 0 && refusals++ < 3 ? { errorCode: 19 } : undefined)
  const order: number[] = []
  await Promise.all(
    [0, 1].map(async (partition) => {
      await producer.send({ topic: 'orders', partition, value: 'x' })
      order.push(partition)
    }),
  )
  assert.deepEqual(order, [1, 0])
  assert.equal(producer.metrics().retries, 3)
  assert.deepEqual(keeper.log('orders', 1), ['x'])
})

test('the order of a partition survives refusals that come again and again', async (t) => {
  const { producer, keeper } = await setUp(t, { topics: { orders: [1, 1] }, options: { batchSize: 200 } })
  let answers = 0
  keeper.refuse = () => (answers++ % 3 === 0 ? { errorCode: 19 } : undefined)
  const values = numbered(500)
  await Promise.all(values.map((value, i) => producer.send({ topic: 'orders', partition: i % 2, value })))
  assert.deepEqual(
    keeper.log('orders', 0),
    values.filter((_, i) => i % 2 === 0),
  )
  assert.deepEqual(
    keeper.log('orders', 1),
    values.filter((_, i) => i % 2 === 1),
  )
})

test('a connection that is cut costs no record', async (t) => {
  const { producer, keeper, broker } = await setUp(t)
  await producer.send({ topic: 'orders', value: 'first' })
  broker.once(Produce, () => 'drop')
  const { offset } = await producer.send({ topic: 'orders', value: 'second' })
  assert.equal(offset, 1)
  assert.deepEqual(keeper.log('orders'), ['first', 'second'])
})

test('a broker that hangs stalls no other', async (t) => {
  const { producer, cluster, keeper } = await setUp(t, { brokers: 2, topics: { orders: [1, 2] } })
  const held = gate()
  cluster.broker(1).on(Produce, async (request, context) => {
    await held.opened
    return keeper.handler(request, context)
  })
  const stalled = numbered(20).map((value) => producer.send({ topic: 'orders', partition: 0, value }))
  for (const value of numbered(20)) await producer.send({ topic: 'orders', partition: 1, value })
  assert.deepEqual(keeper.log('orders', 1), numbered(20))
  held.open()
  await Promise.all(stalled)
  assert.deepEqual(keeper.log('orders', 0), numbered(20))
})

test('no more requests are under way to a broker than maxInFlightRequests', async (t) => {
  const topics = { orders: Array.from({ length: 8 }, () => 1) }
  const { producer, broker, keeper } = await setUp(t, {
    topics,
    options: { maxInFlightRequests: 2, maxRequestSize: 250 },
  })
  await producer.partitionsFor('orders')
  const held = gate()
  let most = 0
  broker.on(Produce, async (request, context) => {
    most = Math.max(most, producer.metrics().requestsInFlight)
    await held.opened
    return keeper.handler(request, context)
  })
  const sent = numbered(8).map((value, partition) =>
    producer.send({ topic: 'orders', partition, value: value.repeat(100) }),
  )
  await broker.untilReceived(Produce, 2)
  held.open()
  await Promise.all(sent)
  assert.equal(most, 2)
  assert.equal(broker.requests(Produce).length, 8, 'none has room for two batches')
})

test('a record that is not acknowledged in time fails, and says whether it may be in the log', async (t) => {
  const { producer, broker, keeper } = await setUp(t, {
    topics: { orders: [1, 1] },
    options: { requestTimeoutMs: 300, deliveryTimeoutMs: 400 },
  })
  await producer.send({ topic: 'orders', partition: 0, value: 'x' })
  keeper.refuse = () => ({ errorCode: 19 })
  await assert.rejects(producer.send({ topic: 'orders', partition: 0, value: 'x' }), {
    code: 'TIMEOUT',
    persistence: 'not-persisted',
    message: /a record for partition 0 of 'orders' was not acknowledged within 400 ms/,
  })
  broker.on(Produce, () => 'silence')
  await assert.rejects(producer.send({ topic: 'orders', partition: 0, value: 'x' }), {
    code: 'TIMEOUT',
    persistence: 'possibly-persisted',
  })
})

test('a record for a cluster that is gone fails in time', async (t) => {
  const { producer, cluster } = await setUp(t, { options: { requestTimeoutMs: 200, deliveryTimeoutMs: 300 } })
  await producer.send({ topic: 'orders', value: 'x' })
  await cluster.close()
  await assert.rejects(producer.send({ topic: 'orders', value: 'x' }), { code: 'TIMEOUT' })
})

test('a batch that the broker finds too large is sent in parts (KIP-126)', async (t) => {
  const { producer, keeper } = await setUp(t, { options: { lingerMs: 5 } })
  await producer.send({ topic: 'orders', value: 'first' })
  const take = keeper.append.bind(keeper)
  keeper.append = (topic, partition, records) =>
    records.length > 600 ? { errorCode: 10 } : take(topic, partition, records)
  const values = numbered(60).map((value) => value.padEnd(100))
  const sent = values.slice(0, 30).map((value) => producer.send({ topic: 'orders', value }))
  const batch = producer.sendBatch(
    'orders',
    values.slice(30).map((value) => ({ value })),
  )
  const placed = await Promise.all(sent)
  const result = await batch
  assert.deepEqual(keeper.log('orders').slice(1), values)
  placed.forEach(({ offset }, i) => {
    assert.equal(keeper.log('orders')[offset!], values[i])
  })
  for (let i = 0; i < 30; i++) assert.equal(keeper.log('orders')[result.offsetOf(i)!], values[30 + i])
  assert.ok(producer.metrics().batchesDivided > 0)
  assert.equal(producer.metrics().bufferUsedBytes, 0)
  await producer.close()
})

test('one record that the broker finds too large fails', async (t) => {
  const { producer, keeper } = await setUp(t)
  keeper.refuse = () => ({ errorCode: 10 })
  await assert.rejects(producer.send({ topic: 'orders', value: 'x' }), {
    code: 'MESSAGE_TOO_LARGE',
    persistence: 'not-persisted',
  })
})

test('records that a broker blames get its words, and their neighbours another error (KIP-467)', async (t) => {
  const { producer, keeper } = await setUp(t)
  await producer.partitionsFor('orders')
  await producer.send({ topic: 'orders', value: 'x' })
  keeper.refuse = () => ({
    errorCode: 87,
    recordErrors: [{ batchIndex: 1, batchIndexErrorMessage: 'it has no key' }],
  })
  const results = await Promise.allSettled(numbered(3).map((value) => producer.send({ topic: 'orders', value })))
  const messages = results.map((result) => String((result as PromiseRejectedResult).reason))
  assert.match(messages[0]!, /because of others in its batch/)
  assert.match(messages[1]!, /it has no key/)
  assert.match(messages[2]!, /because of others in its batch/)
})

test('memory bounds what is buffered: send waits in order, and beyond as much again is refused', async (t) => {
  const { producer, broker, keeper } = await setUp(t, { options: { batchSize: 500, bufferMemory: 1_000 } })
  await producer.send({ topic: 'orders', value: 'first' })
  const held = gate()
  broker.on(Produce, async (request, context) => {
    await held.opened
    return keeper.handler(request, context)
  })
  const value = (i: number): string => `${i}`.padEnd(200)
  const sent: Promise<unknown>[] = []
  let refused = 0
  for (let i = 0; i < 20; i++) {
    const one = producer.send({ topic: 'orders', value: value(i) })
    sent.push(
      one.catch((error: { code: string; retriable: boolean; persistence: string }) => {
        assert.deepEqual([error.code, error.retriable, error.persistence], ['BUFFER_FULL', true, 'not-persisted'])
        refused++
      }),
    )
  }
  const { waiting, waitingBytes, bufferUsedBytes } = producer.metrics()
  assert.equal(bufferUsedBytes, 1_000)
  assert.ok(waiting > 0 && waitingBytes <= 1_000)
  held.open()
  await Promise.all(sent)
  assert.ok(refused > 0 && refused < 20)
  const log = keeper.log('orders').slice(1)
  assert.deepEqual(
    log,
    Array.from({ length: 20 - refused }, (_, i) => value(i)),
  )
  assert.equal(producer.metrics().bufferUsedBytes, 0)
  assert.equal(producer.metrics().waitingBytes, 0)
})

test('send gives up waiting for memory after maxBlockMs, or when its signal says so', async (t) => {
  const { producer, broker } = await setUp(t, { options: { batchSize: 1_000, bufferMemory: 1_000, maxBlockMs: 50 } })
  await producer.send({ topic: 'orders', value: 'first' })
  broker.on(Produce, () => 'silence')
  const stuck = assert.rejects(producer.send({ topic: 'orders', value: 'x'.repeat(900) }), { code: 'CLOSED' })
  const reason = new Error('changed my mind')
  const abort = new AbortController()
  const waits = producer.send({ topic: 'orders', value: 'x'.repeat(400) })
  const aborted = producer.send({ topic: 'orders', value: 'y' }, { signal: abort.signal })
  abort.abort(reason)
  await assert.rejects(aborted, reason)
  await assert.rejects(waits, { code: 'TIMEOUT', persistence: 'not-persisted', message: /no memory within 50 ms/ })
  await assert.rejects(producer.send({ topic: 'orders', value: 'z' }, { signal: abort.signal }), reason)
  assert.equal(producer.metrics().waiting, 0)
  producer.destroy()
  await stuck
})

test('enqueue says false when there is no room, and drained() when there is again', async (t) => {
  const { producer, broker, keeper } = await setUp(t, { options: { batchSize: 500, bufferMemory: 1_000 } })
  await producer.send({ topic: 'orders', value: 'first' })
  const held = gate()
  broker.on(Produce, async (request, context) => {
    await held.opened
    return keeper.handler(request, context)
  })
  await producer.drained()
  let accepted = 0
  while (producer.enqueue({ topic: 'orders', value: 'x'.repeat(200) })) accepted++
  let isDrained = false
  const drained = producer.drained().then(() => {
    isDrained = true
  })
  await broker.untilReceived(Produce, 2)
  assert.equal(isDrained, false)
  held.open()
  await drained
  assert.equal(producer.enqueue({ topic: 'orders', value: 'x'.repeat(200) }), true)
  await producer.flush()
  assert.equal(keeper.log('orders').length, 1 + accepted + 1)
})

test('records for a topic that is not known yet wait in order, and hold up no other topic', async (t) => {
  const { producer, cluster, keeper } = await setUp(t, { topics: { known: 1 } })
  const waiting = numbered(3).map((value) => producer.send({ topic: 'later', value }))
  await producer.send({ topic: 'known', value: 'x' })
  waiting.push(...numbered(3, 3).map((value) => producer.send({ topic: 'later', value })))
  cluster.state.addTopic('later', [1])
  await Promise.all(waiting)
  assert.deepEqual(keeper.log('later'), numbered(6))
})

test('a topic that never comes fails its records after maxBlockMs and names it', async (t) => {
  const { producer } = await setUp(t, { options: { maxBlockMs: 150 } })
  await assert.rejects(producer.send({ topic: 'nowhere', value: 'x' }), {
    code: 'UNKNOWN_TOPIC_OR_PARTITION',
    persistence: 'not-persisted',
    message: /'nowhere'/,
  })
})

test('a topic that may not be written to, or cannot exist, fails its records at once', async (t) => {
  const { producer, cluster } = await setUp(t)
  cluster.state.addTopic('secret', []).errorCode = 29
  cluster.state.addTopic('bad name', []).errorCode = 17
  await assert.rejects(producer.send({ topic: 'secret', value: 'x' }), {
    code: 'TOPIC_AUTHORIZATION_FAILED',
    persistence: 'not-persisted',
    message: /'secret'/,
  })
  await assert.rejects(producer.send({ topic: 'bad name', value: 'x' }), { code: 'INVALID_TOPIC_EXCEPTION' })
})

test('a partition that does not exist is looked for once, and then refused with the range', async (t) => {
  const { producer, cluster, keeper } = await setUp(t, { topics: { orders: [1, 1] } })
  await producer.send({ topic: 'orders', partition: 0, value: 'x' })
  await assert.rejects(producer.send({ topic: 'orders', partition: 2, value: 'x' }), {
    code: 'INVALID_ARGUMENT',
    persistence: 'not-persisted',
    message: "there is no partition 2 of topic 'orders': it has partitions 0 to 1",
  })
  cluster.state.addTopic('grown', [1])
  await producer.send({ topic: 'grown', value: 'x' })
  cluster.state.topics.get('grown')!.partitions.push({ leader: 1, leaderEpoch: 1, errorCode: 0 })
  await producer.send({ topic: 'grown', partition: 1, value: 'y' })
  assert.deepEqual(keeper.log('grown', 1), ['y'])
})

test('what cannot be sent is refused at once with what to do instead', async (t) => {
  const { producer } = await setUp(t, { options: { maxRequestSize: 1_000 } })
  const refused: [Record<string, unknown>, RegExp][] = [
    [{ value: 5 }, /the value of a record for 'orders' is 5; give a string, a Uint8Array or null/],
    [{ value: { a: 1 } }, /JSON\.stringify/],
    [{ value: undefined }, /give null/],
    [{ value: 'x', key: 7 }, /the key of a record/],
    [{ value: 'x', headers: 'no' }, /headers/],
    [{ value: 'x', headers: { a: 5 } }, /header 'a'/],
    [{ value: 'x', headers: [['a']] }, /pair/],
    [{ value: 'x', partition: -1 }, /partition/],
    [{ value: 'x', partition: 1.5 }, /partition/],
    [{ value: 'x', timestamp: new Date(5) }, /getTime/],
    [{ value: 'x', timestamp: -1 }, /timestamp/],
    [{ value: 'x', topic: '' }, /topic/],
    [{ value: 'x'.repeat(2_000) }, /takes 20\d\d bytes, which is more than maxRequestSize \(1000\)/],
  ]
  for (const [record, message] of refused) {
    const given = { topic: 'orders', ...record } as unknown as { topic: string; value: string }
    const expected = { code: 'INVALID_ARGUMENT', persistence: 'not-persisted', message }
    await assert.rejects(producer.send(given), expected)
    assert.throws(() => producer.enqueue(given), expected)
  }
})

test('close finishes what was accepted, and takes nothing after it', async (t) => {
  const { producer, keeper } = await setUp(t, { options: { lingerMs: 60_000 } })
  const sent = producer.send({ topic: 'orders', value: 'x' })
  const closed = producer.close()
  await assert.rejects(producer.send({ topic: 'orders', value: 'y' }), { code: 'CLOSED' })
  assert.throws(() => producer.enqueue({ topic: 'orders', value: 'y' }), { code: 'CLOSED' })
  await assert.rejects(producer.start(), { code: 'CLOSED' })
  await closed
  assert.equal((await sent).offset, 0)
  assert.deepEqual(keeper.log('orders'), ['x'])
  assert.equal(producer.close(), producer.close())
})

test('close gives up after closeTimeoutMs and fails what is left', async (t) => {
  const { producer, broker } = await setUp(t, { options: { closeTimeoutMs: 100, maxInFlightRequests: 1 } })
  await producer.send({ topic: 'orders', value: 'x' })
  broker.on(Produce, () => 'silence')
  const underWay = assert.rejects(producer.send({ topic: 'orders', value: 'x' }), {
    code: 'CLOSED',
    persistence: 'possibly-persisted',
  })
  await broker.untilReceived(Produce, 2)
  const queued = assert.rejects(producer.send({ topic: 'orders', value: 'y' }), {
    code: 'CLOSED',
    persistence: 'not-persisted',
  })
  await producer.close()
  await Promise.all([underWay, queued])
})

test('destroy fails at once whatever is not acknowledged, with its reason', async (t) => {
  const { producer } = await setUp(t, { options: { lingerMs: 60_000 } })
  await producer.partitionsFor('orders')
  const reason = new Error('the house is on fire')
  const sent = assert.rejects(producer.send({ topic: 'orders', value: 'x' }), { code: 'CLOSED', cause: reason })
  const elsewhere = assert.rejects(producer.send({ topic: 'nowhere', value: 'x' }), { code: 'CLOSED', cause: reason })
  const drained = producer.drained()
  producer.destroy(reason)
  await Promise.all([sent, elsewhere, drained])
  await assert.rejects(producer.drained(), { code: 'CLOSED' })
  await producer.close()
})

test('purge fails what is not under way, and leaves the producer usable', async (t) => {
  const { producer, broker, keeper } = await setUp(t)
  await producer.send({ topic: 'orders', value: 'first' })
  const held = gate()
  broker.once(Produce, async (request, context) => {
    await held.opened
    return keeper.handler(request, context)
  })
  const underWay = producer.send({ topic: 'orders', value: 'under way' })
  await broker.untilReceived(Produce, 2)
  const purged = producer.send({ topic: 'orders', value: 'purged' })
  const waits = producer.send({ topic: 'nowhere', value: 'purged' })
  producer.purge()
  await assert.rejects(purged, { code: 'PURGED', persistence: 'not-persisted' })
  await assert.rejects(waits, { code: 'PURGED', persistence: 'not-persisted' })
  held.open()
  await underWay
  await producer.send({ topic: 'orders', value: 'last' })
  assert.deepEqual(keeper.log('orders'), ['first', 'under way', 'last'])
})

test('a shared cluster survives its producer', async (t) => {
  const { Cluster } = await import('#src/cluster/cluster.js')
  const scripted = await ScriptedCluster.start({}, { brokers: 1, topics: { orders: 1 } })
  scripted.on(Produce, new LogKeeper(scripted.state).handler)
  const cluster = new Cluster({ bootstrapServers: scripted.address })
  t.after(async () => {
    cluster.destroy()
    await scripted.close()
  })
  for (let i = 0; i < 2; i++) {
    const producer = new Producer({ cluster, lingerMs: 0 })
    assert.equal((await producer.send({ topic: 'orders', value: 'x' })).offset, i)
    await producer.close()
  }
})

test('older brokers are spoken to in their version, by topic name', async (t) => {
  const scripted = await ScriptedCluster.start(
    {},
    { brokers: 1, topics: { orders: 1 }, versions: { Produce: [3, 5], Metadata: [0, 5] } },
  )
  const keeper = new LogKeeper(scripted.state)
  scripted.on(Produce, keeper.handler)
  const producer = new Producer({ bootstrapServers: scripted.address, lingerMs: 0 })
  t.after(async () => {
    producer.destroy()
    await scripted.close()
  })
  await producer.send({ topic: 'orders', value: 'x' })
  assert.equal(scripted.requests(Produce)[0]!.version, 5)
  assert.deepEqual(keeper.log('orders'), ['x'])
})
