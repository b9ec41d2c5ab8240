import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Consumer } from '#src/consumer/consumer.js'
import { Producer } from '#src/producer/producer.js'
import { Simulation, TestCluster } from '#src/testing/index.js'

/** A producer, two members of a group, a crash: everything that was sent is read, in simulated time. */
async function scenario(
  seed: number,
): Promise<{ digest: string; read: string[]; tookMs: number; generations: number }> {
  const simulation = new Simulation({ seed, faults: { resetChance: 0.002 } })
  const { clock, random, listen } = simulation
  return simulation.run(async () => {
    const cluster = await TestCluster.start({
      brokers: 3,
      hosts: ['one', 'two', 'three'],
      topics: { orders: 4 },
      properties: { 'group.initial.rebalance.delay.ms': 3_000 },
      clock,
      random,
      listen,
    })
    const connection = { bootstrapServers: cluster.bootstrapServers }
    const producer = new Producer(connection, simulation.doors('producer'))
    const options = { ...connection, groupId: 'billing', autoOffsetReset: 'earliest' as const }
    const members = [1, 2].map((n) => new Consumer(options, simulation.doors(`member-${n}`)))
    const read: string[] = []
    const readers = members.map(async (member) => {
      await member.subscribe(['orders'])
      for await (const record of member) read.push(record.value!.toString())
    })
    const sent = Array.from({ length: 40 }, (_, i) => String(i))
    for (const value of sent) {
      if (value === '20') await cluster.kill(cluster.leaderOf('orders', 0))
      await producer.send({ topic: 'orders', key: value, value })
      await simulation.sleep(500)
    }
    while (new Set(read).size < sent.length) await simulation.sleep(100)
    const { generationId } = cluster.group('billing')!
    const tookMs = clock.now()
    await producer.close()
    for (const member of members) await member.close()
    await Promise.all(readers)
    await cluster.close()
    return { digest: simulation.log.digest, read, tookMs, generations: generationId }
  })
}

test('a cluster in a simulation replays exactly, and its seconds cost milliseconds', async () => {
  const before = performance.now()
  const [first, again, other] = [await scenario(1), await scenario(1), await scenario(2)]
  const realMs = performance.now() - before
  assert.deepEqual(again, first)
  assert.notEqual(other.digest, first.digest)
  assert.ok(first.tookMs > 20_000, `${first.tookMs} ms passed in it`)
  assert.ok(realMs < first.tookMs, `${realMs} ms passed outside`)
  assert.ok(first.generations >= 1)
})

test('members of a new group gather for as long as the delay says, and more may come', async () => {
  const simulation = new Simulation({ seed: 3 })
  const { clock, random, listen } = simulation
  await simulation.run(async () => {
    const cluster = await TestCluster.start({
      topics: { orders: 2 },
      properties: { 'group.initial.rebalance.delay.ms': 3_000 },
      clock,
      random,
      listen,
    })
    const options = { bootstrapServers: cluster.bootstrapServers, groupId: 'billing' }
    const members = [1, 2].map(() => new Consumer(options, simulation.doors()))
    for (const member of members) await member.subscribe(['orders'])
    await Promise.all(members.map((member) => member.assigned()))
    const { generationId, members: joined } = cluster.group('billing')!
    assert.equal(generationId, 1, 'both are in the first generation')
    assert.equal(joined.length, 2)
    assert.ok(clock.now() >= 3_000 && clock.now() < 10_000)
    // One is cut off without a word: its session times out, and the other has all.
    members[0]!.destroy()
    const gone = clock.now()
    while (members[1]!.assignment().length < 2) await simulation.sleep(100)
    assert.ok(clock.now() - gone < 60_000)
    await members[1]!.close()
    await cluster.close()
  })
})
