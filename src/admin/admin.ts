/** Administering a cluster: topics, partitions, settings. This class only delegates: each subject has its own file,
 *  loaded when it is first used, so that who only produces and consumes does not pay for it. */

import { Deferred } from '../async/deferred.ts'
import { systemDoors, type Doors } from '../async/doors.ts'
import { before, type WaitOptions } from '../async/wait.ts'
import { clusterFor, type ClientOptions } from '../cluster/client.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { ClosedError, InvalidArgumentError } from '../errors/errors.ts'
import { quote } from '../options/option-table.ts'
import type { AdminCall, AdminCallOptions } from './admin-call.ts'
import type {
  ConfigAlteration,
  IncrementalAlterConfigsOptions,
  IncrementalAlterConfigsResult,
} from './alter-configs.ts'
import type { CreatePartitionsOptions, CreatePartitionsResult, NewPartitions } from './create-partitions.ts'
import type { CreateTopicResult, CreateTopicsOptions, NewTopic } from './create-topics.ts'
import type { DeleteTopicResult, DeleteTopicsOptions } from './delete-topics.ts'
import type { ClusterDescription, DescribeClusterOptions } from './describe-cluster.ts'
import type { ConfigQuery, DescribeConfigsOptions, DescribeConfigsResult } from './describe-configs.ts'
import type { DescribeTopicResult, DescribeTopicsOptions } from './describe-topics.ts'
import type { ListTopicsOptions, TopicListing } from './list-topics.ts'
import type { TopicReference } from './topic-names.ts'

/** The connection options, or `{ cluster }` to share one. */
export type AdminOptions = ClientOptions<object>

/**
 * Looks after a cluster's topics, partitions and settings.
 *
 * Every method that takes a list gives back one {@link Result} per entry, in the order of the entries: each has `error`,
 * null when all is well, beside what was asked for. An entity's failure is its own: the call itself rejects only when
 * nothing could be asked at all, when its deadline passed before any answer (`TimeoutError`), or with `signal.reason`.
 * What may succeed when tried again is tried again, for those entities only, until `timeoutMs` (default `apiTimeoutMs`)
 * has passed. A wrong argument rejects with `InvalidArgumentError` before anything is sent.
 *
 * A change whose answer was lost with its connection is asked for again, so that a topic which this very call created
 * may be answered with `TOPIC_ALREADY_EXISTS`.
 *
 * @example
 * ```ts
 * const admin = new Admin({ bootstrapServers: 'localhost:9092' })
 * for (const { name, error } of await admin.createTopics([{ name: 'orders', partitions: 6 }, { name: 'bills' }])) {
 *   console.log(name, error === null ? 'created' : error.message)
 * }
 * await admin.close()
 * ```
 */
export class Admin {
  readonly #cluster: Cluster
  readonly #owned: boolean
  readonly #running = new Map<AbortController, Promise<void>>()
  #closing: Promise<void> | undefined

  /** @throws InvalidOptionError for an unknown, wrong or contradictory option */
  constructor(options: AdminOptions = {}, doors: Doors = systemDoors) {
    const { cluster, owned } = clusterFor<object>('Admin', options, {}, doors)
    this.#cluster = cluster
    this.#owned = owned
  }

  /** Connects, and resolves to this. Every method does it when it was not done before. */
  async start(options: WaitOptions = {}): Promise<this> {
    this.#refuseWhenClosed()
    await this.#cluster.start(options)
    return this
  }

