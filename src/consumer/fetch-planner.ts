/** Decides what the next Fetch to a broker asks for: the partitions it leads that have room, those served longest ago
 *  first, and as many bytes as the buffer can still take. Sends nothing. */

import type { Cluster } from '../cluster/cluster.ts'
import type { ResolvedConsumerOptions } from './consumer-options.ts'
import type { FetchBuffer } from './fetch-buffer.ts'
import type { FetchItem } from './fetch-session.ts'
import type { PartitionState } from './partition-state.ts'
import type { SubscriptionState } from './subscription-state.ts'

export interface FetchPlan {
  readonly broker: number
  readonly items: readonly FetchItem[]
  readonly maxBytes: number
}

/** Who waits for records, as far as a planner must know. */
export interface Demand {
  /** Whether somebody waits who could take nothing of what is buffered. */
  isStarving(): boolean
  wants(state: PartitionState): boolean
}

export class FetchPlanner {
  readonly #cluster: Cluster
  readonly #subscription: SubscriptionState
  readonly #buffer: FetchBuffer
  readonly #options: ResolvedConsumerOptions
  readonly #demand: Demand
  /** Bytes that fetches under way may still bring. */
  #awaitedBytes = 0
  readonly #awaitedFrom = new Map<number, number>()
  /** Whether a broker has not been asked for lack of room since the last fetch was over. */
  #refused = false

  constructor(
    cluster: Cluster,
    subscription: SubscriptionState,
    buffer: FetchBuffer,
    options: ResolvedConsumerOptions,
    demand: Demand,
  ) {
    this.#cluster = cluster
    this.#subscription = subscription
    this.#buffer = buffer
    this.#options = options
    this.#demand = demand
  }

  /**
   * The brokers that lead partitions worth fetching, whether or not there is room. Also of those that must wait: the wait
   * may have begun at another leader, and then nobody would look at them when it is over.
   */
  brokers(): Set<number> {
    const { metadata } = this.#cluster
    const brokers = new Set<number>()
    for (const state of this.#subscription.all) {
      const leader = metadata.leader(state.topic, state.partition)
      if (this.#isWorthFetching(state, leader, Infinity)) brokers.add(leader)
    }
    brokers.delete(-1)
    return brokers
  }

  /** Whether a partition that could be fetched has no leader to fetch it from. */
  get lacksLeader(): boolean {
    const { metadata } = this.#cluster
    return this.#subscription.all.some((state) => state.ours && metadata.leader(state.topic, state.partition) < 0)
  }

  /** How long until a partition of the broker that must wait may be asked for again; undefined when none must wait. */
  nextDueMs(broker: number, now: number): number | undefined {
    const { metadata } = this.#cluster
    let due: number | undefined
    for (const { topic, partition, notBefore } of this.#subscription.all) {
      if (notBefore <= now || metadata.leader(topic, partition) !== broker) continue
      if (due === undefined || notBefore - now < due) due = notBefore - now
    }
    return due
  }

  /** The next fetch, whose bytes count as awaited until {@link FetchPlanner.settle}; undefined when there is none. */
  plan(broker: number, now: number): FetchPlan | undefined {
    const { metadata } = this.#cluster
    let states: PartitionState[] = []
    const leaders = new Set<number>()
    for (const state of this.#subscription.all) {
      const leader = metadata.leader(state.topic, state.partition)
      leaders.add(leader)
      if (leader === broker && this.#isWorthFetching(state, leader, now)) states.push(state)
    }
    if (states.length === 0) return undefined
    const share = Math.max(1, Math.floor(this.#options.fetchBufferBytes / leaders.size))
    const least = this.#leastBytes(share)
    let room = this.#room(broker, share)
    if (room < least) {
      // Whoever waits can take nothing of what is buffered, or would have taken it: it stands in the way.
      states = this.#demand.isStarving() ? states.filter((state) => this.#demand.wants(state)) : []
      if (states.length > 0) {
        this.#buffer.dropAll()
        room = this.#room(broker, share)
      }
      if (states.length === 0 || room < least) {
        this.#refused = true
        return undefined
      }
    }
    states.sort((a, b) => a.servedAt - b.servedAt)
    const items: FetchItem[] = []
    let wanted = 0
    for (const state of states) {
      const maxBytes = Math.max(this.#options.maxPartitionFetchBytes, state.neededBytes)
      wanted += maxBytes
      const item = { state, broker, epoch: state.epoch, offset: state.fetchOffset, maxBytes }
      state.fetch = item
      items.push(item)
    }
    const maxBytes = Math.min(this.#options.fetchMaxBytes, wanted, room)
    this.#awaitedBytes += maxBytes
    this.#awaitedFrom.set(broker, this.#awaitedOf(broker) + maxBytes)
    return { broker, items, maxBytes }
  }

  /** The fetch is over, however it ended. Returns whether another broker may have waited for its room. */
  settle({ broker, items, maxBytes }: FetchPlan): boolean {
    this.#awaitedBytes -= maxBytes
    this.#awaitedFrom.set(broker, this.#awaitedOf(broker) - maxBytes)
    for (const item of items) if (item.state.fetch === item) item.state.fetch = undefined
    const refused = this.#refused
    this.#refused = false
    return refused
  }

  /**
   * What a fetch from the broker may bring. Each broker has the same share of the buffer, and half of it for one fetch:
   * neither one that has much to give, nor one that is waited for and has nothing, takes the room of the others.
   */
  #room(broker: number, share: number): number {
    const left = this.#options.fetchBufferBytes - this.#buffer.heldBytes - this.#awaitedBytes
    const leftOfShare = share - this.#buffer.heldBytesOf(broker) - this.#awaitedOf(broker)
    return Math.min(left, leftOfShare, Math.ceil(share / 2))
  }

  #awaitedOf(broker: number): number {
    return this.#awaitedFrom.get(broker) ?? 0
  }

  /** Less than this is not worth a request: it would bring a batch at a time. An empty buffer always has room. */
  #leastBytes(share: number): number {
    const { maxPartitionFetchBytes, fetchMaxBytes } = this.#options
    return Math.min(maxPartitionFetchBytes, fetchMaxBytes, Math.ceil(share / 2))
  }

  /** Two answers may be buffered, one to read and one to read next; of small ones more. */
  #isWorthFetching(state: PartitionState, leader: number, now: number): boolean {
    if (state.fetchOffset < 0 || !state.canHandOut || state.notBefore > now) return false
    // One that is under way at a former leader, which may be mute, is not waited for: whoever is asked last counts.
    if (state.fetch?.broker === leader) return false
    return state.bufferedChunks < 2 || state.bufferedBytes < this.#options.maxPartitionFetchBytes / 2
  }
}
