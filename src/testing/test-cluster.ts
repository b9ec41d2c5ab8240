/** The in-process cluster as tests see it: starts brokers, says where they are, moves leaders and coordinators, kills and
 *  revives, puts controls before the handlers, and shows what is in the logs and the groups. What brokers do is elsewhere. */

import { systemClock } from '../async/clock.ts'
import { systemRandom } from '../async/random.ts'
import { guardedLogger, silentLogger } from '../diagnostics/logger.ts'
import { ClosedError, InvalidArgumentError, InvalidOptionError } from '../errors/errors.ts'
import { readOptions } from '../options/option-table.ts'
import type { Api } from '../wire/api.ts'
import { Broker, type SharedByBrokers } from './broker.ts'
import { BrokerProperties } from './broker-properties.ts'
import { ClusterState, groupsTopic, transactionsTopic, type BrokerEntry } from './cluster-state.ts'
import { Controls, type Control, type ControlOptions } from './controls.ts'
import { complaintAbout, topicConfigs } from './configs.ts'
import { GroupCoordinator } from './groups/group-coordinator.ts'
import { handlers, servedVersions } from './handlers/registry.ts'
import {
  describeGroup,
  describeTopic,
  describeTransaction,
  type TestBroker,
  type TestGroup,
  type TestTopic,
  type TestTransaction,
} from './inspection.ts'
import { listenOnSocket } from './listener.ts'
import { RequestLog, type SeenRequest } from './request-log.ts'
import { testClusterOptions, type TestClusterOptions, type TestTopicOptions } from './test-cluster-options.ts'
import { complaintAboutTopicName, type Partition, type Topic } from './topics.ts'
import type { MarkerFilter } from './transaction-coordination/marker-writer.ts'
import { TransactionCoordinator } from './transaction-coordination/transaction-coordinator.ts'

export class TestCluster {
  readonly #state: ClusterState
  readonly #groups: GroupCoordinator
  readonly #transactions: TransactionCoordinator
  readonly #controls = new Controls()
  readonly #requests: RequestLog
  readonly #shared: SharedByBrokers
  readonly #brokers = new Map<number, Broker>()
  readonly #host: string
  #connections = 0
  #closed: Promise<void> | undefined

