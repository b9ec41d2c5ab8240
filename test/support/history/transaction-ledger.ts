/** The transactions of one writer: how many records each has, what was said of its end, how much of it was read. */

import type { Violations } from './violations.ts'

/** What is known of a transaction's end. In the array they are these numbers. */
const ends = {
  /** Nobody asked for an end: nothing of it may be read. */
  open: 0,
  /** Commit was asked for, and no answer came: all of it may be read, or nothing. */
  asked: 1,
  committed: 2,
  aborted: 3,
} as const

export class TransactionLedger {
  readonly writer: string
  #length = 0
  #ends = new Uint8Array(64)
  #sizes = new Int32Array(64)
  #read = new Int32Array(64)

  constructor(writer: string) {
    this.writer = writer
  }

  /** A new transaction; its number. */
  began(): number {
    return this.#known(this.#length)
  }

  /** One more record, or so many, belong to it. */
  added(transaction: number, count = 1): void {
    this.#sizes[this.#known(transaction)]! += count
  }

  /** Told just before commit is asked for. */
  commitAsked(transaction: number): void {
    this.#ends[this.#known(transaction)] = ends.asked
  }

  committed(transaction: number): void {
    this.#ends[this.#known(transaction)] = ends.committed
  }

  /** It was aborted, or its commit was refused for certain. */
  aborted(transaction: number): void {
    this.#ends[this.#known(transaction)] = ends.aborted
  }

  isCommitted(transaction: number): boolean {
    return transaction < this.#length && this.#ends[transaction] === ends.committed
  }

  /** How many ended in which way. */
  counts(): { committed: number; aborted: number; unknown: number; open: number } {
    const count = (end: number): number => this.#ends.subarray(0, this.#length).filter((one) => one === end).length
    return {
      committed: count(ends.committed),
      aborted: count(ends.aborted),
      unknown: count(ends.asked),
      open: count(ends.open),
    }
  }

  /** A record of it was read, at this place. */
  read(transaction: number, where: string, violations: Violations): void {
    this.#read[this.#known(transaction)]!++
    const end = this.#ends[transaction]
    if (end === ends.open || end === ends.aborted) {
      const said = end === ends.open ? 'was never asked to commit' : 'was aborted'
      violations.add('aborted-but-read', () => `${where}: transaction ${transaction} of '${this.writer}' ${said}`)
    }
  }

  finish(violations: Violations): void {
    for (let i = 0; i < this.#length; i++) {
      const read = this.#read[i]!
      const size = this.#sizes[i]!
      const mayBeAbsent = this.#ends[i] !== ends.committed
      if (read >= size || (read === 0 && mayBeAbsent)) continue
      violations.add('torn', () => `transaction ${i} of '${this.writer}': ${read} of its ${size} records were read`)
    }
  }

  #known(transaction: number): number {
    if (transaction >= this.#ends.length) {
      const capacity = Math.max(this.#ends.length * 2, transaction + 1)
      const [endsBefore, sizesBefore, readBefore] = [this.#ends, this.#sizes, this.#read]
      this.#ends = new Uint8Array(capacity)
      this.#sizes = new Int32Array(capacity)
      this.#read = new Int32Array(capacity)
      this.#ends.set(endsBefore)
      this.#sizes.set(sizesBefore)
      this.#read.set(readBefore)
    }
    if (transaction >= this.#length) this.#length = transaction + 1
    return transaction
  }
}
