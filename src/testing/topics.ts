/** Topics and their partitions: who leads each in which epoch, its replicas, its log, and who waits for it to change. Moves
 *  leaders when it is told that a broker came or went. Knows no protocol and no connection. */

import type { BrokerProperties, ConfigValue } from './broker-properties.ts'
import { configSources, topicConfigs } from './configs.ts'
import { PartitionLog } from './partition-log.ts'
import { ProducerStates } from './producer-states.ts'
import { AbortedTransactions, type AbortedTransaction } from './transaction-coordination/aborted-transactions.ts'

export class Partition {
  readonly topic: Topic
  readonly index: number
  /** Broker ids, the preferred leader first. */
  replicas: number[]
  /** Those that have everything. Never empty: the last one stays when it dies, since only it may lead again. */
  inSyncReplicas: number[]
  /** -1 when none of the in-sync replicas is up. */
  leaderId: number
  leaderEpoch = 0
  readonly log: PartitionLog
  readonly producers: ProducerStates = new ProducerStates()
  readonly aborted: AbortedTransactions = new AbortedTransactions()
  readonly #watchers = new Set<() => void>()

  constructor(topic: Topic, index: number, replicas: readonly number[], maxLogBytes: number) {
    this.topic = topic
    this.index = index
    this.replicas = [...replicas]
    this.inSyncReplicas = [...replicas]
    this.leaderId = replicas[0]!
    this.log = new PartitionLog(maxLogBytes)
    this.log.beginEpoch(this.leaderEpoch)
  }

  /** Before it everything is decided: who reads committed records comes so far. */
  get lastStableOffset(): number {
    const open = this.producers.firstOpenOffset()
    if (open === undefined) return this.log.logEndOffset
    // Where the log begins inside the transaction, Kafka takes the batch's own first offset.
    return open >= this.log.logStartOffset ? open : this.log.baseOffsetAt(this.log.logStartOffset)
  }

  /** The aborted transactions that a reader of so many bytes from an offset must know, and some beyond (KIP-98). */
  abortedFrom(offset: number, readBytes: number): AbortedTransaction[] {
    if (this.aborted.all.length === 0 || readBytes === 0) return []
    this.aborted.deleteBefore(this.log.logStartOffset)
    return this.aborted.between(offset, this.log.upperBound(offset, readBytes))
  }

  /** Calls back at every change, of the log or of the leader, until the returned function is called. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher)
    return () => {
      this.#watchers.delete(watcher)
    }
  }

  changed(): void {
    for (const watcher of [...this.#watchers]) watcher()
  }

  /** Makes a broker the leader in the next epoch; one that has no replica gets that of the leader before. */
  moveLeader(to: number): void {
    if (to === this.leaderId) return
    if (!this.replicas.includes(to)) {
      this.replicas = [
        to,
        ...this.replicas.filter((id) => id !== (this.leaderId === -1 ? this.replicas[0] : this.leaderId)),
      ]
      this.inSyncReplicas = this.inSyncReplicas.filter((id) => this.replicas.includes(id))
    }
    if (!this.inSyncReplicas.includes(to)) this.inSyncReplicas.push(to)
    this.#lead(to)
  }

  /** A broker died. */
  brokerDown(id: number, isUp: (id: number) => boolean): void {
    if (!this.replicas.includes(id)) return
    if (this.inSyncReplicas.length > 1) this.inSyncReplicas = this.inSyncReplicas.filter((other) => other !== id)
    if (this.leaderId !== id) {
      this.changed()
      return
    }
    this.#lead(this.replicas.find((other) => this.inSyncReplicas.includes(other) && isUp(other)) ?? -1)
  }

  /** A broker came back, and has caught up. */
  brokerUp(id: number): void {
    if (!this.replicas.includes(id)) return
    // Without a leader, only a replica that has everything may become one.
    if (this.leaderId === -1) {
      if (!this.inSyncReplicas.includes(id)) return
      this.#lead(id)
    }
    if (!this.inSyncReplicas.includes(id)) this.inSyncReplicas.push(id)
    this.changed()
  }

  #lead(id: number): void {
    this.leaderId = id
    this.leaderEpoch++
    if (id !== -1) this.log.beginEpoch(this.leaderEpoch)
    this.changed()
  }
}

export class Topic {
  readonly name: string
  /** A uuid. */
  readonly id: string
  readonly isInternal: boolean
  readonly partitions: Partition[] = []
  /** Its own configs only. */
  readonly configs: Map<string, string>
  readonly #properties: BrokerProperties
  isDeleted = false

  constructor(
    name: string,
    id: string,
    {
      configs,
      properties,
      isInternal,
    }: { configs: ReadonlyMap<string, string>; properties: BrokerProperties; isInternal: boolean },
  ) {
    this.name = name
    this.id = id
    this.isInternal = isInternal
    this.configs = new Map(configs)
    this.#properties = properties
  }

  get replicationFactor(): number {
    return this.partitions[0]?.replicas.length ?? 0
  }

  /** The value in force and those behind it, nearest first. */
  configValues(name: string): (ConfigValue & { name: string })[] {
    const own = this.configs.get(name)
    const values = own === undefined ? [] : [{ name, value: own, source: configSources.topic }]
    const { broker, default: fallback } = topicConfigs[name]!
    const inherited =
      broker === undefined ? [] : this.#properties.values(broker).map((value) => ({ name: broker, ...value }))
    return inherited.length > 0
      ? [...values, ...inherited]
      : [...values, { name: broker ?? name, value: fallback, source: configSources.default }]
  }

  config(name: string): string {
    return this.configValues(name)[0]!.value
  }

  /** Makes whoever waits for one of its partitions look again. */
  changed(): void {
    for (const partition of this.partitions) partition.changed()
  }
}

/** The longest name of a topic, so that a folder may be named after it and its partition. */
const maxTopicNameLength = 249

/** Says why no topic may have this name, or undefined. */
export function complaintAboutTopicName(name: string): string | undefined {
  if (name === '') return 'a topic cannot have an empty name'
  if (name === '.' || name === '..') return `a topic cannot be named '${name}'`
  if (name.length > maxTopicNameLength)
    return `a topic's name has at most ${maxTopicNameLength} characters, not ${name.length}`
  return /^[a-zA-Z0-9._-]+$/.test(name)
    ? undefined
    : `the topic name '${name}' has characters other than letters and digits of ASCII, '.', '_' and '-'`
}

/** Names that differ only in '.' and '_' would share the names of their metrics, so Kafka has only one of them. */
export function collides(one: string, other: string): boolean {
  return one.replaceAll('.', '_') === other.replaceAll('.', '_')
}
