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

type Resolve = (metadata: RecordMetadata) => void
type Reject = (error: unknown) => void

// The one executor for every record's promise: a closure per record costs as much as the promise itself.
let resolveLast!: Resolve
let rejectLast!: Reject
const capture = (resolve: Resolve, reject: Reject): void => {
  resolveLast = resolve
  rejectLast = reject
}

export interface ProducerBatchInit {
  /** Counts batches in the order of their opening: the order that a partition's batches keep through every retry. */
  readonly number: number
  readonly queue: PartitionQueue
  readonly builder: RecordBatchBuilder
  /** Bytes taken from the producer's memory for it. */
  readonly reservedBytes: number
  readonly createdAt: number
  /** When its records fail if they are not acknowledged, on the clock of `clock.now()`. */
  readonly deadline: number
  readonly epoch: FlushEpoch
}

export class ProducerBatch extends Linked<ProducerBatch> {
  readonly number: number
  readonly queue: PartitionQueue
  readonly builder: RecordBatchBuilder
  readonly reservedBytes: number
  readonly createdAt: number
  readonly deadline: number
  epoch: FlushEpoch
  /** Wants to be sent: it is full, has lingered, is flushed, or comes back. */
  ready = false
  /** A request carries it: its memory may be read by a socket. */
  inFlight = false
  /** Its deliveries were told. */
  settled = false
  /** Some attempt may have put it into the log. */
  possiblyPersisted = false
  attempts = 0
  /** What the last attempt failed with. */
  lastError: KafkaError | undefined = undefined
  /** Given at the first drain, for life. */
  stamp: BatchStamp | undefined = undefined
  /** How many records came by `send` or `sendBatch`; the others are told together. */
  #owned = 0
  /** One entry per record of `send`: its place in the batch, its timestamp, and its promise's levers. */
  #indexes: number[] = []
  #timestamps: number[] = []
  #resolves: Resolve[] = []
  #rejects: Reject[] = []
  #shares: BatchShare[] | undefined

  constructor(init: ProducerBatchInit) {
    super()
    this.number = init.number
    this.queue = init.queue
    this.builder = init.builder
    this.reservedBytes = init.reservedBytes
    this.createdAt = init.createdAt
    this.deadline = init.deadline
    this.epoch = init.epoch
  }

  get count(): number {
    return this.builder.count
  }

  /** A promise for the record appended last. */
  promise(timestamp: number): Promise<RecordMetadata> {
    const promise = new Promise<RecordMetadata>(capture)
    this.addSend(timestamp, resolveLast, rejectLast)
    return promise
  }

  /** The record appended last is a `send` that has its promise already. */
  addSend(timestamp: number, resolve: Resolve, reject: Reject): void {
    this.#indexes.push(this.builder.count - 1)
    this.#timestamps.push(timestamp)
    this.#resolves.push(resolve)
    this.#rejects.push(reject)
    this.#owned++
  }

  /** The record appended last is one of a `sendBatch`: the share of that call in this batch. */
  shareFor(delivery: BatchDelivery): BatchShare {
    const shares = (this.#shares ??= [])
    this.#owned++
    const last = shares.at(-1)
    if (last !== undefined && last.delivery === delivery) return last
    const share = delivery.newShare(this.queue.partition)
    shares.push(share)
    return share
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
    this.settled = true
    const { topic, partition } = this.queue
    const resolves = this.#resolves
    for (let i = 0; i < resolves.length; i++) {
      resolves[i]!({
        topic,
        partition,
        offset: baseOffset === null ? null : baseOffset + this.#indexes[i]!,
        timestamp: logAppendTimeMs >= 0 ? logAppendTimeMs : this.#timestamps[i]!,
      })
    }
    if (this.#shares !== undefined) for (const share of this.#shares) share.acknowledged(baseOffset)
    this.#forget()
  }

  /** Tells every delivery of `send` and `sendBatch` that it failed; those of `enqueue` are the caller's to tell. */
  fail(errorOf: (index: number) => Error): void {
    this.settled = true
    const rejects = this.#rejects
    for (let i = 0; i < rejects.length; i++) rejects[i]!(errorOf(this.#indexes[i]!))
    if (this.#shares !== undefined) for (const share of this.#shares) share.failed(errorOf)
    this.#forget()
  }

  /**
   * Hands the deliveries over to the batches that its records were divided among, in their order (KIP-126).
   * Afterwards it has nobody to tell.
   */
  divideAmong(parts: readonly ProducerBatch[]): void {
    let first = 0
    let nextSend = 0
    for (const part of parts) {
      const end = first + part.builder.count
      for (; nextSend < this.#indexes.length && this.#indexes[nextSend]! < end; nextSend++) {
        part.#indexes.push(this.#indexes[nextSend]! - first)
        part.#timestamps.push(this.#timestamps[nextSend]!)
        part.#resolves.push(this.#resolves[nextSend]!)
        part.#rejects.push(this.#rejects[nextSend]!)
        part.#owned++
      }
      if (this.#shares !== undefined) {
        for (const share of this.#shares) {
          const divided = share.within(first, end)
          if (divided === undefined) continue
          ;(part.#shares ??= []).push(divided)
          part.#owned += divided.count
        }
      }
      first = end
    }
    this.settled = true
    this.#forget()
  }

  #forget(): void {
    this.#indexes = []
    this.#timestamps = []
    this.#resolves = []
    this.#rejects = []
    this.#shares = undefined
  }
}
