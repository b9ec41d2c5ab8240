/** What one producer was asked to write, and what it said of each record: a few bytes a record, whatever their number. */

import type { Violations } from './violations.ts'

/** What was told of a record. In the arrays they are these numbers. */
export const outcomes = {
  /** Nothing yet. */
  untold: 0,
  /** It is stored, exactly once; its place may be known. */
  stored: 1,
  /** It is not stored and never will be. */
  notPersisted: 2,
  /** It may be stored, once. */
  possiblyPersisted: 3,
} as const

const unknownPartition = -1
const unknownOffset = -1

export class ProducerHistory {
  readonly name: string
  readonly #violations: Violations
  readonly #addTo: (transaction: number) => void
  #length = 0
  /** All of one length, which doubles. */
  #outcomes = new Uint8Array(1_024)
  #partitions = new Int32Array(1_024)
  #offsets = new Float64Array(1_024)
  #transactions = new Int32Array(1_024)
  /** How often it was read, and at the top whether once where it was acknowledged. */
  #copies = new Uint8Array(1_024)
  /** The highest sequence number read, by partition. */
  readonly #lastRead = new Map<number, number>()

  /** `addTo` hears of every record that is sent in a transaction. */
  constructor(name: string, violations: Violations, addTo: (transaction: number) => void) {
    this.name = name
    this.#violations = violations
    this.#addTo = addTo
  }

  /** How many records were sent. */
  get length(): number {
    return this.#length
  }

  /**
   * Notes a record just before it is given to the producer, and resolves to its sequence number.
   *
   * @param partition the one it is sent to; left out when the producer chooses
   * @param transaction the number of the transaction it is sent in
   */
  sent(partition: number = unknownPartition, transaction = -1): number {
    const sequence = this.#length++
    if (sequence === this.#outcomes.length) this.#grow()
    this.#partitions[sequence] = partition
    this.#offsets[sequence] = unknownOffset
    this.#transactions[sequence] = transaction
    if (transaction >= 0) this.#addTo(transaction)
    return sequence
  }

  /** It was acknowledged, at this offset if one was told. */
  acknowledged(sequence: number, offset?: number | null, partition?: number): void {
    if (!this.#tell(sequence, outcomes.stored)) return
    if (offset !== undefined && offset !== null) this.#offsets[sequence] = offset
    if (partition === undefined) return
    if (this.#partitions[sequence] === unknownPartition) this.#partitions[sequence] = partition
    else if (this.#partitions[sequence] !== partition) {
      this.#violations.add('misplaced', () => `${this.#nameOf(sequence)} was acknowledged in partition ${partition}`)
    }
  }

  /** It failed: what its error says of the log. An error that says nothing says that anything is possible. */
  failed(sequence: number, persistence: 'not-persisted' | 'possibly-persisted' | 'persisted' | undefined): void {
    if (persistence === 'not-persisted') this.#tell(sequence, outcomes.notPersisted)
    else if (persistence === 'persisted') this.#tell(sequence, outcomes.stored)
    else this.#tell(sequence, outcomes.possiblyPersisted)
  }

  /** Who could have told of the rest is gone: of what is untold anything is possible. */
  abandoned(): void {
    for (let i = 0; i < this.#length; i++) {
      if (this.#outcomes[i] === outcomes.untold) this.#outcomes[i] = outcomes.possiblyPersisted
    }
  }

  count(outcome: number): number {
    let count = 0
    for (let i = 0; i < this.#length; i++) if (this.#outcomes[i] === outcome) count++
    return count
  }

  transactionOf(sequence: number): number {
    return this.#transactions[sequence]!
  }

  /** It was found in a log. */
  read(sequence: number, partition: number, offset: number): void {
    if (!(sequence < this.#length)) {
      this.#violations.add('unknown', () => `'${this.name}' ${sequence} at ${partition}@${offset} was never sent`)
      return
    }
    const at = (): string => `${this.#nameOf(sequence)}, read at ${partition}@${offset}`
    const copies = this.#copies[sequence]! & 0x7f
    if (copies < 0x7f) this.#copies[sequence]!++
    const meant = this.#partitions[sequence]
    const acknowledgedOffset = this.#offsets[sequence]
    if (meant === partition && acknowledgedOffset === offset) this.#copies[sequence]! |= 0x80
    if (meant !== unknownPartition && meant !== partition) this.#violations.add('misplaced', at)
    if (copies > 0) {
      this.#violations.add('doubled', at)
      return
    }
    const last = this.#lastRead.get(partition) ?? -1
    if (sequence < last) this.#violations.add('reordered', () => `${at()}, behind ${last}`)
    else this.#lastRead.set(partition, sequence)
    if (this.#outcomes[sequence] === outcomes.notPersisted) this.#violations.add('stored-after-all', at)
  }

  /** What can only be said when everything was read. `isVisible`: whether a transaction's records are promised to be read. */
  finish(violations: Violations, isVisible: (transaction: number) => boolean): void {
    for (let i = 0; i < this.#length; i++) {
      const copies = this.#copies[i]! & 0x7f
      const outcome = this.#outcomes[i]
      const transaction = this.#transactions[i]!
      if (outcome === outcomes.untold) violations.add('never-told', () => this.#nameOf(i))
      if (copies === 0) {
        const promised = transaction < 0 ? outcome === outcomes.stored : isVisible(transaction)
        if (promised) violations.add('lost', () => this.#nameOf(i))
      } else if (this.#offsets[i] !== unknownOffset && (this.#copies[i]! & 0x80) === 0) {
        violations.add('misplaced', () => this.#nameOf(i))
      }
    }
  }

  #tell(sequence: number, outcome: number): boolean {
    if (this.#outcomes[sequence] === outcomes.untold) {
      this.#outcomes[sequence] = outcome
      return true
    }
    this.#violations.add('told-twice', () => this.#nameOf(sequence))
    return false
  }

  #nameOf(sequence: number): string {
    const partition = this.#partitions[sequence]
    const offset = this.#offsets[sequence]
    const transaction = this.#transactions[sequence]!
    return [
      `'${this.name}' ${sequence}`,
      partition === unknownPartition ? '' : ` to partition ${partition}`,
      transaction < 0 ? '' : ` in transaction ${transaction}`,
      offset === unknownOffset ? '' : ` acknowledged at ${offset}`,
    ].join('')
  }

  #grow(): void {
    const capacity = this.#outcomes.length * 2
    const larger = <T extends { set(from: T): void }>(array: T, empty: T): T => {
      empty.set(array)
      return empty
    }
    this.#outcomes = larger(this.#outcomes, new Uint8Array(capacity))
    this.#partitions = larger(this.#partitions, new Int32Array(capacity))
    this.#offsets = larger(this.#offsets, new Float64Array(capacity))
    this.#transactions = larger(this.#transactions, new Int32Array(capacity))
    this.#copies = larger(this.#copies, new Uint8Array(capacity))
  }
}
