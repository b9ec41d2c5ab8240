/** What the consumer's methods take and give beside records, and the checks of what they are given. */

import type { WaitOptions } from '../async/wait.ts'
import { InvalidArgumentError } from '../errors/errors.ts'
import type { TopicPartitionOffset } from '../model/offset-and-metadata.ts'
import type { TopicPartition } from '../model/topic-partition.ts'
import { quote } from '../options/option-table.ts'
import { topicNameComplaint } from '../options/topic-name.ts'
import type { RebalanceListener } from './assignment-host.ts'
import { checked, type Wish } from './subscription-state.ts'

export interface GetOneOptions extends WaitOptions {
  /** Only records of these partitions. Default: of all that are assigned. */
  partitions?: Iterable<TopicPartition> | undefined
}

export interface GetManyOptions extends GetOneOptions {
  /** How long to wait for the first record, in ms; 0 gives what is there. Default: until there is one. */
  timeoutMs?: number | undefined
  /** At most so many records. Default `maxPollRecords`. */
  maxRecords?: number | undefined
}

export const getOneOptionNames: readonly string[] = ['partitions', 'signal']
export const getManyOptionNames: readonly string[] = ['partitions', 'timeoutMs', 'maxRecords', 'signal']

export interface CloseOptions {
  /** Whether the consumer leaves its group at once, or the group waits for its return (KIP-1092). Default `leave`. */
  group?: 'leave' | 'remain' | undefined
}

export interface TimestampQuery extends TopicPartition {
  /** In ms since 1970. */
  readonly timestamp: number
}

export interface OffsetAndTimestamp {
  readonly offset: number
  /** Of the record at that offset, in ms since 1970. */
  readonly timestamp: number
  readonly leaderEpoch?: number | undefined
}

/** What a consumer has done since it was made, and what it holds. */
export interface ConsumerMetrics {
  readonly records: number
  /** How often a record could not be deserialized; with `onDeserializationError: 'throw'` each attempt counts. */
  readonly undeserializableRecords: number
  readonly fetches: number
  readonly failedFetches: number
  readonly fetchedBytes: number
  readonly commits: number
  readonly failedCommits: number
  readonly rebalances: number
  readonly heartbeats: number
  readonly failedHeartbeats: number
  readonly assignedPartitions: number
  readonly pausedPartitions: number
  /** What is fetched and not handed out, in bytes of memory. */
  readonly bufferedBytes: number
  /** The greatest lag of any assigned partition; null while none is known. */
  readonly maxLag: number | null
}

/** Without what else the object may know. */
export function plain({ topic, partition }: TopicPartition): TopicPartition {
  return { topic, partition }
}

/** @throws InvalidArgumentError when it is no subscription */
export function wishFor(topics: readonly string[] | RegExp): Wish {
  if (topics instanceof RegExp) return { kind: 'pattern', pattern: topics }
  if (!Array.isArray(topics)) {
    throw new InvalidArgumentError(`topics are an array of names or a regular expression, not ${quote(topics)}`)
  }
  if (topics.length === 0) throw new InvalidArgumentError('a subscription names at least one topic')
  for (const topic of topics as unknown[]) {
    const complaint = topicNameComplaint(topic)
    if (complaint !== undefined) throw new InvalidArgumentError(`a topic ${complaint}`)
  }
  return { kind: 'topics', topics: [...new Set(topics)] }
}

/** @throws InvalidArgumentError when it has something that is never called */
export function checkListener(listener: RebalanceListener): void {
  if (typeof listener !== 'object' || (listener as unknown) === null) {
    throw new InvalidArgumentError(`a rebalance listener is an object with functions, not ${quote(listener)}`)
  }
  for (const [name, value] of Object.entries(listener) as [string, unknown][]) {
    if (!['onAssigned', 'onRevoked', 'onLost'].includes(name)) {
      throw new InvalidArgumentError(`a rebalance listener has onAssigned, onRevoked and onLost, not ${quote(name)}`)
    }
    if (value !== undefined && typeof value !== 'function') {
      throw new InvalidArgumentError(`${name} is a function, not ${quote(value)}`)
    }
  }
}

/** @throws InvalidArgumentError when it is nothing that can be committed */
export function checkedCommit(given: TopicPartitionOffset): TopicPartitionOffset {
  checked(given)
  const { topic, partition, offset, metadata, leaderEpoch } = given
  checkedOffset(offset)
  if (metadata !== undefined && typeof metadata !== 'string') {
    throw new InvalidArgumentError(`the metadata of an offset is a string, not ${quote(metadata)}`)
  }
  return { topic, partition, offset, metadata, leaderEpoch }
}

/** @throws InvalidArgumentError when no record can be there */
export function checkedOffset(offset: number): number {
  if (Number.isSafeInteger(offset) && offset >= 0) return offset
  throw new InvalidArgumentError(`an offset is a whole number of at least 0, not ${quote(offset)}`)
}

/** @throws InvalidArgumentError when it is no partition, or no moment after 1970 */
export function checkedTime(query: TimestampQuery): TimestampQuery {
  checked(query)
  if (Number.isSafeInteger(query.timestamp) && query.timestamp >= 0) return query
  throw new InvalidArgumentError(`a timestamp is a whole number of at least 0, not ${quote(query.timestamp)}`)
}

/** @throws InvalidArgumentError when the limits of a `getMany` make no sense */
export function checkLimits(maxRecords: number, timeoutMs: number | undefined): void {
  if (!Number.isSafeInteger(maxRecords) || maxRecords < 1) {
    throw new InvalidArgumentError(`maxRecords is a whole number of at least 1, not ${quote(maxRecords)}`)
  }
  if (timeoutMs !== undefined && !(typeof timeoutMs === 'number' && timeoutMs >= 0)) {
    throw new InvalidArgumentError(`timeoutMs is a number of at least 0, not ${quote(timeoutMs)}`)
  }
}
