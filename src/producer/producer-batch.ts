/** One batch of one partition: its records' bytes, and whom to tell what became of them. Each delivery is told once,
 *  however often the batch is tried. Knows no request and no broker. */

import type { KafkaError } from '../errors/kafka-error.ts'
import type { RecordBatchBuilder } from '../wire/records/record-batch-builder.ts'
import type { BatchDelivery, BatchShare } from './batch-delivery.ts'
import type { FlushEpoch } from './flush-epochs.ts'
import { Linked } from './linked-line.ts'
import type { PartitionQueue } from './partition-queue.ts'
import type { BatchStamp } from './producer-identity.ts'
import type { RecordMetadata } from './producer-record.ts'
import type { RecordWatch } from './record-watch.ts'

/** A partition's queue, of the batches there are here. */
export type BatchQueue = PartitionQueue<ProducerBatch>

/** What a batch fails with that is given up, by what is known of its records. */
export type DiscardError = (persistence: 'not-persisted' | 'possibly-persisted') => KafkaError

/** Counts the promises of `send` that are not settled: they too take memory. */
export interface PromiseCount {
  promises: number
}

export interface ProducerBatchInit {
  /** Counts batches in the order of their opening: the order that a partition's batches keep through every retry. */
  readonly number: number
  readonly queue: BatchQueue
  readonly builder: RecordBatchBuilder
  /** Bytes taken from the producer's memory for it. */
  readonly reservedBytes: number
  readonly createdAt: number
  /** When its records fail if they are not acknowledged, on the clock of `clock.now()`. */
  readonly deadline: number
  readonly epoch: FlushEpoch
  readonly unsettled: PromiseCount
}

/** Records of `send` that lie one behind the other in the batch and have one timestamp. */
interface SentRun {
  /** The first one's number among all records of `send`; the run goes on to the next run's first. */
  readonly first: number
  /** What added to such a number gives the place in the batch. */
  readonly shift: number
  readonly timestamp: number
}

/** Who hears of one of the batch's records, whichever call brought it. */
interface WatchedRecord {
  readonly index: number
  readonly timestamp: number
  readonly watch: RecordWatch
}

/** What became of a batch's records, by their place in it. */
type Outcome = (index: number, timestamp: number) => RecordMetadata

export class ProducerBatch extends Linked<ProducerBatch> {
  readonly number: number
  readonly queue: BatchQueue
  readonly builder: RecordBatchBuilder
  readonly reservedBytes: number
  readonly createdAt: number
  readonly deadline: number
  epoch: FlushEpoch
  /** Wants to be sent: it is full, has lingered, is flushed, or comes back. */
  ready = false
  /** A request carries it: its memory may be read by a socket. */
  inFlight = false
  /** A request that carried it ended without an answer. What carried its bytes may be reading them still: they must not
   *  become another batch's. */
  isLent = false
  /** Its deliveries were told. */
  settled = false
  /** Some attempt may have put it into the log. */
  possiblyPersisted = false
  attempts = 0
  /** What the last attempt failed with. */
  lastError: KafkaError | undefined = undefined
  /** While in flight: what it fails with if it comes back to be tried again. */
  discardedWith: DiscardError | undefined = undefined
  /** Given at the first drain, for life, unless a gap before it is proven. */
  stamp: BatchStamp | undefined = undefined
  /** It is a part of a batch that may be in the log as a whole: its records must never get other numbers. */
  keepsNumbers = false
  /** Nothing else of the partition was under way when it was last sent. */
  wentAlone = false
  /** How often in a row the leader refused exactly this batch by its number, while nothing else was under way. */
  lonelyRefusals = 0
  /** How many records came by `send` or `sendBatch`; the others are told together. */
  #owned = 0
  /** The records of `send`, as runs of neighbours with one timestamp: mostly there are few. */
  readonly #runs: SentRun[] = []
  #run: SentRun | undefined = undefined
  #sent = 0
  /** Resolves when the batch is settled; never rejects. Made for the first `send`. */
  #done: Promise<void> | undefined = undefined
  #tell: (() => void) | undefined = undefined
  #next: (() => RecordMetadata) | undefined = undefined
  #outcome: Outcome | undefined = undefined
  #shares: BatchShare[] | undefined = undefined
  #watched: WatchedRecord[] | undefined = undefined
  /** The batch it is a part of, and how many parts of its own are not settled yet. */
  #whole: ProducerBatch | undefined = undefined
  #unsettledParts = 0
  readonly #unsettled: PromiseCount

  constructor(init: ProducerBatchInit) {
    super()
    this.number = init.number
    this.queue = init.queue
    this.builder = init.builder
    this.reservedBytes = init.reservedBytes
    this.createdAt = init.createdAt
    this.deadline = init.deadline
    this.epoch = init.epoch
    this.#unsettled = init.unsettled
  }

  get count(): number {
    return this.builder.count
  }

