/** What is known of a transactional id: its producer, in which epoch, and the transaction that is open, if one is. Each method
 *  is one step from state to state; whether the step may be taken is the coordinator's question. States, epochs and ids are
 *  Kafka's (KIP-98, 360, 890). Knows no request, no log, no timer. */

import { maxProducerEpoch, type ProducerIdentity } from '../producer-states.ts'

export type TransactionState =
  'Empty' | 'Ongoing' | 'PrepareCommit' | 'PrepareAbort' | 'CompleteCommit' | 'CompleteAbort'

export const transactionStates: readonly string[] = [
  'Empty',
  'Ongoing',
  'PrepareCommit',
  'PrepareAbort',
  'CompleteCommit',
  'CompleteAbort',
  'PrepareEpochFence',
  'Dead',
] satisfies (TransactionState | 'PrepareEpochFence' | 'Dead')[]

export interface TransactionPartition {
  readonly topic: string
  readonly partition: number
}

const none = -1
/** The last epoch that a producer is given: the one above it is for a marker. */
const lastUsableEpoch = maxProducerEpoch - 1

export class Transaction {
  readonly transactionalId: string
  #producerId: number
  #previousProducerId = none
  #nextProducerId = none
  #producerEpoch = none
  #lastProducerEpoch = none
  #timeoutMs: number
  #state: TransactionState = 'Empty'
  readonly #partitions = new Map<string, TransactionPartition>()
  #startedAt = none
  #updatedAt: number
  #bumpsEpoch = false

  constructor(transactionalId: string, producerId: number, timeoutMs: number, now: number) {
    this.transactionalId = transactionalId
    this.#producerId = producerId
    this.#timeoutMs = timeoutMs
    this.#updatedAt = now
  }

  get producerId(): number {
    return this.#producerId
  }

  /** Of markers while they are written, of batches otherwise; -1 before the first. */
  get producerEpoch(): number {
    return this.#producerEpoch
  }

  get timeoutMs(): number {
    return this.#timeoutMs
  }

  get state(): TransactionState {
    return this.#state
  }

  /** By the wall clock, in ms; -1 when none has begun since the id was taken. */
  get startedAt(): number {
    return this.#startedAt
  }

  /** By the wall clock, in ms. */
  get updatedAt(): number {
    return this.#updatedAt
  }

  /** Whether the transaction that ends, or the last one that ended, bumps the epoch (KIP-890). */
  get bumpsEpoch(): boolean {
    return this.#bumpsEpoch
  }

