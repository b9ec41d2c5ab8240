/**
 * Keeps the fetch buffer filled: a loop per broker, made on demand, so that one slow broker stalls no other.
 *
 * Each broker has two places for a fetch. The first one is nearly always enough; but while it waits at a broker for
 * records that do not come, a partition that was just sought, resumed or read empty would have to wait with it. What the
 * second place asks for then goes over to the first one at its next turn: two that both wait would leave none free.
 */

import { Loop } from '../async/loop.ts'
import { Signal } from '../async/signal.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { BrokerAddress } from '../cluster/metadata.ts'
import { BrokerError, brokerErrorName } from '../errors/broker-error.ts'
import { CorruptRecordError } from '../errors/errors.ts'
import { KafkaError } from '../errors/kafka-error.ts'
import { Fetch, type FetchResponse, type PartitionData } from '../wire/messages/fetch.ts'
import { loadCodec } from '../wire/compression/codecs.ts'
import type { RecordBatch } from '../wire/records/record-batch.ts'
import { RecordBatchReader } from '../wire/records/record-batch-reader.ts'
import type { ResolvedConsumerOptions } from './consumer-options.ts'
import type { FetchBuffer } from './fetch-buffer.ts'
import type { FetchPlan, FetchPlanner } from './fetch-planner.ts'
import { FetchExchange, type FetchItem } from './fetch-session.ts'
import { FetchedBlock, FetchedChunk, type ChunkInit } from './fetched-chunk.ts'
import { AbortedTransactions } from './isolation.ts'
import { isolationLevels } from './list-offsets.ts'
import type { PartitionState } from './partition-state.ts'
import type { SubscriptionState } from './subscription-state.ts'

export interface FetcherEvents {
  /** The buffer has something new, or a partition has failed. */
  onData(): void
  /** Partitions have lost their position. */
  onPositionLost(): void
  onFailure(error: unknown): void
}

export interface FetchMetrics {
  fetches: number
  failedFetches: number
  fetchedBytes: number
}

const placesPerBroker = 2
/** The second place ends its wait so much before the first one, which then takes its partitions along. */
const handOverMs = 20
/** So many leaders in a row, each named by the one before, are asked without a wait. */
const leadersFollowed = 5
/** Codes that say that the leader is elsewhere, or will be: the metadata must be asked. */
const movedLeader: ReadonlySet<string> = new Set(['NOT_LEADER_OR_FOLLOWER', 'FENCED_LEADER_EPOCH'])

export class Fetcher {
  readonly metrics: FetchMetrics = { fetches: 0, failedFetches: 0, fetchedBytes: 0 }
  readonly #cluster: Cluster
  readonly #subscription: SubscriptionState
  readonly #buffer: FetchBuffer
  readonly #planner: FetchPlanner
  readonly #options: ResolvedConsumerOptions
  readonly #laneName: string
  readonly #events: FetcherEvents
  readonly #brokers = new Map<number, FetchPlace[]>()
  readonly #leaderBell: Signal
  readonly #leaderLoop: Loop
  #stopWatching: (() => void) | undefined
  #served = 0
  #running = false

  constructor(
    cluster: Cluster,
    subscription: SubscriptionState,
    buffer: FetchBuffer,
    planner: FetchPlanner,
    options: ResolvedConsumerOptions,
    laneName: string,
    events: FetcherEvents,
  ) {
    this.#cluster = cluster
    this.#subscription = subscription
    this.#buffer = buffer
    this.#planner = planner
    this.#options = options
    this.#laneName = laneName
    this.#events = events
    this.#leaderBell = new Signal(cluster.clock)
    this.#leaderLoop = this.#loop('leader search', (signal) => this.#findLeaders(signal))
  }

