import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { systemClock, type Clock, type Timer } from '#src/async/clock.js'
import { systemRandom } from '#src/async/random.js'
import type { Dialer } from '#src/async/transport.js'
import type { ClusterOptions } from '#src/cluster/cluster-options.js'
import { Cluster } from '#src/cluster/cluster.js'
import { dialSocket } from '#src/network/socket.js'
import { Producer } from '#src/producer/producer.js'
import type { ProducerOwnOptions } from '#src/producer/producer-options.js'
import { codecs, registerCodec } from '#src/wire/compression/codecs.js'
import { Metadata } from '#src/wire/messages/metadata.js'
import { Produce } from '#src/wire/messages/produce.js'
import { ScriptedCluster, type ScriptedTopics } from '../support/scripted-broker.ts'
import { LogKeeper } from './log-keeper.ts'

interface Setup {
  brokers?: number
  topics?: ScriptedTopics
  options?: ProducerOwnOptions & ClusterOptions
}

async function setUp(t: TestContext, { brokers = 1, topics = { orders: 1 }, options = {} }: Setup = {}) {
  const cluster = await ScriptedCluster.start({}, { brokers, topics })
  const keeper = new LogKeeper(cluster.state)
  cluster.on(Produce, keeper.handler)
  const producer = new Producer({
    bootstrapServers: cluster.address,
    lingerMs: 0,
    retryBackoffMs: 5,
    retryBackoffMaxMs: 20,
    reconnectBackoffMs: 5,
    reconnectBackoffMaxMs: 20,
    closeTimeoutMs: 2_000,
    ...options,
  })
  t.after(async () => {
    producer.destroy()
    await cluster.close()
  })
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

/** Whether it settles before a few turns of the event loop are over: for what must not need any time. */
async function settlesSoon(promise: Promise<unknown>, turns = 20): Promise<boolean> {
  let settled = false
  const done = (): void => {
    settled = true
  }
  promise.then(done, done)
  for (let i = 0; i < turns && !settled; i++) await new Promise((resolve) => setImmediate(resolve))
  return settled
}

/** Counts the timers that were set and neither fired nor cleared. */
class CountingClock implements Clock {
  readonly pending = new Set<Timer>()
  now = (): number => systemClock.now()
  wallTime = (): number => systemClock.wallTime()
  nextTurn = (callback: () => void): void => {
    systemClock.nextTurn(callback)
  }

  setTimer(callback: () => void, delayMs: number): Timer {
    const timer = systemClock.setTimer(() => {
      this.pending.delete(timer)
      callback()
    }, delayMs)
    this.pending.add(timer)
    return timer
  }

  clearTimer(timer: Timer | undefined): void {
    if (timer !== undefined) this.pending.delete(timer)
    systemClock.clearTimer(timer)
  }
}

for (const outcome of ['acknowledged', 'refused'] as const) {
  test(`the answer about a topic that was deleted and made anew meanwhile is understood (${outcome})`, async (t) => {
    const { producer, cluster, broker, keeper } = await setUp(t)
    await producer.send({ topic: 'orders', value: 'first' })
    const held = gate()
    broker.once(Produce, async ({ topicData }) => {
      await held.opened
      // By the id that the topic had when it was asked.
      const partitionResponses = [outcome === 'refused' ? { index: 0, errorCode: 100 } : { index: 0, baseOffset: 7 }]
      return { responses: topicData.map(({ topicId }) => ({ topicId, partitionResponses })) }
    })
    const sent = producer.send({ topic: 'orders', value: 'second' })
    await broker.untilReceived(Produce, 2)
    const { topicId } = cluster.state.addTopic('orders', [1])
    const other = producer.partitionsFor('other').catch(() => {})
    await broker.until(() => broker.requests(Metadata).some(({ request }) => request.topics?.length === 2))
    await settlesSoon(other)
    held.open()
    const { offset } = await sent
    if (outcome === 'acknowledged') {
      assert.equal(offset, 7)
      return
    }
    assert.deepEqual(keeper.log('orders'), ['first', 'second'])
    assert.equal(broker.requests(Produce).at(-1)!.request.topicData[0]!.topicId, topicId)
  })
}

for (const act of ['purge', 'destroy'] as const) {
  test(`${act}() may be called from onDeliveryError: each record is told once, and memory is counted once`, async (t) => {
    const told: number[] = []
    const { producer, keeper } = await setUp(t, {
      topics: { orders: 2 },
      options: {
        onDeliveryError: (_, { count }) => {
          told.push(count)
          assert.ok(told.length < 10, 'told again and again')
          producer[act]()
        },
      },
    })
    await producer.partitionsFor('orders')
    keeper.refuse = () => ({ errorCode: 87 })
    for (const partition of [0, 1]) producer.enqueue({ topic: 'orders', partition, value: 'x' })
    await assert.rejects(producer.flush(), { code: 'DELIVERY_FAILED', count: 2 })
    assert.deepEqual(told, [1, 1])
    // What is still under way after destroy() ends with its connection.
    await settlesSoon(new Promise(() => {}))
    const { recordsFailed, bufferUsedBytes, incompleteBatches } = producer.metrics()
    assert.deepEqual([recordsFailed, bufferUsedBytes, incompleteBatches], [2, 0, 0])
  })
}

test('drained() resolves when what filled the waiting line is refused', async (t) => {
  const { producer, cluster } = await setUp(t, { options: { batchSize: 500, bufferMemory: 1_000 } })
  await producer.start()
  const held = gate()
  cluster.state.addTopic('secret', []).errorCode = 29
  cluster.brokers[0]!.once(Metadata, async (request, { version }) => {
    await held.opened
    return cluster.state.metadata(request, version)
  })
  while (producer.enqueue({ topic: 'secret', value: 'x'.repeat(100) }));
  const drained = producer.drained()
  assert.equal(await settlesSoon(drained), false)
  held.open()
  await drained
  await assert.rejects(producer.flush(), { code: 'DELIVERY_FAILED' })
})

test('drained() resolves when what filled the waiting line is purged', async (t) => {
  const { producer } = await setUp(t, { options: { batchSize: 500, bufferMemory: 1_000 } })
  while (producer.enqueue({ topic: 'nowhere', value: 'x'.repeat(100) }));
  const drained = producer.drained()
  assert.equal(await settlesSoon(drained), false)
  producer.purge()
  await drained
  await assert.rejects(producer.flush(), { code: 'DELIVERY_FAILED' })
})

test('a record as large as all memory may wait in line, whichever way it comes', async (t) => {
  const { producer, keeper } = await setUp(t, { options: { batchSize: 500, bufferMemory: 1_000 } })
  const value = 'x'.repeat(905)
  assert.equal(producer.enqueue({ topic: 'orders', value }), true)
  await producer.flush()
  await producer.send({ topic: 'orders', value })
  await producer.sendBatch('orders', [{ value }])
  assert.deepEqual(keeper.log('orders'), [value, value, value])
  assert.throws(() => producer.enqueue({ topic: 'orders', value: `${value}x` }), { code: 'INVALID_ARGUMENT' })
})

for (const way of ['send', 'sendBatch'] as const) {
  test(`a record as large as all memory may wait for its topic: ${way}`, async (t) => {
    const { producer, keeper } = await setUp(t, { options: { batchSize: 500, bufferMemory: 1_000 } })
    const value = 'x'.repeat(905)
    if (way === 'send') await producer.send({ topic: 'orders', value })
    else await producer.sendBatch('orders', [{ value }])
    assert.deepEqual(keeper.log('orders'), [value])
  })
}

test('close() gives up within closeTimeoutMs, its own connections included', async (t) => {
  const { producer, broker } = await setUp(t, { options: { closeTimeoutMs: 400 } })
  await producer.send({ topic: 'orders', value: 'x' })
  broker.on(Produce, () => 'silence')
  const sent = assert.rejects(producer.send({ topic: 'orders', value: 'y' }), { code: 'CLOSED' })
  await broker.untilReceived(Produce, 2)
  const begun = performance.now()
  await producer.close()
  const tookMs = performance.now() - begun
  assert.ok(tookMs >= 390 && tookMs < 700, `took ${tookMs} ms`)
  await sent
})

test('a start() that waits for a shared cluster ends with the producer', async (t) => {
  const scripted = await ScriptedCluster.start({}, { brokers: 1, topics: { orders: 1 } })
  scripted.on(Metadata, () => 'silence')
  const cluster = new Cluster({ bootstrapServers: scripted.address })
  t.after(async () => {
    cluster.destroy()
    await scripted.close()
  })
  for (const end of ['close', 'destroy'] as const) {
    const producer = new Producer({ cluster })
    const starting = assert.rejects(producer.start(), { code: 'CLOSED' })
    const partitions = assert.rejects(producer.partitionsFor('orders'), { code: 'CLOSED' })
    await producer[end]()
    assert.equal(await settlesSoon(Promise.all([starting, partitions])), true, end)
    await Promise.all([starting, partitions])
  }
})

test('no timer is left when a producer has ended, however it ended', async (t) => {
  const scripted = await ScriptedCluster.start({}, { brokers: 1, topics: { orders: 1 } })
  const keeper = new LogKeeper(scripted.state)
  t.after(() => scripted.close())
  for (const end of ['close', 'destroy'] as const) {
    for (const stage of ['unused', 'starting', 'used', 'silent', 'unknown topic', 'retrying'] as const) {
      const clock = new CountingClock()
      scripted.on(Produce, stage === 'silent' ? () => 'silence' : keeper.handler)
      keeper.refuse = stage === 'retrying' ? () => ({ errorCode: 19 }) : () => undefined
      const options = { bootstrapServers: scripted.address, closeTimeoutMs: 60 }
      const producer = new Producer(options, { clock, random: systemRandom, dial: undefined })
      const waits: Promise<unknown>[] = []
      const quietly = (promise: Promise<unknown>): void => void waits.push(promise.catch(() => {}))
      if (stage === 'starting') quietly(producer.start())
      if (stage === 'used') await producer.send({ topic: 'orders', value: 'x' })
      if (stage === 'unknown topic') quietly(producer.send({ topic: 'nowhere', value: 'x' }))
      if (stage === 'silent' || stage === 'retrying') {
        const arrived = scripted.brokers[0]!.requests(Produce).length
        quietly(producer.send({ topic: 'orders', value: 'x' }))
        await scripted.brokers[0]!.untilReceived(Produce, arrived + 1)
      }
      quietly(producer.drained())
      await producer[end]()
      await Promise.all(waits)
      await settlesSoon(new Promise(() => {}))
      assert.equal(clock.pending.size, 0, `${end}, ${stage}`)
      assert.equal(producer.metrics().bufferUsedBytes, 0)
    }
  }
})

test('close() ends in time when no broker can be reached, and what was sent before start() fails', async (t) => {
  const { producer, cluster } = await setUp(t, { options: { closeTimeoutMs: 100 } })
  await cluster.close()
  const sent = assert.rejects(producer.send({ topic: 'orders', value: 'x' }), {
    code: 'CLOSED',
    persistence: 'not-persisted',
  })
  const batch = assert.rejects(producer.sendBatch('orders', [{ value: 'x' }]), { code: 'SEND_BATCH_FAILED' })
  producer.enqueue({ topic: 'orders', value: 'x' })
  await assert.rejects(producer.close(), { code: 'DELIVERY_FAILED', count: 1 })
  await Promise.all([sent, batch])
})

test('one signal may end many sends without a warning of a leak', async (t) => {
  const warnings: string[] = []
  const listener = ({ name }: Error): void => void warnings.push(name)
  process.on('warning', listener)
  t.after(() => process.off('warning', listener))
  const { producer } = await setUp(t)
  const abort = new AbortController()
  const sent = Array.from({ length: 30 }, () =>
    assert.rejects(producer.send({ topic: 'nowhere', value: 'x' }, { signal: abort.signal }), { message: 'enough' }),
  )
  await settlesSoon(new Promise(() => {}))
  abort.abort(new Error('enough'))
  await Promise.all(sent)
  assert.deepEqual(warnings, [])
  assert.equal(producer.metrics().waiting, 0)
})

test('failures that nobody waits for are no unhandled rejections', async (t) => {
  const unhandled: unknown[] = []
  const listener = (reason: unknown): void => void unhandled.push(reason)
  process.on('unhandledRejection', listener)
  t.after(() => process.off('unhandledRejection', listener))
  const { producer, keeper, cluster } = await setUp(t, {
    options: {
      batchSize: 500,
      bufferMemory: 2_000,
      onDeliveryError: (() => Promise.reject(new Error('a listener that breaks later'))) as () => void,
    },
  })
  cluster.state.addTopic('secret', []).errorCode = 29
  await producer.send({ topic: 'orders', value: 'x' })
  keeper.refuse = () => ({ errorCode: 87 })
  producer.enqueue({ topic: 'orders', value: 'x' })
  producer.enqueue({ topic: 'secret', value: 'x' })
  const batch = producer.sendBatch(
    'orders',
    Array.from({ length: 12 }, () => ({ value: 'x'.repeat(200) })),
  )
  const waits = producer.drained()
  await assert.rejects(batch, { code: 'SEND_BATCH_FAILED' })
  await assert.rejects(producer.flush(), { code: 'DELIVERY_FAILED', count: 2 })
  await waits
  producer.enqueue({ topic: 'nowhere', value: 'x' })
  producer.destroy()
  await settlesSoon(new Promise(() => {}))
  assert.deepEqual(unhandled, [])
})

test('what a partitioner throws or gives in vain fails its record only, wherever the record stands', async (t) => {
  const answers = new Map<string, () => number>([
    ['throws', () => assert.fail('no idea')],
    ['junk', () => NaN],
    ['far', () => 2],
    ['promise', () => Promise.resolve(0) as unknown as number],
  ])
  const { producer, keeper } = await setUp(t, {
    topics: { orders: 2 },
    options: { partitioner: ({ key }) => answers.get(String(key))?.() ?? 1 },
  })
  const expected = { code: 'INVALID_ARGUMENT', persistence: 'not-persisted' }
  const waiting = [...answers.keys()].map((key) =>
    assert.rejects(producer.send({ topic: 'orders', key, value: 'x' }), expected),
  )
  const good = producer.send({ topic: 'orders', key: 'good', value: 'after those that fail' })
  await Promise.all(waiting)
  assert.equal((await good).partition, 1)
  for (const key of answers.keys()) {
    await assert.rejects(producer.send({ topic: 'orders', key, value: 'x' }), expected)
    assert.throws(() => producer.enqueue({ topic: 'orders', key, value: 'x' }), expected)
    await assert.rejects(producer.sendBatch('orders', [{ key, value: 'x' }]), expected)
  }
  assert.deepEqual(keeper.log('orders', 1), ['after those that fail'])
  assert.equal(producer.metrics().bufferUsedBytes, 0)
})

test('a partition without a leader keeps its records until it has one, or until their time is over', async (t) => {
  const { producer, cluster, keeper } = await setUp(t, {
    topics: { orders: [1, -1] },
    options: { requestTimeoutMs: 300, deliveryTimeoutMs: 400 },
  })
  await assert.rejects(producer.send({ topic: 'orders', partition: 1, value: 'early' }), (error: Error) => {
    const { code, persistence, cause } = error as Error & { code: string; persistence: string; cause: { code: string } }
    assert.deepEqual([code, persistence, cause.code], ['TIMEOUT', 'not-persisted', 'LEADER_NOT_AVAILABLE'])
    return true
  })
  const sent = producer.send({ topic: 'orders', partition: 1, value: 'in time' })
  cluster.state.moveLeader('orders', 1, 1)
  await sent
  assert.deepEqual(keeper.log('orders', 1), ['in time'])
})

test('with acks 0 a lost connection loses what was written to it, and nothing later', async (t) => {
  const { producer, broker } = await setUp(t, { options: { acks: 0 } })
  await producer.send({ topic: 'orders', value: 'first' })
  await broker.untilReceived(Produce, 1)
  broker.dropConnections()
  while (broker.requests(Produce).length < 2) {
    const { offset } = await producer.send({ topic: 'orders', value: 'x' })
    assert.equal(offset, null)
  }
  assert.equal(producer.metrics().bufferUsedBytes, 0)
})

test('an answer that comes after its records have failed is taken for what it is, and counted once', async (t) => {
  const { producer, broker, keeper } = await setUp(t, {
    options: { requestTimeoutMs: 5_000, batchSize: 500, bufferMemory: 1_000, maxBlockMs: 5_000 },
  })
  await producer.send({ topic: 'orders', value: 'first' })
  const held = gate()
  broker.once(Produce, async (request, context) => {
    await held.opened
    return keeper.handler(request, context)
  })
  const late = producer.send({ topic: 'orders', value: 'late'.padEnd(300) })
  await broker.untilReceived(Produce, 2)
  const next = producer.send({ topic: 'orders', value: 'next'.padEnd(300) })
  const waits = producer.send({ topic: 'orders', value: 'waits'.padEnd(300) })
  assert.equal(producer.metrics().waiting, 1)
  producer.purge()
  await assert.rejects(next, { code: 'PURGED' })
  await assert.rejects(waits, { code: 'PURGED' })
  assert.equal(producer.metrics().bufferUsedBytes, 500, 'what is under way keeps its memory')
  held.open()
  await late
  assert.equal(producer.metrics().bufferUsedBytes, 0)
  await producer.send({ topic: 'orders', value: 'last' })
  assert.equal(keeper.log('orders').length, 3)
})

test('bytes of a request that had no answer are never written over: what carried them may still read them', async (t) => {
  const written: { bytes: Uint8Array; copy: Buffer }[] = []
  const scripted = await ScriptedCluster.start({}, { brokers: 1, topics: { orders: 1 } })
  const keeper = new LogKeeper(scripted.state)
  scripted.on(Produce, keeper.handler)
  // As a slow transport would: it keeps what it was given.
  const dial: Dialer = async (request, events) => {
    const transport = await dialSocket(request, events)
    const write = transport.write.bind(transport)
    transport.write = (chunks, done) => {
      for (const bytes of chunks) written.push({ bytes, copy: Buffer.from(bytes) })
      write(chunks, done)
    }
    return transport
  }
  const options = { bootstrapServers: scripted.address, lingerMs: 0, retryBackoffMs: 5 }
  const producer = new Producer(options, { clock: systemClock, random: systemRandom, dial })
  t.after(async () => {
    producer.destroy()
    await scripted.close()
  })
  await producer.send({ topic: 'orders', value: 'first' })
  written.length = 0
  scripted.brokers[0]!.once(Produce, () => 'drop')
  await producer.send({ topic: 'orders', value: 'lost once' })
  const lent = written.slice()
  assert.ok(lent.some(({ copy }) => copy.includes('lost once')))
  for (let i = 0; i < 10; i++) await producer.send({ topic: 'orders', value: `another ${i}` })
  for (const { bytes, copy } of lent) assert.deepEqual(Buffer.from(bytes), copy)
  assert.equal(keeper.log('orders').length, 12)
  assert.equal(producer.metrics().bufferUsedBytes, 0)
})

test('what nobody waits for any more is not asked for: a topic that never came, and one that was deleted', async (t) => {
  const { producer, cluster, broker } = await setUp(t, {
    topics: { orders: 1, gone: 1 },
    options: { maxBlockMs: 60, requestTimeoutMs: 100, deliveryTimeoutMs: 150 },
  })
  await producer.send({ topic: 'gone', value: 'x' })
  await producer.send({ topic: 'orders', value: 'x' })
  cluster.state.topics.delete('gone')
  await assert.rejects(producer.send({ topic: 'nowhere', value: 'x' }), { code: 'UNKNOWN_TOPIC_OR_PARTITION' })
  const asks = (): string[][] =>
    broker
      .requests(Metadata)
      // One that has a topic created speaks of nothing else.
      .filter(({ request }) => !request.allowAutoTopicCreation)
      .map(({ request }) => (request.topics ?? []).map(({ name }) => name!))
  await broker.until(() => asks().at(-1)!.length === 1)
  assert.deepEqual(asks().at(-1), ['orders'])
  cluster.state.addTopic('gone', [1])
  await producer.send({ topic: 'gone', value: 'y' })
})

test('flush covers what still waits for memory or for its topic, and nothing of it lingers', async (t) => {
  const { producer, cluster, broker, keeper } = await setUp(t, {
    topics: { orders: 2 },
    options: { batchSize: 1_000, bufferMemory: 2_000, lingerMs: 60_000 },
  })
  await producer.partitionsFor('orders')
  const held = gate()
  broker.on(Produce, async (request, context) => {
    await held.opened
    return keeper.handler(request, context)
  })
  const sent: Promise<unknown>[] = []
  for (let i = 0; i < 4; i++) {
    sent.push(producer.send({ topic: 'orders', partition: i % 2, value: `${i}`.padEnd(600) }))
  }
  producer.enqueue({ topic: 'later', value: 'enqueued' })
  assert.ok(producer.metrics().waiting >= 2)
  let flushed = false
  const flush = producer.flush().then(() => {
    flushed = true
  })
  // Taken after it: may linger as long as it likes.
  const after = producer.send({ topic: 'later', value: 'after' }).catch((error: { code: string }) => error.code)
  cluster.state.addTopic('later', [1])
  await broker.untilReceived(Produce, 1)
  assert.equal(flushed, false)
  held.open()
  await flush
  await Promise.all(sent)
  assert.deepEqual(
    keeper.log('orders', 1).map((value) => value.trim()),
    ['1', '3'],
  )
  assert.equal(keeper.log('later')[0], 'enqueued')
  producer.destroy()
  await after
})

test('who waits for memory is served in the order of the calls, whatever the topic and size', async (t) => {
  const { producer, broker, keeper } = await setUp(t, {
    topics: { orders: 1, other: 1 },
    options: { batchSize: 500, bufferMemory: 1_500 },
  })
  for (const topic of ['orders', 'other']) await producer.partitionsFor(topic)
  await producer.send({ topic: 'orders', value: 'x' })
  await producer.send({ topic: 'other', value: 'x' })
  const held = gate()
  broker.on(Produce, async (request, context) => {
    await held.opened
    return keeper.handler(request, context)
  })
  const order: number[] = []
  const first = producer.send({ topic: 'orders', value: 'x'.repeat(900) })
  // The second needs nearly all memory; the third would fit, and must not overtake it.
  const waits = [900, 10, 10].map(async (size, i) => {
    await producer.send({ topic: i === 2 ? 'orders' : 'other', value: 'y'.repeat(size) })
    order.push(i)
  })
  assert.equal(producer.metrics().waiting, 3)
  assert.equal(producer.enqueue({ topic: 'orders', value: 'z' }), false, 'nor may what is enqueued')
  held.open()
  await Promise.all([first, ...waits])
  assert.equal(order[0], 0)
})

test('a partition that nobody tells of is what the error speaks of, not memory', async (t) => {
  const { producer, broker } = await setUp(t, { options: { maxBlockMs: 60 } })
  await producer.send({ topic: 'orders', value: 'x' })
  broker.on(Metadata, () => 'silence')
  await assert.rejects(producer.send({ topic: 'orders', partition: 3, value: 'x' }), {
    code: 'TIMEOUT',
    persistence: 'not-persisted',
    message: "no broker told within 60 ms whether topic 'orders' has a partition 3",
  })
})

test('a batch that cannot be compressed fails by itself, and gives its memory back', async (t) => {
  const own = codecs.get('snappy')
  t.after(() => {
    registerCodec(own)
  })
  let broken = false
  await own.load()
  registerCodec({
    ...own,
    compress: (source, level) => {
      if (broken) throw new Error('out of order')
      return own.compress(source, level)
    },
  })
  const { producer, keeper } = await setUp(t, { options: { compression: 'snappy' } })
  await producer.send({ topic: 'orders', value: 'first' })
  broken = true
  const expected = { code: 'COMPRESSION_FAILED', persistence: 'not-persisted' }
  const failing = [1, 2, 3].map(() => assert.rejects(producer.send({ topic: 'orders', value: 'x' }), expected))
  producer.enqueue({ topic: 'orders', value: 'x' })
  await assert.rejects(producer.flush(), { code: 'DELIVERY_FAILED', count: 1 })
  await Promise.all(failing)
  assert.equal(producer.metrics().bufferUsedBytes, 0)
  broken = false
  await producer.send({ topic: 'orders', value: 'last' })
  assert.deepEqual(keeper.log('orders'), ['first', 'last'])
})

test('no request is larger than maxRequestSize, whatever batchSize says', async (t) => {
  const { producer, broker, keeper } = await setUp(t, {
    topics: { orders: 2 },
    options: { maxRequestSize: 1_000, batchSize: 100_000 },
  })
  await producer.partitionsFor('orders')
  const values = Array.from({ length: 40 }, (_, i) => `${i}`.padEnd(100))
  await Promise.all(values.map((value, i) => producer.send({ topic: 'orders', partition: i % 2, value })))
  for (const { request } of broker.requests(Produce)) {
    const batches = request.topicData.flatMap(({ partitionData }) =>
      partitionData.map(({ records }) => records!.length),
    )
    assert.ok(batches.reduce((sum, size) => sum + size) <= 1_000, `${batches.join(' + ')} bytes`)
  }
  assert.equal(keeper.log('orders', 0).length + keeper.log('orders', 1).length, 40)
})

test('keys go to the partitions that a topic has now: more when it grew', async (t) => {
  const { producer, cluster, keeper } = await setUp(t, { options: { metadataMaxAgeMs: 30 } })
  await producer.send({ topic: 'orders', key: 'a', value: 'x' })
  const { partitions } = cluster.state.topics.get('orders')!
  for (let i = 0; i < 15; i++) partitions.push({ leader: 1, leaderEpoch: 1, errorCode: 0 })
  let used = new Set<number>()
  while (used.size < 4) {
    const keys = Array.from({ length: 16 }, (_, i) => `${i}`)
    const sent = await Promise.all(keys.map((key) => producer.send({ topic: 'orders', key, value: key })))
    used = new Set(sent.map(({ partition }) => partition))
  }
  for (const partition of used) assert.ok(keeper.log('orders', partition).length > 0)
})

test('after the end there is nothing to wait for: drained says that the producer is closed', async (t) => {
  const { producer } = await setUp(t)
  await producer.close()
  await assert.rejects(producer.drained(), { name: 'ClosedError', message: 'the producer is closed' })
})
