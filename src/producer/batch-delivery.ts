/** What became of one `sendBatch`: its records are spread over batches of several partitions, each of which tells its
 *  share. Costs eight bytes a record and one promise in all. Knows no batch's bytes. */

import { Deferred } from '../async/deferred.ts'
import { KafkaError } from '../errors/kafka-error.ts'
import { SendBatchError, type SendBatchFailure } from './delivery-errors.ts'

/** Records of one call that lie one behind the other in a partition. */
export interface SentRange {
  readonly partition: number
  /** The offset of the first one; null with `acks: 0`. */
  readonly baseOffset: number | null
  readonly count: number
}

/** Where the records of a `sendBatch` are. */
export interface SendBatchResult {
  /**
   * By partition, then by offset. A partition appears once as long as nobody else's records came between those of
   * this call.
   */
  readonly partitions: readonly SentRange[]
  /** The offset of the record at `index` of the array that was sent; null with `acks: 0`. */
  offsetOf(index: number): number | null
}

const notPlaced = -1

/** The records of one call in one batch. */
export class BatchShare {
  readonly delivery: BatchDelivery
  readonly partition: number
  /** Its number within the delivery. */
  readonly number: number
  count = 0
  /** Its records are among those from `first` to `last` of the call's array: what is asked of a share looks only there. */
  first = 0
  last = -1
  baseOffset: number | null | undefined = undefined

  constructor(delivery: BatchDelivery, partition: number, number: number) {
    this.delivery = delivery
    this.partition = partition
    this.number = number
  }

  acknowledged(baseOffset: number | null): void {
    this.baseOffset = baseOffset
    this.delivery.settled(this.count)
  }

  failed(errorOf: (index: number) => Error): void {
    this.delivery.shareFailed(this, errorOf)
    this.delivery.settled(this.count)
  }

  /** The share of the records at `first` up to `end` of the batch, for a batch of their own; undefined for none. */
  within(first: number, end: number): BatchShare | undefined {
    return this.delivery.divide(this, first, end)
  }
}

export class BatchDelivery {
  readonly #topic: string
  readonly #total: number
  readonly #deferred = new Deferred<SendBatchResult>()
  readonly #shares: BatchShare[] = []
  /** By record: the share it is in, and its place in that share's batch. */
  readonly #shareOf: Int32Array
  readonly #placeOf: Int32Array
  readonly #errors = new Map<number, Error>()
  #unsettled: number
  /** How many records were refused one by one with what is no error of ours, such as a signal's reason; and the last. */
  #foreignReasons = 0
  #foreignReason: unknown

  constructor(topic: string, total: number) {
    this.#topic = topic
    this.#total = total
    this.#unsettled = total
    this.#shareOf = new Int32Array(total).fill(notPlaced)
    this.#placeOf = new Int32Array(total)
  }

  get promise(): Promise<SendBatchResult> {
    return this.#deferred.promise
  }