  /** Creates topics. From CreateTopics (KIP-4, KIP-464, KIP-525). */
  createTopics(topics: readonly NewTopic[], options: CreateTopicsOptions = {}): Promise<CreateTopicResult[]> {
    return this.#run('creating topics', options, async (call) => {
      const { createTopics } = await import('./create-topics.ts')
      return createTopics(call, topics, options)
    })
  }

  /** Deletes topics with all their records, by name or `{ topicId }`. From DeleteTopics (KIP-4, KIP-516). */
  deleteTopics(topics: readonly TopicReference[], options: DeleteTopicsOptions = {}): Promise<DeleteTopicResult[]> {
    return this.#run('deleting topics', options, async (call) => {
      const { deleteTopics } = await import('./delete-topics.ts')
      return deleteTopics(call, topics, options)
    })
  }

  /** The topics that there are and that we may see, by name. */
  listTopics(options: ListTopicsOptions = {}): Promise<TopicListing[]> {
    return this.#run('listing topics', options, async (call) => {
      const { listTopics } = await import('./list-topics.ts')
      return listTopics(call, options)
    })
  }

  /** What topics are made of, by name or `{ topicId }`: their partitions, and which nodes lead and keep each. */
  describeTopics(
    topics: readonly TopicReference[],
    options: DescribeTopicsOptions = {},
  ): Promise<DescribeTopicResult[]> {
    return this.#run('describing topics', options, async (call) => {
      const { describeTopics } = await import('./describe-topics.ts')
      return describeTopics(call, topics, options)
    })
  }

  /** Gives topics more partitions. Records keep their partition; keys may map to others from then on (KIP-195). */
  createPartitions(
    topics: readonly NewPartitions[],
    options: CreatePartitionsOptions = {},
  ): Promise<CreatePartitionsResult[]> {
    return this.#run('creating partitions', options, async (call) => {
      const { createPartitions } = await import('./create-partitions.ts')
      return createPartitions(call, topics, options)
    })
  }

  /** The cluster's id, brokers and controller. From DescribeCluster (KIP-700). */
  describeCluster(options: DescribeClusterOptions = {}): Promise<ClusterDescription> {
    return this.#run('describing the cluster', options, async (call) => {
      const { describeCluster } = await import('./describe-cluster.ts')
      return describeCluster(call, options)
    })
  }

  /** The settings of topics, brokers, brokers' loggers, client metrics and groups. From DescribeConfigs (KIP-133). */
  describeConfigs(
    resources: readonly ConfigQuery[],
    options: DescribeConfigsOptions = {},
  ): Promise<DescribeConfigsResult[]> {
    return this.#run('describing configs', options, async (call) => {
      const { describeConfigs } = await import('./describe-configs.ts')
      return describeConfigs(call, resources, options)
    })
  }

  /** Changes single settings and leaves the others as they are. From IncrementalAlterConfigs (KIP-339, Kafka 2.3). */
  incrementalAlterConfigs(
    resources: readonly ConfigAlteration[],
    options: IncrementalAlterConfigsOptions = {},
  ): Promise<IncrementalAlterConfigsResult[]> {
    return this.#run('altering configs', options, async (call) => {
      const { incrementalAlterConfigs } = await import('./alter-configs.ts')
      return incrementalAlterConfigs(call, resources, options)
    })
  }

  /**
   * Lets running calls end, within `closeTimeoutMs`, then gives up on them; closes the connections unless the `Cluster`
   * was given. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** Gives up on everything at once: running calls reject with `reason`. Idempotent. */
  destroy(reason: Error = new ClosedError('the Admin was destroyed')): void {
    this.#closing ??= Promise.resolve()
    for (const abort of this.#running.keys()) abort.abort(reason)
    if (this.#owned) this.#cluster.destroy(reason)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const { clock, options } = this.#cluster
    const wait = { clock, deadline: clock.now() + options.closeTimeoutMs, what: 'closing the Admin' }
    try {
      await before(Promise.all(this.#running.values()), wait)
    } catch {
      // Out of time, which is what the calls are told now; it is no failure of closing.
      const reason = new ClosedError('the Admin was closed before the call had its answer')
      for (const abort of this.#running.keys()) abort.abort(reason)
    }
    if (this.#owned) await this.#cluster.close()
  }

  async #run<T>(what: string, options: AdminCallOptions, subject: (call: AdminCall) => Promise<T>): Promise<T> {
    this.#refuseWhenClosed()
    const { timeoutMs, signal } = readCallOptions(options)
    signal?.throwIfAborted()
    const abort = new AbortController()
    const onAbort = (): void => {
      abort.abort(signal!.reason)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    const ended = new Deferred<void>()
    this.#running.set(abort, ended.promise)
    try {
      const { AdminCall } = await import('./admin-call.ts')
      const ms = timeoutMs ?? this.#cluster.options.apiTimeoutMs
      return await subject(new AdminCall(this.#cluster, what, { timeoutMs: ms, signal: abort.signal }))
    } finally {
      signal?.removeEventListener('abort', onAbort)
      this.#running.delete(abort)
      ended.resolve()
    }
  }

  #refuseWhenClosed(): void {
    if (this.#closing !== undefined) throw new ClosedError('the Admin is closed')
  }
}

function readCallOptions(options: AdminCallOptions): AdminCallOptions {
  if (typeof options !== 'object' || options === null) {
    throw new InvalidArgumentError(`the options of a call must be an object, not ${quote(options)}`)
  }
  const { timeoutMs, signal } = options
  if (timeoutMs !== undefined && !(Number.isFinite(timeoutMs) && timeoutMs > 0)) {
    throw new InvalidArgumentError(`option 'timeoutMs' must be a number of ms above 0, not ${quote(timeoutMs)}`)
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new InvalidArgumentError(`option 'signal' must be an AbortSignal, not ${quote(signal)}`)
  }
  return { timeoutMs, signal }
}
