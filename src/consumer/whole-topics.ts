/** The membership of a consumer without a group: every partition of every topic is ours, and new ones become so. */

import { Loop } from '../async/loop.ts'
import { Signal } from '../async/signal.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { IllegalStateError } from '../errors/errors.ts'
import type { LeaveOptions, Membership, MembershipHost, MembershipMetrics } from '../group/membership.ts'
import type { ConsumerGroupMetadata } from '../model/consumer-group-metadata.ts'
import type { TopicPartition } from '../model/topic-partition.ts'

export class WholeTopics implements Membership {
  readonly metrics: MembershipMetrics = { rebalances: 0, heartbeats: 0, failedHeartbeats: 0 }
  readonly #cluster: Cluster
  readonly #host: MembershipHost
  readonly #bell: Signal
  readonly #loop: Loop
  #stopWatching: (() => void) | undefined
  #state = 'unassigned'

  constructor(cluster: Cluster, host: MembershipHost, onFailure: (error: unknown) => void) {
    this.#cluster = cluster
    this.#host = host
    this.#bell = new Signal(cluster.clock)
    this.#loop = new Loop({ name: 'partitions of whole topics', run: (signal) => this.#follow(signal), onFailure })
  }

  get state(): string {
    return this.#state
  }

  identity(): ConsumerGroupMetadata {
    throw new IllegalStateError('a consumer without groupId is in no group')
  }

  join(): void {
    this.#loop.start()
    this.#stopWatching ??= this.#cluster.onMetadata(() => {
      this.#bell.ring()
    })
  }

  subscriptionChanged(): void {
    this.#bell.ring()
  }

  heard(): void {}

  expire(): void {}

  async leave({ deadline }: LeaveOptions): Promise<void> {
    this.#stopWatching?.()
    await this.#loop.stop()
    const { signal } = new AbortController()
    const owned = this.#host.owned()
    await this.#host.revoke(owned, { deadline, signal, leaving: true })
    this.#state = 'left'
  }

  async #follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const wanted = this.#partitions()
      const owned = this.#host.owned()
      // A topic that metadata misses for a moment stays: its position would be lost with it.
      const topics = new Set(this.#host.topics())
      const gone = owned.filter(({ topic }) => !topics.has(topic))
      if (gone.length > 0) {
        // Nobody waits for these partitions, but the application must let go of them all the same.
        const deadline = this.#cluster.clock.now() + this.#cluster.options.apiTimeoutMs
        await this.#host.revoke(gone, { deadline, signal, leaving: true })
      }
      const kept = owned.filter(({ topic }) => topics.has(topic))
      const added = wanted.filter((partition) => !kept.some((other) => isSame(partition, other)))
      if (added.length > 0) {
        this.#state = 'assigned'
        await this.#host.assign([...kept, ...added], { signal })
      }
      await this.#bell.wait(undefined, signal)
    }
  }

  /** Topics whose partitions are not known yet come with the metadata that knows them. */
  #partitions(): TopicPartition[] {
    const { metadata } = this.#cluster
    const partitions: TopicPartition[] = []
    for (const topic of this.#host.topics()) {
      const count = metadata.partitionCount(topic)
      for (let partition = 0; partition < count; partition++) partitions.push({ topic, partition })
    }
    return partitions
  }
}

function isSame(a: TopicPartition, b: TopicPartition): boolean {
  return a.partition === b.partition && a.topic === b.topic
}
