/** Reads in a group, writes what it read to another topic, and commits what it wrote and how far it read in one transaction:
 *  exactly-once processing as applications do it. Goes on until it is killed or asked to end. */

import { setTimeout as sleep } from 'node:timers/promises'
import { Consumer, FencedError, TransactionalProducer, TransactionOutcomeUnknownError } from 'jackdaw'
import { SeededRandom } from '#src/testing/index.js'
import { readTag, writeTag } from '../../history/record-tag.ts'
import { connectionOf, describeError, ordersOf, report, untilAsked, type WorkerConnection } from './worker.ts'

export interface CopierOrders {
  readonly connection: WorkerConnection
  readonly name: string
  readonly transactionalId: string
  readonly transactionTimeoutMs: number
  readonly groupId: string
  readonly sessionTimeoutMs: number
  readonly from: string
  readonly to: string
  readonly seed: string
  /** So many records at most in a transaction. */
  readonly largest: number
  /** So long at most between reading and committing, in ms. */
  readonly pauseMs: number
}

async function main(): Promise<void> {
  const orders = ordersOf<CopierOrders>()
  const { name, transactionalId, transactionTimeoutMs, groupId, sessionTimeoutMs, from, to, largest, pauseMs } = orders
  const random = new SeededRandom(orders.seed)
  const asked = untilAsked()
  const connection = { ...connectionOf(orders.connection), clientId: name }
  const producer = new TransactionalProducer({
    ...connection,
    transactionalId,
    transactionTimeoutMs,
    lingerMs: random.pick([0, 5]),
    deliveryTimeoutMs: 30_000,
    maxBlockMs: 30_000,
  })
  // First of all: it ends the transaction that the one before left open, whose offsets the group would wait for.
  await producer.start()
  const consumer = new Consumer({
    ...connection,
    groupId,
    sessionTimeoutMs,
    heartbeatIntervalMs: Math.floor(sessionTimeoutMs / 6),
    autoCommit: false,
    autoOffsetReset: 'earliest',
    isolationLevel: 'read_committed',
  })
  await consumer.subscribe([from])
  await consumer.start()
  report({ kind: 'ready' })
  for (let transaction = 0; !asked.aborted;) {
    const records = await consumer.getMany({ timeoutMs: 200, maxRecords: random.integer([1, largest]) })
    if (records.size === 0) continue
    let hasAsked = false
    try {
      await producer.transaction(async (tx) => {
        for (const { partition, value } of records) {
          const { producer: source, sequence } = readTag(value!.toString())!
          const copy = writeTag(source, sequence, { writer: name, transaction })
          // Its failure fails the transaction.
          tx.send({ topic: to, partition, value: copy }).catch(() => {})
          if (random.chance(1 / largest)) await sleep(random.integer([0, pauseMs]))
        }
        await sleep(random.integer([0, pauseMs]))
        await tx.sendOffsets(records.nextOffsets(), records.groupMetadata)
        hasAsked = true
        report({ kind: 'asked', transaction, count: records.size })
      })
      report({ kind: 'committed', transaction })
    } catch (error) {
      if (!(error instanceof TransactionOutcomeUnknownError)) {
        const count = hasAsked ? 0 : records.size
        report({ kind: 'aborted', transaction, count, why: describeError(error) })
      }
      if (error instanceof FencedError) throw error
      // What was read is to be read again, unless it was committed after all.
      await consumer.seekToCommitted()
    }
    transaction++
  }
  await consumer.close()
  await producer.close()
}

main().catch((error: unknown) => {
  report({ kind: 'failed', why: describeError(error) })
  process.exitCode = 1
})
