/** Many brokers made to look like one: finds the broker a request is for, and the connection to it. */

import type { Clock } from '../async/clock.ts'
import { Backoff } from '../async/backoff.ts'
import { systemDoors, type Doors } from '../async/doors.ts'
import type { Random } from '../async/random.ts'
import type { WaitOptions } from '../async/wait.ts'
import type { Logger } from '../diagnostics/logger.ts'
import type { KafkaError } from '../errors/kafka-error.ts'
import { IllegalStateError } from '../errors/errors.ts'
import type { TopicPartition } from '../model/topic-partition.ts'
import type { Api } from '../wire/api.ts'
import { readClusterOptions, type ClusterOptions, type ResolvedClusterOptions } from './cluster-options.ts'
import { MetadataSnapshot, type BrokerAddress, type TopicMetadata } from './metadata.ts'
import type { Remedy } from './remedy.ts'
import type { RequestInit, RetryOptions, SendOptions } from './send-options.ts'
import type { Target } from './target.ts'

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

export type MetadataListener = (snapshot: MetadataSnapshot, previous: MetadataSnapshot) => void

export class Cluster {
  readonly options: ResolvedClusterOptions
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger

  constructor(options: ClusterOptions = {}, doors: Doors = systemDoors) {
    this.options = readClusterOptions('Cluster', options)
    this.clock = doors.clock
    this.random = doors.random
    this.logger = this.options.logger
  }

  /** Connects: asks the bootstrap servers in turn until one answers. Calls share one attempt; a failed one may be repeated. */
  async start(_options: WaitOptions = {}): Promise<this> {
    throw new IllegalStateError('not yet')
  }

  /** The newest snapshot; `MetadataSnapshot.empty` before `start`. */
  get metadata(): MetadataSnapshot {
    return MetadataSnapshot.empty
  }

  /** Sends once. */
  async send<Request, Response>(
    _target: Target,
    _api: Api<Request, Response>,
    _request: RequestInit<Request>,
    _options?: SendOptions,
  ): Promise<Response> {
    throw new IllegalStateError('not yet')
  }

  async sendWithRetries<Request, Response>(
    _target: Target,
    _api: Api<Request, Response>,
    _request: RequestInit<Request>,
    _options?: RetryOptions<Response>,
  ): Promise<Response> {
    throw new IllegalStateError('not yet')
  }

  useTopics(_owner: object, _topics: Iterable<string> | 'all'): void {}

  async refreshMetadata(_options?: RefreshOptions): Promise<MetadataSnapshot> {
    throw new IllegalStateError('not yet')
  }

  async topic(_name: string, _options: TopicOptions): Promise<TopicMetadata> {
    throw new IllegalStateError('not yet')
  }

  onMetadata(_listener: MetadataListener): () => void {
    return () => {}
  }

  remedy(_target: Target, _error: KafkaError | number): Remedy {
    return 'none'
  }

  learnLeader(
    _partition: TopicPartition,
    _leader: { readonly leaderId: number; readonly leaderEpoch: number },
    _endpoints?: readonly BrokerAddress[],
  ): void {}

  newBackoff(): Backoff {
    return new Backoff({ initialMs: this.options.retryBackoffMs, maxMs: this.options.retryBackoffMaxMs }, this.random)
  }

  async close(): Promise<void> {}

  destroy(_reason?: Error): void {}

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
