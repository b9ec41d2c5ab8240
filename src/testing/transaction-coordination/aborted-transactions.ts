/** The aborted transactions of a partition, in the order in which they ended, as Kafka's transaction index has them. Knows no
 *  log: it is told offsets. */

export interface AbortedTransaction {
  readonly producerId: number
  /** Of its first batch. */
  readonly firstOffset: number
  /** Of its marker. */
  readonly lastOffset: number
  /** How far everything was decided when its marker had been written. */
  readonly lastStableOffset: number
}

export class AbortedTransactions {
  #transactions: AbortedTransaction[] = []

  get all(): readonly AbortedTransaction[] {
    return this.#transactions
  }

  add(transaction: AbortedTransaction): void {
    this.#transactions.push(transaction)
  }

  /** Those with records from `offset` to before `upperBound`. */
  between(offset: number, upperBound: number): AbortedTransaction[] {
    const found: AbortedTransaction[] = []
    for (const transaction of this.#transactions) {
      if (transaction.lastOffset >= offset && transaction.firstOffset < upperBound) found.push(transaction)
      // Nothing that was still open then began before the bound.
      if (transaction.lastStableOffset >= upperBound) break
    }
    return found
  }

  /** Forgets those whose records and marker are gone. */
  deleteBefore(offset: number): void {
    if (this.#transactions.some(({ lastOffset }) => lastOffset < offset)) {
      this.#transactions = this.#transactions.filter(({ lastOffset }) => lastOffset >= offset)
    }
  }
}
