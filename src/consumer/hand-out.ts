/**
 * Gives records to those who ask: first come, first served, on one cursor, so that every record goes to exactly one
 * caller however calls are mixed. A call also says that what was handed out before it is finished. Knows no brokers.
 */

import type { Clock, Timer } from '../async/clock.ts'
import { ClosedError, IllegalStateError } from '../errors/errors.ts'
import type { ConsumerGroupMetadata } from '../model/consumer-group-metadata.ts'
import type { TopicPartitionOffset } from '../model/offset-and-metadata.ts'
import type { ConsumerRecord } from './consumer-record.ts'
import { FetchedRecords } from './fetched-records.ts'
import type { PartitionState } from './partition-state.ts'
import type { RecordSupply } from './record-supply.ts'
import type { PartitionFilter, SubscriptionState } from './subscription-state.ts'

export interface HandOutHost {
  /** A call has to wait for records: something may have to be started, joined or fetched. */
  onWait(): void
  /** Who the consumer is in its group at this moment; undefined without a group. */
  groupMetadata(): ConsumerGroupMetadata | undefined
  /** Sees what is about to be handed out, and does not throw. Undefined when nobody wants to see it. */
  readonly onConsume: ((records: readonly ConsumerRecord[]) => void) | undefined
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
  give(records: ConsumerRecord[], states: ReadonlySet<PartitionState>): void
  reject(error: unknown): void
  /** The consumer is closing. */
  end(): void
}

type Result = IteratorResult<ConsumerRecord, undefined>

/** After so many records in one turn of the event loop the next call waits for another turn: sockets must be read. */
const recordsPerTurn = 1_024
const done: Result = { done: true, value: undefined }
const noStates: ReadonlySet<PartitionState> = new Set()

export class HandOut {
  readonly #clock: Clock
  readonly #subscription: SubscriptionState
  readonly #supply: RecordSupply
  readonly #host: HandOutHost
  /** In the order in which they came. */
  readonly #waiters = new Set<Waiter>()
  #thisTurn = 0
  #fatal: Error | undefined
  #closed: Error | undefined
  /** Errors that are told once, to whoever asks next. */
  readonly #untold: unknown[] = []
  /** Counts calls: a consumer whose count stands still is not polling. */
  calls = 0
  records = 0

  constructor(clock: Clock, subscription: SubscriptionState, supply: RecordSupply, host: HandOutHost) {
    this.#clock = clock
    this.#subscription = subscription
    this.#supply = supply
    this.#host = host
  }

  /** Whether a call waits for records, which counts as polling. */
  get waiting(): boolean {
    return this.#waiters.size > 0
  }

