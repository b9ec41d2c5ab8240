/** Who is served when all want to be: partitions in turn, and every one of them before any has its second turn. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Producer } from '#src/producer/producer.js'
import { Produce } from '#src/wire/messages/produce.js'
import { ScriptedCluster } from '../support/scripted-broker.ts'
import { LogKeeper } from './log-keeper.ts'

test('partitions are served in turn when a request does not hold all of them', async (t) => {
  const partitions = 7
  const cluster = await ScriptedCluster.start({}, { brokers: 1, topics: { orders: partitions } })
  const keeper = new LogKeeper(cluster.state)
  let open!: () => void
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  const turns: number[][] = []
  cluster.on(Produce, async (request, context) => {
    turns.push(request.topicData.flatMap(({ partitionData }) => partitionData.map(({ index }) => index)))
    await opened
    return keeper.handler(request, context)
  })
  const producer = new Producer({
    bootstrapServers: cluster.address,
    batchSize: 1_000,
    maxRequestSize: 2_200,
    maxInFlightRequests: 1,
    lingerMs: 1,
  })
  t.after(async () => {
    producer.destroy()
    await cluster.close()
  })
  await producer.partitionsFor('orders')
  const first = producer.send({ topic: 'orders', partition: 0, value: 'x' })
  await cluster.brokers[0]!.untilReceived(Produce)
  // While that one is under way, each partition gets six full batches, the first partition's before any of the second's.
  const sent = Array.from({ length: partitions * 6 }, (_, i) =>
    producer.send({ topic: 'orders', partition: Math.floor(i / 6), value: Buffer.alloc(850) }),
  )
  open()
  await Promise.all([first, ...sent])
  const order = turns.slice(1).flat()
  assert.ok(turns.slice(1).every((turn) => turn.length <= 2))
  assert.equal(order.length, partitions * 6)
  for (let round = 0; round < 6; round++) {
    const served = order.slice(round * partitions, (round + 1) * partitions)
    assert.deepEqual(
      served.toSorted((a, b) => a - b),
      [0, 1, 2, 3, 4, 5, 6],
      `round ${round}: ${served.join(' ')}`,
    )
  }
})