  start(): void {
    if (this.#running) return
    this.#running = true
    this.#leaderLoop.start()
    this.#stopWatching = this.#cluster.onMetadata(() => {
      this.wake()
    })
    this.wake()
  }

  /** Something may be fetched now that could not be before. */
  wake(): void {
    if (!this.#running) return
    for (const broker of this.#planner.brokers()) {
      let places = this.#brokers.get(broker)
      if (places === undefined) this.#brokers.set(broker, (places = this.#newPlaces(broker)))
      // The first idle place takes what there is; the next one is not needed unless something is left.
      for (const place of places) place.bell.ring()
    }
    if (this.#planner.lacksLeader) this.#leaderBell.ring()
  }

  async stop(): Promise<void> {
    this.#running = false
    this.#stopWatching?.()
    const loops = [...this.#brokers.values()].flat().map(({ loop }) => loop.stop())
    await Promise.all([...loops, this.#leaderLoop.stop()])
  }

  #newPlaces(broker: number): FetchPlace[] {
    const places: FetchPlace[] = []
    for (let index = 0; index < placesPerBroker; index++) {
      const lane = index === 0 ? this.#laneName : `${this.#laneName}/${index + 1}`
      const place: FetchPlace = {
        lane,
        bell: new Signal(this.#cluster.clock),
        loop: this.#loop(`fetch from broker ${broker}`, (signal) => this.#fetchFrom(broker, place, places[0]!, signal)),
        answerDueAt: undefined,
      }
      places.push(place)
    }
    for (const { loop } of places) loop.start()
    return places
  }

  #loop(name: string, run: (signal: AbortSignal) => Promise<void>): Loop {
    const onFailure = (error: unknown): void => {
      this.#events.onFailure(error)
    }
    return new Loop({ name, run, onFailure })
  }

  async #fetchFrom(broker: number, place: FetchPlace, first: FetchPlace, signal: AbortSignal): Promise<void> {
    const backoff = this.#cluster.newBackoff()
    while (!signal.aborted) {
      const { maxWaitMs, yieldMs } = this.#turnOf(place, first)
      // One moment for both questions: what is not due in the first must not have become due unnoticed in the second.
      const now = this.#cluster.clock.now()
      const plan = yieldMs === undefined ? this.#planner.plan(broker, now) : undefined
      if (plan === undefined) {
        await place.bell.wait(yieldMs ?? this.#planner.nextDueMs(broker, now), signal)
        continue
      }
      place.answerDueAt = now + maxWaitMs
      try {
        await this.#fetchOnce(broker, plan, { lane: place.lane, maxWaitMs, signal })
        backoff.reset()
      } catch (error) {
        if (signal.aborted) return
        if (!(error instanceof KafkaError)) throw error
        this.metrics.failedFetches++
        this.#cluster.logger.debug(`fetching from broker ${broker} failed: ${error.message}`)
        const waitMs = backoff.nextMs()
        const now = this.#cluster.clock.now()
        for (const { state, epoch } of plan.items) {
          // What fails at a former leader is no failure of the one that is asked now.
          if (state.epoch !== epoch || state.fetch !== undefined) continue
          this.#cluster.remedy({ kind: 'leader', of: state }, error)
          if (error.retriable) state.notBefore = now + waitMs
          else this.#fail(state, error, waitMs)
        }
        this.#events.onData()
      } finally {
        place.answerDueAt = undefined
      }
    }
  }

  /** How long the broker may wait for records; or how long to leave them to the first place, whose turn it is soon. */
  #turnOf(place: FetchPlace, first: FetchPlace): { maxWaitMs: number; yieldMs: number | undefined } {
    const { fetchMaxWaitMs } = this.#options
    const whole = { maxWaitMs: fetchMaxWaitMs, yieldMs: undefined }
    if (place === first || first.answerDueAt === undefined) return whole
    const leftMs = first.answerDueAt - this.#cluster.clock.now()
    const earlierMs = Math.min(handOverMs, fetchMaxWaitMs / 5)
    if (leftMs > earlierMs) return { maxWaitMs: Math.floor(leftMs - earlierMs), yieldMs: undefined }
    // An answer that is overdue is not waited for: the broker may be slow, or the connection dead.
    return leftMs > -earlierMs ? { maxWaitMs: 0, yieldMs: leftMs + earlierMs } : whole
  }

  async #fetchOnce(
    broker: number,
    plan: FetchPlan,
    { lane, maxWaitMs, signal }: { lane: string; maxWaitMs: number; signal: AbortSignal },
  ): Promise<void> {
    const { fetchMinBytes, isolationLevel } = this.#options
    const exchange = new FetchExchange(plan.items, this.#cluster.metadata, {
      maxWaitMs,
      minBytes: fetchMinBytes,
      maxBytes: plan.maxBytes,
      isolationLevel: isolationLevels[isolationLevel],
    })
    let progress: boolean
    try {
      this.metrics.fetches++
      const response = await this.#cluster.send({ kind: 'broker', id: broker }, Fetch, exchange.request, {
        lane: `fetch:${lane}`,
        signal,
        maxVersion: exchange.maxVersion,
        // Aborted transactions are listed from version 4 on.
        minVersion: isolationLevel === 'read_committed' ? 4 : undefined,
      })
      if (response.errorCode !== 0) throw new BrokerError(response.errorCode, `broker ${broker} refused a fetch`)
      const parts = Array.from(exchange.read(response), ([item, data]) => ({
        item,
        data,
        opened: openable(item, data),
      }))
      await this.#loadCodecs(parts, signal)
      progress = this.#accept(parts, response, broker)
      this.#missAnswers(broker, plan.items, parts)
    } finally {
      const refused = this.#planner.settle(plan)
      // What moved meanwhile and could not be asked for yet is told of now.
      const { metadata } = this.#cluster
      const moved = plan.items.some(({ state }) => metadata.leader(state.topic, state.partition) !== broker)
      if (moved || refused) this.wake()
    }
    if (progress) this.#events.onData()
  }

  /** Takes in what was answered; whether there is anything to tell. Nothing is awaited here: no seek can come between. */
  #accept(parts: readonly AnsweredPart[], response: FetchResponse, broker: number): boolean {
    const bytes = parts.reduce((sum, { data }) => sum + (data.records?.length ?? 0), 0)
    const block = new FetchedBlock(bytes, broker)
    this.metrics.fetchedBytes += block.bytes
    let progress = false
    for (const part of parts) {
      const { item, data } = part
      // The seek or the rebalance that happened meanwhile has the last word; so has a new leader that is being asked.
      if (item.state.epoch !== item.epoch || item.state.fetch !== item) continue
      if (data.errorCode === 0) progress = this.#acceptData(part, block) || progress
      else progress = this.#acceptError(item, data, response) || progress
    }
    return progress
  }

  /** Each request asks anew, without a session, so each partition must be answered for: one that is not is left alone. */
  #missAnswers(broker: number, items: readonly FetchItem[], parts: readonly AnsweredPart[]): void {
    if (parts.length >= items.length) return
    const answered = new Set(parts.map(({ item }) => item))
    for (const item of items) {
      if (answered.has(item) || item.state.epoch !== item.epoch) continue
      this.#backOff(item.state)
      this.#cluster.logger.debug(`broker ${broker} said nothing of ${String(item.state)} when it was fetched`)
    }
  }

  /** Leaves the partition alone for a while, longer with each failure in a row; says how long. */
  #backOff(state: PartitionState, failuresBefore: number = state.failures++): number {
    const { retryBackoffMs, retryBackoffMaxMs } = this.#cluster.options
    const waitMs = Math.min(retryBackoffMaxMs, retryBackoffMs * 2 ** Math.min(failuresBefore, 20))
    state.notBefore = this.#cluster.clock.now() + waitMs
    return waitMs
  }

  #acceptData({ item, data, opened }: AnsweredPart, block: FetchedBlock): boolean {
    const { state, offset } = item
    state.timesOutOfRange = 0
    state.highWatermark = data.highWatermark
    state.lastStableOffset = data.lastStableOffset
    state.logStartOffset = data.logStartOffset
    if (data.records === null || opened === undefined) {
      state.failures = 0
      return false
    }
    state.servedAt = ++this.#served
    const { batches, brokenBy, bytesNeeded } = opened
    if (batches.length === 0 && brokenBy === undefined) {
      const { maxResponseBytes } = this.#cluster.options
      if (bytesNeeded > maxResponseBytes) {
        const message = `the records of ${String(state)} from offset ${offset} on cannot be read: the first batch says it has ${bytesNeeded} bytes, and maxResponseBytes is ${maxResponseBytes}`
        this.#fail(state, new CorruptRecordError(message), this.#backOff(state))
        return true
      }
      // Not even the first batch is whole (brokers before 0.10.1): ask for as much as it takes. Where all of it lies
      // before the offset that was asked for, asking again at once would only bring the same.
      state.neededBytes = Math.max(bytesNeeded, state.neededBytes)
      if (bytesNeeded === 0) this.#backOff(state)
      return false
    }
    state.failures = 0
    state.neededBytes = 0
    const last = batches.at(-1)
    if (last !== undefined) state.fetchOffset = Math.max(offset, last.lastOffset + 1)
    const aborted =
      this.#options.isolationLevel === 'read_committed'
        ? new AbortedTransactions(data.abortedTransactions ?? [])
        : undefined
    const init: ChunkInit = { state, block, batches, bytes: data.records.length, brokenBy, aborted }
    this.#buffer.add(new FetchedChunk(init, this.#options))
    return true
  }

  #acceptError({ state, offset }: FetchItem, data: PartitionData, response: FetchResponse): boolean {
    const name = brokerErrorName(data.errorCode)
    const error = new BrokerError(data.errorCode, `fetching from offset ${offset} of ${String(state)} failed`)
    if (name === 'OFFSET_OUT_OF_RANGE') return this.#outOfRange(state, offset, error)
    const { leaderId, leaderEpoch } = data.currentLeader
    const known = this.#cluster.metadata.leader(state.topic, state.partition)
    if (movedLeader.has(name) && leaderId >= 0) {
      // KIP-951: the broker that was asked wrongly says who is right, so that nobody needs to be asked.
      const endpoints = response.nodeEndpoints.map(({ nodeId: id, host, port, rack }): BrokerAddress => {
        return { id, host, port, rack }
      })
      this.#cluster.learnLeader(state, { leaderId, leaderEpoch }, endpoints)
      const isNew = this.#cluster.metadata.leader(state.topic, state.partition) !== known
      // Brokers that send us round in circles are not followed for ever at full speed.
      if (isNew && state.failures++ < leadersFollowed) return true
    }
    this.#cluster.remedy({ kind: 'leader', of: state }, error)
    const waitMs = this.#backOff(state)
    if (error.retriable) return false
    if (name === 'CORRUPT_MESSAGE') {
      const message = `the broker cannot read the records of ${String(state)} from offset ${offset} on`
      this.#fail(state, new CorruptRecordError(message, { cause: error }), waitMs)
    } else {
      this.#fail(state, error, waitMs)
    }
    return true
  }

  /** The offset is before the log's beginning or behind its end. Only a leader's own word moves a position. */
  #outOfRange(state: PartitionState, offset: number, error: BrokerError): boolean {
    const { autoOffsetReset } = this.#options
    if (offset !== state.position) {
      // What was fetched before this point is still to be read; then the question comes up again.
      state.fetchOffset = offset
      state.notBefore = this.#cluster.clock.now() + this.#cluster.options.retryBackoffMaxMs
      return false
    }
    if (autoOffsetReset === 'none') {
      this.#subscription.fail(state, { error, lasting: true })
      return true
    }
    this.#cluster.logger.warn(
      `offset ${offset} of ${String(state)} is not in the log: going on at the ${autoOffsetReset} one, as autoOffsetReset says`,
    )
    state.forget(autoOffsetReset)
    // A log that says so of the offsets that it names itself is left alone for a while too.
    if (state.timesOutOfRange++ > 0) this.#backOff(state, state.timesOutOfRange - 2)
    this.#events.onPositionLost()
    return false
  }

  #fail(state: PartitionState, error: KafkaError, waitMs: number): void {
    state.notBefore = this.#cluster.clock.now() + waitMs
    this.#subscription.fail(state, { error, lasting: false })
  }

  /** Codecs are synchronous once they are loaded, so that batches can be opened when records are asked for. */
  async #loadCodecs(parts: readonly AnsweredPart[], signal: AbortSignal): Promise<void> {
    const codecIds = new Set<number>()
    for (const { opened } of parts) for (const { codecId } of opened?.batches ?? []) codecIds.add(codecId)
    for (const codecId of codecIds) {
      try {
        await loadCodec(codecId)
      } catch (error) {
        // A codec that cannot be had is told with its place, when the batch is opened.
        if (signal.aborted || !(error instanceof KafkaError)) throw error
      }
    }
  }

  /** Brokers may not know a leader for a while; whoever asks first hears of the new one first. */
  async #findLeaders(signal: AbortSignal): Promise<void> {
    const backoff = this.#cluster.newBackoff()
    while (!signal.aborted) {
      if (!this.#planner.lacksLeader) {
        backoff.reset()
        await this.#leaderBell.wait(undefined, signal)
        continue
      }
      try {
        await this.#cluster.refreshMetadata({ signal })
      } catch (error) {
        if (signal.aborted) return
        if (!(error instanceof KafkaError)) throw error
        this.#cluster.logger.debug(`metadata could not be refreshed: ${error.message}`)
      }
      if (this.#planner.lacksLeader) await this.#leaderBell.wait(backoff.nextMs(), signal)
    }
  }
}

