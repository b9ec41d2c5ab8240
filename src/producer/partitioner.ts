/** Which partition a record goes to when it does not say so itself. Keys are hashed as Java hashes them; records without
 *  a key fill one partition's batch before they go on to another (KIP-480, KIP-794). Knows no batches: what it wants to
 *  know of the partitions' queues it asks through `PartitionView`. */

import type { Random } from '../async/random.ts'
import { KafkaError } from '../errors/kafka-error.ts'
import { InvalidArgumentError } from '../errors/errors.ts'
import { quote } from '../options/option-table.ts'
import type { RecordBytes, WrittenHeader } from './producer-record.ts'

/** What a partitioner of one's own is told. */
export interface PartitionerContext {
  readonly topic: string
  /** As it is sent: what the serializer made of it, if there is one. */
  readonly key: RecordBytes
  /** As it is sent: what the serializer made of it, if there is one. */
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
 * - `'consistent-random'`: CRC-32 of the key, as librdkafka's default; without a key, or with an empty one, any partition
 *   with a leader, record by record
 */
export type Partitioner = 'default' | 'murmur2-random' | 'consistent-random' | PartitionerFunction

/** What the choice depends on: a topic's partitions as they are now. */
export interface PartitionView {
  readonly name: string
  readonly partitionCount: number
  /** The partitions that have a leader, ascending. */
  readonly availablePartitions: readonly number[]
  /** How many batches wait for the partition, or -1 when none ever did. */
  queueLength(partition: number): number
  /** The node of the partition's leader, or -1 when it has none. */
  leader(partition: number): number
}

/** How a producer chooses for records that have no key, whatever the topic. */
export interface StickyPolicy {
  readonly random: Random
  /** How many bytes a partition gets before another has its turn. */
  readonly batchSize: number
  /** Whether partitions with short queues are chosen more often. */
  readonly isAdaptive: boolean
  /** Whether this broker has not answered for so long that its partitions are left out; undefined: none ever is. */
  readonly isSilent: ((node: number) => boolean) | undefined
}

/** Where the records without a key of one topic go for the time being. */
export class StickyChoice {
  readonly #policy: StickyPolicy
  #partition = -1
  #bytes = 0

  constructor(policy: StickyPolicy) {
    this.#policy = policy
  }

  /** The partition of the day. Chosen anew when it is gone or the topic has none yet. */
  partition(view: PartitionView): number {
    if (this.#partition < 0 || this.#partition >= view.partitionCount) this.#choose(view)
    return this.#partition
  }

  /** A record of at most so many bytes begins a new batch: if the partition had its share, the next one has its turn. */
  beginsBatch(bytes: number, view: PartitionView): number {
    if (this.#bytes > 0 && this.#bytes + bytes >= this.#policy.batchSize) this.#choose(view)
    return this.partition(view)
  }

  /** So many bytes went to the partition of the day. After twice a batch it is over even in the middle of one. */
  wrote(bytes: number, view: PartitionView): void {
    this.#bytes += bytes
    if (this.#bytes >= 2 * this.#policy.batchSize) this.#choose(view)
  }

  #choose(view: PartitionView): void {
    this.#bytes = 0
    const { random, isAdaptive } = this.#policy
    const { availablePartitions: available } = view
    const candidates = isAdaptive ? this.#answering(view) : available
    if (!isAdaptive || candidates.length < 2) {
      // As in Java: when nobody answers, all are as good as any.
      this.#partition = candidates.length === 1 ? candidates[0]! : randomPartition(view, random)
      return
    }
    // A partition's share of the dice is how much shorter its queue is than the longest one. As long as some partition
    // never had a queue, lengths say nothing, and all are equal.
    let longest = 0
    let comparable = true
    for (const partition of candidates) {
      const length = view.queueLength(partition)
      if (length < 0) comparable = false
      else if (length > longest) longest = length
    }
    if (!comparable) {
      this.#partition = candidates[Math.floor(random.next() * candidates.length)]!
      return
    }
    let total = 0
    for (const partition of candidates) total += longest + 1 - view.queueLength(partition)
    let dice = Math.floor(random.next() * total)
    for (const partition of candidates) {
      dice -= longest + 1 - view.queueLength(partition)
      if (dice < 0) {
        this.#partition = partition
        return
      }
    }
  }

  /** The partitions that have a leader which does not keep us waiting. */
  #answering(view: PartitionView): readonly number[] {
    const { isSilent } = this.#policy
    if (isSilent === undefined) return view.availablePartitions
    return view.availablePartitions.filter((partition) => !isSilent(view.leader(partition)))
  }
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
