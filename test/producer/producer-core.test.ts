import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { Cluster } from '#src/cluster/cluster.js'
import { KafkaError } from '#src/errors/kafka-error.js'
import { openGate, type DrainGate } from '#src/producer/drain-gate.js'
import { ProducerCore } from '#src/producer/producer-core.js'
import { anyProduceVersion, type ProducerIdAndEpoch, type ProducerIdentity } from '#src/producer/producer-identity.js'
import { readProducerOptions, type ProducerOwnOptions } from '#src/producer/producer-options.js'
import { Produce } from '#src/wire/messages/produce.js'
import { DefaultRecordBatch } from '#src/wire/records/record-batch.js'
import { ScriptedCluster } from '../support/scripted-broker.ts'
import { LogKeeper } from './log-keeper.ts'
import { door } from './produce-world.ts'

/** An identity as transactions have it: the test says what it is now. */
class Transactional implements ProducerIdentity {
  readonly maxInFlightPerPartition = 5
  readonly isTransactional = true
  readonly transactionalId = 'billing-1'
  produceVersions = anyProduceVersion
  current: ProducerIdAndEpoch | undefined = { producerId: 9, producerEpoch: 0 }
  requested = 0
  request(): void {
    this.requested++
  }
  successor(): undefined {
    return undefined
  }
}

async function setUp(
  t: TestContext,
  { gate = openGate, options = {} }: { gate?: DrainGate; options?: ProducerOwnOptions } = {},
) {
  const scripted = await ScriptedCluster.start({}, { brokers: 1, topics: { orders: 2 } })
  const keeper = new LogKeeper(scripted.state)
  scripted.on(Produce, keeper.handler)
  const cluster = new Cluster({ bootstrapServers: scripted.address, retryBackoffMs: 5, retryBackoffMaxMs: 20 })
  const identity = new Transactional()
  const failures: Error[] = []
  const core = new ProducerCore({
    name: 'transactional producer',
    cluster,
    ownsCluster: true,
    options: readProducerOptions({ lingerMs: 0, batchSize: 1, ...options }, cluster.options),
    identity,
    gate,
    onRecordsFailed: (error) => failures.push(error),
  })
  t.after(async () => {
    core.destroy()
    await scripted.close()
  })
  await core.start()
  await core.partitionsFor('orders')
  return { scripted, keeper, core, identity, failures, broker: scripted.brokers[0]! }
}

const send = (core: ProducerCore, value: string, partition = 0) => core.send({ topic: 'orders', partition, value })
const turns = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
}
const discarded = new KafkaError('ABORTED', 'the transaction was aborted', false, { persistence: 'not-persisted' })

test('a transactional identity marks batches and requests, and bounds the version of Produce', async (t) => {
  const { core, identity, broker } = await setUp(t)
  identity.produceVersions = { min: 3, max: 11 }
  await send(core, 'a')
  identity.produceVersions = { min: 12, max: 0x7fff }
  await send(core, 'b')
  const [first, second] = broker.requests(Produce)
  assert.equal(first!.version, 11)
  assert.equal(second!.version, Produce.maxVersion)
  for (const { request } of [first!, second!]) {
    assert.equal(request.transactionalId, 'billing-1')
    const batch = new DefaultRecordBatch(Buffer.from(request.topicData[0]!.partitionData[0]!.records!), 10_000)
    assert.equal(batch.isTransactional, true)
    assert.equal(batch.producerId, 9)
  }
})

test('nothing is sent through a gate that is closed, or without an id, until the core is woken', async (t) => {
  let isOpen = false
  const { core, identity, broker } = await setUp(t, { gate: { isOpen: () => isOpen } })
  identity.current = undefined
  const sent = send(core, 'a')
  await turns()
  assert.equal(identity.requested, 0)
  isOpen = true
  core.wake()
  await turns()
  assert.ok(identity.requested > 0)
  assert.equal(broker.requests(Produce).length, 0)
  identity.current = { producerId: 10, producerEpoch: 3 }
  core.wake()
  assert.equal((await sent).offset, 0)
})

test('discard fails what is not on its way, and what comes back, and waits for what is', async (t) => {
  const { core, broker, failures, identity } = await setUp(t)
  await send(core, 'a')
  const held = door()
  broker.on(Produce, async ({ topicData }) => {
    await held.opened
    const partitionResponses = [{ index: topicData[0]!.partitionData[0]!.index, errorCode: 19 }]
    return { responses: topicData.map(({ name, topicId }) => ({ name, topicId, partitionResponses })) }
  })
  const underWay = send(core, 'b').catch((error: unknown) => error)
  await broker.untilReceived(Produce, 2)
  identity.current = undefined
  const waiting = send(core, 'c').catch((error: unknown) => error)
  let isOver = false
  const over = core.discard(() => discarded).then(() => (isOver = true))
  assert.equal(await waiting, discarded)
  await turns()
  assert.equal(isOver, false)
  held.open()
  await over
  assert.equal(await underWay, discarded)
  assert.deepEqual(failures, [discarded, discarded])
  await core.discard(() => discarded)
})

