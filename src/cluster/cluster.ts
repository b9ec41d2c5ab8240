/** Many brokers made to look like one: finds the broker a request is for, and the connection to it. Knows what is asked of
 *  whom, and nothing of what the requests mean: it brings the snapshot, the pool and the coordinators together. */

import { setMaxListeners } from 'node:events'

import { Backoff } from '../async/backoff.ts'
import type { Clock } from '../async/clock.ts'
import { systemDoors, type Doors } from '../async/doors.ts'
import type { Random } from '../async/random.ts'
import { abortable, before, sleep, type WaitOptions } from '../async/wait.ts'
import { guardedLogger, type Logger } from '../diagnostics/logger.ts'
import { BrokerError, brokerErrorNumber } from '../errors/broker-error.ts'
import { ClosedError, ConnectionError, InvalidArgumentError, TimeoutError } from '../errors/errors.ts'
import { KafkaError } from '../errors/kafka-error.ts'
import type { TopicPartition } from '../model/topic-partition.ts'
import type { BrokerVersions } from '../network/api-versions.ts'
import type { Connection } from '../network/connection.ts'
import { topicNameComplaint } from '../options/topic-name.ts'
import type { Api } from '../wire/api.ts'
import { FindCoordinator } from '../wire/messages/find-coordinator.ts'
import { Metadata } from '../wire/messages/metadata.ts'
import { zeroUuid } from '../wire/primitives/uuid.ts'
import { Bootstrap } from './bootstrap.ts'
import { parseBootstrapServers } from './bootstrap-servers.ts'
import { BrokerPool } from './broker-pool.ts'
import { readClusterOptions, type ClusterOptions, type ResolvedClusterOptions } from './cluster-options.ts'
import { connectionOpener } from './connection-opener.ts'
import { Coordinators, describeCoordinated } from './coordinators.ts'
import { MetadataSnapshot, type BrokerAddress, type TopicMetadata } from './metadata.ts'
import { MetadataRefresher } from './metadata-refresher.ts'
import { askMetadata, metadataRequest, MetadataSource } from './metadata-source.ts'
import { isIncomplete, snapshotAfter, withBrokers, withLeader } from './metadata-update.ts'
import { remedyFor, remedyForCode, type Remedy } from './remedy.ts'
import type { RequestInit, RetryOptions, SendOptions } from './send-options.ts'
import type { Lane, Target } from './target.ts'
import { TopicsInUse } from './topics-in-use.ts'

export interface TopicOptions extends WaitOptions {
  /** When to give up, on the clock of `clock.now()`. */
  deadline: number
  /** Asks the broker to create the topic when it does not exist. Default false. */
  allowAutoTopicCreation?: boolean | undefined
}

export interface RefreshOptions extends WaitOptions {
  /** When to give up, on the clock of `clock.now()`. Default `apiTimeoutMs` from now. */
  deadline?: number | undefined
}

export interface VersionsOptions extends WaitOptions {
  /** The connection that is asked for. Default `shared`. */
  lane?: Lane | undefined
}

export type MetadataListener = (snapshot: MetadataSnapshot, previous: MetadataSnapshot) => void

/**
 * A Kafka cluster: its metadata, the connections to its brokers, and a way to send any request to the right one.
 *
 * Clients make one for themselves, or share one given as `cluster`; whoever makes it closes it.
 *
 * @example
 * ```ts
 * import { Cluster, Consumer, Producer } from 'jackdaw'
 *
 * const cluster = new Cluster({ bootstrapServers: 'localhost:9092' })
 * const producer = new Producer({ cluster })
 * const consumer = new Consumer({ cluster, groupId: 'billing' })
 * // … close both clients, then:
 * await cluster.close()
 * ```
 */
export class Cluster {
  /** The options with all defaults filled in. */
  readonly options: ResolvedClusterOptions
  readonly clock: Clock
  readonly random: Random
  /** The logger of the options, which may throw without harm. */
  readonly logger: Logger
  readonly #pool: BrokerPool
  readonly #bootstrap: Bootstrap
  readonly #source: MetadataSource
  readonly #coordinators: Coordinators
  readonly #topics = new TopicsInUse()
  readonly #listeners = new Set<MetadataListener>()
  /** Ends everything that waits, when the cluster does. */
  readonly #lifetime = new AbortController()
  #snapshot: MetadataSnapshot = MetadataSnapshot.empty
  #refresher: MetadataRefresher | undefined
  #starting: Promise<void> | undefined
  #closing: Promise<void> | undefined

