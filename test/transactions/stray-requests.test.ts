/** Requests that arrive once more when nobody waits for them any more: the answer was lost, the connection given up, and the
 *  bytes were still under way. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Simulation, TestCluster } from '#src/testing/index.js'
import { TransactionalProducer } from '#src/transactions/transactional-producer.js'
import type { Api } from '#src/wire/api.js'
import { AddPartitionsToTxn } from '#src/wire/messages/add-partitions-to-txn.js'
import { EndTxn } from '#src/wire/messages/end-txn.js'
import { InitProducerId } from '#src/wire/messages/init-producer-id.js'

/** A request is handled only when its client has long asked again and gone on. */
async function withStray(
  api: Api<unknown, unknown>,
  transactionVersion: 1 | 2,
  body: (producer: TransactionalProducer, simulation: Simulation, cluster: TestCluster) => Promise<void>,
): Promise<void> {
  const simulation = new Simulation({ seed: `stray ${api.name}` })
  const { clock, random, listen } = simulation
  await simulation.run(async () => {
    const cluster = await TestCluster.start({ topics: { orders: 1 }, transactionVersion, clock, random, listen })
    const options = { bootstrapServers: cluster.bootstrapServers, requestTimeoutMs: 500, transactionalId: 'billing' }
    const producer = new TransactionalProducer(options, simulation.doors())
    await producer.start()
    cluster.control(api, async (request, { handle, delay }) => {
      await delay(2_000)
      return handle(request)
    })
    try {
      await body(producer, simulation, cluster)
    } finally {
      producer.destroy()
      await cluster.close()
    }
  })
}

for (const version of [1, 2] as const) {
  test(`a commit that arrives late does not end the next transaction (version ${version})`, () =>
    withStray(EndTxn as Api<unknown, unknown>, version, async (producer, simulation, cluster) => {
      await producer.transaction(async (tx) => {
        await tx.send({ topic: 'orders', value: 'one' })
      })
      const next = await producer.begin()
      await next.send({ topic: 'orders', value: 'two' })
      await simulation.sleep(5_000)
      assert.equal(cluster.transaction('billing')!.state, 'Ongoing')
      await next.abort()
      assert.equal(cluster.transaction('billing')!.state, 'CompleteAbort')
      await producer.transaction((tx) => tx.send({ topic: 'orders', value: 'three' }))
      // Two for the start, and in version 1 for the epoch that keeps the late one out; in version 2 each has its own.
      assert.equal(cluster.requests(InitProducerId as Api<unknown, unknown>).length, version === 1 ? 2 : 1)
    }))
}

test('a partition that is announced late opens no transaction that nobody ends', () =>
  withStray(AddPartitionsToTxn as Api<unknown, unknown>, 1, async (producer, simulation, cluster) => {
    await producer.transaction((tx) => tx.send({ topic: 'orders', value: 'one' }))
    await simulation.sleep(5_000)
    // Readers would be held back by it for as long as a transaction may be open.
    assert.equal(cluster.transaction('billing')!.state, 'Empty')
    await producer.transaction((tx) => tx.send({ topic: 'orders', value: 'two' }))
  }))

for (const end of ['commit', 'abort'] as const) {
  test(`a late InitProducerId makes no coordinator forget the ${end} that it has just made`, async () => {
    const simulation = new Simulation({ seed: end })
    const { clock, random, listen } = simulation
    await simulation.run(async () => {
      const cluster = await TestCluster.start({ topics: { orders: 1 }, transactionVersion: 1, clock, random, listen })
      const options = { bootstrapServers: cluster.bootstrapServers, requestTimeoutMs: 500, transactionalId: 'billing' }
      const producer = new TransactionalProducer(options, simulation.doors())
      await producer.start()
      // An answer is lost, so that a new epoch is asked for. That request is late; its repetition is answered.
      cluster.control(AddPartitionsToTxn, () => 'cut')
      let arrives!: () => void
      const late = new Promise<void>((resolve) => {
        arrives = resolve
      })
      cluster.control(InitProducerId, async (request, { handle }) => {
        await late
        return handle(request)
      })
      await producer.transaction((tx) => tx.send({ topic: 'orders', value: 'one' }))
      const tx = await producer.begin()
      await tx.send({ topic: 'orders', value: 'two' })
      // It is ended, the answer is lost, and only now the late one arrives.
      cluster.control(EndTxn, async (request, { handle, delay }) => {
        await handle(request)
        await delay(100)
        arrives()
        return 'silence' as const
      })
      await tx[end]()
      await producer.transaction((next) => next.send({ topic: 'orders', value: 'three' }))
      await producer.close()
      await cluster.close()
    })
  })
}
