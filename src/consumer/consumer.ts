/** The consumer as applications see it: checks what it is given, and leaves the work to the parts that
 *  `consumer-core.ts` brings together. */

import { systemDoors, type Doors } from '../async/doors.ts'
import type { WaitOptions } from '../async/wait.ts'
import { clusterFor, type ClientOptions } from '../cluster/client.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { ClusterOptions } from '../cluster/cluster-options.ts'
import { InvalidArgumentError } from '../errors/errors.ts'
import type { ConsumerGroupMetadata } from '../model/consumer-group-metadata.ts'
import type { OffsetAndMetadata, TopicPartitionOffset } from '../model/offset-and-metadata.ts'
import type { TopicPartition } from '../model/topic-partition.ts'
import { checkCallOptions } from '../options/call-options.ts'
import { quote } from '../options/option-table.ts'
import type { RebalanceListener } from './assignment-host.ts'
import {
  checkLimits,
  plain,
  type CloseOptions,
  type ConsumerMetrics,
  getManyOptionNames,
  getOneOptionNames,
  type GetManyOptions,
  type GetOneOptions,
  type OffsetAndTimestamp,
  type TimestampQuery,
} from './consumer-arguments.ts'
import { ConsumerCore } from './consumer-core.ts'
import {
  consumerOptions,
  readConsumerOptions,
  type AnyConsumerOptions,
  type ConsumerOptions,
} from './consumer-options.ts'
import type { ConsumerRecord } from './consumer-record.ts'
import type { FetchedRecords } from './fetched-records.ts'
import { earliest, latest } from './list-offsets.ts'
import { RecordIterator } from './record-iterator.ts'
import { filterOf } from './subscription-state.ts'

export type {
  CloseOptions,
  ConsumerMetrics,
  GetManyOptions,
  GetOneOptions,
  OffsetAndTimestamp,
  TimestampQuery,
} from './consumer-arguments.ts'

/**
 * Reads records, alone or in a group.
 *
 * @example
 * ```ts
 * import { Consumer } from 'jackdaw'
 *
 * const consumer = new Consumer({ bootstrapServers: 'localhost:9092', groupId: 'billing', autoOffsetReset: 'earliest' })
 * await consumer.subscribe(['orders'])
 * for await (const record of consumer) console.log(record.partition, record.offset, record.value?.toString())
 * ```
 */
export class Consumer<Key = Buffer | null, Value = Buffer | null> {
  readonly #core: ConsumerCore

  /** @throws InvalidOptionError naming the option and what is valid */
  constructor(options: ClientOptions<ConsumerOptions<Key, Value>> = {}, doors: Doors = systemDoors) {
    const given = options as AnyConsumerOptions & { cluster?: Cluster } & ClusterOptions
    const { cluster, owned, own } = clusterFor<AnyConsumerOptions>('Consumer', given, consumerOptions, doors)
    this.#core = new ConsumerCore(cluster, owned, readConsumerOptions(own, cluster.options.requestTimeoutMs))
  }

  /**
   * Connects, and begins what was subscribed or assigned before. Calls share one attempt; one that failed can be repeated.
   *
   * @throws ConnectionError when no bootstrap server answers; ClosedError after `close`
   */
  async start(options: WaitOptions = {}): Promise<this> {
    await this.#core.start(options)
    return this
  }

  /**
   * Reads these topics, dividing their partitions with the rest of the group; replaces an earlier subscription. What is
   * not subscribed to any more is not handed out from this call on.
   *
   * @param topics names, which need not exist yet, or a regular expression that follows topics as they come and go
   * @throws IllegalStateError after `assign`: call `unsubscribe` first
   */
  async subscribe(topics: readonly string[] | RegExp, listener: RebalanceListener = {}): Promise<void> {
    this.#core.wishes.subscribe(topics, listener)
  }

  /** Gives up what was subscribed or assigned; leaves the group. What is finished is committed with auto-commit. */
  unsubscribe(): void {
    this.#core.wishes.unsubscribe()
  }