  get partitions(): TransactionPartition[] {
    return [...this.#partitions.values()]
  }

  get isEnding(): boolean {
    return this.#state === 'PrepareCommit' || this.#state === 'PrepareAbort'
  }

  get isOver(): boolean {
    return this.#state === 'Empty' || this.#state === 'CompleteCommit' || this.#state === 'CompleteAbort'
  }

  get isEpochExhausted(): boolean {
    return this.#producerEpoch >= lastUsableEpoch
  }

  has({ topic, partition }: TransactionPartition): boolean {
    return this.#partitions.has(keyOf(topic, partition))
  }

  /** Whether somebody who has this id and epoch may continue: it was never overtaken, or its epochs came to an end. */
  mayBe({ producerId, producerEpoch }: ProducerIdentity): boolean {
    return (
      this.#producerEpoch === none ||
      producerId === this.#producerId ||
      (producerId === this.#previousProducerId && producerEpoch >= lastUsableEpoch)
    )
  }

  /** Whether an EndTxn comes again whose answer was lost: the epoch has been bumped since, or the id was replaced. */
  isRetry({ producerId, producerEpoch }: ProducerIdentity): boolean {
    return (
      this.#producerEpoch === producerEpoch + 1 ||
      (this.#previousProducerId === producerId && producerEpoch === lastUsableEpoch && this.#producerEpoch === 0)
    )
  }

  /** Whether the id of an EndTxn is ours, or was before its epochs came to an end. */
  owns({ producerId, producerEpoch }: ProducerIdentity): boolean {
    return (
      this.#producerId === producerId ||
      (this.#previousProducerId === producerId && producerEpoch === lastUsableEpoch && this.#producerEpoch === 0)
    )
  }

  /**
   * Somebody takes the id, or goes on with it.
   *
   * @param expectedEpoch what it has, undefined when it comes anew
   * @param newProducerId called when the epochs of the old one are used up
   * @returns false when its epoch is over
   */
  initialize(
    expectedEpoch: number | undefined,
    { timeoutMs, now, newProducerId }: { timeoutMs: number; now: number; newProducerId: () => number },
  ): boolean {
    const epoch = this.#producerEpoch
    const producerId = this.#producerId
    if (this.isEpochExhausted && (expectedEpoch === undefined || expectedEpoch === epoch)) {
      this.#lastProducerEpoch = expectedEpoch === undefined ? none : epoch
      this.#producerId = newProducerId()
      this.#producerEpoch = 0
    } else if (expectedEpoch === undefined) {
      this.#producerEpoch = epoch + 1
      this.#lastProducerEpoch = none
    } else if (epoch === none || expectedEpoch === epoch) {
      this.#producerEpoch = epoch + 1
      this.#lastProducerEpoch = epoch
    } else if (expectedEpoch !== this.#lastProducerEpoch) {
      return false
    }
    // Else its answer was lost: it is given once more what it was given.
    this.#previousProducerId = producerId
    this.#state = 'Empty'
    this.#timeoutMs = timeoutMs
    this.#partitions.clear()
    this.#startedAt = none
    this.#updatedAt = now
    return true
  }

  /** @returns whether a transaction began */
  add(partitions: readonly TransactionPartition[], now: number, bumpsEpoch: boolean): boolean {
    const begins = this.#state !== 'Ongoing'
    this.#state = 'Ongoing'
    if (begins) this.#startedAt = now
    for (const each of partitions) this.#partitions.set(keyOf(each.topic, each.partition), each)
    this.#previousProducerId = this.#producerId
    this.#updatedAt = now
    this.#bumpsEpoch = bumpsEpoch
    return begins
  }

  /**
   * It is decided; from here the markers are written.
   *
   * @param options `bumpsEpoch`: as KIP-890 has it, for the markers, and for whoever goes on. `fences`: without that, the epoch
   *   is bumped all the same, so that who had it is fenced. `newProducerId`: called when the epochs are used up.
   */
  prepareEnd(
    commits: boolean,
    {
      now,
      bumpsEpoch,
      fences,
      newProducerId,
    }: { now: number; bumpsEpoch: boolean; fences: boolean; newProducerId: () => number },
  ): void {
    if (this.isOver) this.#startedAt = now
    if (bumpsEpoch) {
      if (this.isEpochExhausted) this.#nextProducerId = newProducerId()
      this.#lastProducerEpoch = this.#producerEpoch
      this.#producerEpoch = Math.min(this.#producerEpoch + 1, maxProducerEpoch)
    } else if (fences) {
      this.#producerEpoch = Math.min(this.#producerEpoch + 1, maxProducerEpoch)
      this.#lastProducerEpoch = none
    }
    this.#previousProducerId = this.#producerId
    this.#state = commits ? 'PrepareCommit' : 'PrepareAbort'
    this.#bumpsEpoch = bumpsEpoch
    this.#updatedAt = now
  }

  /** What who ended it goes on with. */
  get next(): ProducerIdentity {
    return this.#bumpsEpoch && this.#nextProducerId !== none
      ? { producerId: this.#nextProducerId, producerEpoch: 0 }
      : { producerId: this.#producerId, producerEpoch: this.#producerEpoch }
  }

  /** All markers are written. */
  complete(now: number): void {
    const { producerId, producerEpoch } = this.next
    this.#previousProducerId = this.#producerId
    this.#producerId = producerId
    this.#producerEpoch = producerEpoch
    this.#nextProducerId = none
    this.#partitions.clear()
    this.#state = this.#state === 'PrepareCommit' ? 'CompleteCommit' : 'CompleteAbort'
    this.#updatedAt = now
  }
}

function keyOf(topic: string, partition: number): string {
  return `${partition}/${topic}`
}
