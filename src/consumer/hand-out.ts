/**
 * Gives records to those who ask: first come, first served, on one cursor, so that every record goes to exactly one
 * caller however calls are mixed. A call also says that what was handed out before it is finished. Knows no brokers.
 */

import type { Clock, Timer } from '../async/clock.ts'
import { ClosedError } from '../errors/errors.ts'
import type { ConsumerRecord } from './consumer-record.ts'
import type { FetchBuffer } from './fetch-buffer.ts'
import type { PartitionState } from './partition-state.ts'
import type { PartitionFilter, SubscriptionState } from './subscription-state.ts'

export interface HandOutEvents {
  /** A call has to wait for records: something may have to be started, joined or fetched. */
  onWait(): void
}

export interface ManyRequest {
  readonly filter: PartitionFilter | undefined
  readonly maxRecords: number
  /** Undefined: no limit. */
  readonly timeoutMs: number | undefined
  readonly signal: AbortSignal | undefined
}

interface Waiter {
  readonly filter: PartitionFilter | undefined
  readonly maxRecords: number
  resolve(records: ConsumerRecord[]): void
  reject(error: unknown): void
  /** The consumer is closing. */
  end(): void
}

type Result = IteratorResult<ConsumerRecord, undefined>

/** After so many records in one turn of the event loop the next call waits for another turn: sockets must be read. */
const recordsPerTurn = 1_024
const done: Result = { done: true, value: undefined }

export class HandOut {
  readonly #clock: Clock
  readonly #subscription: SubscriptionState
  readonly #buffer: FetchBuffer
  readonly #events: HandOutEvents
  #waiters: Waiter[] = []
  #thisTurn = 0
  #fatal: Error | undefined
  #closed: Error | undefined
  /** Errors that are told once, to whoever asks next. */
  readonly #untold: unknown[] = []
  /** Counts calls: a consumer whose count stands still is not polling. */
  calls = 0
  records = 0

  constructor(clock: Clock, subscription: SubscriptionState, buffer: FetchBuffer, events: HandOutEvents) {
    this.#clock = clock
    this.#subscription = subscription
    this.#buffer = buffer
    this.#events = events
  }

  /** Whether a call waits for records, which counts as polling. */
  get waiting(): boolean {
    return this.#waiters.length > 0
  }

  /** Whether somebody waits for records of this partition. */
  wants(state: PartitionState): boolean {
    return this.#waiters.some(({ filter }) => filter === undefined || filter.has(state))
  }

  many({ filter, maxRecords, timeoutMs, signal }: ManyRequest): Promise<ConsumerRecord[]> {
    const error = this.#begin(filter)
    if (error !== undefined) return Promise.reject(error)
    const records = this.#buffer.take(filter, maxRecords)
    if (records.length > 0) return this.#given(records.length) ? Promise.resolve(records) : this.#nextTurn(records)
    return this.#wait(filter, maxRecords, { timeoutMs, signal, endWith: () => [] })
  }

  one(filter: PartitionFilter | undefined, signal: AbortSignal | undefined): Promise<ConsumerRecord> {
    const error = this.#begin(filter)
    if (error !== undefined) return Promise.reject(error)
    const record = this.#buffer.takeOne(filter)
    if (record !== undefined) return this.#given(1) ? Promise.resolve(record) : this.#nextTurn(record)
    const ended = (): never => {
      throw new ClosedError('the consumer was closed while a record was waited for')
    }
    return this.#wait(filter, 1, { timeoutMs: undefined, signal, endWith: ended }).then((records) => records[0]!)
  }