  /**
   * Reads exactly these partitions, without dividing them with anyone; replaces an earlier assignment. Positions of
   * partitions that stay are kept. Called right after `unsubscribe`, before the group has been left, it does not wait for
   * that: what was subscribed to is given up at once, its finished records are committed, and `onLost` is told.
   *
   * A partition that does not exist is warned of in the log and waited for. While it is missing, one hand-out call in
   * `apiTimeoutMs` rejects with `UNKNOWN_TOPIC_OR_PARTITION`.
   *
   * @throws IllegalStateError after `subscribe`: call `unsubscribe` first
   */
  assign(partitions: Iterable<TopicPartition>): void {
    this.#core.wishes.assign(partitions)
  }

  /**
   * Waits for the first assignment, and for `onAssigned` to have returned.
   *
   * @returns the partitions, none when there are more members than partitions
   */
  async assigned(options: WaitOptions = {}): Promise<TopicPartition[]> {
    await this.#core.assigned(options)
    return this.assignment()
  }

  /** The partitions that are ours now. */
  assignment(): TopicPartition[] {
    return this.#core.subscription.all.map(plain)
  }

  /** What was subscribed to; null after `assign` or before anything. */
  subscription(): readonly string[] | RegExp | null {
    const { wish } = this.#core.subscription
    return wish.kind === 'topics' ? [...wish.topics] : wish.kind === 'pattern' ? wish.pattern : null
  }

  /**
   * Walks the records as they come, without end until `close`. Each step finishes the records before it; `break` does not
   * finish the last one.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<ConsumerRecord<Key, Value>> {
    this.#core.assertOpen()
    // Its parts know no types of keys and values: deserializers, or none, have made them what they are said to be.
    const records: AsyncIterableIterator<ConsumerRecord<unknown, unknown>> = new RecordIterator(this.#core.handOut)
    return records as AsyncIterableIterator<ConsumerRecord<Key, Value>>
  }

  /**
   * The next record. Finishes what was handed out before, of the partitions asked for.
   *
   * @throws IllegalStateError when nothing is subscribed to or assigned; ClosedError when the consumer is closed meanwhile;
   * DeserializationError and CorruptRecordError naming the place; BrokerError when an assigned partition has not been there
   * for `apiTimeoutMs`; whatever ended the group; the signal's reason
   */
  async getOne(options: GetOneOptions = {}): Promise<ConsumerRecord<Key, Value>> {
    checkCallOptions('getOne', options, getOneOptionNames)
    const { partitions, signal } = options
    signal?.throwIfAborted()
    const record: ConsumerRecord<unknown, unknown> = await this.#core.handOut.one(filterOf(partitions), signal)
    return record as ConsumerRecord<Key, Value>
  }