  /** Whether somebody waits for records of this partition. */
  wants(state: PartitionState): boolean {
    for (const { filter } of this.#waiters) if (filter === undefined || filter.has(state)) return true
    return false
  }

  many({ filter, maxRecords, timeoutMs, signal }: ManyRequest): Promise<FetchedRecords> {
    const error = this.#begin(filter)
    if (error !== undefined) return Promise.reject(error)
    const states = new Set<PartitionState>()
    const records = this.#supply.take(filter, maxRecords, states, this.#wanted())
    if (records.length > 0) {
      const fetched = this.#fetched(records, states)
      return this.#given(records) ? Promise.resolve(fetched) : this.#nextTurn(fetched)
    }
    const nothing = (): FetchedRecords => this.#fetched([], noStates)
    const give = (later: ConsumerRecord[], of: ReadonlySet<PartitionState>) => this.#fetched(later, of)
    return this.#wait(filter, maxRecords, { timeoutMs, signal, give, timeUp: nothing, end: nothing })
  }

  one(filter: PartitionFilter | undefined, signal: AbortSignal | undefined): Promise<ConsumerRecord> {
    const error = this.#begin(filter)
    if (error !== undefined) return Promise.reject(error)
    const record = this.#supply.takeOne(filter, this.#wanted())
    if (record !== undefined) return this.#givenOne(record) ? Promise.resolve(record) : this.#nextTurn(record)
    const end = (): never => {
      throw new ClosedError('the consumer was closed while a record was waited for')
    }
    return this.#wait(filter, 1, { signal, give: ([first]) => first!, end })
  }

  /** For iterators: ends when the consumer is closed. */
  next(): Promise<Result> {
    if (this.#closed !== undefined) return Promise.resolve(done)
    const error = this.#begin(undefined)
    if (error !== undefined) return Promise.reject(error)
    const value = this.#supply.takeOne(undefined, this.#wanted())
    if (value !== undefined) {
      const result = { done: false as const, value }
      return this.#givenOne(value) ? Promise.resolve(result) : this.#nextTurn(result)
    }
    const give = ([first]: ConsumerRecord[]): Result => ({ done: false, value: first! })
    return this.#wait<Result>(undefined, 1, { give, end: () => done })
  }

  /** Something has changed that may end a wait: data came, a partition failed, was resumed, was announced. */
  serve(): void {
    let ahead = 0
    for (const waiter of this.#waiters) {
      const error = this.#error(waiter.filter)
      if (error !== undefined) {
        this.#waiters.delete(waiter)
        waiter.reject(error)
        continue
      }
      const states = new Set<PartitionState>()
      const records = this.#supply.take(waiter.filter, waiter.maxRecords, states, ahead)
      if (records.length > 0) {
        this.#waiters.delete(waiter)
        this.records += records.length
        this.#host.onConsume?.(records)
        waiter.give(records, states)
      } else {
        ahead += waiter.maxRecords
      }
    }
    // What was read may have failed.
    for (const waiter of this.#waiters) {
      const error = this.#error(waiter.filter)
      if (error === undefined) continue
      this.#waiters.delete(waiter)
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
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    for (const waiter of waiters) {
      if (abruptly) waiter.reject(error)
      else waiter.end()
    }
  }

  /** What every call begins with: what was handed out before is finished now. */
  #begin(filter: PartitionFilter | undefined): unknown {
    this.calls++
    this.#subscription.finish(filter)
    return this.#error(filter) ?? this.#senseless()
  }

  #error(filter: PartitionFilter | undefined): unknown {
    if (this.#closed !== undefined) return this.#closed
    if (this.#fatal !== undefined) return this.#fatal
    if (this.#untold.length > 0) return this.#untold.shift()
    const failure = this.#subscription.takeFailure(filter)
    // One that was told is over: its partition may be fetched again.
    if (failure !== undefined) this.#host.onWait()
    return failure
  }

  /** How many records those want who wait already. */
  #wanted(): number {
    if (this.#waiters.size === 0) return 0
    let wanted = 0
    for (const { maxRecords } of this.#waiters) wanted += maxRecords
    return wanted
  }

  /** With what holds at this moment, and not when the caller gets to look at it. */
  #fetched(records: ConsumerRecord[], states: ReadonlySet<PartitionState>): FetchedRecords {
    const nextOffsets: TopicPartitionOffset[] = []
    for (const { topic, partition, position, leaderEpoch } of states) {
      const known = leaderEpoch < 0 ? {} : { leaderEpoch }
      nextOffsets.push({ topic, partition, offset: position, ...known })
    }
    return new FetchedRecords(records, nextOffsets, this.#host.groupMetadata())
  }

  /** A call for records of nothing would wait for ever, or until somebody else subscribes. */
  #senseless(): Error | undefined {
    if (this.#subscription.wish.kind !== 'nothing') return undefined
    return new IllegalStateError('nothing is subscribed to or assigned, so there are no records to wait for')
  }

  /** Whether the records may be given in this turn of the event loop. */
  #given(records: ConsumerRecord[]): boolean {
    this.#host.onConsume?.(records)
    return this.#counted(records.length)
  }

  #givenOne(record: ConsumerRecord): boolean {
    if (this.#host.onConsume !== undefined) this.#host.onConsume([record])
    return this.#counted(1)
  }

  #counted(count: number): boolean {
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

  #wait<T>(
    filter: PartitionFilter | undefined,
    maxRecords: number,
    options: {
      readonly timeoutMs?: number | undefined
      readonly signal?: AbortSignal | undefined
      readonly give: (records: ConsumerRecord[], states: ReadonlySet<PartitionState>) => T
      /** What a wait ends with when its time is up. */
      readonly timeUp?: () => T
      /** Gives or throws what a wait ends with when the consumer is closed. */
      readonly end: () => T
    },
  ): Promise<T> {
    const { timeoutMs, signal, give, timeUp, end } = options
    this.#thisTurn = 0
    // What was just read may have turned out to be broken.
    const error = this.#error(filter)
    if (error !== undefined) return Promise.reject(error)
    return new Promise((resolve, reject) => {
      let timer: Timer | undefined
      const settle = (): void => {
        this.#clock.clearTimer(timer)
        signal?.removeEventListener('abort', onAbort)
        this.#waiters.delete(waiter)
      }
      const onAbort = (): void => {
        settle()
        reject(signal!.reason)
      }
      const waiter: Waiter = {
        filter,
        maxRecords,
        give: (records, states) => {
          settle()
          resolve(give(records, states))
        },
        reject: (failure) => {
          settle()
          reject(failure)
        },
        end: () => {
          settle()
          try {
            resolve(end())
          } catch (closed) {
            reject(closed)
          }
        },
      }
      const onTimeUp = (): void => {
        if (!this.#waiters.has(waiter)) return
        settle()
        resolve(timeUp!())
      }
      // A call that does not wait is one that waits for this turn: what it asks for is fetched for the next one.
      if (timeoutMs === 0) this.#clock.nextTurn(onTimeUp)
      else if (timeoutMs !== undefined) timer = this.#clock.setTimer(onTimeUp, timeoutMs)
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiters.add(waiter)
      this.#host.onWait()
    })
  }
}
