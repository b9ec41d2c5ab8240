/** Which partition a record goes to when it does not say so itself. Keys are hashed as Java hashes them; records without
 *  a key fill one partition's batch before they go on to another (KIP-480, KIP-794). Knows no batches: what it wants to
 *  know of the partitions' queues it asks through `PartitionView`. */

import type { Random } from '../async/random.ts'
import { KafkaError } from '../errors/kafka-error.ts'
import { InvalidArgumentError } from '../errors/errors.ts'
import { quote } from '../options/option-table.ts'
import { murmur2, murmur2OfAscii } from './murmur2.ts'
import type { RecordBytes, WrittenHeader } from './producer-record.ts'

/** What a partitioner of one's own is told. */
export interface PartitionerContext {
  readonly topic: string
  readonly key: RecordBytes
  readonly value: RecordBytes
  readonly headers: readonly WrittenHeader[]
  /** How many partitions the topic has. */
  readonly partitionCount: number
  /** The partitions that have a leader now, ascending. */
  readonly availablePartitions: readonly number[]
}

/** Gives the number of the partition, from 0 to `partitionCount - 1`. What it throws fails the record. */
export type PartitionerFunction = (context: PartitionerContext) => number

/**
 * - `'default'`: murmur2 of the key as in Java; without a key, one partition after the other, each for about
 *   `batchSize` bytes, those with short queues more often (KIP-794)
 * - `'murmur2-random'`: murmur2 of the key as in Java; without a key, any partition with a leader, record by record
 */
export type Partitioner = 'default' | 'murmur2-random' | PartitionerFunction

/** What the choice depends on: a topic's partitions as they are now. */
export interface PartitionView {
  readonly name: string
  readonly partitionCount: number
  /** The partitions that have a leader, ascending. */
  readonly availablePartitions: readonly number[]
  /** How many batches wait for the partition, or -1 when none ever did. */
  queueLength(partition: number): number
}

/** Where the records without a key of one topic go for the time being. */
export class StickyChoice {
  #partition = -1
  #bytes = 0

  /** The partition of the day. Chosen anew when it is gone or the topic has none yet. */
  partition(view: PartitionView, random: Random): number {
    if (this.#partition < 0 || this.#partition >= view.partitionCount) this.#choose(view, random)
    return this.#partition
  }

  /** A record of at most so many bytes begins a new batch: if the partition had its share, the next one has its turn. */
  beginsBatch(bytes: number, batchSize: number, view: PartitionView, random: Random): number {
    if (this.#bytes > 0 && this.#bytes + bytes >= batchSize) this.#choose(view, random)
    return this.partition(view, random)
  }

  /** So many bytes went to the partition of the day. After twice a batch it is over even in the middle of one. */
  wrote(bytes: number, batchSize: number, view: PartitionView, random: Random): void {
    this.#bytes += bytes
    if (this.#bytes >= 2 * batchSize) this.#choose(view, random)
  }

  #choose(view: PartitionView, random: Random): void {
    this.#bytes = 0
    const { availablePartitions: available, partitionCount } = view
    if (available.length === 0) {
      this.#partition = Math.floor(random.next() * partitionCount)
      return
    }
    // A partition's share of the dice is how much shorter its queue is than the longest one. As long as some partition
    // never had a queue, lengths say nothing, and all are equal.
    let longest = 0
    let comparable = true
    for (const partition of available) {
      const length = view.queueLength(partition)
      if (length < 0) comparable = false
      else if (length > longest) longest = length
    }
    if (!comparable) {
      this.#partition = available[Math.floor(random.next() * available.length)]!
      return
    }
    let total = 0
    for (const partition of available) total += longest + 1 - view.queueLength(partition)
    let dice = Math.floor(random.next() * total)
    for (const partition of available) {
      dice -= longest + 1 - view.queueLength(partition)
      if (dice < 0) {
        this.#partition = partition
        return
      }
    }
  }
}

/** The partition of a record with a key. */
export function partitionOfKey(key: string | Uint8Array, partitionCount: number): number {
  if (typeof key !== 'string') return murmur2(key) % partitionCount
  const hash = murmur2OfAscii(key)
  return (hash < 0 ? murmur2(Buffer.from(key)) : hash) % partitionCount
}

/** Any partition with a leader; any at all when none has one. */
export function randomPartition(view: PartitionView, random: Random): number {
  const { availablePartitions: available, partitionCount } = view
  if (available.length === 0) return Math.floor(random.next() * partitionCount)
  return available[Math.floor(random.next() * available.length)]!
}

/**
 * Asks a partitioner of the user's own.
 *
 * @throws InvalidArgumentError when it throws, or gives something that is no partition of the topic
 */
export function askPartitioner(partitioner: PartitionerFunction, context: PartitionerContext): number {
  let partition: unknown
  try {
    partition = partitioner(context)
  } catch (cause) {
    if (cause instanceof KafkaError) throw cause
    throw new InvalidArgumentError(`the partitioner failed for a record for '${context.topic}'`, {
      cause,
      persistence: 'not-persisted',
    })
  }
  if (Number.isInteger(partition) && (partition as number) >= 0 && (partition as number) < context.partitionCount) {
    return partition as number
  }
  throw new InvalidArgumentError(
    `the partitioner must give a partition of '${context.topic}' from 0 to ${context.partitionCount - 1}, not ${quote(partition)}`,
    { persistence: 'not-persisted' },
  )
}
