/** Hides what read-committed readers must not see: the records of aborted transactions. One per fetched piece of a
 *  partition, since each answer lists the aborted transactions that reach into it (KIP-98). Control batches are hidden
 *  by the caller, whatever the isolation. */

import type { AbortedTransaction } from '../wire/messages/fetch.ts'

/** What is asked of a batch. */
export interface TransactionalBatch {
  readonly lastOffset: number
  readonly producerId: number
  readonly isTransactional: boolean
}

export class AbortedTransactions {
  /** Those that have not begun yet at the batch we are at, the first to begin last. */
  readonly #ahead: AbortedTransaction[]
  /** Producers whose transaction at this point of the log was aborted. */
  readonly #open = new Set<number>()

  constructor(aborted: readonly AbortedTransaction[]) {
    // Brokers other than Kafka list them in any order.
    this.#ahead = aborted.toSorted((a, b) => b.firstOffset - a.firstOffset)
  }

  /** Whether the records of the batch are hidden. To be asked of every batch with records, in order. */
  hides(batch: TransactionalBatch): boolean {
    this.#advanceTo(batch.lastOffset)
    return batch.isTransactional && this.#open.has(batch.producerId)
  }

  /** An abort marker was passed: what its producer wrote after it is another transaction's. */
  endOf(marker: TransactionalBatch): void {
    this.#advanceTo(marker.lastOffset)
    this.#open.delete(marker.producerId)
  }

  #advanceTo(offset: number): void {
    for (let next = this.#ahead.at(-1); next !== undefined && next.firstOffset <= offset; next = this.#ahead.at(-1)) {
      this.#open.add(next.producerId)
      this.#ahead.pop()
    }
  }
}
