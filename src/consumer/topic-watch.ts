/** Follows the topics that are wished for: turns a regular expression into names as topics come and go, and looks out for
 *  topics that do not exist yet. Says what they are, not who gets their partitions. */

import { Loop } from '../async/loop.ts'
import { Signal } from '../async/signal.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { MetadataSnapshot } from '../cluster/metadata.ts'
import { BrokerError, brokerErrorNumber } from '../errors/broker-error.ts'
import { KafkaError } from '../errors/kafka-error.ts'
import type { Wish } from './subscription-state.ts'

export interface TopicWatchOptions {
  readonly allowAutoTopicCreation: boolean
  readonly excludeInternalTopics: boolean
}

export interface TopicWatchEvents {
  /** `topics()` are others than before. */
  onChange(): void
  /** A topic that was asked for by name is refused; told once for each. */
  onRefused(error: KafkaError): void
  onFailure(error: unknown): void
}

/** Refusals that asking again does not change: the application must hear of them. */
const refusals: ReadonlySet<string> = new Set(['TOPIC_AUTHORIZATION_FAILED', 'INVALID_TOPIC_EXCEPTION'])

export class TopicWatch {
  readonly #cluster: Cluster
  readonly #options: TopicWatchOptions
  readonly #events: TopicWatchEvents
  readonly #bell: Signal
  readonly #loop: Loop
  #pattern: RegExp | undefined
  #topics: readonly string[] = []
  readonly #told = new Set<string>()
  /** Topics that did not exist, and of which the log knows. */
  readonly #noted = new Set<string>()
  #stopWatching: (() => void) | undefined

  constructor(cluster: Cluster, options: TopicWatchOptions, events: TopicWatchEvents) {
    this.#cluster = cluster
    this.#options = options
    this.#events = events
    this.#bell = new Signal(cluster.clock)
    this.#loop = new Loop({
      name: 'topic watch',
      run: (signal) => this.#findMissing(signal),
      onFailure: (error) => {
        events.onFailure(error)
      },
    })
  }

  start(): void {
    this.#loop.start()
    this.#stopWatching ??= this.#cluster.onMetadata((snapshot) => {
      this.#compare(snapshot)
    })
  }

  async stop(): Promise<void> {
    this.#stopWatching?.()
    this.#cluster.useTopics(this, [])
    await this.#loop.stop()
  }

  /** The names that are wished for, existing or not; for a regular expression those that exist and match. */
  topics(): readonly string[] {
    return this.#topics
  }

  /** @param assigned the topics of the partitions, when partitions are wished for */
  follow(wish: Wish, assigned: Iterable<string> = []): void {
    this.#told.clear()
    this.#noted.clear()
    if (wish.kind === 'pattern') {
      // Without its flags of state, which would make every other test fail.
      this.#pattern = new RegExp(wish.pattern.source, wish.pattern.flags.replace(/[gy]/g, ''))
      this.#topics = this.#matching(this.#cluster.metadata)
      this.#cluster.useTopics(this, 'all')
    } else {
      this.#pattern = undefined
      this.#topics = [...new Set(wish.kind === 'topics' ? wish.topics : assigned)]
      this.#cluster.useTopics(this, this.#topics)
    }
    this.#bell.ring()
  }

  #compare(snapshot: MetadataSnapshot): void {
    if (this.#pattern === undefined) {
      this.#tellRefusals(snapshot)
      this.#bell.ring()
      return
    }
    const matching = this.#matching(snapshot)
    if (matching.join('\n') === this.#topics.join('\n')) return
    this.#topics = matching
    this.#events.onChange()
  }

  #matching(snapshot: MetadataSnapshot): string[] {
    const names: string[] = []
    for (const { name, isInternal, partitions } of snapshot.topics.values()) {
      if (partitions.length === 0 || (isInternal && this.#options.excludeInternalTopics)) continue
      if (this.#pattern!.test(name)) names.push(name)
    }
    return names.sort()
  }

  #tellRefusals(snapshot: MetadataSnapshot): void {
    for (const name of this.#topics) {
      const error = snapshot.topics.get(name)?.error ?? 'NONE'
      if (!refusals.has(error) || this.#told.has(name)) continue
      this.#told.add(name)
      this.#events.onRefused(new BrokerError(brokerErrorNumber(error), `topic '${name}' cannot be read`))
    }
  }

  #missing(): string[] {
    const { metadata } = this.#cluster
    return this.#topics.filter((name) => metadata.partitionCount(name) === 0 && !this.#told.has(name))
  }

  /** A topic may be created at any moment; waiting for metadata to age would hide it for minutes. */
  async #findMissing(signal: AbortSignal): Promise<void> {
    const { clock, options, logger } = this.#cluster
    const backoff = this.#cluster.newBackoff()
    while (!signal.aborted) {
      const [name] = this.#missing()
      if (name === undefined) {
        backoff.reset()
        await this.#bell.wait(undefined, signal)
        continue
      }
      try {
        if (this.#options.allowAutoTopicCreation) {
          await this.#cluster.topic(name, {
            deadline: clock.now() + options.apiTimeoutMs,
            signal,
            allowAutoTopicCreation: true,
          })
        } else {
          await this.#cluster.refreshMetadata({ signal })
        }
      } catch (error) {
        if (signal.aborted) return
        if (!(error instanceof KafkaError)) throw error
        logger.debug(`topic '${name}' is not there yet: ${error.message}`)
      }
      const missing = this.#missing()
      for (const topic of missing) this.#note(topic)
      if (missing.length > 0) await this.#sleep(backoff.nextMs(), signal)
    }
  }

  /** Who waits for the records of a topic that does not exist waits in silence: the log should say so, once. */
  #note(topic: string): void {
    if (this.#noted.has(topic)) return
    this.#noted.add(topic)
    this.#cluster.logger.warn(`topic '${topic}' does not exist, or is not known yet: it is waited for`)
  }

  /** The bell rings with every snapshot, also with those that this loop asks for: only the time counts here. */
  async #sleep(waitMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#cluster
    const until = clock.now() + waitMs
    for (let left = waitMs; left > 0 && !signal.aborted; left = until - clock.now()) await this.#bell.wait(left, signal)
  }
}