interface FetchPlace {
  readonly lane: string
  readonly bell: Signal
  readonly loop: Loop
  /** When the broker answers at the latest, on the clock of `clock.now()`; undefined while it is not asked. */
  answerDueAt: number | undefined
}

/** What was answered for one partition, its batches found but not opened. */
interface AnsweredPart {
  readonly item: FetchItem
  readonly data: PartitionData
  /** Undefined when there are no bytes. */
  readonly opened: Openable | undefined
}

interface Openable {
  readonly batches: readonly RecordBatch[]
  readonly brokenBy: KafkaError | undefined
  readonly bytesNeeded: number
}

/** The whole batches of an answer, their headers read and nothing more. */
function openable({ state, offset }: FetchItem, { records }: PartitionData): Openable | undefined {
  if (records === null || records.length === 0) return undefined
  const reader = new RecordBatchReader(records, { checkCrcs: false })
  const batches: RecordBatch[] = []
  let brokenBy: KafkaError | undefined
  try {
    for (let batch = reader.next(); batch !== undefined; batch = reader.next()) {
      // Old brokers start their answer where their index points to, which may be before what was asked for.
      if (batch.lastOffset >= offset) batches.push(batch)
    }
  } catch (error) {
    if (!(error instanceof CorruptRecordError)) throw error
    const from = (batches.at(-1)?.lastOffset ?? offset - 1) + 1
    const message = `the records of ${String(state)} from offset ${from} on cannot be read: ${error.message}`
    brokenBy = new CorruptRecordError(message, { cause: error })
  }
  return { batches, brokenBy, bytesNeeded: reader.bytesNeeded }
}
