/**
 * Gives each partition a place to start: what the group committed, else what `autoOffsetReset` says. A loop of its own, so
 * that one partition whose leader is away keeps no other waiting. A position that the application sets meanwhile wins.
 */

import { Loop } from '../async/loop.ts'
import { Signal } from '../async/signal.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Lane } from '../cluster/target.ts'
import { NoOffsetError, TimeoutError } from '../errors/errors.ts'
import { KafkaError } from '../errors/kafka-error.ts'
import { committedOffsets } from './committed-offsets.ts'
import type { ResolvedConsumerOptions } from './consumer-options.ts'
import { earliest, latest, listOffsetsOnce } from './list-offsets.ts'
import type { PartitionState } from './partition-state.ts'
import type { SubscriptionState } from './subscription-state.ts'

export interface ResolverEvents {
  /** Partitions have a position, or a failure: there may be something to fetch or to tell. */
  onProgress(): void
  onFailure(error: unknown): void
}

export class PositionResolver {
  readonly #cluster: Cluster
  readonly #subscription: SubscriptionState
  readonly #options: ResolvedConsumerOptions
  readonly #lane: Lane
  readonly #events: ResolverEvents
  readonly #bell: Signal
  readonly #loop: Loop

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
    const { clock } = this.#cluster
    while (!signal.aborted) {
      const open = this.#subscription.all.filter(needsPosition)
      const now = clock.now()
      const due = open.filter((state) => state.notBefore <= now)
      if (due.length === 0) {
        const soonest = Math.min(...open.map((state) => state.notBefore))
        await this.#bell.wait(open.length === 0 ? undefined : soonest - now, signal)
        continue
      }
      await this.#resolve(due, signal)
      this.#events.onProgress()
    }
  }

  async #resolve(states: readonly PartitionState[], signal: AbortSignal): Promise<void> {
    for (const state of states) if (state.startAt === 'reset-policy') this.#applyPolicy(state)
    const committed = states.filter((state) => state.startAt === 'committed')
    const ends = states.filter((state) => state.startAt === 'earliest' || state.startAt === 'latest')
    // Side by side: a coordinator that is away must not keep partitions waiting that do not need it.
    await Promise.all([
      committed.length === 0 ? undefined : this.#fromCommitted(committed, signal),
      ends.length === 0 ? undefined : this.#fromEnds(ends, signal),
    ])
  }

  async #fromCommitted(states: readonly PartitionState[], signal: AbortSignal): Promise<void> {
    const { groupId } = this.#options
    const epochs = states.map((state) => state.epoch)
    if (groupId === undefined) {
      for (const state of states) state.startAt = 'reset-policy'
      return
    }
    const { clock, options } = this.#cluster
    try {
      const deadline = clock.now() + options.apiTimeoutMs
      const offsets = await committedOffsets(this.#cluster, states, { groupId, lane: this.#lane, deadline, signal })
      for (const [i, state] of states.entries()) {
        if (state.epoch !== epochs[i]) continue
        const found = offsets[i]
        if (found === null || found === undefined) {
          state.startAt = 'reset-policy'
        } else {
          state.moveTo(found.offset, found.leaderEpoch)
          state.committed = found.offset
        }
      }
    } catch (error) {
      if (signal.aborted) return
      for (const [i, state] of states.entries()) if (state.epoch === epochs[i]) this.#failed(state, error)
    }
  }

  #applyPolicy(state: PartitionState): void {
    const { autoOffsetReset } = this.#options
    if (autoOffsetReset !== 'none') {
      state.startAt = autoOffsetReset
      return
    }
    if (!needsPosition(state)) return
    const message = `${String(state)} has no committed offset, and autoOffsetReset is 'none': seek to where to start`
    this.#subscription.fail(state, { error: new NoOffsetError(message), lasting: true })
  }

  async #fromEnds(states: readonly PartitionState[], signal: AbortSignal): Promise<void> {
    const epochs = states.map((state) => state.epoch)
    const queries = states.map(({ topic, partition, startAt }) => {
      return { topic, partition, timestamp: startAt === 'earliest' ? earliest : latest }
    })
    const { isolationLevel } = this.#options
    const answers = await listOffsetsOnce(this.#cluster, queries, { isolationLevel, signal })
    for (const [i, state] of states.entries()) {
      if (state.epoch !== epochs[i]) continue
      const answer = answers[i]!
      if (answer instanceof KafkaError) this.#failed(state, answer)
      else state.moveTo(answer.offset, answer.leaderEpoch < 0 ? -1 : answer.leaderEpoch)
    }
  }

  /** What passes is tried again; what does not is told to the application, and tried again when it asks again. */
  #failed(state: PartitionState, error: unknown): void {
    const { retryBackoffMs, retryBackoffMaxMs } = this.#cluster.options
    state.notBefore =
      this.#cluster.clock.now() + Math.min(retryBackoffMaxMs, retryBackoffMs * 2 ** Math.min(state.failures++, 20))
    if (!(error instanceof KafkaError)) throw error
    if (error.retriable && !(error instanceof TimeoutError)) return
    if (error.retriable) this.#cluster.logger.warn(`${String(state)} still has no position: ${error.message}`)
    else this.#subscription.fail(state, { error, lasting: false })
  }
}

function needsPosition(state: PartitionState): boolean {
  if (state.positioned || !state.ours || state.failure !== undefined) return false
  return state.announced || state.whenPositioned !== undefined
}