test('what is acknowledged while all else is discarded is acknowledged', async (t) => {
  const { core, broker, keeper } = await setUp(t)
  const held = door()
  broker.once(Produce, async (request, context) => {
    await held.opened
    return keeper.handler(request, context)
  })
  const underWay = send(core, 'a')
  await broker.untilReceived(Produce)
  const over = core.discard(() => discarded)
  held.open()
  await over
  assert.equal((await underWay).offset, 0)
})

test('fail() fails everything, now and later, with one error', async (t) => {
  const { core, identity, failures } = await setUp(t)
  identity.current = undefined
  const fenced = new KafkaError('PRODUCER_FENCED', 'another producer took over', false)
  const waiting = send(core, 'a').catch((error: unknown) => error)
  core.fail(fenced)
  assert.equal(await waiting, fenced)
  await assert.rejects(send(core, 'b'), fenced)
  assert.throws(() => core.enqueue({ topic: 'orders', value: 'c' }), fenced)
  await assert.rejects(core.drained(), fenced)
  await core.flush()
  await core.close()
  assert.deepEqual(failures, [fenced, fenced, fenced])
})

test('every failure is heard of once, before the caller hears of it: refused, aborted, full, expired, by the broker', async (t) => {
  const { core, identity, failures, keeper } = await setUp(t, {
    options: { bufferMemory: 4_000, batchSize: 2_000, maxRequestSize: 4_000, maxBlockMs: 50 },
  })
  const heard = (code: string, count = 1): void => {
    assert.deepEqual(
      failures.splice(0).map((error) => (error as { code?: string }).code ?? error.message),
      Array.from({ length: count }, () => code),
    )
  }
  await assert.rejects(core.send({ topic: 'orders', value: 5 as unknown as string }))
  heard('INVALID_ARGUMENT')
  assert.throws(() => core.enqueue({ topic: '', value: 'x' }))
  heard('INVALID_ARGUMENT')
  await assert.rejects(core.sendBatch('orders', [{ value: 'x' }, { value: 'x'.repeat(5_000) }]))
  heard('INVALID_ARGUMENT')
  await assert.rejects(core.send({ topic: 'orders', value: 'x' }, { signal: AbortSignal.abort(new Error('stop')) }))
  heard('stop')
  keeper.refuse = () => ({ errorCode: 87 })
  await assert.rejects(
    core.sendBatch('orders', [
      { value: 'x', partition: 0 },
      { value: 'y', partition: 1 },
    ]),
  )
  heard('INVALID_RECORD', 2)
  core.enqueue({ topic: 'orders', value: 'x' })
  await assert.rejects(core.flush())
  heard('INVALID_RECORD')
  identity.current = undefined
  const value = 'x'.repeat(1_900)
  const sends = [0, 1, 0, 1].map((partition) => send(core, value, partition).catch((error: unknown) => error))
  await sends[2]
  assert.deepEqual(
    failures.splice(0).map((error) => (error as { code?: string }).code),
    ['BUFFER_FULL', 'TIMEOUT'],
  )
  core.destroy()
  await Promise.all(sends)
  heard('CLOSED', 2)
})

test('a batch that failed leaves a doubt that the identity of the next transaction does not have', async (t) => {
  const { core, identity, broker } = await setUp(t)
  await send(core, 'a')
  const held = door()
  broker.once(Produce, async () => {
    await held.opened
    return 'drop' as const
  })
  const failing = send(core, 'b').catch((error: unknown) => error)
  await broker.untilReceived(Produce, 2)
  const over = core.discard(() => discarded)
  held.open()
  await over
  assert.equal(await failing, discarded)
  await assert.rejects(send(core, 'c'), { code: 'UNRESOLVED_SEQUENCE', persistence: 'not-persisted' })
  identity.current = { producerId: 9, producerEpoch: 1 }
  await send(core, 'd')
})

for (const [code, name] of [
  [47, 'INVALID_PRODUCER_EPOCH'],
  [48, 'INVALID_TXN_STATE'],
  [49, 'INVALID_PRODUCER_ID_MAPPING'],
  [90, 'PRODUCER_FENCED'],
  [120, 'TRANSACTION_ABORTABLE'],
] as const) {
  test(`in a transaction ${name} fails the batch at once`, async (t) => {
    const { core, keeper, broker, failures } = await setUp(t)
    keeper.refuse = () => ({ errorCode: code })
    await assert.rejects(send(core, 'a'), { code: name, persistence: 'not-persisted' })
    assert.equal(broker.requests(Produce).length, 1)
    assert.equal(failures.length, 1)
  })
}

test('in a transaction a proven gap fails the batch with what the broker said', async (t) => {
  const { core, keeper, broker } = await setUp(t)
  await send(core, 'a')
  keeper.refuse = () => ({ errorCode: 45 })
  await assert.rejects(send(core, 'b'), { code: 'OUT_OF_ORDER_SEQUENCE_NUMBER' })
  assert.equal(broker.requests(Produce).length, 3)
})
