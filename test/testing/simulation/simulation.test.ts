import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IllegalStateError, TimeoutError } from '#src/errors/errors.js'
import { Cluster } from '#src/cluster/cluster.js'
import { Producer } from '#src/producer/producer.js'
import { SeededRandom, Simulation, type LinkFaults } from '#src/testing/simulation/index.js'
import { Produce } from '#src/wire/messages/produce.js'
import { LogKeeper } from '../../producer/log-keeper.ts'
import { ScriptedCluster } from '../../support/scripted-broker.ts'

test('hours pass in the blink of an eye, and timers fire in order at their moments', async () => {
  const simulation = new Simulation()
  const startedAt = performance.now()
  const heard: string[] = []
  await simulation.run(async () => {
    const { clock } = simulation
    const wall = clock.wallTime()
    const say = (what: string) => () => {
      heard.push(`${clock.now()} ${what}`)
    }
    clock.setTimer(say('late'), 7_200_000)
    clock.setTimer(say('second of its moment'), 10)
    clock.setTimer(say('third of its moment'), 10)
    clock.clearTimer(clock.setTimer(say('cleared'), 10))
    clock.setTimer(() => {
      say('first')()
      clock.setTimer(say('due at once'), -5)
      clock.nextTurn(say('turn'))
      queueMicrotask(say('promise job'))
    }, 5)
    await simulation.sleep(10_000_000)
    assert.equal(clock.wallTime() - wall, 10_000_000)
  })
  assert.deepEqual(heard, [
    '5 first',
    '5 promise job',
    '5 turn',
    '5 due at once',
    '10 second of its moment',
    '10 third of its moment',
    '7200000 late',
  ])
  assert.ok(performance.now() - startedAt < 2_000)
})

test('a hundred thousand timers that are set and cleared leave nothing behind and fire in order', async () => {
  const { clock, random } = new Simulation({ seed: 3 })
  const fired: number[] = []
  const live = new Set<number>()
  for (let i = 0; i < 100_000; i++) {
    const at = random.integer([0, 1_000])
    const timer = clock.setTimer(() => fired.push(at), at)
    if (i % 10 !== 0) clock.clearTimer(timer)
    else live.add(i)
  }
  assert.equal(clock.pendingTimers, live.size)
  while (clock.step());
  assert.equal(fired.length, live.size)
  assert.deepEqual(
    fired,
    fired.toSorted((a, b) => a - b),
  )
  assert.equal(clock.pendingTimers, 0)
})

test('a simulation says so when it waits for nothing, takes too long, or goes round in circles', async () => {
  const stuck = new Simulation()
  await assert.rejects(
    stuck.run(() => new Promise(() => {})),
    (error) => error instanceof IllegalStateError && /nothing can happen any more at 0 ms/.test(error.message),
  )
  const long = new Simulation()
  await assert.rejects(
    long.run(() => long.sleep(2_000), { limitMs: 1_000 }),
    (error) => error instanceof TimeoutError && long.clock.now() === 0,
  )
  await assert.rejects(
    long.run(() => long.run(async () => {})),
    /is running already/,
  )
  const failure = new Error('of the body')
  await assert.rejects(
    long.run(() => Promise.reject(failure)),
    failure,
  )
})

test('time stands still while something real is waited for', async () => {
  const simulation = new Simulation()
  await simulation.run(async () => {
    let rang = false
    simulation.clock.setTimer(() => {
      rang = true
    }, 1)
    const real = new Promise<void>((resolve) => setTimeout(resolve, 20))
    await simulation.hold(real)
    assert.equal(rang, false)
    assert.equal(simulation.clock.now(), 0)
  })
})