  /** For iterators: ends when the consumer is closed. */
  next(): Promise<Result> {
    if (this.#closed !== undefined) return Promise.resolve(done)
    const error = this.#begin(undefined)
    if (error !== undefined) return Promise.reject(error)
    const value = this.#buffer.takeOne(undefined)
    if (value !== undefined) {
      const result = { done: false as const, value }
      return this.#given(1) ? Promise.resolve(result) : this.#nextTurn(result)
    }
    const waited = this.#wait(undefined, 1, { timeoutMs: undefined, signal: undefined, endWith: () => [] })
    return waited.then(([record]) => (record === undefined ? done : { done: false, value: record }))
  }

  /** Something has changed that may end a wait: data came, a partition failed, was resumed, was announced. */
  serve(): void {
    if (this.#waiters.length === 0) return
    const waiters = this.#waiters
    this.#waiters = []
    const still: Waiter[] = []
    for (const waiter of waiters) {
      const error = this.#error(waiter.filter)
      if (error !== undefined) {
        waiter.reject(error)
        continue
      }
      const records = this.#buffer.take(waiter.filter, waiter.maxRecords)
      if (records.length > 0) {
        this.records += records.length
        waiter.resolve(records)
      } else {
        still.push(waiter)
      }
    }
    // Nothing can have been added meanwhile: nobody's code runs in between. What was read may have failed, though.
    this.#waiters = still
    for (const waiter of still) {
      const error = this.#error(waiter.filter)
      if (error === undefined) continue
      this.#waiters = this.#waiters.filter((other) => other !== waiter)
      waiter.reject(error)
    }
  }

  /** Rejects one call: the next one, or one that waits. */
  failOnce(error: unknown): void {
    this.#untold.push(error)
    this.serve()
  }

  /** Rejects every call from now on, until {@link HandOut.forgive}. */
  fail(error: Error): void {
    this.#fatal = error
    this.serve()
  }

  /** What failed has been replaced by something new. */
  forgive(): void {
    this.#fatal = undefined
  }

  /** Ends every wait; later calls reject with `error`. */
  close(error: Error, abruptly: boolean): void {
    this.#closed ??= error
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) {
      if (abruptly) waiter.reject(error)
      else waiter.end()
    }
  }

  /** What every call begins with: what was handed out before is finished now. */
  #begin(filter: PartitionFilter | undefined): unknown {
    this.calls++
    this.#subscription.finish(filter)
    return this.#error(filter)
  }

  #error(filter: PartitionFilter | undefined): unknown {
    if (this.#closed !== undefined) return this.#closed
    if (this.#fatal !== undefined) return this.#fatal
    if (this.#untold.length > 0) return this.#untold.shift()
    const failure = this.#subscription.takeFailure(filter)
    // One that was told is over: its partition may be fetched again.
    if (failure !== undefined) this.#events.onWait()
    return failure
  }

  /** Whether the records may be given in this turn of the event loop. */
  #given(count: number): boolean {
    this.records += count
    this.#thisTurn += count
    return this.#thisTurn < recordsPerTurn
  }

  /** An application that never waits for anything else would keep the sockets from being read, and heartbeats from being sent. */
  #nextTurn<T>(value: T): Promise<T> {
    return new Promise((resolve) => {
      this.#clock.nextTurn(() => {
        this.#thisTurn = 0
        resolve(value)
      })
    })
  }

  #wait(
    filter: PartitionFilter | undefined,
    maxRecords: number,
    options: {
      timeoutMs: number | undefined
      signal: AbortSignal | undefined
      /** Gives or throws what a wait ends with when the consumer is closed. */
      endWith: () => ConsumerRecord[]
    },
  ): Promise<ConsumerRecord[]> {
    const { timeoutMs, signal, endWith } = options
    this.#thisTurn = 0
    // What was just read may have turned out to be broken.
    const error = this.#error(filter)
    if (error !== undefined) return Promise.reject(error)
    return new Promise((resolve, reject) => {
      let timer: Timer | undefined
      const settle = (): void => {
        this.#clock.clearTimer(timer)
        signal?.removeEventListener('abort', onAbort)
      }
      const leave = (): void => {
        settle()
        this.#waiters = this.#waiters.filter((other) => other !== waiter)
      }
      const onAbort = (): void => {
        leave()
        reject(signal!.reason)
      }
      const waiter: Waiter = {
        filter,
        maxRecords,
        resolve: (records) => {
          settle()
          resolve(records)
        },
        reject: (failure) => {
          settle()
          reject(failure)
        },
        end: () => {
          settle()
          try {
            resolve(endWith())
          } catch (closed) {
            reject(closed)
          }
        },
      }
      const onTimeUp = (): void => {
        leave()
        resolve([])
      }
      // A call that does not wait is one that waits for this turn: what it asks for is fetched for the next one.
      if (timeoutMs === 0) this.#clock.nextTurn(onTimeUp)
      else if (timeoutMs !== undefined) timer = this.#clock.setTimer(onTimeUp, timeoutMs)
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiters.push(waiter)
      this.#events.onWait()
    })
  }
}
