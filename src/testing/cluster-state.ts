/** What all brokers of the cluster agree on: which brokers there are and are up, the topics, who coordinates what, and the
 *  producer ids handed out. Kafka keeps it in its metadata log; here it is one object that everybody sees at once. Knows no
 *  protocol and no connection. */

import type { Clock } from '../async/clock.ts'
import type { Random } from '../async/random.ts'
import type { Logger } from '../diagnostics/logger.ts'
import type { BrokerProperties } from './broker-properties.ts'
import { collides, Partition, Topic } from './topics.ts'

/** A broker as the metadata names it. */
export interface BrokerEntry {
  readonly id: number
  readonly host: string
  port: number
  readonly rack: string | null
  isUp: boolean
}

export interface ClusterStateOptions {
  readonly clusterId: string
  readonly properties: BrokerProperties
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Per partition. */
  readonly maxLogBytes: number
}

/** The internal topics by whose partitions coordinators are found: who leads the partition of a key coordinates it. */
export const groupsTopic = '__consumer_offsets'
export const transactionsTopic = '__transaction_state'

/** As many replicas as Kafka gives its internal topics. */
const internalReplicas = 3

export class ClusterState {
  readonly clusterId: string
  readonly properties: BrokerProperties
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly brokers: Map<number, BrokerEntry> = new Map()
  readonly #maxLogBytes: number
  readonly #topics = new Map<string, Topic>()
  readonly #topicsById = new Map<string, Topic>()
  readonly #leadershipWatchers = new Set<(partition: Partition, leaderBefore: number) => void>()
  #topicsPlaced = 0
  #nextProducerId = 0

  constructor({ clusterId, properties, clock, random, logger, maxLogBytes }: ClusterStateOptions) {
    this.clusterId = clusterId
    this.properties = properties
    this.clock = clock
    this.random = random
    this.logger = logger
    this.#maxLogBytes = maxLogBytes
  }

  /** By ascending id. */
  get liveBrokers(): BrokerEntry[] {
    return [...this.brokers.values()].filter(({ isUp }) => isUp).sort((a, b) => a.id - b.id)
  }

  /** The broker that plays the controller: the live one with the lowest id, or -1. */
  get controllerId(): number {
    return this.liveBrokers[0]?.id ?? -1
  }

  isUp(id: number): boolean {
    return this.brokers.get(id)?.isUp === true
  }

  get topics(): readonly Topic[] {
    return [...this.#topics.values()]
  }

  topic(name: string): Topic | undefined {
    return this.#topics.get(name)
  }

  topicById(id: string): Topic | undefined {
    return this.#topicsById.get(id)
  }

  partition(topic: string, index: number): Partition | undefined {
    return this.#topics.get(topic)?.partitions[index]
  }

  /** The topic whose name would be mixed up with this one. */
  collision(name: string): Topic | undefined {
    return this.topics.find((topic) => topic.name !== name && collides(topic.name, name))
  }

  /** How many replicas a topic gets that does not say. */
  get defaultReplicationFactor(): number {
    const factor = this.properties.number('default.replication.factor')
    return factor === -1 ? Math.min(internalReplicas, this.brokers.size) : factor
  }

  /** Who gets the replicas of new partitions: every broker in turn leads, and those after it follow. */
  placeReplicas(partitions: number, replicationFactor: number, startAt: number = this.#topicsPlaced): number[][] {
    // Brokers that are down come last: a new partition should have a leader.
    const ids = [...this.brokers.values()]
      .sort((a, b) => Number(b.isUp) - Number(a.isUp) || a.id - b.id)
      .map(({ id }) => id)
    const live = Math.max(1, this.liveBrokers.length)
    return Array.from({ length: partitions }, (_, partition) => {
      const first = (startAt + partition) % live
      const rotated = [...ids.slice(first, live), ...ids.slice(0, first), ...ids.slice(live)]
      return rotated.slice(0, replicationFactor)
    })
  }

  /** Makes a topic; its name and configs are checked already. @param placement the replicas of each partition */
  createTopic(name: string, placement: readonly (readonly number[])[], configs: ReadonlyMap<string, string>): Topic {
    const { properties } = this
    const isInternal = name === groupsTopic || name === transactionsTopic
    const topic = new Topic(name, this.uuid(), { configs, properties, isInternal })
    this.#topicsPlaced++
    this.#topics.set(name, topic)
    this.#topicsById.set(topic.id, topic)
    this.addPartitions(topic, placement)
    return topic
  }

  addPartitions(topic: Topic, placement: readonly (readonly number[])[]): void {
    for (const replicas of placement) {
      const partition = new Partition(topic, topic.partitions.length, replicas, this.#maxLogBytes)
      topic.partitions.push(partition)
      // Who is down was never in sync.
      for (const id of replicas) if (!this.isUp(id)) partition.brokerDown(id, (other) => this.isUp(other))
    }
  }

  deleteTopic(topic: Topic): void {
    this.#topics.delete(topic.name)
    this.#topicsById.delete(topic.id)
    topic.isDeleted = true
    topic.changed()
  }

  moveLeader(partition: Partition, to: number): void {
    this.#watchingLeader(partition, () => {
      partition.moveLeader(to)
    })
  }

  brokerDown(id: number): void {
    const broker = this.brokers.get(id)
    if (broker === undefined || !broker.isUp) return
    broker.isUp = false
    for (const partition of this.#partitions()) {
      this.#watchingLeader(partition, () => {
        partition.brokerDown(id, (other) => this.isUp(other))
      })
    }
  }

  brokerUp(id: number): void {
    const broker = this.brokers.get(id)
    if (broker === undefined || broker.isUp) return
    broker.isUp = true
    for (const partition of this.#partitions()) {
      this.#watchingLeader(partition, () => {
        partition.brokerUp(id)
      })
    }
  }

  /** Tells of every partition that gets another leader, after it has it. */
  onLeaderMoved(watcher: (partition: Partition, leaderBefore: number) => void): void {
    this.#leadershipWatchers.add(watcher)
  }

  /** The partition whose leader coordinates the key; its topic is made when it is first asked for. */
  coordinatingPartition(topicName: typeof groupsTopic | typeof transactionsTopic, key: string): Partition {
    let topic = this.#topics.get(topicName)
    if (topic === undefined) {
      const property =
        topicName === groupsTopic ? 'offsets.topic.num.partitions' : 'transaction.state.log.num.partitions'
      const count = this.properties.number(property)
      const placement = this.placeReplicas(count, Math.min(internalReplicas, this.brokers.size), 0)
      topic = this.createTopic(topicName, placement, new Map([['cleanup.policy', 'compact']]))
    }
    return topic.partitions[positiveJavaHash(key) % topic.partitions.length]!
  }

  nextProducerId(): number {
    return this.#nextProducerId++
  }

  /** A fresh uuid in Kafka's spelling. */
  uuid(): string {
    return Buffer.from(this.random.uuid().replaceAll('-', ''), 'hex').toString('base64url')
  }

  *#partitions(): Generator<Partition> {
    for (const topic of this.#topics.values()) yield* topic.partitions
  }

  #watchingLeader(partition: Partition, move: () => void): void {
    const before = partition.leaderId
    move()
    if (partition.leaderId === before) return
    for (const watcher of this.#leadershipWatchers) watcher(partition, before)
  }
}

/** Java's `String.hashCode`, made positive as Kafka does it. */
function positiveJavaHash(text: string): number {
  let hash = 0
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0
  return hash === -(2 ** 31) ? 0 : Math.abs(hash)
}