test('chance is the same for one seed, on every machine, and each fork has its own', () => {
  const random = new SeededRandom(42)
  const first = Array.from({ length: 3 }, () => random.next())
  assert.deepEqual(first, [0.7953329950224934, 0.8285165237145059, 0.3170290228613928])
  assert.equal(new SeededRandom('a name').uuid(), '2da2529b-22e6-4c27-9680-2c497e7fd6f6')
  assert.notEqual(new SeededRandom(43).next(), first[0])
  assert.notEqual(random.fork('a').next(), random.fork('b').next())
  assert.match(random.uuid(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  const counts = Array.from({ length: 10 }, () => 0)
  for (let i = 0; i < 10_000; i++) counts[random.integer([0, 9])]!++
  for (const count of counts) assert.ok(count > 850 && count < 1_150, `${count} of 10 000 in a tenth`)
})

const trouble: LinkFaults = {
  latencyMs: [0.1, 40],
  segmentBytes: [1, 400],
  bytesPerSecond: 200_000,
  resetChance: 0.002,
  silenceChance: 0.003,
  refuseChance: 0.4,
}

/** A producer and three brokers in trouble for two minutes of their time; resolves to what can be told of the run. */
async function produceInTrouble(
  seed: number,
): Promise<{ digest: string; lines: readonly string[]; elapsedMs: number }> {
  const simulation = new Simulation({ seed, faults: trouble })
  await simulation.run(async () => {
    const scripted = await ScriptedCluster.start(
      {},
      { brokers: 3, topics: { orders: [1, 2, 3] }, listen: simulation.listen },
    )
    const keeper = new LogKeeper(scripted.state)
    scripted.on(Produce, keeper.handler)
    const producer = new Producer(
      { bootstrapServers: scripted.address, compression: 'gzip', requestTimeoutMs: 3_000, deliveryTimeoutMs: 600_000 },
      simulation.doors(),
    )
    const sent: Promise<unknown>[] = []
    for (let i = 0; i < 600; i++) {
      if (i === 200) simulation.network.partition(['client'], ['broker-2'])
      if (i === 400) simulation.network.heal()
      const delivery = producer.send({ topic: 'orders', partition: i % 3, value: `${i}` })
      sent.push(
        delivery.then(({ offset }) => {
          simulation.note(`sent ${i} at ${offset}`)
        }),
      )
      await simulation.sleep(simulation.random.integer([1, 400]))
    }
    simulation.network.setFaults({ resetChance: 0, silenceChance: 0, refuseChance: 0 })
    await Promise.all(sent)
    await producer.close()
    for (let partition = 0; partition < 3; partition++) {
      assert.deepEqual(
        keeper.log('orders', partition).map(Number),
        Array.from({ length: 200 }, (_, i) => i * 3 + partition),
      )
    }
    await scripted.close()
  })
  const { log, clock } = simulation
  return { digest: log.digest, lines: log.lines, elapsedMs: clock.now() }
}

test('one seed is one run: clients, brokers and every fault of the network repeat exactly; another seed differs', async () => {
  const startedAt = performance.now()
  const first = await produceInTrouble(3)
  const again = await produceInTrouble(3)
  const other = await produceInTrouble(2)
  assert.deepEqual(again.lines, first.lines)
  assert.deepEqual(again, first)
  assert.notEqual(other.digest, first.digest)
  assert.ok(first.elapsedMs > 100_000, `${first.elapsedMs} ms`)
  for (const event of [/is reset/, /falls silent/, /ECONNREFUSED/, /partition/, /heals/]) {
    assert.ok(
      first.lines.some((line) => event.test(line)),
      String(event),
    )
  }
  const realMs = performance.now() - startedAt
  assert.ok(realMs < 30_000, `${realMs} ms`)
})

test('a client cut off from every broker finds its way back when the network heals', async () => {
  const simulation = new Simulation({ seed: 5 })
  await simulation.run(async () => {
    const scripted = await ScriptedCluster.start({}, { brokers: 2, topics: { orders: 2 }, listen: simulation.listen })
    const cluster = new Cluster({ bootstrapServers: scripted.address, metadataMaxAgeMs: 1_000 }, simulation.doors())
    await cluster.start()
    cluster.useTopics({}, ['orders'])
    simulation.network.partition(['client'], ['broker-1', 'broker-2'])
    await simulation.sleep(600_000)
    await assert.rejects(cluster.refreshMetadata({ deadline: simulation.clock.now() + 5_000 }), TimeoutError)
    scripted.state.moveLeader('orders', 1, 1)
    simulation.network.heal()
    await simulation.sleep(30_000)
    const snapshot = await cluster.refreshMetadata()
    assert.equal(snapshot.topics.get('orders')?.partitions[1]?.leader, 1)
    await cluster.close()
    await scripted.close()
    await simulation.sleep(1_000)
    assert.equal(simulation.network.connectionCount, 0)
  })
  assert.equal(simulation.clock.pendingTimers, 0)
})
