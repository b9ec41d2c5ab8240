/**
 * Stands between the fetch buffer and those who ask when there are deserializers: takes records out of the buffer, has them
 * deserialized, and keeps them in the order of their partition until they are handed out. Only then do positions move, so a
 * seek, a rebalance or a failure in between has nothing to undo: what is stale is dropped.
 *
 * Takes no more than those who wait now have asked for, so at most one hand-out of each caller is being deserialized.
 */

import type { KafkaError } from '../errors/kafka-error.ts'
import type { ConsumerRecord } from './consumer-record.ts'
import type { FetchBuffer } from './fetch-buffer.ts'
import type { PartitionState } from './partition-state.ts'
import type { DeserializedRun, RecordDeserializer } from './record-deserializer.ts'
import type { RecordSupply } from './record-supply.ts'
import type { PartitionFilter, SubscriptionState } from './subscription-state.ts'

/** Records of one partition, in a row. */
interface Run {
  readonly state: PartitionState
  /** It is worthless when the partition has another one by now. */
  readonly epoch: number
  /** How many were taken. */
  readonly count: number
  /** Undefined while they are being deserialized. */
  records: readonly ConsumerRecord[] | undefined
  /** Of these, how many have been handed out. */
  given: number
  /** What the partition goes on with when all have been handed out. */
  nextOffset: number
  leaderEpoch: number
  /** Why the partition does not go on. */
  error: KafkaError | undefined
  /** All of it was handed out, or passed. */
  over: boolean
}

export class DeserializingBuffer implements RecordSupply {
  readonly #subscription: SubscriptionState
  readonly #buffer: FetchBuffer
  readonly #deserializer: RecordDeserializer
  readonly #onReady: () => void
  readonly #onFailure: (error: unknown) => void
  /** In the order in which they were taken; of one partition, the order of its records. */
  #runs: Run[] = []

  /** @param onReady called when deserialized records are there that had to be waited for */
  constructor(
    subscription: SubscriptionState,
    buffer: FetchBuffer,
    deserializer: RecordDeserializer,
    events: { readonly onReady: () => void; readonly onFailure: (error: unknown) => void },
  ) {
    this.#subscription = subscription
    this.#buffer = buffer
    this.#deserializer = deserializer
    this.#onReady = events.onReady
    this.#onFailure = events.onFailure
  }

  /** Whether somebody waits for a deserializer, and not for a broker. */
  get isBusy(): boolean {
    return this.#runs.some((run) => run.records === undefined && run.state.canHandOut && !isStale(run))
  }

  takeOne(filter: PartitionFilter | undefined, ahead: number): ConsumerRecord | undefined {
    const [record] = this.take(filter, 1, new Set(), ahead)
    return record
  }

  take(filter: PartitionFilter | undefined, max: number, states: Set<PartitionState>, ahead: number): ConsumerRecord[] {
    const records: ConsumerRecord[] = []
    do this.#takeReady(filter, max, records, states)
    while (
      // Records that were skipped, or offsets that hold none, leave nothing to give, and more to try.
      records.length === 0 &&
      this.#begin(filter, max + ahead)
    )
    return records
  }

  /** Forgets what seeks and rebalances have made worthless. */
  dropStale(): void {
    if (this.#runs.some(isStale)) this.#runs = this.#runs.filter((run) => !isStale(run))
  }

  /** Hands out what is deserialized, up to the first of each partition that is not. */
  #takeReady(
    filter: PartitionFilter | undefined,
    max: number,
    records: ConsumerRecord[],
    states: Set<PartitionState>,
  ): void {
    this.dropStale()
    const blocked = new Set<PartitionState>()
    for (const run of this.#runs) {
      const { state } = run
      // A failure of the partition further up has made it stale.
      if (isStale(run) || blocked.has(state)) continue
      const mayTake = state.canHandOut && (filter === undefined || filter.has(state))
      if (run.records === undefined || !mayTake || records.length === max) blocked.add(state)
      else if (!this.#give(run, run.records, max, records, states)) blocked.add(state)
    }
    this.#runs = this.#runs.filter((run) => !isStale(run) && !run.over)
  }

  /** Whether the whole run was handed out, so that the partition's next one may be. */
  #give(
    run: Run,
    from: readonly ConsumerRecord[],
    max: number,
    records: ConsumerRecord[],
    states: Set<PartitionState>,
  ): boolean {
    const { state } = run
    const first = run.given
    while (run.given < from.length && records.length < max) records.push(from[run.given++]!)
    const whole = run.given === from.length
    if (run.given > first) {
      const last = from[run.given - 1]!
      if (whole) this.#subscription.handedOut(state, run.nextOffset, run.leaderEpoch)
      else this.#subscription.handedOut(state, last.offset + 1, last.leaderEpoch)
      states.add(state)
    } else {
      state.pass(run.nextOffset, run.leaderEpoch)
    }
    if (!whole) return false
    run.over = true
    if (run.error !== undefined) this.#buffer.fail(state, run.error)
    return run.error === undefined
  }

  /** Takes records out of the buffer and has them deserialized, as many as are wanted and not under way; whether any were. */
  #begin(filter: PartitionFilter | undefined, wanted: number): boolean {
    let left = wanted
    const broken = new Set<PartitionState>()
    for (const run of this.#runs) {
      const { state, count, given, error } = run
      if (isStale(run)) continue
      if (error !== undefined) broken.add(state)
      if (state.canHandOut && (filter === undefined || filter.has(state))) left -= count - given
    }
    const readable = {
      has: (state: PartitionState) => !broken.has(state) && (filter === undefined || filter.has(state)),
    }
    let begun = false
    while (left > 0) {
      const taken = this.#buffer.takeRun(readable, left)
      if (taken === undefined) break
      const { state, records, nextOffset, leaderEpoch, brokenBy: error } = taken
      if (error !== undefined) broken.add(state)
      left -= records.length
      begun = true
      const { epoch } = state
      const count = records.length
      const run: Run = {
        state,
        epoch,
        count,
        records: undefined,
        given: 0,
        nextOffset,
        leaderEpoch,
        error,
        over: false,
      }
      this.#runs.push(run)
      // The application's code runs here, which may seek or close: the run is then stale, and dropped.
      const deserialized = this.#deserializer.deserialize(records)
      if (deserialized instanceof Promise) this.#await(run, deserialized)
      else settle(run, deserialized)
      if (run.error !== undefined) broken.add(state)
    }
    return begun
  }

  #await(run: Run, deserialized: Promise<DeserializedRun>): void {
    deserialized
      .then((outcome) => {
        settle(run, outcome)
        if (!isStale(run)) this.#onReady()
      })
      .catch(this.#onFailure)
  }
}

function settle(run: Run, { records, error }: DeserializedRun): void {
  run.records = records
  if (error === undefined) return
  // It ends before the record that cannot be deserialized, whatever comes behind that.
  run.error = error
  const last = records.at(-1)
  run.nextOffset = last === undefined ? run.state.position : last.offset + 1
  run.leaderEpoch = last?.leaderEpoch ?? -1
}

function isStale({ state, epoch }: Run): boolean {
  return state.epoch !== epoch
}
