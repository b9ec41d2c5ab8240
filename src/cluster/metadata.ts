/** What is known of the cluster, at one moment: immutable, numbered, swapped whole by the refresher. Does no I/O. */

import type { BrokerErrorCode } from '../errors/broker-error-codes.ts'
import { zeroUuid } from '../wire/primitives/uuid.ts'

export interface BrokerAddress {
  readonly id: number
  readonly host: string
  readonly port: number
  readonly rack: string | null
}

export interface PartitionMetadata {
  readonly partition: number
  /** -1 when there is none. */
  readonly leader: number
  /** -1 when the broker is too old to say. */
  readonly leaderEpoch: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  readonly offlineReplicas: readonly number[]
  readonly error: BrokerErrorCode
}

export interface TopicMetadata {
  readonly name: string
  /** `zeroUuid` when the broker is too old to say. */
  readonly topicId: string
  readonly isInternal: boolean
  readonly error: BrokerErrorCode
  /** Entry i is partition i. Empty when `error` says that nothing is known. */
  readonly partitions: readonly PartitionMetadata[]
}

export interface MetadataInit {
  readonly version: number
  readonly clusterId: string | null
  readonly controllerId: number
  readonly brokers: Iterable<BrokerAddress>
  readonly topics: Iterable<TopicMetadata>
}

const noLeaders = new Int32Array(0)

export class MetadataSnapshot {
  static readonly empty: MetadataSnapshot = new MetadataSnapshot({
    version: 0,
    clusterId: null,
    controllerId: -1,
    brokers: [],
    topics: [],
  })

  /** Counts up with every swap; 0 means that no broker has answered yet. */
  readonly version: number
  readonly clusterId: string | null
  /** -1 when not known. */
  readonly controllerId: number
  readonly brokers: ReadonlyMap<number, BrokerAddress>
  readonly topics: ReadonlyMap<string, TopicMetadata>
  readonly #namesById = new Map<string, string>()
  readonly #leaders = new Map<string, Int32Array>()

  /** @param previous the snapshot before, of which the tables of unchanged topics are used again */
  constructor(init: MetadataInit, previous?: MetadataSnapshot) {
    this.version = init.version
    this.clusterId = init.clusterId
    this.controllerId = init.controllerId
    this.brokers = new Map(Array.from(init.brokers, (broker) => [broker.id, broker]))
    this.topics = new Map(Array.from(init.topics, (topic) => [topic.name, topic]))
    for (const topic of this.topics.values()) {
      if (topic.topicId !== zeroUuid) this.#namesById.set(topic.topicId, topic.name)
      const unchanged = previous?.topics.get(topic.name) === topic
      this.#leaders.set(
        topic.name,
        unchanged ? previous!.leaders(topic.name) : Int32Array.from(topic.partitions, (partition) => partition.leader),
      )
    }
  }

  /** How many partitions the topic has; 0 when it is not known or has an error. */
  partitionCount(topic: string): number {
    return this.leaders(topic).length
  }

  /** The node that leads each partition, by partition number; -1 for none. One array per snapshot: do not write to it. */
  leaders(topic: string): Int32Array {
    return this.#leaders.get(topic) ?? noLeaders
  }

  /** The node that leads the partition, or -1 when there is none or the partition is not known. */
  leader(topic: string, partition: number): number {
    return this.leaders(topic)[partition] ?? -1
  }

  /** The epoch of that leader, or -1. */
  leaderEpoch(topic: string, partition: number): number {
    return this.topics.get(topic)?.partitions[partition]?.leaderEpoch ?? -1
  }

  topicName(topicId: string): string | undefined {
    return this.#namesById.get(topicId)
  }
}