  /**
   * The next records that are there, at least one unless the time is up or the consumer is closed. Finishes what was
   * handed out before, of the partitions asked for.
   *
   * @throws what {@link Consumer.getOne} throws, but for the closing
   */
  async getMany(options: GetManyOptions = {}): Promise<FetchedRecords<Key, Value>> {
    checkCallOptions('getMany', options, getManyOptionNames)
    const { partitions, timeoutMs, maxRecords = this.#core.options.maxPollRecords, signal } = options
    signal?.throwIfAborted()
    checkLimits(maxRecords, timeoutMs)
    const request = { filter: filterOf(partitions), maxRecords, timeoutMs, signal }
    const records: FetchedRecords<unknown, unknown> = await this.#core.handOut.many(request)
    return records as FetchedRecords<Key, Value>
  }

  /**
   * Commits the given offsets, each the next one to read; without any, everything that was handed out.
   *
   * @throws IllegalStateError without `groupId`, and for a partition that is not ours (any more); BrokerError when the
   * coordinator refuses, for instance because the group has moved on
   */
  async commit(offsets?: readonly TopicPartitionOffset[], options: WaitOptions = {}): Promise<void> {
    await this.#core.offsets.commit(offsets, options)
  }

  /** Goes on at an offset of a partition that is ours; the record at it is the next one of that partition to be handed out. */
  seek(partition: TopicPartition, offset: number): void {
    this.#core.offsets.seek(partition, offset)
  }

  /** Goes back to the first record of these partitions, or of all that are ours. */
  seekToBeginning(partitions?: Iterable<TopicPartition>): void {
    this.#core.offsets.seekLazily(partitions, 'earliest')
  }

  /** Goes behind the last record of these partitions, or of all that are ours. */
  seekToEnd(partitions?: Iterable<TopicPartition>): void {
    this.#core.offsets.seekLazily(partitions, 'latest')
  }

  /** Goes back to what the group has committed; where that is nothing, to where `autoOffsetReset` says. */
  async seekToCommitted(partitions?: Iterable<TopicPartition>, options: WaitOptions = {}): Promise<void> {
    await this.#core.offsets.seekToCommitted(partitions, options)
  }

  /**
   * The offset of the next record to be handed out; looks it up when it is not known yet, within `apiTimeoutMs`.
   *
   * @throws IllegalStateError when the partition is not ours, or is lost meanwhile; NoOffsetError when nothing says where
   */
  async position(partition: TopicPartition, options: WaitOptions = {}): Promise<number> {
    return await this.#core.offsets.position(partition, options)
  }

  /** What the group has committed for each partition, in the order asked; null for nothing. */
  async committed(
    partitions: Iterable<TopicPartition>,
    options: WaitOptions = {},
  ): Promise<(OffsetAndMetadata | null)[]> {
    return await this.#core.offsets.committed(partitions, options)
  }

  /** The first offset of each partition, in the order asked. */
  async beginningOffsets(partitions: Iterable<TopicPartition>, options: WaitOptions = {}): Promise<number[]> {
    return await this.#core.offsets.ends(partitions, earliest, options)
  }

  /** The offset behind the last record of each partition that this consumer may see, in the order asked. */
  async endOffsets(partitions: Iterable<TopicPartition>, options: WaitOptions = {}): Promise<number[]> {
    return await this.#core.offsets.ends(partitions, latest, options)
  }

  /** For each partition the first record not before the timestamp, in the order asked; null when there is none. */
  async offsetsForTimes(
    queries: Iterable<TimestampQuery>,
    options: WaitOptions = {},
  ): Promise<(OffsetAndTimestamp | null)[]> {
    return await this.#core.offsets.offsetsForTimes(queries, options)
  }

  /** Hands out nothing of these partitions until `resume`; they stay ours. */
  pause(partitions: Iterable<TopicPartition>): void {
    this.#core.assertOpen()
    for (const state of this.#core.subscription.getAll(partitions)) state.paused = true
  }

  /** Ends `pause`. */
  resume(partitions: Iterable<TopicPartition>): void {
    this.#core.assertOpen()
    for (const state of this.#core.subscription.getAll(partitions)) state.paused = false
    this.#core.fetcher.wake()
    this.#core.handOut.serve()
  }

  /** The partitions that are paused. */
  paused(): TopicPartition[] {
    return this.#core.subscription.all.filter((state) => state.paused).map(plain)
  }

  /** How many records the partition has before its end as this consumer may see it; null while that is not known. */
  lag(partition: TopicPartition): number | null {
    return this.#core.offsets.lag(this.#core.subscription.get(partition))
  }

  /** The end of what is replicated, as the last fetch said; null before one. */
  highWatermark(partition: TopicPartition): number | null {
    const { highWatermark } = this.#core.subscription.get(partition)
    return highWatermark < 0 ? null : highWatermark
  }

  /** The end of what no open transaction can change, as the last fetch said; null before one. */
  lastStableOffset(partition: TopicPartition): number | null {
    const { lastStableOffset } = this.#core.subscription.get(partition)
    return lastStableOffset < 0 ? null : lastStableOffset
  }

  /**
   * Who the consumer is in its group, for a transaction's `sendOffsets` (KIP-447); generation -1 while it is no member.
   *
   * @throws IllegalStateError without `groupId`
   */
  groupMetadata(): ConsumerGroupMetadata {
    return this.#core.groupMetadata()
  }

  /** Counters and gauges, as they are now. */
  metrics(): ConsumerMetrics {
    return this.#core.metrics()
  }

  /**
   * Commits what is finished, tells `onRevoked`, leaves the group, and ends: open iterators end, a pending `getMany` is
   * empty, a pending `getOne` rejects with `ClosedError`. Takes at most `closeTimeoutMs`. Idempotent.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    const { group = 'leave' } = options
    checkCallOptions('close', options, ['group'])
    if (group !== 'leave' && group !== 'remain') {
      throw new InvalidArgumentError(`option 'group' of close is 'leave' or 'remain', not ${quote(group)}`)
    }
    await this.#core.close(group === 'leave')
  }

  /** Ends at once: whatever waits rejects, nothing is committed, the group finds out by itself. Idempotent. */
  destroy(reason?: Error): void {
    this.#core.destroy(reason)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
