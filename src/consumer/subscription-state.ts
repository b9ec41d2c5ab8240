/** What the consumer reads: what was asked for, the partitions that are ours because of it, and what of them is not
 *  finished. Rebalances, fetches and commits meet here and nowhere else. Does no I/O. */

import { IllegalStateError, InvalidArgumentError } from '../errors/errors.ts'
import type { TopicPartition } from '../model/topic-partition.ts'
import { quote } from '../options/option-table.ts'
import { topicNameComplaint } from '../options/topic-name.ts'
import { PartitionState, type StartAt } from './partition-state.ts'

/** What was asked for. */
export type Wish =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'topics'; readonly topics: readonly string[] }
  | { readonly kind: 'pattern'; readonly pattern: RegExp }
  | { readonly kind: 'partitions' }

/** Something that says whether a hand-out call asks for a partition. */
export interface PartitionFilter {
  has(state: PartitionState): boolean
}

export class SubscriptionState {
  wish: Wish = { kind: 'nothing' }
  readonly #topics = new Map<string, Map<number, PartitionState>>()
  /** In the order of assignment; made anew whenever the assignment changes, so it can be walked while that happens. */
  #all: readonly PartitionState[] = []
  #unfinished: PartitionState[] = []
  #whenFinished: (() => void) | undefined
  /** At least as many partitions as have a failure: 0 spares hand-outs the search. */
  #failed = 0

  get all(): readonly PartitionState[] {
    return this.#all
  }

  find({ topic, partition }: TopicPartition): PartitionState | undefined {
    return this.#topics.get(topic)?.get(partition)
  }

  /** @throws IllegalStateError when the partition is not ours */
  get(wanted: TopicPartition): PartitionState {
    const { topic, partition } = checked(wanted)
    const state = this.find(wanted)
    if (state === undefined)
      throw new IllegalStateError(`partition ${partition} of '${topic}' is not assigned to this consumer`)
    return state
  }

  /** @throws IllegalStateError when one of them is not ours */
  getAll(partitions: Iterable<TopicPartition> | undefined): readonly PartitionState[] {
    return partitions === undefined ? this.#all : partitionsOf(partitions).map((partition) => this.get(partition))
  }

  /** Takes partitions in beside those that are ours already. Returns the new ones. */
  add(partitions: Iterable<TopicPartition>, startAt: StartAt): PartitionState[] {
    const added: PartitionState[] = []
    for (const partition of partitions) {
      if (this.find(partition) !== undefined) continue
      const state = new PartitionState(partition, startAt)
      let topic = this.#topics.get(state.topic)
      if (topic === undefined) this.#topics.set(state.topic, (topic = new Map()))
      topic.set(state.partition, state)
      added.push(state)
    }
    if (added.length > 0) this.#all = [...this.#all, ...added]
    return added
  }

  /** From here on the partitions are not ours: whatever still comes for them is dropped. */
  giveUp(partitions: Iterable<TopicPartition>): void {
    const given = new Set<PartitionState>()
    for (const partition of partitions) {
      const state = this.find(partition)
      if (state === undefined) continue
      given.add(state)
      const topic = this.#topics.get(state.topic)!
      topic.delete(state.partition)
      if (topic.size === 0) this.#topics.delete(state.topic)
      state.giveUp(new IllegalStateError(`${String(state)} is no longer assigned to this consumer`))
    }
    if (given.size === 0) return
    this.#all = this.#all.filter((state) => !given.has(state))
    this.#unfinished = this.#unfinished.filter((state) => !given.has(state))
    this.#whenFinished?.()
  }

  /** Records were handed out, up to this offset. Called for each when they are asked for singly: it does as little as can be. */
  handedOut(state: PartitionState, nextOffset: number, leaderEpoch: number): void {
    state.position = nextOffset
    state.leaderEpoch = leaderEpoch
    if (!state.unfinished) {
      state.unfinished = true
      this.#unfinished.push(state)
    }
  }

  /** What was handed out until now is done with, of the partitions that are asked for. */
  finish(filter: PartitionFilter | undefined): void {
    const list = this.#unfinished
    if (list.length === 0) return
    if (filter === undefined) {
      for (let i = 0; i < list.length; i++) if (list[i]!.unfinished) list[i]!.finish()
      list.length = 0
    } else {
      for (const state of list) if (state.unfinished && filter.has(state)) state.finish()
      this.#unfinished = list.filter((state) => state.unfinished)
    }
    this.#whenFinished?.()
  }

  /** Something else than a hand-out call may have finished a partition: a commit, a seek. */
  finishedElsewhere(): void {
    this.#unfinished = this.#unfinished.filter((state) => state.unfinished)
    this.#whenFinished?.()
  }

  /** Hears of every change that could end a wait for records to be finished. At most one listener at a time. */
  onFinished(listener: (() => void) | undefined): void {
    this.#whenFinished = listener
  }

  fail(state: PartitionState, failure: NonNullable<PartitionState['failure']>): void {
    state.failure = failure
    this.#failed++
    state.whenPositioned?.reject(failure.error)
    state.whenPositioned = undefined
  }

  /** The failure that a hand-out call must be told, if any. One that does not last is forgotten with the telling. */
  takeFailure(filter: PartitionFilter | undefined): Error | undefined {
    if (this.#failed === 0) return undefined
    let left = 0
    let found: PartitionState | undefined
    for (const state of this.#all) {
      if (state.failure === undefined) continue
      if (found === undefined && !state.paused && (filter === undefined || filter.has(state))) found = state
      else left++
    }
    if (found === undefined) {
      this.#failed = left
      return undefined
    }
    const { error, lasting } = found.failure!
    if (!lasting) found.failure = undefined
    this.#failed = lasting ? left + 1 : left
    return error
  }
}

/** The partitions that a hand-out call names; undefined when it names none, and means all. */
export function filterOf(partitions: Iterable<TopicPartition> | undefined): PartitionFilter | undefined {
  if (partitions === undefined) return undefined
  const topics = new Map<string, Set<number>>()
  for (const { topic, partition } of partitionsOf(partitions)) {
    const numbers = topics.get(topic)
    if (numbers === undefined) topics.set(topic, new Set([partition]))
    else numbers.add(partition)
  }
  return { has: ({ topic, partition }) => topics.get(topic)?.has(partition) === true }
}

/** @throws InvalidArgumentError when it is no list, or something in it is no partition: one alone would pass for none */
export function partitionsOf<P extends TopicPartition>(partitions: Iterable<P>): P[] {
  const given = partitions as Partial<Iterable<P>> | null
  if (typeof given !== 'object' || given === null || typeof given[Symbol.iterator] !== 'function') {
    throw new InvalidArgumentError(`partitions are given as an array of { topic, partition }, not as ${quote(given)}`)
  }
  const list = [...partitions]
  for (const partition of list) checked(partition)
  return list
}

/** @throws InvalidArgumentError when it is no topic and partition */
export function checked(partition: TopicPartition): TopicPartition {
  const given = partition as Partial<TopicPartition> | null | undefined
  if (typeof given !== 'object' || given === null) {
    throw new InvalidArgumentError(`a partition is given as { topic, partition }, not as ${quote(given)}`)
  }
  const complaint = topicNameComplaint(given.topic)
  if (complaint !== undefined) throw new InvalidArgumentError(`a topic ${complaint}`)
  if (!Number.isSafeInteger(given.partition) || given.partition! < 0) {
    throw new InvalidArgumentError(`a partition is a whole number of at least 0, not ${quote(given.partition)}`)
  }
  return partition
}