  /** The record appended last is a `send`: a promise for it. */
  promise(timestamp: number): Promise<RecordMetadata> {
    const done = this.#done ?? this.#begin()
    const shift = this.builder.count - 1 - this.#sent
    const run = this.#run
    if (run === undefined || run.shift !== shift || run.timestamp !== timestamp) {
      this.#run = { first: this.#sent, shift, timestamp }
      this.#runs.push(this.#run)
    }
    this.#sent++
    this.#owned++
    this.#unsettled.promises++
    // A promise that follows the batch's costs half of one with levers of its own, in time and memory. They follow in
    // the order in which they were made, so that one function serves all of them.
    return done.then(this.#next)
  }

  #begin(): Promise<void> {
    let told = 0
    let at = 0
    this.#next = () => {
      if (at + 1 < this.#runs.length && this.#runs[at + 1]!.first === told) at++
      const { shift, timestamp } = this.#runs[at]!
      return this.#outcome!(told++ + shift, timestamp)
    }
    this.#done = new Promise((resolve) => {
      this.#tell = resolve
    })
    return this.#done
  }

  /** The record appended last is one of a `sendBatch`: the share of that call in this batch. */
  shareFor(delivery: BatchDelivery): BatchShare {
    const shares = (this.#shares ??= [])
    this.#owned++
    const last = shares[shares.length - 1]
    if (last !== undefined && last.delivery === delivery) return last
    const share = delivery.newShare(this.queue.partition)
    shares.push(share)
    return share
  }

  /** The record appended last has someone who hears what becomes of it, beside the call that brought it. */
  watch(watch: RecordWatch, timestamp: number): void {
    ;(this.#watched ??= []).push({ index: this.builder.count - 1, timestamp, watch })
  }

  /** How many records were accepted by `enqueue`: nobody waits for them. */
  get unownedCount(): number {
    return this.builder.count - this.#owned
  }

  /**
   * Tells every delivery that it is in the log.
   *
   * @param baseOffset the first record's offset, or null when the broker does not say
   * @param logAppendTimeMs the broker's timestamp for all of them, or -1 when they keep their own
   */
  acknowledge(baseOffset: number | null, logAppendTimeMs: number): void {
    const { topic, partition } = this.queue
    this.#settle((index, timestamp) => ({
      topic,
      partition,
      offset: baseOffset === null ? null : baseOffset + index,
      timestamp: logAppendTimeMs >= 0 ? logAppendTimeMs : timestamp,
    }))
    if (this.#shares !== undefined) for (const share of this.#shares) share.acknowledged(baseOffset)
  }

  /** Tells every delivery of `send` and `sendBatch` that it failed; those of `enqueue` are the caller's to tell. */
  fail(errorOf: (index: number) => Error): void {
    this.#settle((index) => {
      throw errorOf(index)
    })
    if (this.#shares !== undefined) for (const share of this.#shares) share.failed(errorOf)
  }

  /**
   * Leaves the telling to the batches that its records were divided among, in their order (KIP-126): its deliveries are
   * told when all parts are settled.
   */
  divideAmong(parts: readonly ProducerBatch[]): void {
    this.settled = true
    this.#unsettledParts = parts.length
    const ends: number[] = []
    let first = 0
    for (const part of parts) {
      const end = first + part.builder.count
      part.#whole = this
      part.#owned = this.#sentWithin(first, end)
      for (const share of this.#shares ?? []) {
        const divided = share.within(first, end)
        if (divided === undefined) continue
        ;(part.#shares ??= []).push(divided)
        part.#owned += divided.count
      }
      ends.push(end)
      first = end
    }
    this.#shares = undefined
    this.#outcome = (index, timestamp) => {
      const at = ends.findIndex((end) => index < end)
      return parts[at]!.#outcome!(at === 0 ? index : index - ends[at - 1]!, timestamp)
    }
  }

  /** How many of the records at `first` up to `end` came by `send`. */
  #sentWithin(first: number, end: number): number {
    let count = 0
    this.#runs.forEach((run, i) => {
      const runEnd = this.#runs[i + 1]?.first ?? this.#sent
      count += Math.max(0, Math.min(runEnd + run.shift, end) - Math.max(run.first + run.shift, first))
    })
    return count
  }

  #settle(outcome: Outcome): void {
    this.settled = true
    this.#outcome = outcome
    this.#told()
  }

  /** In a turn of their own, for they may close the producer; but before any promise of a call is told. */
  #tellWatches(): void {
    const watched = this.#watched
    if (watched === undefined) return
    this.#watched = undefined
    queueMicrotask(() => {
      for (const { index, timestamp, watch } of watched) {
        let metadata: RecordMetadata
        try {
          metadata = this.#outcome!(index, timestamp)
        } catch (error) {
          watch.failed(error)
          continue
        }
        watch.acknowledged(metadata)
      }
    })
  }

  #partSettled(): void {
    this.#unsettledParts--
    if (this.#unsettledParts === 0) this.#told()
  }

  #told(): void {
    this.#unsettled.promises -= this.#sent
    this.#tellWatches()
    this.#tell?.()
    if (this.#whole !== undefined) this.#whole.#partSettled()
  }
}
