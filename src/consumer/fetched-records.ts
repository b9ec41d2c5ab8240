/** What `getMany` gives: records in the order they were handed out, and what is needed to commit them. */

import { IllegalStateError } from '../errors/errors.ts'
import type { ConsumerGroupMetadata } from '../model/consumer-group-metadata.ts'
import type { TopicPartitionOffset } from '../model/offset-and-metadata.ts'
import type { TopicPartition } from '../model/topic-partition.ts'
import type { ConsumerRecord } from './consumer-record.ts'

export class FetchedRecords implements Iterable<ConsumerRecord> {
  readonly #records: readonly ConsumerRecord[]
  readonly #groupMetadata: ConsumerGroupMetadata | undefined

  /** @internal Consumers make them. */
  constructor(records: readonly ConsumerRecord[], groupMetadata: ConsumerGroupMetadata | undefined) {
    this.#records = records
    this.#groupMetadata = groupMetadata
  }

  /** How many records there are. */
  get size(): number {
    return this.#records.length
  }

  /** Who the consumer was in its group when these were handed out: what `sendOffsets` of a transaction needs (KIP-447). */
  get groupMetadata(): ConsumerGroupMetadata {
    if (this.#groupMetadata === undefined)
      throw new IllegalStateError('a consumer without groupId has no group metadata')
    return this.#groupMetadata
  }

  [Symbol.iterator](): IterableIterator<ConsumerRecord> {
    return this.#records[Symbol.iterator]() as IterableIterator<ConsumerRecord>
  }

  /** The partitions that have records here. */
  partitions(): TopicPartition[] {
    return this.nextOffsets().map(({ topic, partition }) => ({ topic, partition }))
  }

  /** For each partition the offset behind its last record here: what to commit once all of them are processed. */
  nextOffsets(): TopicPartitionOffset[] {
    const last = new Map<string, Map<number, ConsumerRecord>>()
    for (const record of this.#records) {
      let partitions = last.get(record.topic)
      if (partitions === undefined) last.set(record.topic, (partitions = new Map()))
      partitions.set(record.partition, record)
    }
    const offsets: TopicPartitionOffset[] = []
    for (const partitions of last.values()) {
      for (const { topic, partition, offset, leaderEpoch } of partitions.values()) {
        const known = leaderEpoch < 0 ? {} : { leaderEpoch }
        offsets.push({ topic, partition, offset: offset + 1, ...known })
      }
    }
    return offsets
  }
}