  newShare(partition: number): BatchShare {
    const share = new BatchShare(this, partition, this.#shares.length)
    this.#shares.push(share)
    return share
  }

  /** The record at `index` of the call is at `place` of the batch that the share is of. */
  placed(index: number, share: BatchShare, place: number): void {
    this.#shareOf[index] = share.number
    this.#placeOf[index] = place
    if (share.count === 0) share.first = index
    share.last = index
    share.count++
  }

  /** The records from `from` on were not taken into any batch. When none was, the call fails with the reason itself
   *  if that is not one of our errors: an aborted wait rejects with whatever its signal says. */
  refused(from: number, reason: unknown): void {
    if (from === 0 && !(reason instanceof KafkaError)) {
      this.#deferred.reject(reason)
      return
    }
    const error = reason instanceof Error ? reason : new Error(String(reason))
    for (let index = from; index < this.#total; index++) this.#errors.set(index, error)
    this.settled(this.#total - from)
  }

  /** One record will not be in any batch. When all end so by one signal, the call fails with its reason. */
  failed(index: number, reason: unknown): void {
    if (!(reason instanceof KafkaError)) {
      this.#foreignReasons++
      this.#foreignReason = reason
    }
    this.#errors.set(index, reason instanceof Error ? reason : new Error(String(reason), { cause: reason }))
    this.settled(1)
  }

  shareFailed({ number, first, last }: BatchShare, errorOf: (index: number) => Error): void {
    for (let index = first; index <= last; index++) {
      if (this.#shareOf[index] === number) this.#errors.set(index, errorOf(this.#placeOf[index]!))
    }
  }

  divide(share: BatchShare, first: number, end: number): BatchShare | undefined {
    let divided: BatchShare | undefined
    for (let index = share.first; index <= share.last; index++) {
      const place = this.#placeOf[index]!
      if (this.#shareOf[index] !== share.number || place < first || place >= end) continue
      divided ??= this.newShare(share.partition)
      this.placed(index, divided, place - first)
    }
    return divided
  }

  settled(count: number): void {
    this.#unsettled -= count
    if (this.#unsettled > 0) return
    if (this.#errors.size === 0) {
      this.#deferred.resolve(new Result(this.#shares, this.#shareOf, this.#placeOf))
      return
    }
    if (this.#foreignReasons === this.#total) {
      this.#deferred.reject(this.#foreignReason)
      return
    }
    const failures: SendBatchFailure[] = Array.from(this.#errors, ([index, error]) => ({ index, error }))
    failures.sort((a, b) => a.index - b.index)
    this.#deferred.reject(new SendBatchError(this.#topic, this.#total, failures))
  }
}

class Result implements SendBatchResult {
  readonly partitions: readonly SentRange[]
  readonly #shares: readonly BatchShare[]
  readonly #shareOf: Int32Array
  readonly #placeOf: Int32Array

  constructor(shares: readonly BatchShare[], shareOf: Int32Array, placeOf: Int32Array) {
    this.#shares = shares
    this.#shareOf = shareOf
    this.#placeOf = placeOf
    this.partitions = this.#ranges()
  }

  offsetOf(index: number): number | null {
    const number = this.#shareOf[index]
    if (number === undefined) {
      throw new RangeError(`there is no record ${index}: the batch had ${this.#shareOf.length}`)
    }
    const base = this.#shares[number]!.baseOffset ?? null
    return base === null ? null : base + this.#placeOf[index]!
  }

  #ranges(): SentRange[] {
    // A share begins at its first record of this call: records of other calls may share the batch.
    const first = new Int32Array(this.#shares.length).fill(0x7fffffff)
    const counts = new Int32Array(this.#shares.length)
    for (let index = 0; index < this.#shareOf.length; index++) {
      const number = this.#shareOf[index]!
      counts[number]!++
      if (this.#placeOf[index]! < first[number]!) first[number] = this.#placeOf[index]!
    }
    const ranges: SentRange[] = []
    for (const { partition, number, baseOffset } of this.#shares) {
      const count = counts[number]!
      if (count === 0) continue
      ranges.push({
        partition,
        baseOffset: baseOffset === null || baseOffset === undefined ? null : baseOffset + first[number]!,
        count,
      })
    }
    ranges.sort((a, b) => a.partition - b.partition || (a.baseOffset ?? 0) - (b.baseOffset ?? 0))
    return mergeNeighbours(ranges)
  }
}

function mergeNeighbours(ranges: readonly SentRange[]): SentRange[] {
  const merged: SentRange[] = []
  for (const range of ranges) {
    const last = merged.at(-1)
    const continues =
      last !== undefined &&
      last.partition === range.partition &&
      (last.baseOffset === null ? range.baseOffset === null : last.baseOffset + last.count === range.baseOffset)
    if (continues) merged[merged.length - 1] = { ...last, count: last.count + range.count }
    else merged.push(range)
  }
  return merged
}
