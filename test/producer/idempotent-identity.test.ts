import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InitProducerId } from '#src/wire/messages/init-producer-id.js'
import { inWorld } from './produce-world.ts'

const clusterAuthorizationFailed = 31

test('the id is asked for once, of any broker, for all partitions', () =>
  inWorld({ brokers: 3, topics: { orders: [1, 2, 3] } }, async (world) => {
    await Promise.all([0, 1, 2].map((partition) => world.send('a', partition)))
    const asked = world.scripted.requests(InitProducerId)
    assert.equal(asked.length, 1)
    assert.equal(asked[0]!.request.transactionalId, null)
    assert.deepEqual(new Set(world.arrivals.map(({ producerId }) => producerId)), new Set([1_001]))
  }))

test('what a broker cannot do now is asked of it again, and nothing is sent without an id', () =>
  inWorld({}, async (world) => {
    let asked = 0
    world.scripted.on(InitProducerId, () => {
      assert.equal(world.arrivals.length, 0)
      asked++
      if (asked === 1) return { errorCode: 15 }
      if (asked === 2) return { errorCode: 14 }
      if (asked === 3) return 'drop'
      return { producerId: 5, producerEpoch: 2 }
    })
    await world.sendEach('a', 'b')
    assert.deepEqual(world.numbers, ['2:0 a', '2:1 b'])
  }))

test('without the right to an id what waits fails at once and says what to do; later records try again', () =>
  inWorld({}, async (world) => {
    let isAllowed = false
    world.scripted.on(InitProducerId, () =>
      isAllowed ? { producerId: 5, producerEpoch: 0 } : { errorCode: clusterAuthorizationFailed },
    )
    const advice = {
      code: 'CLUSTER_AUTHORIZATION_FAILED',
      persistence: 'not-persisted',
      message: /no broker gave the producer an id.*IDEMPOTENT_WRITE.*idempotent: false/,
    }
    await assert.rejects(world.send('a'), advice)
    await assert.rejects(world.send('b'), advice)
    isAllowed = true
    assert.equal(await world.send('c'), 0)
    // Who keeps sending does not keep asking.
    const before = world.scripted.requests(InitProducerId).length
    assert.ok(before <= 4, `${before} requests`)
  }))

test('records that are enqueued without the right to an id are told to onDeliveryError, each once', async () => {
  const told: string[] = []
  const options = { onDeliveryError: (error: Error) => told.push((error as { code?: string }).code!) }
  await inWorld({ options }, async (world) => {
    world.scripted.on(InitProducerId, () => ({ errorCode: clusterAuthorizationFailed }))
    for (const value of ['a', 'b']) world.producer.enqueue({ topic: 'orders', value })
    await assert.rejects(world.producer.flush(), { code: 'DELIVERY_FAILED', count: 2 })
    assert.deepEqual(told, ['CLUSTER_AUTHORIZATION_FAILED', 'CLUSTER_AUTHORIZATION_FAILED'])
  })
})

test('brokers that give no ids at all are named, with the way to do without', () =>
  inWorld({ versions: { InitProducerId: null } }, async (world) => {
    await assert.rejects(world.send('a'), {
      code: 'UNSUPPORTED_VERSION',
      message: /give no producer ids \(KIP-98\); turn idempotence off with idempotent: false/,
    })
  }))

test('without idempotence no id is asked for, and batches have none', () =>
  inWorld({ options: { idempotent: false } }, async (world) => {
    await world.sendEach('a', 'b')
    assert.equal(world.scripted.requests(InitProducerId).length, 0)
    assert.deepEqual(
      world.arrivals.map(({ producerId, epoch, base }) => [producerId, epoch, base]),
      [
        [-1, -1, -1],
        [-1, -1, -1],
      ],
    )
  }))

test('a topic whose format is older than idempotence is refused with the way to do without', () =>
  inWorld({}, async (world) => {
    world.script = () => ({ errorCode: 43 })
    await assert.rejects(world.send('a'), {
      code: 'UNSUPPORTED_FOR_MESSAGE_FORMAT',
      message: /message format older than idempotence.*idempotent: false/,
    })
  }))

test('records that wait for an id expire by their own deadlines, and say what they waited for', () =>
  inWorld({ options: { requestTimeoutMs: 1_000, deliveryTimeoutMs: 2_000 } }, async (world) => {
    world.scripted.on(InitProducerId, () => ({ errorCode: 15 }))
    const startedAt = world.simulation.clock.now()
    await assert.rejects(world.send('a'), {
      code: 'TIMEOUT',
      persistence: 'not-persisted',
      message: /within 2000 ms: the batch waited for a producer id, lastly: .*COORDINATOR_NOT_AVAILABLE/,
    })
    assert.ok(world.simulation.clock.now() - startedAt < 2_500)
  }))

test('a broker that never answers about the id hangs neither records nor close()', () =>
  inWorld({ options: { requestTimeoutMs: 1_000, deliveryTimeoutMs: 2_000, closeTimeoutMs: 500 } }, async (world) => {
    world.scripted.on(InitProducerId, () => new Promise(() => {}))
    await assert.rejects(world.send('a'), { code: 'TIMEOUT', persistence: 'not-persisted' })
    const left = assert.rejects(world.send('b'), { code: 'CLOSED', persistence: 'not-persisted' })
    const startedAt = world.simulation.clock.now()
    await world.producer.close()
    await left
    assert.ok(world.simulation.clock.now() - startedAt <= 1_000)
    const asked = world.scripted.requests(InitProducerId).length
    await world.simulation.sleep(60_000)
    assert.equal(world.scripted.requests(InitProducerId).length, asked)
  }))

test('another cluster at the same addresses gives another id, for it may give the old one to somebody else', () =>
  inWorld({}, async (world) => {
    let given = 0
    world.scripted.on(InitProducerId, () => ({ producerId: given++, producerEpoch: 0 }))
    await world.sendEach('a', 'b')
    await world.refreshed()
    await world.send('c')
    world.scripted.state.clusterId = 'another'
    await world.refreshed()
    await world.send('d')
    assert.deepEqual(
      world.arrivals.map(({ producerId, base, values }) => `${producerId}:${base} ${values.join()}`),
      ['0:0 a', '0:1 b', '0:2 c', '1:0 d'],
    )
  }))
