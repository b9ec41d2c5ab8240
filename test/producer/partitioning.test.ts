/** Which partition a producer's records come to, as options say. */

import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { systemDoors, type Doors } from '#src/async/doors.js'
import type { ClusterOptions } from '#src/cluster/cluster-options.js'
import type { ProducerOwnOptions } from '#src/producer/producer-options.js'
import { Producer } from '#src/producer/producer.js'
import { Produce } from '#src/wire/messages/produce.js'
import { ManualClock } from '../support/manual-clock.ts'
import { ScriptedCluster } from '../support/scripted-broker.ts'
import { LogKeeper } from './log-keeper.ts'

async function setUp(t: TestContext, leaders: number[], options: ProducerOwnOptions & ClusterOptions, doors?: Doors) {
  const cluster = await ScriptedCluster.start({}, { brokers: Math.max(...leaders), topics: { orders: leaders } })
  const keeper = new LogKeeper(cluster.state)
  cluster.on(Produce, keeper.handler)
  const producer = new Producer({ bootstrapServers: cluster.address, lingerMs: 0, ...options }, doors)
  t.after(async () => {
    producer.destroy()
    await cluster.close()
  })
  await producer.start()
  return { cluster, keeper, producer }
}

test('keys that are ignored share a batch with records that have none', async (t) => {
  const { producer, keeper } = await setUp(t, [1, 1, 1, 1], { partitionerIgnoreKeys: true, lingerMs: 5 })
  const values = Array.from({ length: 40 }, (_, i) => `${i}`)
  const places = await Promise.all(
    values.map((value, i) => producer.send({ topic: 'orders', key: i % 2 === 0 ? value : null, value })),
  )
  const partitions = new Set(places.map(({ partition }) => partition))
  assert.equal(partitions.size, 1)
  assert.deepEqual(keeper.log('orders', [...partitions][0]), values)
})

test(
  'a broker that does not answer gets no more records without a key, until it answers again',
  { timeout: 20_000 },
  async (t) => {
    const clock = new ManualClock()
    const options = { partitionerAvailabilityTimeoutMs: 20, batchSize: 200 }
    const { producer, cluster, keeper } = await setUp(t, [1, 2], options, { ...systemDoors, clock })
    let answer!: () => void
    const held = new Promise<void>((resolve) => {
      answer = resolve
    })
    const broker = cluster.broker(2)
    broker.on(Produce, async (request, context) => {
      await held
      return keeper.handler(request, context)
    })
    const stuck = producer.send({ topic: 'orders', partition: 1, value: 'stuck' })
    await broker.untilReceived(Produce, 1)
    await clock.advance(21)
    // Each fills a batch: the choice is made anew for every one.
    const met = async (): Promise<number[]> => {
      const found = new Set<number>()
      for (let i = 0; i < 40; i++) {
        found.add((await producer.send({ topic: 'orders', value: 'x'.repeat(180) })).partition)
      }
      return [...found].sort((a, b) => a - b)
    }
    assert.deepEqual(await met(), [0])
    answer()
    await stuck
    assert.deepEqual(await met(), [0, 1])
  },
)
