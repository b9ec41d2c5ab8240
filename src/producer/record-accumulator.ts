/** Holds records until they are worth sending: one queue of batches per partition. Producers append, the sender drains.
 *  Looks only at partitions whose time has come, by one timer for whatever is due first. Knows no brokers: the leader is
 *  looked up at drain. */

import type { Clock, Timer } from '../async/clock.ts'
import { HEADER_BYTES } from '../wire/records/batch-layout.ts'
import { RecordBatchBuilder, recordSizeUpperBound } from '../wire/records/record-batch-builder.ts'
import type { BufferMemory } from './buffer-memory.ts'
import type { FlushEpoch, FlushEpochs } from './flush-epochs.ts'
import { LinkedLine } from './linked-line.ts'
import { ProducerBatch, type BatchQueue } from './producer-batch.ts'
import type { RecordBytes, WrittenHeader } from './producer-record.ts'

export interface AccumulatorOptions {
  readonly clock: Clock
  readonly memory: BufferMemory
  readonly epochs: FlushEpochs
  readonly batchSize: number
  readonly lingerMs: number
  readonly deliveryTimeoutMs: number
}

/** Who hears what becomes of batches. Set once, before the first record: the two know each other. */
export interface AccumulatorEvents {
  /** The partition may have something to send. */
  ready(queue: BatchQueue): void
  /** The batch's time is over; its deliveries are not told yet, and it is in no queue any more. */
  expired(batch: ProducerBatch): void
  /** Memory came back. */
  room(): void
}

export class RecordAccumulator {
  readonly #options: AccumulatorOptions
  readonly #clock: Clock
  #events: AccumulatorEvents = { ready: () => {}, expired: () => {}, room: () => {} }
  /** Partitions whose last batch lingers, the first due first: all linger equally long. */
  readonly #lingering = new LinkedLine<BatchQueue>()
  /** Batches whose deliveries are not told, the first due first: all have equally long. */
  readonly #incomplete = new LinkedLine<ProducerBatch>()
  /** Partitions that wait before they try again. */
  readonly #delayed = new Set<BatchQueue>()
  #timer: Timer | undefined
  #timerAt = Infinity
  #number = 0
  #stopped = false

  constructor(options: AccumulatorOptions) {
    this.#options = options
    this.#clock = options.clock
  }

  set events(events: AccumulatorEvents) {
    this.#events = events
  }

  /** Batches whose deliveries are not told yet, oldest first. */
  get incomplete(): Iterable<ProducerBatch> {
    return this.#incomplete
  }

  get incompleteCount(): number {
    return this.#incomplete.size
  }

  /** Partitions that wait before they try again. */
  get delayed(): ReadonlySet<BatchQueue> {
    return this.#delayed
  }

  /**
   * Appends a record to the partition's open batch, or opens one. Returns the batch, in which it is the last record, or
   * undefined when there is no memory for another batch.
   */
  append(
    queue: BatchQueue,
    timestamp: number,
    key: RecordBytes,
    value: RecordBytes,
    headers: readonly WrittenHeader[] | undefined,
  ): ProducerBatch | undefined {
    const open = queue.open
    if (open !== undefined) {
      if (open.builder.append(timestamp, key, value, headers)) return open
      this.close(queue)
    }
    return this.#open(queue, timestamp, key, value, headers)
  }

