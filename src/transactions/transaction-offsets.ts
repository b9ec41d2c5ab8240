/** The consumers' offsets that a transaction carries. For each group one request at a time, in the order of the calls: what
 *  is given meanwhile in the name of the same member goes out together. Groups do not wait for one another. */

import { Deferred } from '../async/deferred.ts'
import { InvalidArgumentError } from '../errors/errors.ts'
import type { ConsumerGroupMetadata } from '../model/consumer-group-metadata.ts'
import type { TopicPartitionOffset } from '../model/offset-and-metadata.ts'
import { quote } from '../options/option-table.ts'

export interface OffsetsHost {
  /** Tells the transaction's coordinator of the group, where that is needed. Rejects when the transaction has failed. */
  addGroup(groupId: string): Promise<void>
  /** Gives the offsets to the group's coordinator. Rejects when the transaction has failed. */
  commit(group: ConsumerGroupMetadata, offsets: readonly TopicPartitionOffset[]): Promise<void>
}

/** Offsets that go out together, and whoever waits for them. */
interface Round {
  readonly group: ConsumerGroupMetadata
  readonly entries: Map<string, TopicPartitionOffset>
  readonly done: Deferred<void>
}

interface GroupOffsets {
  readonly rounds: Round[]
  isAdded: boolean
  running: Promise<void> | undefined
}

export class TransactionOffsets {
  readonly #host: OffsetsHost
  readonly #groups = new Map<string, GroupOffsets>()

  constructor(host: OffsetsHost) {
    this.#host = host
  }

  /** Resolves when the group's coordinator has taken them. Rejects like the host. */
  send(offsets: readonly TopicPartitionOffset[], group: ConsumerGroupMetadata): Promise<void> {
    if (offsets.length === 0) return Promise.resolve()
    let state = this.#groups.get(group.groupId)
    if (state === undefined)
      this.#groups.set(group.groupId, (state = { rounds: [], isAdded: false, running: undefined }))
    let round = state.rounds.at(-1)
    if (round === undefined || !isSameMember(round.group, group)) {
      round = { group, entries: new Map(), done: new Deferred() }
      // The transaction remembers what failed; who does not wait for the call must not end the process by that.
      round.done.promise.catch(() => {})
      state.rounds.push(round)
    }
    for (const offset of offsets) round.entries.set(`${offset.partition}:${offset.topic}`, offset)
    state.running ??= this.#run(state)
    return round.done.promise
  }

  /** Resolves when nothing is under way. Never rejects. */
  async settled(): Promise<void> {
    for (const { running } of this.#groups.values()) await running
  }

  async #run(state: GroupOffsets): Promise<void> {
    // What is given in this turn of the event loop goes out together.
    await Promise.resolve()
    for (let round = state.rounds.shift(); round !== undefined; round = state.rounds.shift()) {
      try {
        if (!state.isAdded) await this.#host.addGroup(round.group.groupId)
        state.isAdded = true
        await this.#host.commit(round.group, [...round.entries.values()])
        round.done.resolve()
      } catch (error) {
        round.done.reject(error)
      }
    }
    state.running = undefined
  }
}

function isSameMember(one: ConsumerGroupMetadata, other: ConsumerGroupMetadata): boolean {
  return (
    one.generationId === other.generationId &&
    one.memberId === other.memberId &&
    one.groupInstanceId === other.groupInstanceId
  )
}

/** @throws InvalidArgumentError when they are no offsets that can be committed */
export function checkedOffsets(offsets: readonly TopicPartitionOffset[]): TopicPartitionOffset[] {
  if (!Array.isArray(offsets)) {
    throw new InvalidArgumentError(`the offsets of sendOffsets are an array, not ${quote(offsets)}`)
  }
  return offsets.map((given: TopicPartitionOffset) => {
    if (typeof given !== 'object' || (given as unknown) === null) {
      throw new InvalidArgumentError(`an offset is { topic, partition, offset }, not ${quote(given)}`)
    }
    const { topic, partition, offset, leaderEpoch, metadata } = given
    if (typeof topic !== 'string' || topic === '') {
      throw new InvalidArgumentError(`the topic of an offset is a string that is not empty, not ${quote(topic)}`)
    }
    requireNumber(partition, 0x7fffffff, `the partition of an offset of '${topic}'`)
    requireNumber(offset, Number.MAX_SAFE_INTEGER, `the offset of partition ${partition} of '${topic}'`)
    if (leaderEpoch !== undefined && leaderEpoch !== -1) {
      requireNumber(leaderEpoch, 0x7fffffff, `the leaderEpoch of partition ${partition} of '${topic}'`)
    }
    if (metadata !== undefined && typeof metadata !== 'string') {
      throw new InvalidArgumentError(`the metadata of an offset is a string, not ${quote(metadata)}`)
    }
    return { topic, partition, offset, leaderEpoch, metadata }
  })
}

/** @throws InvalidArgumentError when it does not say who a consumer is, or the consumer commits by itself */
export function checkedGroup(group: ConsumerGroupMetadata): ConsumerGroupMetadata {
  if (typeof group !== 'object' || (group as unknown) === null) {
    throw new InvalidArgumentError(`sendOffsets needs the consumer's groupMetadata, not ${quote(group)}`)
  }
  const { groupId, generationId, memberId, groupInstanceId, autoCommit } = group
  if (typeof groupId !== 'string' || groupId === '') {
    throw new InvalidArgumentError(`the groupId of groupMetadata is a string that is not empty, not ${quote(groupId)}`)
  }
  if (!Number.isInteger(generationId) || generationId < -1 || generationId > 0x7fffffff) {
    throw new InvalidArgumentError(
      `the generationId of groupMetadata is a whole number of at least -1, not ${quote(generationId)}`,
    )
  }
  if (typeof memberId !== 'string') {
    throw new InvalidArgumentError(`the memberId of groupMetadata is a string, not ${quote(memberId)}`)
  }
  if (groupInstanceId !== null && typeof groupInstanceId !== 'string') {
    throw new InvalidArgumentError(
      `the groupInstanceId of groupMetadata is a string or null, not ${quote(groupInstanceId)}`,
    )
  }
  if (autoCommit === true) {
    throw new InvalidArgumentError(
      `the consumer of group '${groupId}' commits by itself, outside of the transaction: make it with autoCommit: false`,
    )
  }
  return { groupId, generationId, memberId, groupInstanceId }
}

function requireNumber(value: number, most: number, what: string): void {
  if (Number.isSafeInteger(value) && value >= 0 && value <= most) return
  throw new InvalidArgumentError(`${what} is a whole number of at least 0, not ${quote(value)}`)
}
