/**
 * Gives each partition a place to start: what the group committed, else what `autoOffsetReset` says. Asks the coordinator
 * and each leader side by side, so that one that is away keeps waiting only those who need it. A position that the
 * application sets meanwhile wins.
 */

import { Loop } from '../async/loop.ts'
import { Signal } from '../async/signal.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Lane } from '../cluster/target.ts'
import { NoOffsetError, ProtocolError, TimeoutError } from '../errors/errors.ts'
import { KafkaError } from '../errors/kafka-error.ts'
import { committedOffsetsOnce, isPassing } from './committed-offsets.ts'
import type { ResolvedConsumerOptions } from './consumer-options.ts'
import { earliest, latest, listOffsetsOnce } from './list-offsets.ts'
import type { PartitionState } from './partition-state.ts'
import type { SubscriptionState } from './subscription-state.ts'

/** Who knows a position: the group's coordinator, or a leader by its id, -1 where none is known. */
type Source = 'coordinator' | number

export interface ResolverEvents {
  /** Partitions have a position, or a failure: there may be something to fetch or to tell. */
  onProgress(): void
  onFailure(error: unknown): void
}

/** What passes by itself is not worth telling; what does not is told now and then. */
const failuresPerWarning = 5

export class PositionResolver {
  readonly #cluster: Cluster
  readonly #subscription: SubscriptionState
  readonly #options: ResolvedConsumerOptions
  readonly #lane: Lane
  readonly #events: ResolverEvents
  readonly #bell: Signal
  readonly #loop: Loop
  /** Questions under way, one to each source at a time. */
  readonly #asked = new Map<Source, Promise<void>>()

  constructor(
    cluster: Cluster,
    subscription: SubscriptionState,
    options: ResolvedConsumerOptions,
    lane: Lane,
    events: ResolverEvents,
  ) {
    this.#cluster = cluster
    this.#subscription = subscription
    this.#options = options
    this.#lane = lane
    this.#events = events
    this.#bell = new Signal(cluster.clock)
    this.#loop = new Loop({
      name: 'position resolver',
      run: (signal) => this.#run(signal),
      onFailure: (error) => {
        events.onFailure(error)
      },
    })
  }

  start(): void {
    this.#loop.start()
  }

  /** Partitions may need a position. */
  wake(): void {
    this.#bell.ring()
  }

  stop(): Promise<void> {
    return this.#loop.stop()
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { due, soonestMs } = this.#due()
      for (const [source, states] of due) {
        this.#asked.set(
          source,
          this.#ask(source, states, signal).catch((error: unknown) => {
            if (!signal.aborted) this.#events.onFailure(error)
          }),
        )
      }
      await this.#bell.wait(soonestMs, signal)
    }
    await Promise.all(this.#asked.values())
  }

  /** Who is to be asked now about which partitions; and how long until somebody must be who is not to be asked yet. */
  #due(): { due: Map<Source, PartitionState[]>; soonestMs: number | undefined } {
    const { clock, metadata } = this.#cluster
    const now = clock.now()
    const due = new Map<Source, PartitionState[]>()
    let soonest = Infinity
    let failed = false
    for (const state of this.#subscription.all) {
      if (!needsPosition(state)) continue
      if (state.startAt === 'committed' && this.#options.groupId === undefined) state.startAt = 'reset-policy'
      if (state.startAt === 'reset-policy' && !this.#applyPolicy(state)) {
        failed = true
        continue
      }
      if (state.notBefore > now) {
        soonest = Math.min(soonest, state.notBefore)
        continue
      }
      const source = state.startAt === 'committed' ? 'coordinator' : metadata.leader(state.topic, state.partition)
      if (this.#asked.has(source)) continue
      const states = due.get(source)
      if (states === undefined) due.set(source, [state])
      else states.push(state)
    }
    if (failed) this.#events.onProgress()
    return { due, soonestMs: soonest === Infinity ? undefined : soonest - now }
  }

  async #ask(source: Source, states: readonly PartitionState[], signal: AbortSignal): Promise<void> {
    try {
      if (source === 'coordinator') await this.#fromCommitted(states, signal)
      else await this.#fromEnds(states, signal)
    } finally {
      this.#asked.delete(source)
      if (!signal.aborted) this.#events.onProgress()
      // What they need next, or what came up while the source was busy.
      this.#bell.ring()
    }
  }

  async #fromCommitted(states: readonly PartitionState[], signal: AbortSignal): Promise<void> {
    const epochs = states.map((state) => state.epoch)
    const options = { groupId: this.#options.groupId!, lane: this.#lane, signal }
    const answers = await committedOffsetsOnce(this.#cluster, states, options)
    if (signal.aborted) return
    for (const [i, state] of states.entries()) {
      if (state.epoch !== epochs[i]) continue
      const answer = answers[i]!
      if (answer instanceof KafkaError) {
        this.#failed(state, answer)
      } else if (answer === null) {
        state.startAt = 'reset-policy'
      } else {
        state.moveTo(answer.offset, answer.leaderEpoch)
        state.committed = answer.offset
      }
    }
  }

  /** Says where to start; false when nothing says so, and the application must. */
  #applyPolicy(state: PartitionState): boolean {
    const { autoOffsetReset } = this.#options
    if (autoOffsetReset !== 'none') {
      state.startAt = autoOffsetReset
      return true
    }
    const message = `${String(state)} has no committed offset, and autoOffsetReset is 'none': seek to where to start`
    this.#subscription.fail(state, { error: new NoOffsetError(message), lasting: true })
    return false
  }

  async #fromEnds(states: readonly PartitionState[], signal: AbortSignal): Promise<void> {
    const epochs = states.map((state) => state.epoch)
    const queries = states.map(({ topic, partition, startAt }) => {
      return { topic, partition, timestamp: startAt === 'earliest' ? earliest : latest }
    })
    const { isolationLevel } = this.#options
    const answers = await listOffsetsOnce(this.#cluster, queries, { isolationLevel, signal })
    if (signal.aborted) return
    for (const [i, state] of states.entries()) {
      if (state.epoch !== epochs[i]) continue
      const answer = answers[i]!
      if (answer instanceof KafkaError) this.#failed(state, answer)
      else if (answer.offset >= 0) state.moveTo(answer.offset, answer.leaderEpoch < 0 ? -1 : answer.leaderEpoch)
      else
        this.#failed(
          state,
          new ProtocolError(`${String(state)} cannot begin at offset ${answer.offset}, as its leader says`),
        )
    }
  }

  /** What passes is tried again; what does not is told to the application, and tried again when it asks again. */
  #failed(state: PartitionState, error: KafkaError): void {
    const { clock, options, logger } = this.#cluster
    const { retryBackoffMs, retryBackoffMaxMs } = options
    const waitMs = Math.min(retryBackoffMaxMs, retryBackoffMs * 2 ** Math.min(state.failures++, 20))
    state.notBefore = clock.now() + waitMs
    const passes = state.startAt === 'committed' ? isPassing(error) : error.retriable
    if (!passes) this.#subscription.fail(state, { error, lasting: false })
    else if (error instanceof TimeoutError || state.failures % failuresPerWarning === 0) {
      logger.warn(`${String(state)} still has no position: ${error.message}`)
    }
  }
}

function needsPosition(state: PartitionState): boolean {
  if (state.positioned || !state.ours || state.failure !== undefined) return false
  return state.announced || state.whenPositioned !== undefined
}