  #open(
    queue: BatchQueue,
    timestamp: number,
    key: RecordBytes,
    value: RecordBytes,
    headers: readonly WrittenHeader[] | undefined,
  ): ProducerBatch | undefined {
    const { batchSize, memory, lingerMs } = this.#options
    const bytes = this.bytesFor(key, value, headers)
    if (!memory.reserve(bytes)) return undefined
    const builder = new RecordBatchBuilder({ sizeLimit: batchSize, initialCapacity: bytes, pool: memory })
    try {
      builder.append(timestamp, key, value, headers)
    } catch (error) {
      builder.release()
      memory.release(bytes)
      throw error
    }
    const now = this.#clock.now()
    const batch = new ProducerBatch({
      number: this.#number++,
      queue,
      builder,
      reservedBytes: bytes,
      createdAt: now,
      deadline: now + this.#options.deliveryTimeoutMs,
      epoch: this.#options.epochs.accepted(),
      unsettled: memory,
    })
    this.#incomplete.push(batch)
    queue.batches.push(batch)
    queue.usedAt = now
    queue.open = batch
    if (bytes > batchSize || lingerMs === 0) {
      if (bytes > batchSize) queue.open = undefined
      this.#makeReady(queue, batch)
    } else {
      queue.lingerUntil = now + lingerMs
      queue.lingering = true
      this.#lingering.push(queue)
      this.#wakeAt(queue.lingerUntil)
    }
    this.#wakeAt(batch.deadline)
    return batch
  }

  /** The memory that a batch takes whose first record is this one. */
  bytesFor(key: RecordBytes, value: RecordBytes, headers: readonly WrittenHeader[] | undefined): number {
    return Math.max(this.#options.batchSize, HEADER_BYTES + recordSizeUpperBound(key, value, headers))
  }

  /** Ends the partition's open batch: what comes next goes to a new one. */
  close(queue: BatchQueue): void {
    const { open } = queue
    if (open === undefined) return
    queue.open = undefined
    if (!open.ready) this.#makeReady(queue, open)
  }

  /** The partition's open batch does not linger any longer. Records may still be added until it is drained. */
  expedite(queue: BatchQueue): void {
    const { open } = queue
    if (open !== undefined && !open.ready) this.#makeReady(queue, open)
  }

  /** Nothing lingers any longer. */
  expediteAll(): void {
    for (let queue = this.#lingering.first; queue !== undefined; queue = this.#lingering.first) this.expedite(queue)
  }

  /**
   * Counts a batch as accepted when the record was that now joined it: a flush may wait for that record, and so for the
   * batch, which then must not linger.
   */
  joined(batch: ProducerBatch, epoch: FlushEpoch): void {
    const { epochs } = this.#options
    if (epoch.number < batch.epoch.number) {
      const later = batch.epoch
      batch.epoch = epochs.acceptedIn(epoch)
      epochs.settled(later)
    }
    if (epochs.isFlushed(epoch)) this.expedite(batch.queue)
  }

  /** Takes the partition's first batch out of its queue, to be sent. The caller has seen that it is ready. */
  takeFirst(queue: BatchQueue): ProducerBatch {
    const batch = queue.batches.shift()!
    if (queue.open === batch) queue.open = undefined
    batch.inFlight = true
    batch.attempts++
    queue.inFlight++
    return batch
  }

  /** The request that carried the batch has ended, one way or the other: nobody reads its memory any more. */
  returned(batch: ProducerBatch): void {
    batch.inFlight = false
    batch.queue.inFlight--
    if (batch.settled) this.#free(batch)
  }

  /** Puts a batch that came back in front of those taken after it. */
  putBack(batch: ProducerBatch): void {
    const { batches } = batch.queue
    let at = 0
    while (at < batches.length && batches[at]!.number < batch.number) at++
    batches.splice(at, 0, batch)
  }

  /**
   * Puts the parts of a batch that was too large where it was. Its memory account is divided among them.
   *
   * @param builders the parts' records, in order
   */
  putBackDivided(batch: ProducerBatch, builders: readonly RecordBatchBuilder[]): readonly ProducerBatch[] {
    const { queue } = batch
    const { epochs, memory } = this.#options
    const parts = builders.map((builder) => {
      const part = new ProducerBatch({
        number: batch.number,
        queue,
        builder,
        reservedBytes: builder.capacity,
        createdAt: batch.createdAt,
        deadline: batch.deadline,
        epoch: epochs.acceptedIn(batch.epoch),
        unsettled: memory,
      })
      // What exceeds the account for a moment is bounded by one request's batches.
      memory.release(-builder.capacity)
      part.ready = true
      part.possiblyPersisted = batch.possiblyPersisted
      part.lastError = batch.lastError
      this.#incomplete.insert(part, (other, one) => other.deadline <= one.deadline)
      return part
    })
    batch.divideAmong(parts)
    let at = 0
    while (at < queue.batches.length && queue.batches[at]!.number < batch.number) at++
    queue.batches.splice(at, 0, ...parts)
    this.settled(batch)
    return parts
  }

  /** The batch's deliveries were told. Its memory comes back now, or when its request has ended. */
  settled(batch: ProducerBatch): void {
    this.#incomplete.remove(batch)
    if (!batch.inFlight) this.#free(batch)
    this.#options.epochs.settled(batch.epoch)
  }

  /** Takes a batch that is not in flight out of its queue, wherever it stands in it. */
  drop(batch: ProducerBatch): void {
    const { queue } = batch
    const at = queue.batches.indexOf(batch)
    if (at >= 0) queue.batches.splice(at, 1)
    if (queue.open !== batch) return
    queue.open = undefined
    this.#stopLingering(queue)
  }

  /** Nothing of the partition is sent before the moment comes. */
  delay(queue: BatchQueue, until: number): void {
    queue.retryAt = until
    this.#delayed.add(queue)
    this.#wakeAt(until)
  }

  /** The partition need not wait any longer. */
  undelay(queue: BatchQueue): void {
    queue.retryAt = 0
    this.#delayed.delete(queue)
    this.#events.ready(queue)
  }

  /** No timer fires any more. */
  stop(): void {
    this.#stopped = true
    this.#clock.clearTimer(this.#timer)
    this.#timerAt = Infinity
  }

  #makeReady(queue: BatchQueue, batch: ProducerBatch): void {
    batch.ready = true
    this.#stopLingering(queue)
    this.#events.ready(queue)
  }

  #stopLingering(queue: BatchQueue): void {
    if (!queue.lingering) return
    queue.lingering = false
    this.#lingering.remove(queue)
  }

  #free(batch: ProducerBatch): void {
    if (!batch.isLent) batch.builder.release()
    this.#options.memory.release(batch.reservedBytes)
    this.#events.room()
  }

  #wakeAt(at: number): void {
    if (at >= this.#timerAt || this.#stopped) return
    this.#clock.clearTimer(this.#timer)
    this.#timerAt = at
    // Whole milliseconds: a fraction would be cut off, and the timer come too early once and again.
    this.#timer = this.#clock.setTimer(
      () => {
        this.#timerAt = Infinity
        this.#due()
      },
      Math.ceil(at - this.#clock.now()),
    )
  }

  #due(): void {
    const now = this.#clock.now()
    for (let queue = this.#lingering.first; queue !== undefined; queue = this.#lingering.first) {
      if (queue.lingerUntil > now) {
        this.#wakeAt(queue.lingerUntil)
        break
      }
      this.expedite(queue)
    }
    for (let batch = this.#incomplete.first; batch !== undefined; batch = this.#incomplete.first) {
      if (batch.deadline > now) {
        this.#wakeAt(batch.deadline)
        break
      }
      if (!batch.inFlight) this.drop(batch)
      this.#events.expired(batch)
    }
    for (const queue of this.#delayed) {
      if (queue.retryAt > now) this.#wakeAt(queue.retryAt)
      else this.undelay(queue)
    }
  }
}