  /** @throws InvalidOptionError for an unknown option or a wrong value */
  constructor(options: ClusterOptions = {}, doors: Doors = systemDoors) {
    this.options = readClusterOptions('Cluster', options)
    this.clock = doors.clock
    this.random = doors.random
    this.logger = guardedLogger(this.options.logger)
    setMaxListeners(0, this.#lifetime.signal)
    const opener = connectionOpener(this.options, doors)
    this.#pool = new BrokerPool({
      clock: this.clock,
      random: this.random,
      open: opener.openBroker,
      newReconnectBackoff: () =>
        new Backoff(
          { initialMs: this.options.reconnectBackoffMs, maxMs: this.options.reconnectBackoffMaxMs },
          this.random,
        ),
      onLost: (broker, reason) => {
        this.logger.debug(`the connection to broker ${broker.id} at ${broker.host}:${broker.port} ended: ${reason}`)
        this.#coordinators.forgetBroker(broker.id)
        this.#refresher?.request()
      },
    })
    this.#bootstrap = new Bootstrap({
      clock: this.clock,
      servers: parseBootstrapServers(this.options.bootstrapServers),
      timeoutMs: this.options.connectionSetupTimeoutMs,
      open: opener.openBootstrap,
      askMetadata: (connection, timeoutMs, signal) =>
        askMetadata(connection, this.#topics.union, { timeoutMs, signal }),
    })
    this.#source = new MetadataSource(this.#pool, this.#bootstrap, this.clock)
    this.#coordinators = new Coordinators({
      ask: (request) => this.send({ kind: 'any' }, FindCoordinator, request),
      onFound: (broker) => {
        this.#swap(withBrokers(this.#snapshot, [broker]))
      },
    })
  }

  /**
   * Connects: asks the bootstrap servers in turn until one answers with metadata. Calls share one attempt; a failed one
   * may be repeated, and leaves nothing behind. Everything else starts the cluster by itself.
   *
   * Rejects with a `ConnectionError` that lists what happened with each server, `AuthenticationError` when all of them
   * failed by that, `ClosedError`, or the signal's reason.
   */
  async start({ signal }: WaitOptions = {}): Promise<this> {
    this.#lifetime.signal.throwIfAborted()
    if (this.#refresher === undefined) {
      signal?.throwIfAborted()
      await abortable(this.#start(), { signal })
    }
    return this
  }

  /** The newest snapshot; `MetadataSnapshot.empty` before `start`. */
  get metadata(): MetadataSnapshot {
    return this.#snapshot
  }

  /** How many connections are open now. */
  get connectionCount(): number {
    return this.#pool.size
  }

  /**
   * Sends one request to where it belongs, once, and resolves to its answer, whatever error codes are in it.
   *
   * Rejects with `ConnectionError`, `TimeoutError`, `UnsupportedVersionError`, `ProtocolError`, `ClosedError`, with
   * `BrokerError` only when the leader or the coordinator could not be found, or with the signal's reason. When surely no
   * byte of it was sent, the error's `persistence` is `not-persisted`.
   *
   * @param request the message, or a function that makes it for the version this broker will get
   */
  send<Request, Response>(
    target: Target,
    api: Api<Request, Response>,
    request: RequestInit<Request>,
    options: SendOptions = {},
  ): Promise<Response> {
    try {
      const { lane = 'shared', signal } = options
      signal?.throwIfAborted()
      const connection = this.#connectionFor(target, lane)
      if (!(connection instanceof Promise)) return connection.send(api, request, options)
      return abortable(connection, { signal }).then((open) => open.send(api, request, options))
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  /**
   * What the broker for a target speaks, and at which levels the cluster runs its features, as this broker said when the
   * connection was opened; opens one when there is none.
   *
   * Rejects as `send` does.
   */
  async versions(target: Target, { lane = 'shared', signal }: VersionsOptions = {}): Promise<BrokerVersions> {
    signal?.throwIfAborted()
    const connection = await abortable(Promise.resolve(this.#connectionFor(target, lane)), { signal })
    return connection.versions
  }

  /**
   * Sends until it succeeds: between the attempts it backs off and does what the error asks for.
   *
   * Rejects with the error that trying again cannot cure, with `TimeoutError` at the deadline (its cause is the last
   * error), or with the signal's reason.
   *
   * @param options `errorCode` finds the code in the response; without it, any response is a success
   */
  async sendWithRetries<Request, Response>(
    target: Target,
    api: Api<Request, Response>,
    request: RequestInit<Request>,
    options: RetryOptions<Response> = {},
  ): Promise<Response> {
    const { deadline = this.clock.now() + this.options.apiTimeoutMs, errorCode, ...sendOptions } = options
    const { signal } = options
    const backoff = this.newBackoff()
    let lastError: KafkaError | undefined
    for (;;) {
      // The request itself keeps its own timeout: a caller who stops waiting must not cost others their connection.
      const attempt = this.send(target, api, request, sendOptions).then(
        (response) => ({ response }),
        (error: unknown) => ({ error }),
      )
      const outcome = await this.#beforeDeadline(attempt, {
        deadline,
        signal,
        what: `waiting for ${describe(target)} to answer ${api.name}`,
        cause: () => lastError,
      })
      if ('response' in outcome) {
        const code = errorCode?.(outcome.response) ?? 0
        if (code === 0) return outcome.response
        lastError = new BrokerError(code, `${describe(target)} refused ${api.name}`)
      } else if (outcome.error instanceof KafkaError) {
        lastError = outcome.error
      } else {
        throw outcome.error
      }
      if (this.remedy(target, lastError) === 'none') throw lastError
      const waitMs = backoff.nextMs()
      if (this.clock.now() + waitMs >= deadline) {
        throw new TimeoutError(`${api.name} did not succeed before its deadline: ${lastError.message}`, {
          cause: lastError,
        })
      }
      await this.#sleep(waitMs, signal)
    }
  }

  /**
   * Says which topics' metadata the owner needs kept fresh, in place of what it said before; empty for none. The metadata
   * of everything that some owner needs is fetched. Does not wait.
   */
  useTopics(owner: object, topics: Iterable<string> | 'all'): void {
    const { version } = this.#topics
    this.#topics.set(owner, topics)
    if (this.#topics.version !== version) this.#refresher?.topicsChanged()
  }

  /** Says that the owner needs one topic more than it said before. Does not wait. */
  useTopic(owner: object, topic: string): void {
    const { version } = this.#topics
    this.#topics.add(owner, topic)
    if (this.#topics.version !== version) this.#refresher?.topicsChanged()
  }

  /**
   * Asks for new metadata and resolves to it. All who ask while a request is under way share it, unless a topic came into
   * use since: then they share the next one. Goes on trying while no broker can be reached.
   *
   * Rejects with `TimeoutError` at the deadline (its cause is why the last attempt failed), with an error that trying
   * again cannot cure, or with the signal's reason.
   */
  async refreshMetadata({
    signal,
    deadline = this.clock.now() + this.options.apiTimeoutMs,
  }: RefreshOptions = {}): Promise<MetadataSnapshot> {
    let isOver = false
    const refresh = async (): Promise<MetadataSnapshot> => {
      if (this.#refresher === undefined) await this.#start()
      const refresher = this.#refresher!
      for (;;) {
        try {
          return await refresher.refresh()
        } catch (error) {
          const isFinal = error instanceof KafkaError && !error.retriable
          if (isOver || isFinal || refresher.hasStopped) throw error
        }
      }
    }
    try {
      return await this.#beforeDeadline(refresh(), {
        deadline,
        signal,
        what: 'waiting for metadata',
        cause: () => this.#refresher?.lastError,
      })
    } finally {
      isOver = true
    }
  }

  /**
   * Resolves to the topic's metadata once the topic is there with at least one partition.
   *
   * Rejects with `InvalidArgumentError` when it is no name at all, with `BrokerError` at once when the topic is not
   * allowed to us or the brokers find its name invalid, with
   * `UNKNOWN_TOPIC_OR_PARTITION` (or the code it had last) at the deadline, with `TimeoutError` when no broker answered
   * until then, or with the signal's reason.
   */
  async topic(
    name: string,
    { deadline, signal, allowAutoTopicCreation = false }: TopicOptions,
  ): Promise<TopicMetadata> {
    const known = this.#snapshot.topics.get(name)
    if (known !== undefined && isUsable(known)) return known
    const complaint = topicNameComplaint(name)
    if (complaint !== undefined) throw new InvalidArgumentError(`a topic ${complaint}`)
    const owner = {}
    this.useTopics(owner, [name])
    try {
      const backoff = this.newBackoff()
      let lastCode: number | undefined
      for (;;) {
        let snapshot: MetadataSnapshot
        try {
          snapshot = await this.refreshMetadata({ deadline, signal })
        } catch (error) {
          // Time was up while an answer was on its way that would hardly have been another one than the last.
          if (lastCode === undefined || !(error instanceof TimeoutError)) throw error
          throw new BrokerError(lastCode, `topic '${name}' did not appear in time`, { cause: error })
        }
        const topic = snapshot.topics.get(name)
        if (topic !== undefined && isUsable(topic)) return topic
        const code = topic === undefined || topic.error === 'NONE' ? 'UNKNOWN_TOPIC_OR_PARTITION' : topic.error
        lastCode = brokerErrorNumber(code)
        if (remedyForCode(lastCode) === 'none') throw new BrokerError(lastCode, `topic '${name}' cannot be used`)
        // Again at each attempt: the broker creates it in the background, and what it tried may have come to nothing.
        if (allowAutoTopicCreation && code === 'UNKNOWN_TOPIC_OR_PARTITION') {
          const refusal = await this.#createTopic(name, deadline, signal)
          if (refusal !== 0) throw new BrokerError(refusal, `topic '${name}' cannot be created`)
        }
        const waitMs = Math.min(backoff.nextMs(), deadline - this.clock.now())
        if (waitMs <= 0) throw new BrokerError(lastCode, `topic '${name}' did not appear in time`)
        await this.#sleep(waitMs, signal)
      }
    } finally {
      this.useTopics(owner, [])
    }
  }

  /** Calls the listener after each new snapshot, at once and in order of registration. Returns what takes it off again. */
  onMetadata(listener: MetadataListener): () => void {
    // A function of its own, so that one listener registered twice is told twice and taken off once.
    const registered: MetadataListener = (snapshot, previous) => {
      listener(snapshot, previous)
    }
    this.#listeners.add(registered)
    return () => {
      this.#listeners.delete(registered)
    }
  }

  /**
   * Does what a failed send or an error code asks for before another attempt: marks the metadata stale and wakes the
   * refresher, or forgets the coordinator. Does not wait.
   *
   * @returns what it was; `none` when trying again has no sense
   */
  remedy(target: Target, error: KafkaError | number): Remedy {
    const remedy = remedyFor(target, error)
    switch (remedy) {
      case 'refresh-metadata':
        this.#refresher?.request()
        break
      case 'find-coordinator':
        if (target.kind === 'coordinator') this.#coordinators.forget(target.of, target.key)
        break
      case 'rebootstrap':
        this.#source.rebootstrap()
        this.#refresher?.request()
        break
      case 'backoff':
      case 'none':
        break
      default:
        remedy satisfies never
    }
    return remedy
  }

  /**
   * Takes over a newer leader, by its epoch, that an answer to Produce or Fetch named (KIP-951).
   *
   * @param topicId the topic that the answer spoke of; of one that was deleted and made anew meanwhile it says nothing
   * @returns whether it was news
   */
  learnLeader(
    partition: TopicPartition,
    leader: { readonly leaderId: number; readonly leaderEpoch: number },
    endpoints: readonly BrokerAddress[] = [],
    topicId: string = zeroUuid,
  ): boolean {
    const { topic } = partition
    const current = this.#snapshot.topics.get(topic)?.topicId ?? zeroUuid
    if (topicId !== zeroUuid && current !== zeroUuid && topicId !== current) return false
    const epoch = this.#snapshot.leaderEpoch(topic, partition.partition)
    this.#swap(withLeader(this.#snapshot, partition, leader, endpoints))
    return this.#snapshot.leaderEpoch(topic, partition.partition) > epoch
  }

  /** Waits between attempts: `retryBackoffMs`, doubling, up to `retryBackoffMaxMs`. */
  newBackoff(): Backoff {
    return new Backoff({ initialMs: this.options.retryBackoffMs, maxMs: this.options.retryBackoffMaxMs }, this.random)
  }

  /** Takes no more requests, lets those that were sent be answered within `closeTimeoutMs`, and then gives up. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** Gives up at once: whatever waits rejects with `reason`, by default a `ClosedError`. Idempotent. */
  destroy(reason: Error = new ClosedError('the cluster was destroyed')): void {
    // Never rejects; who must know when all has ended calls close().
    const ended = this.#end(reason)
    this.#closing ??= ended
    this.#pool.destroy(reason)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const ended = this.#end(new ClosedError('the cluster is closed', { persistence: 'not-persisted' }))
    const deadline = this.clock.now() + this.options.closeTimeoutMs
    try {
      await before(this.#pool.close(), { clock: this.clock, deadline, what: 'closing the connections' })
    } catch {
      // Time is up: what is still in flight is given up below.
    }
    this.#pool.destroy(new ClosedError('the cluster was closed before the answer came'))
    await ended
  }

  /** Ends all that runs by itself. The promise never rejects. */
  async #end(reason: Error): Promise<void> {
    this.#lifetime.abort(reason)
    this.#bootstrap.close()
    await this.#refresher?.stop(reason)
  }

  #start(): Promise<void> {
    if (this.#starting === undefined) {
      this.#starting = this.#connect().finally(() => {
        if (this.#refresher === undefined) this.#starting = undefined
      })
      // Everyone who waits for it may have been cancelled meanwhile.
      this.#starting.catch(() => {})
    }
    return this.#starting
  }

  async #connect(): Promise<void> {
    const { signal } = this.#lifetime
    signal.throwIfAborted()
    const deadline = this.clock.now() + this.options.apiTimeoutMs
    const backoff = this.newBackoff()
    try {
      for (;;) {
        const topicsVersion = this.#topics.version
        const response = await this.#bootstrap.ask(signal)
        signal.throwIfAborted()
        if (response.brokers.length > 0) {
          this.#swap(snapshotAfter(response, this.#snapshot, (topic) => this.#topics.has(topic)))
          this.#refresher = this.#makeRefresher(topicsVersion)
          this.#refresher.start()
          return
        }
        // A cluster that is just being started: its first broker answers before it knows of any, itself included.
        const waitMs = backoff.nextMs()
        if (this.clock.now() + waitMs >= deadline) {
          const servers = String(this.options.bootstrapServers)
          throw new ConnectionError(`the bootstrap servers ${servers} answer, but know of no brokers`, {
            persistence: 'not-persisted',
          })
        }
        await sleep(this.clock, waitMs, { signal })
      }
    } catch (error) {
      this.#bootstrap.close()
      throw error
    }
  }

  #makeRefresher(topicsVersion: number): MetadataRefresher {
    const { metadataMaxAgeMs: maxAgeMs, retryBackoffMs: minIntervalMs } = this.options
    return new MetadataRefresher(
      {
        clock: this.clock,
        backoff: this.newBackoff(),
        maxAgeMs,
        minIntervalMs,
        topicsVersion: () => this.#topics.version,
        fetch: async (signal) => {
          const topics = this.#topics.union
          const response = await this.#source.ask(topics, signal)
          signal.throwIfAborted()
          this.#swap(snapshotAfter(response, this.#snapshot, (topic) => this.#topics.has(topic)))
          const snapshot = this.#snapshot
          return { snapshot, complete: topics === 'all' || !isIncomplete(snapshot, topics) }
        },
        onOutcome: (error, failuresInARow) => {
          if (failuresInARow === 1) this.logger.warn(`metadata could not be refreshed: ${messageOf(error)}`)
          else if (failuresInARow > 1) this.logger.debug(`metadata could still not be refreshed: ${messageOf(error)}`)
        },
      },
      topicsVersion,
    )
  }

  #swap(next: MetadataSnapshot | undefined): void {
    if (next === undefined || this.#lifetime.signal.aborted) return
    const previous = this.#snapshot
    if (previous.clusterId !== null && next.clusterId !== null && previous.clusterId !== next.clusterId) {
      this.logger.warn(`the cluster is another one now: ${next.clusterId} in place of ${previous.clusterId}`)
    }
    this.#snapshot = next
    this.#pool.setBrokers(next.brokers)
    for (const listener of [...this.#listeners]) {
      try {
        listener(next, previous)
      } catch (error) {
        // One listener's mistake must not keep the others from the news.
        this.logger.error(`a metadata listener threw: ${messageOf(error)}`)
      }
    }
  }

  /** The connection for a request; a promise only when something has to be found out or opened first. */
  #connectionFor(target: Target, lane: Lane): Connection | Promise<Connection> {
    this.#lifetime.signal.throwIfAborted()
    if (this.#refresher === undefined) return this.#start().then(() => this.#connectionFor(target, lane))
    switch (target.kind) {
      case 'leader':
        return this.#pool.connection(this.#leader(target.of), lane)
      case 'coordinator': {
        const id = this.#coordinators.find(target.of, target.key)
        if (typeof id === 'number') return this.#coordinatorConnection(target, id, lane)
        return id.then((found) => this.#coordinatorConnection(target, found, lane))
      }
      case 'controller':
        return this.#pool.connection(this.#controller(), lane)
      case 'broker':
        if (!this.#snapshot.brokers.has(target.id)) this.#refresher.request()
        return this.#pool.connection(target.id, lane)
      case 'any':
        return this.#pool.connection(this.#anyBroker(lane), lane)
      default:
        return target satisfies never
    }
  }

  #coordinatorConnection(
    { of, key }: Extract<Target, { kind: 'coordinator' }>,
    id: number,
    lane: Lane,
  ): Connection | Promise<Connection> {
    // Metadata that came meanwhile may not have the broker any more that was found a while ago.
    if (!this.#snapshot.brokers.has(id)) this.#coordinators.forget(of, key)
    return this.#pool.connection(id, lane)
  }

  #leader({ topic, partition }: TopicPartition): number {
    const id = this.#snapshot.leader(topic, partition)
    if (id >= 0) return id
    this.#refresher?.request()
    const exists = this.#snapshot.topics.get(topic)?.partitions[partition] !== undefined
    throw new BrokerError(
      brokerErrorNumber(exists ? 'LEADER_NOT_AVAILABLE' : 'UNKNOWN_TOPIC_OR_PARTITION'),
      exists
        ? `partition ${partition} of '${topic}' has no leader`
        : `there is no partition ${partition} of '${topic}'`,
      { persistence: 'not-persisted' },
    )
  }

  #controller(): number {
    const { controllerId } = this.#snapshot
    if (controllerId >= 0) return controllerId
    this.#refresher?.request()
    throw new ConnectionError('the cluster has no controller now', { persistence: 'not-persisted' })
  }

  #anyBroker(lane: Lane): number {
    const id = this.#pool.anyBroker(lane, { evenIfFailing: true })
    if (id !== undefined) return id
    throw new ConnectionError('no broker of the cluster is known', { persistence: 'not-persisted' })
  }

  /**
   * Asking for metadata is how a client has a topic created. Resolves to the code of a refusal, which only this answer
   * has, or 0: whatever else the broker says of the topic, the next refresh says again.
   */
  async #createTopic(name: string, deadline: number, signal: AbortSignal | undefined): Promise<number> {
    const { topics } = await this.sendWithRetries(
      { kind: 'any' },
      Metadata,
      (version) => metadataRequest(new Set([name]), true, version),
      { deadline, signal },
    )
    const { errorCode = 0 } = topics.find((topic) => topic.name === name) ?? {}
    return finalRefusals.has(errorCode) ? errorCode : 0
  }

  /** Sleeps, but not beyond the cluster's end. */
  async #sleep(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
    await abortable(sleep(this.clock, delayMs, { signal: this.#lifetime.signal }), { signal })
  }

  /** Waits until the deadline, and rejects with a `TimeoutError` then that tells why it took so long. */
  async #beforeDeadline<T>(
    promise: Promise<T>,
    {
      deadline,
      signal,
      what,
      cause,
    }: { deadline: number; signal: AbortSignal | undefined; what: string; cause: () => unknown },
  ): Promise<T> {
    const outcome = promise.then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    )
    let result: { value: T } | { error: unknown }
    try {
      result = await before(outcome, { clock: this.clock, deadline, signal, what })
    } catch (error) {
      // Only the deadline and the signal reject here.
      const reason = cause()
      if (!(error instanceof TimeoutError) || signal?.aborted || reason === undefined) throw error
      throw new TimeoutError(`${error.message}: ${messageOf(reason)}`, { cause: reason })
    }
    if ('error' in result) throw result.error
    return result.value
  }
}

/** What a broker says of a topic that it does not create, and will not. Other codes pass: too few brokers, for instance. */
const finalRefusals: ReadonlySet<number> = new Set([
  brokerErrorNumber('TOPIC_AUTHORIZATION_FAILED'),
  brokerErrorNumber('INVALID_TOPIC_EXCEPTION'),
])

function isUsable({ error, partitions }: TopicMetadata): boolean {
  return error === 'NONE' && partitions.length > 0
}

function describe(target: Target): string {
  switch (target.kind) {
    case 'leader':
      return `the leader of partition ${target.of.partition} of '${target.of.topic}'`
    case 'coordinator':
      return `the coordinator of ${describeCoordinated(target.of, target.key)}`
    case 'controller':
      return 'the controller'
    case 'broker':
      return `broker ${target.id}`
    case 'any':
      return 'the cluster'
    default:
      return target satisfies never
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
