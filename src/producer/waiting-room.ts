/** Where records stand that were taken but have no place in a batch yet: their topic's partitions are not known, or memory
 *  is used up. Bounds what waits, keeps the lines in the order of the calls, and ends every wait at its deadline or by
 *  its signal. Knows neither topics nor batches: who opens a line serves it. */

import type { Clock, Timer } from '../async/clock.ts'
import { listenForAbort } from '../async/wait.ts'
import type { FlushEpoch } from './flush-epochs.ts'
import { Linked, type LinkedLine } from './linked-line.ts'
import type { RecordBytes, WrittenHeader } from './producer-record.ts'
import type { RecordWatch } from './record-watch.ts'

/** A record that passed all checks. */
export interface PreparedRecord {
  /** -1: the partitioner chooses. */
  readonly partition: number
  readonly timestamp: number
  readonly key: RecordBytes
  readonly value: RecordBytes
  readonly headers: readonly WrittenHeader[] | undefined
  /** Who hears what becomes of it. */
  readonly watch?: RecordWatch | undefined
}

/** One call's records on their way to a batch. */
export abstract class Waiter<Self extends Waiter<Self>> extends Linked<Self> {
  /** While they are serialized without key and value. */
  records: readonly PreparedRecord[]
  /** The first record that is not in a batch yet. */
  next = 0
  /** What is charged for it. */
  bytes: number
  readonly deadline: number
  /** When it was accepted, for `flush`. */
  readonly epoch: FlushEpoch
  /** Ends the wait. */
  readonly signal: AbortSignal | undefined
  line: LinkedLine<Self> | undefined = undefined
  number = 0
  onAbort: (() => void) | undefined = undefined

  constructor({ records, bytes, deadline, epoch, signal }: WaiterInit) {
    super()
    this.records = records
    this.bytes = bytes
    this.deadline = deadline
    this.epoch = epoch
    this.signal = signal
  }
}

export interface WaiterInit {
  readonly records: readonly PreparedRecord[]
  /** What is charged for it while it waits. */
  readonly bytes: number
  /** When it has waited long enough, on the clock of `clock.now()`. */
  readonly deadline: number
  readonly epoch: FlushEpoch
  readonly signal?: AbortSignal | undefined
}

export interface WaitingRoomOptions<W> {
  clock: Clock
  /** How many bytes may wait. */
  capacity: number
  /** A wait ended by its deadline or, when `reason` is given, by its signal. The waiter has left its line. */
  gaveUp: (waiter: W, reason: { readonly aborted: unknown } | undefined) => void
}

/** What a call that waits takes beside its records' bytes: so many calls may wait as fill the room by that alone, and a few in
 *  a room however small. */
const callBytes = 512
const fewCalls = 1_024

export class WaitingRoom<W extends Waiter<W>> {
  readonly #options: WaitingRoomOptions<W>
  /** Every line in which someone stands. */
  readonly #lines = new Set<LinkedLine<W>>()
  readonly #mostCalls: number
  #bytes = 0
  #count = 0
  #number = 0
  #timer: Timer | undefined
  #timerAt = Infinity

  constructor(options: WaitingRoomOptions<W>) {
    this.#options = options
    this.#mostCalls = Math.max(fewCalls, Math.floor(options.capacity / callBytes))
  }

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes
  }

  /** Records' calls that wait. */
  get count(): number {
    return this.#count
  }

  hasRoomFor(bytes: number): boolean {
    return this.#bytes + bytes <= this.#options.capacity && this.#count < this.#mostCalls
  }

  /** Takes a waiter in at the end of a line. The caller has asked `hasRoomFor`. */
  enter(waiter: W, line: LinkedLine<W>): void {
    waiter.number = this.#number++
    this.#bytes += waiter.bytes
    this.#count++
    const { signal } = waiter
    if (signal !== undefined) {
      waiter.onAbort = () => {
        this.leave(waiter)
        this.#options.gaveUp(waiter, { aborted: signal.reason })
      }
      listenForAbort(signal, waiter.onAbort)
    }
    line.push(waiter)
    this.#standsIn(waiter, line)
  }

  /** A waiter turned out to cost so much. What has been taken in stays, even if the room is fuller than it may be. */
  recharge(waiter: W, bytes: number): void {
    if (waiter.line !== undefined) this.#bytes += bytes - waiter.bytes
    waiter.bytes = bytes
  }

  /** Moves a waiter to another line, to the place that the order of the calls gives it there. */
  move(waiter: W, line: LinkedLine<W>): void {
    this.#leaveLine(waiter)
    line.insert(waiter, (other, one) => other.number < one.number)
    this.#standsIn(waiter, line)
  }

  /** A waiter leaves: its records are in batches, or will never be. */
  leave(waiter: W): void {
    if (waiter.line === undefined) return
    this.#leaveLine(waiter)
    if (waiter.onAbort !== undefined) waiter.signal?.removeEventListener('abort', waiter.onAbort)
    this.#bytes -= waiter.bytes
    this.#count--
    if (this.#count > 0) return
    this.#options.clock.clearTimer(this.#timer)
    this.#timerAt = Infinity
  }

  /** Every waiter, line by line. */
  *all(): IterableIterator<W> {
    for (const line of this.#lines) yield* line
  }

  #standsIn(waiter: W, line: LinkedLine<W>): void {
    waiter.line = line
    this.#lines.add(line)
    this.#wakeAt(waiter.deadline)
  }

  #leaveLine(waiter: W): void {
    const line = waiter.line!
    line.remove(waiter)
    if (line.size === 0) this.#lines.delete(line)
    waiter.line = undefined
  }

  #wakeAt(at: number): void {
    if (at >= this.#timerAt) return
    const { clock } = this.#options
    clock.clearTimer(this.#timer)
    this.#timerAt = at
    this.#timer = clock.setTimer(() => {
      this.#timerAt = Infinity
      this.#expire()
    }, at - clock.now())
  }

  #expire(): void {
    const now = this.#options.clock.now()
    // A line is in the order of the calls, and every call waits equally long: the first one's deadline is the earliest.
    for (const line of [...this.#lines]) {
      // Asked anew each time: whoever hears of a failure may empty the room.
      while (line.first !== undefined && line.first.deadline <= now) {
        const waiter = line.first
        this.leave(waiter)
        this.#options.gaveUp(waiter, undefined)
      }
      if (line.first !== undefined) this.#wakeAt(line.first.deadline)
    }
  }
}
