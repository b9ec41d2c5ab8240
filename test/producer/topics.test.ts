/** How many topics a producer may have, and how long it keeps those that nobody writes to. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Producer } from '#src/producer/producer.js'
import { Simulation, TestCluster } from '#src/testing/index.js'
import { Metadata } from '#src/wire/messages/metadata.js'

test('a topic that nobody writes to any more is forgotten, and known again with the next record for it (KIP-526)', async () => {
  const simulation = new Simulation({ seed: 1 })
  const { clock, random, listen } = simulation
  await simulation.run(async () => {
    const cluster = await TestCluster.start({ topics: { busy: 1, idle: 1 }, hosts: ['one'], clock, random, listen })
    const { bootstrapServers } = cluster
    const options = { bootstrapServers, metadataMaxAgeMs: 20_000, metadataMaxIdleMs: 60_000 }
    const producer = new Producer(options, simulation.doors('producer'))
    /** What the latest request for metadata asked for. */
    const asked = (): string[] =>
      cluster
        .requests(Metadata)
        .at(-1)!
        .request.topics!.map(({ name }) => name!)
        .sort()
    const writeFor = async (forMs: number): Promise<void> => {
      for (let leftMs = forMs; leftMs > 0; leftMs -= 5_000) {
        await producer.send({ topic: 'busy', value: 'x' })
        await simulation.sleep(5_000)
      }
    }
    await producer.send({ topic: 'idle', value: 'first' })
    await writeFor(50_000)
    assert.deepEqual(asked(), ['busy', 'idle'])
    await writeFor(60_000)
    assert.deepEqual(asked(), ['busy'])
    const before = cluster.requests(Metadata).length
    assert.equal((await producer.send({ topic: 'idle', value: 'second' })).offset, 1)
    assert.equal(cluster.requests(Metadata).length, before + 1)
    assert.deepEqual(asked(), ['busy', 'idle'])
    await producer.close()
    await cluster.close()
  })
})

test('each of thousands of topics costs what it costs alone', { timeout: 120_000 }, async (t) => {
  const cpuFor = async (count: number): Promise<number> => {
    const names = Array.from({ length: count }, (_, i) => `topic-${i}`)
    const cluster = await TestCluster.start({ topics: Object.fromEntries(names.map((name) => [name, 1])) })
    const producer = new Producer({ bootstrapServers: cluster.bootstrapServers })
    await producer.start()
    const before = process.cpuUsage()
    await Promise.all(names.map((topic) => producer.send({ topic, value: 'x' })))
    const { user, system } = process.cpuUsage(before)
    await producer.close()
    await cluster.close()
    return (user + system) / 1_000
  }
  await cpuFor(100)
  const [few, many] = [await cpuFor(600), await cpuFor(3_000)]
  t.diagnostic(`CPU for the first records of 600 topics: ${Math.round(few)} ms, of 3 000: ${Math.round(many)} ms`)
  // Five times as much, and not twenty-five times.
  assert.ok(many < 12 * few, `${many} ms for 3 000 and ${few} ms for 600`)
})

test('records of one topic cost the same, however many others are known', { timeout: 120_000 }, async () => {
  const cpuBeside = async (others: number): Promise<number> => {
    const names = Array.from({ length: others }, (_, i) => `other-${i}`)
    const topics = Object.fromEntries(['mine', ...names].map((name) => [name, 1]))
    const cluster = await TestCluster.start({ topics })
    const producer = new Producer({ bootstrapServers: cluster.bootstrapServers })
    await Promise.all(['mine', ...names].map((topic) => producer.send({ topic, value: 'x' })))
    const send = () => Promise.all(Array.from({ length: 20_000 }, () => producer.send({ topic: 'mine', value: 'x' })))
    await send()
    const before = process.cpuUsage()
    await send()
    const { user, system } = process.cpuUsage(before)
    await producer.close()
    await cluster.close()
    return (user + system) / 1_000
  }
  const [alone, among] = [await cpuBeside(0), await cpuBeside(1_500)]
  // Ten times slower was what 5 000 topics once made another client.
  assert.ok(among < 4 * alone + 100, `${among} ms among 1 500 others and ${alone} ms alone`)
})
