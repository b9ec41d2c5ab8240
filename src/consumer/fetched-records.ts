/** What `getMany` gives: records in the order they were handed out, and what is needed to commit them. */

import { IllegalStateError } from '../errors/errors.ts'
import type { ConsumerGroupMetadata } from '../model/consumer-group-metadata.ts'
import type { TopicPartitionOffset } from '../model/offset-and-metadata.ts'
import type { TopicPartition } from '../model/topic-partition.ts'
import type { ConsumerRecord } from './consumer-record.ts'

export class FetchedRecords<Key = Buffer | null, Value = Buffer | null> implements Iterable<
  ConsumerRecord<Key, Value>
> {
  readonly #records: readonly ConsumerRecord<Key, Value>[]
  readonly #nextOffsets: readonly TopicPartitionOffset[]
  readonly #groupMetadata: ConsumerGroupMetadata | undefined

  /** @internal Consumers make them. */
  constructor(
    records: readonly ConsumerRecord<Key, Value>[],
    nextOffsets: readonly TopicPartitionOffset[],
    groupMetadata: ConsumerGroupMetadata | undefined,
  ) {
    this.#records = records
    this.#nextOffsets = nextOffsets
    this.#groupMetadata = groupMetadata
  }

  /** How many records there are. */
  get size(): number {
    return this.#records.length
  }

  /**
   * Who the consumer was in its group when these were handed out: what `sendOffsets` of a transaction needs (KIP-447).
   *
   * @throws IllegalStateError without `groupId`
   */
  get groupMetadata(): ConsumerGroupMetadata {
    if (this.#groupMetadata === undefined)
      throw new IllegalStateError('a consumer without groupId has no group metadata')
    return this.#groupMetadata
  }

  [Symbol.iterator](): IterableIterator<ConsumerRecord<Key, Value>> {
    return this.#records[Symbol.iterator]() as IterableIterator<ConsumerRecord<Key, Value>>
  }

  /** The partitions that have records here. */
  partitions(): TopicPartition[] {
    return this.#nextOffsets.map(({ topic, partition }) => ({ topic, partition }))
  }

  /**
   * What to commit once all of these are processed: for each partition that has records here, where to go on. That is
   * behind its last record, and behind what follows it and is not for the application: the marker of its transaction, or
   * records of an aborted one. As it was at hand-out, whatever was handed out, sought or lost since.
   */
  nextOffsets(): TopicPartitionOffset[] {
    return this.#nextOffsets.map((offset) => ({ ...offset }))
  }
}
