/** Writes transactions of many records over many partitions, one after the other, until it is killed or asked to end. */

import { setTimeout as sleep } from 'node:timers/promises'
import { FencedError, TransactionalProducer, TransactionOutcomeUnknownError } from 'jackdaw'
import { SeededRandom } from '#src/testing/index.js'
import { writeTag } from '../../history/record-tag.ts'
import { connectionOf, describeError, ordersOf, report, untilAsked, type WorkerConnection } from './worker.ts'

export interface WriterOrders {
  readonly connection: WorkerConnection
  readonly name: string
  readonly transactionalId: string
  readonly transactionTimeoutMs: number
  readonly topic: string
  readonly partitions: number
  readonly seed: string
  /** So many records at most in a transaction. */
  readonly largest: number
  /** So long at most between two, and within one, in ms. */
  readonly pauseMs: number
}

async function main(): Promise<void> {
  const orders = ordersOf<WriterOrders>()
  const { name, transactionalId, transactionTimeoutMs, topic, partitions, largest, pauseMs } = orders
  const random = new SeededRandom(orders.seed)
  const asked = untilAsked()
  const producer = new TransactionalProducer({
    ...connectionOf(orders.connection),
    clientId: name,
    transactionalId,
    transactionTimeoutMs,
    batchSize: 2_048,
    lingerMs: random.pick([0, 5]),
    deliveryTimeoutMs: 30_000,
    maxBlockMs: 30_000,
  })
  await producer.start()
  report({ kind: 'ready' })
  let sequence = 0
  for (let transaction = 0; !asked.aborted; transaction++) {
    const count = random.integer([1, largest])
    let hasAsked = false
    try {
      await producer.transaction(async (tx) => {
        const sent: Promise<unknown>[] = []
        for (let i = 0; i < count; i++) {
          const value = writeTag(name, sequence + i, { writer: name, transaction, paddedTo: 100 })
          const one = tx.send({ topic, partition: random.integer([0, partitions - 1]), value })
          one.catch(() => {}) // told again below, or by the commit
          sent.push(one)
          if (random.chance(2 / largest)) await sleep(random.integer([0, pauseMs]))
        }
        // Awaited or not: a transaction has what it took.
        if (random.chance(0.5)) await Promise.all(sent)
        if (random.chance(0.15)) throw new Error('on purpose')
        hasAsked = true
        report({ kind: 'asked', transaction, count })
      })
      report({ kind: 'committed', transaction })
    } catch (error) {
      // Everything but this is a promise that nothing of it will ever be read.
      if (!(error instanceof TransactionOutcomeUnknownError)) {
        report({ kind: 'aborted', transaction, count: hasAsked ? 0 : count, why: describeError(error) })
      }
      if (error instanceof FencedError) throw error
    }
    sequence += count
    await sleep(random.integer([0, pauseMs]))
  }
  await producer.close()
}

main().catch((error: unknown) => {
  report({ kind: 'failed', why: describeError(error) })
  process.exitCode = 1
})