  private constructor(given: TestClusterOptions) {
    const options = readOptions<
      TestClusterOptions,
      'brokers' | 'host' | 'port' | 'keepRequests' | 'transactionVersion'
    >('TestCluster', testClusterOptions, given)
    const random = options.random ?? systemRandom
    this.#host = options.host
    this.#state = new ClusterState({
      clusterId: options.clusterId ?? Buffer.from(random.uuid().replaceAll('-', ''), 'hex').toString('base64url'),
      properties: new BrokerProperties(options.properties ?? {}),
      clock: options.clock ?? systemClock,
      random,
      logger: guardedLogger(options.logger ?? silentLogger),
      maxLogBytes: options.maxLogBytes ?? Infinity,
    })
    this.#groups = new GroupCoordinator(this.#state)
    this.#transactions = new TransactionCoordinator({
      state: this.#state,
      groups: this.#groups,
      transactionVersion: options.transactionVersion,
    })
    this.#requests = new RequestLog(options.keepRequests)
    this.#shared = {
      state: this.#state,
      groups: this.#groups,
      transactions: this.#transactions,
      controls: this.#controls,
      requests: this.#requests,
      listen: options.listen ?? listenOnSocket,
      served: narrowed(options.versions ?? {}),
      nextConnectionId: () => ++this.#connections,
    }
    for (let index = 0; index < options.brokers; index++) {
      const host = options.hosts?.[index] ?? options.host
      this.#enter(host, options.port === 0 ? 0 : options.port + index, options.racks?.[index] ?? null)
    }
    for (const [name, topic] of Object.entries(options.topics ?? {})) {
      this.createTopic(name, typeof topic === 'number' ? { partitions: topic } : topic)
    }
  }

  /**
   * Starts a cluster, whose brokers listen when this resolves.
   *
   * Rejects with `InvalidOptionError` for options that make no sense, and as the system does when a port cannot be had.
   *
   * @example
   * ```ts
   * import { TestCluster } from 'jackdaw/testing'
   *
   * const cluster = await TestCluster.start({ brokers: 3, topics: { orders: 6 } })
   * console.log(cluster.bootstrapServers)
   * await cluster.close()
   * ```
   */
  static async start(options: TestClusterOptions = {}): Promise<TestCluster> {
    const cluster = new TestCluster(options)
    try {
      for (const broker of cluster.#brokers.values()) await broker.start()
    } catch (error) {
      await cluster.close()
      throw error
    }
    return cluster
  }

  /** All brokers, also those that are down, as `host:port` with commas between them. */
  get bootstrapServers(): string {
    return Array.from(this.#brokers.values(), ({ entry }) => addressOf(entry)).join(',')
  }

  get clusterId(): string {
    return this.#state.clusterId
  }

  /** The brokers there are, up or down. */
  get brokers(): TestBroker[] {
    return Array.from(this.#brokers.values(), (broker) => ({
      id: broker.entry.id,
      address: addressOf(broker.entry),
      isUp: broker.entry.isUp,
      connections: broker.connectionCount,
    }))
  }

  // --- topics

  /**
   * Makes a topic at once, without a request.
   *
   * @throws InvalidArgumentError when there is one of the name, or the name or the configs are not Kafka's
   */
  createTopic(name: string, { partitions, replicationFactor, configs = {} }: TestTopicOptions = {}): void {
    const state = this.#state
    const complaint = complaintAboutTopicName(name)
    if (complaint !== undefined) throw new InvalidArgumentError(complaint)
    if (state.topic(name) !== undefined) throw new InvalidArgumentError(`there is a topic '${name}' already`)
    const count = partitions ?? state.properties.number('num.partitions')
    const replicas = replicationFactor ?? state.defaultReplicationFactor
    if (!Number.isInteger(count) || count < 1)
      throw new InvalidArgumentError(`'${name}' cannot have ${count} partitions`)
    if (!Number.isInteger(replicas) || replicas < 1 || replicas > state.brokers.size) {
      throw new InvalidArgumentError(`'${name}' cannot have ${replicas} replicas on ${state.brokers.size} brokers`)
    }
    const checked = new Map<string, string>()
    for (const [config, value] of Object.entries(configs)) {
      const definition = Object.hasOwn(topicConfigs, config) ? topicConfigs[config]! : undefined
      if (definition === undefined) throw new InvalidArgumentError(`topics have no config '${config}'`)
      const wrong = complaintAbout(definition, String(value))
      if (wrong !== undefined) throw new InvalidArgumentError(`the config '${config}' ${wrong}, not '${value}'`)
      checked.set(config, String(value))
    }
    state.createTopic(name, state.placeReplicas(count, replicas), checked)
  }

  /** Deletes a topic at once, with what was committed for it. */
  deleteTopic(name: string): void {
    this.#state.deleteTopic(this.#topic(name))
    this.#groups.topicDeleted(name)
  }

  /** A topic as it is now: its partitions, their leaders, their logs. Undefined when there is none. */
  topic(name: string): TestTopic | undefined {
    const topic = this.#state.topic(name)
    return topic === undefined ? undefined : describeTopic(topic)
  }

  /** The names of all topics that are not Kafka's own. */
  get topicNames(): string[] {
    return this.#state.topics.filter(({ isInternal }) => !isInternal).map(({ name }) => name)
  }

  // --- leaders

  /** The broker that leads a partition; -1 when none can. */
  leaderOf(topic: string, partition: number): number {
    return this.#partition(topic, partition).leaderId
  }

  /** Makes a broker the leader of a partition, in the next leader epoch. It gets a replica if it has none. */
  moveLeader(topic: string, partition: number, to: number): void {
    const found = this.#partition(topic, partition)
    this.#live(to)
    this.#state.moveLeader(found, to)
  }

  /** The broker that coordinates a group; -1 when none can. */
  coordinatorOf(groupId: string): number {
    return this.#state.coordinatingPartition(groupsTopic, groupId).leaderId
  }

  /**
   * Makes a broker the coordinator of a group, and of those that share its partition of the offsets topic. Members keep their
   * ids and generation; a rebalance that was under way begins anew.
   *
   * @param options `loadingMs`: how long the new one answers COORDINATOR_LOAD_IN_PROGRESS; 0 by default
   */
  moveCoordinator(groupId: string, to: number, { loadingMs = 0 }: { loadingMs?: number } = {}): void {
    this.#live(to)
    this.#state.moveLeader(this.#state.coordinatingPartition(groupsTopic, groupId), to)
    if (loadingMs > 0) this.#groups.load(groupId, loadingMs)
  }

  /** A group as its coordinator sees it: state, members, offsets. Undefined when there is none. */
  group(groupId: string): TestGroup | undefined {
    const group = this.#groups.group(groupId)
    return group === undefined ? undefined : describeGroup(groupId, group)
  }

  get groupIds(): string[] {
    return this.#groups.groupIds
  }

  // --- transactions

  /** A transactional id as its coordinator sees it: producer, state, partitions. Undefined when nobody has taken it. */
  transaction(transactionalId: string): TestTransaction | undefined {
    const transaction = this.#transactions.transaction(transactionalId)
    return transaction === undefined ? undefined : describeTransaction(transaction)
  }

  get transactionalIds(): string[] {
    return this.#transactions.all.map(({ transactionalId }) => transactionalId)
  }

  /** The broker that coordinates a transactional id; -1 when none can. */
  transactionCoordinatorOf(transactionalId: string): number {
    return this.#state.coordinatingPartition(transactionsTopic, transactionalId).leaderId
  }

  /**
   * Makes a broker the coordinator of a transactional id, and of those that share its partition of the transactions topic.
   * Open transactions stay open, and markers that are being written go on being written.
   *
   * @param options `loadingMs`: how long the new one answers COORDINATOR_LOAD_IN_PROGRESS; 0 by default
   */
  moveTransactionCoordinator(
    transactionalId: string,
    to: number,
    { loadingMs = 0 }: { loadingMs?: number } = {},
  ): void {
    this.#live(to)
    this.#state.moveLeader(this.#state.coordinatingPartition(transactionsTopic, transactionalId), to)
    if (loadingMs > 0) this.#transactions.load(transactionalId, loadingMs)
  }

  /**
   * Holds back the markers that end transactions: all, or those of a transactional id, of a topic, of a partition. A transaction
   * whose markers are held is decided and not complete: its coordinator answers CONCURRENT_TRANSACTIONS, and readers of
   * committed records wait.
   *
   * @returns a function that has them written
   *
   * @example
   * ```ts
   * import { TestCluster } from 'jackdaw/testing'
   *
   * const cluster = await TestCluster.start({ topics: { orders: 2 } })
   * const release = cluster.holdMarkers({ topic: 'orders', partition: 1 })
   * // … a transaction over both partitions is committed: partition 0 shows it, partition 1 does not yet
   * release()
   * await cluster.close()
   * ```
   */
  holdMarkers(filter: MarkerFilter = {}): () => void {
    return this.#transactions.markers.hold({ ...filter })
  }

  /**
   * Has the time of an open transaction be over: it is aborted, and its producer fenced.
   *
   * @throws InvalidArgumentError when none is open
   */
  expireTransaction(transactionalId: string): void {
    if (!this.#transactions.expire(transactionalId)) {
      throw new InvalidArgumentError(`'${transactionalId}' has no open transaction`)
    }
  }

  /** Has a topic's partitions forget a producer, or all, as they do with those that write nothing for a day: whoever comes then
   *  may begin with any sequence number. Those with an open transaction are remembered. */
  forgetProducers(topic: string, { producerId }: { producerId?: number } = {}): void {
    for (const { producers } of this.#topic(topic).partitions) producers.forget(producerId)
  }

  // --- brokers

  /** Crashes a broker: its connections end, and what it led is led by the next replica in sync, if one is up. */
  async kill(brokerId: number): Promise<void> {
    const broker = this.#live(brokerId)
    // Its connections end before anybody else learns of it, as with a process that dies.
    const stopped = broker.stop()
    this.#state.brokerDown(brokerId)
    await stopped
  }

  /** Brings a broker back that was killed, on the port it had. It catches up at once, and leads what nobody leads. */
  async restart(brokerId: number): Promise<void> {
    this.#open()
    const broker = this.#broker(brokerId)
    if (broker.entry.isUp) throw new InvalidArgumentError(`broker ${brokerId} is up`)
    await broker.start()
    this.#state.brokerUp(brokerId)
  }

  /** Adds a broker and resolves to its id. It leads nothing until topics are made or leaders moved. */
  async addBroker({
    host = this.#host,
    port = 0,
    rack = null,
  }: { host?: string; port?: number; rack?: string | null } = {}): Promise<number> {
    this.#open()
    const broker = this.#enter(host, port, rack)
    try {
      await broker.start()
    } catch (error) {
      this.#brokers.delete(broker.entry.id)
      this.#state.brokers.delete(broker.entry.id)
      throw error
    }
    return broker.entry.id
  }

  /** Ends the connections of one broker, or of all, which stay up. */
  dropConnections(brokerId?: number): void {
    const brokers = brokerId === undefined ? this.#brokers.values() : [this.#broker(brokerId)]
    for (const broker of brokers) broker.dropConnections()
  }

  // --- requests

  /**
   * Puts a control before the handler of an API: it answers the next request, or with `{ keep: true }` all of them.
   *
   * A control that says undefined has nothing to say: the request goes on to the next control or the real handler, and the
   * control stays. Several are asked in the order they were made.
   *
   * @returns a function that takes it away
   *
   * @example
   * ```ts
   * import { TestCluster } from 'jackdaw/testing'
   * import { Produce } from 'jackdaw/wire'
   *
   * const cluster = await TestCluster.start()
   * cluster.control(Produce, () => ({ errorCode: 'NOT_LEADER_OR_FOLLOWER' }))
   * cluster.control(Produce, async (request, { delay }) => {
   *   await delay(50)
   *   return request.acks === 0 ? undefined : 'drop'
   * })
   * await cluster.close()
   * ```
   */
  control<Request, Response>(
    api: Api<Request, Response>,
    control: Control<Request, Response>,
    options: ControlOptions = {},
  ): () => void {
    if (options.broker !== undefined) this.#broker(options.broker)
    return this.#controls.add(api, control, options)
  }

  /** The latest requests that brokers read, oldest first: all, or those of one API. */
  requests(): SeenRequest[]
  requests<Request>(api: Api<Request, unknown>): SeenRequest<Request>[]
  requests(api?: Api<unknown, unknown>): SeenRequest[] {
    return this.#requests.of(api)
  }

  /**
   * Resolves once brokers have read so many requests of an API since the start.
   *
   * Rejects with `signal.reason`.
   */
  async untilRequested<Request>(
    api: Api<Request, unknown>,
    count = 1,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<void> {
    await this.#requests.untilCount(api.key, count, signal)
  }

  // --- the end

  /** Ends all brokers and their connections. What was stored is gone. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#controls.clear()
    const stopped = Array.from(this.#brokers.values(), (broker) => broker.stop())
    this.#groups.close()
    this.#transactions.close()
    await Promise.all(stopped)
  }

  #enter(host: string, port: number, rack: string | null): Broker {
    const id = Math.max(0, ...this.#brokers.keys()) + 1
    const entry: BrokerEntry = { id, host, port, rack, isUp: true }
    const broker = new Broker(entry, this.#shared)
    this.#state.brokers.set(id, entry)
    this.#brokers.set(id, broker)
    return broker
  }

  #open(): void {
    if (this.#closed !== undefined) throw new ClosedError('the cluster was closed')
  }

  #broker(id: number): Broker {
    const broker = this.#brokers.get(id)
    if (broker === undefined) throw new InvalidArgumentError(`there is no broker ${id}`)
    return broker
  }

  #live(id: number): Broker {
    const broker = this.#broker(id)
    if (!broker.entry.isUp) throw new InvalidArgumentError(`broker ${id} is down`)
    return broker
  }

  #topic(name: string): Topic {
    const topic = this.#state.topic(name)
    if (topic === undefined) throw new InvalidArgumentError(`there is no topic '${name}'`)
    return topic
  }

  #partition(topic: string, index: number): Partition {
    const partition = this.#topic(topic).partitions[index]
    if (partition === undefined) throw new InvalidArgumentError(`'${topic}' has no partition ${index}`)
    return partition
  }
}

function addressOf({ host, port }: BrokerEntry): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** The versions to serve: ours, with the given ones in their place. Throws `InvalidOptionError`. */
function narrowed(
  versions: Readonly<Record<string, readonly [number, number] | null>>,
): ReadonlyMap<number, readonly [number, number]> {
  const served = servedVersions()
  for (const [name, range] of Object.entries(versions)) {
    const handler = handlers.find(({ api }) => api.name === name)
    if (handler === undefined) {
      const names = handlers.map(({ api }) => api.name).join(', ')
      throw new InvalidOptionError('versions', `the in-process cluster does not serve '${name}'; it serves ${names}`)
    }
    if (range === null) {
      served.delete(handler.api.key)
      continue
    }
    const [least, most] = served.get(handler.api.key)!
    const isRange = Array.isArray(range) && range.length === 2 && range.every(Number.isInteger) && range[0] <= range[1]
    if (!isRange || range[0] < least || range[1] > most) {
      throw new InvalidOptionError('versions', `the versions of '${name}' must be a range within ${least} to ${most}`)
    }
    served.set(handler.api.key, range)
  }
  return served
}
