/** Everything about offsets that an application asks of a consumer: to go somewhere, to say where it is, to commit, and
 *  where a log begins and ends. Hands nothing out. */

import { Deferred } from '../async/deferred.ts'
import { abortable, before, type WaitOptions } from '../async/wait.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Lane } from '../cluster/target.ts'
import { IllegalStateError } from '../errors/errors.ts'
import type { OffsetAndMetadata, TopicPartitionOffset } from '../model/offset-and-metadata.ts'
import type { TopicPartition } from '../model/topic-partition.ts'
import { committedOffsets } from './committed-offsets.ts'
import {
  checkedCommit,
  checkedOffset,
  checkedTime,
  type OffsetAndTimestamp,
  type TimestampQuery,
} from './consumer-arguments.ts'
import type { ResolvedConsumerOptions } from './consumer-options.ts'
import { listOffsets, type OffsetAnswer } from './list-offsets.ts'
import type { OffsetCommitter } from './offset-committer.ts'
import type { PartitionState } from './partition-state.ts'
import type { PositionResolver } from './position-resolver.ts'
import { partitionsOf, type SubscriptionState } from './subscription-state.ts'

/** What questions of offsets need of the consumer. */
export interface PositionedConsumer {
  readonly cluster: Cluster
  readonly options: ResolvedConsumerOptions
  readonly lane: Lane
  readonly subscription: SubscriptionState
  readonly resolver: PositionResolver
  readonly committer: OffsetCommitter | undefined
  assertOpen(): void
  assertOpenOrLeaving(): void
  groupId(what: string): string
  start(options: WaitOptions): Promise<void>
  started(options: WaitOptions): Promise<void>
  changed(): void
}

export class ConsumerOffsets {
  readonly #consumer: PositionedConsumer

  constructor(consumer: PositionedConsumer) {
    this.#consumer = consumer
  }

  async commit(offsets: readonly TopicPartitionOffset[] | undefined, { signal }: WaitOptions): Promise<void> {
    const { subscription, committer } = this.#consumer
    this.#consumer.assertOpenOrLeaving()
    signal?.throwIfAborted()
    this.#consumer.groupId('commit offsets')
    if (offsets === undefined) {
      const handedOut = subscription.all.filter((state) => state.announced)
      if (handedOut.length === 0 && subscription.wish.kind === 'nothing') {
        throw new IllegalStateError('nothing is subscribed to or assigned, so there is nothing to commit')
      }
      await this.#consumer.started({ signal })
      await abortable(committer!.commitHandedOut(handedOut), { signal })
      return
    }
    const checkedOffsets = partitionsOf(offsets).map(checkedCommit)
    for (const offset of checkedOffsets) subscription.get(offset)
    await this.#consumer.started({ signal })
    await abortable(committer!.commit(checkedOffsets), { signal })
  }

  seek(partition: TopicPartition, offset: number): void {
    this.#consumer.assertOpen()
    this.#consumer.subscription.get(partition).moveTo(checkedOffset(offset))
    this.#moved()
  }

  seekLazily(partitions: Iterable<TopicPartition> | undefined, to: 'earliest' | 'latest'): void {
    this.#consumer.assertOpen()
    for (const state of this.#consumer.subscription.getAll(partitions)) state.forget(to)
    this.#moved()
  }

  async seekToCommitted(partitions: Iterable<TopicPartition> | undefined, { signal }: WaitOptions): Promise<void> {
    this.#consumer.assertOpen()
    const states = this.#consumer.subscription.getAll(partitions)
    const epochs = states.map(({ epoch }) => epoch)
    const offsets = await this.committed(states, { signal })
    for (const [i, state] of states.entries()) {
      // A seek that was made meanwhile is newer than this one.
      if (state.epoch !== epochs[i]) continue
      const found = offsets[i]
      if (found === null || found === undefined) state.forget('reset-policy')
      else state.moveTo(found.offset, found.leaderEpoch)
    }
    this.#moved()
  }

  async position(partition: TopicPartition, { signal }: WaitOptions): Promise<number> {
    const { cluster, subscription, resolver } = this.#consumer
    const state = subscription.get(partition)
    await this.#consumer.started({ signal })
    while (!state.positioned) {
      this.#consumer.assertOpen()
      if (state.failure !== undefined) throw state.failure.error
      // Throws when it has been lost.
      subscription.get(partition)
      state.whenPositioned ??= new Deferred()
      resolver.wake()
      const { clock } = cluster
      const deadline = clock.now() + cluster.options.apiTimeoutMs
      await before(state.whenPositioned.promise, {
        clock,
        deadline,
        signal,
        what: `waiting for the position of ${String(state)}`,
      })
    }
    return state.position
  }

  async committed(
    partitions: Iterable<TopicPartition>,
    { signal }: WaitOptions,
  ): Promise<(OffsetAndMetadata | null)[]> {
    const { cluster, lane } = this.#consumer
    const groupId = this.#consumer.groupId('have committed offsets')
    const wanted = partitionsOf(partitions)
    await this.#consumer.started({ signal })
    const deadline = cluster.clock.now() + cluster.options.apiTimeoutMs
    return await committedOffsets(cluster, wanted, { groupId, lane, deadline, signal })
  }

  /** Where the logs begin (`earliest`) or end (`latest`). */
  async ends(partitions: Iterable<TopicPartition>, timestamp: number, { signal }: WaitOptions): Promise<number[]> {
    const queries = partitionsOf(partitions).map(({ topic, partition }) => ({ topic, partition, timestamp }))
    return (await this.#lookUp(queries, signal)).map(({ offset }) => offset)
  }

  async offsetsForTimes(
    queries: Iterable<TimestampQuery>,
    { signal }: WaitOptions,
  ): Promise<(OffsetAndTimestamp | null)[]> {
    const wanted = partitionsOf(queries).map(checkedTime)
    const answers = await this.#lookUp(wanted, signal)
    return answers.map(({ offset, timestamp, leaderEpoch }) => {
      if (offset < 0) return null
      return leaderEpoch < 0 ? { offset, timestamp } : { offset, timestamp, leaderEpoch }
    })
  }

  /** Null while the end is not known, or the position. */
  lag({ position, highWatermark, lastStableOffset }: PartitionState): number | null {
    const end = this.#consumer.options.isolationLevel === 'read_committed' ? lastStableOffset : highWatermark
    return end < 0 || position < 0 ? null : Math.max(0, end - position)
  }

  async #lookUp(queries: readonly TimestampQuery[], signal: AbortSignal | undefined): Promise<OffsetAnswer[]> {
    const { cluster, options } = this.#consumer
    await this.#consumer.start({ signal })
    const deadline = cluster.clock.now() + cluster.options.apiTimeoutMs
    return await listOffsets(cluster, queries, { isolationLevel: options.isolationLevel, deadline, signal })
  }

  /** Where we are in a partition has changed. */
  #moved(): void {
    this.#consumer.subscription.finishedElsewhere()
    this.#consumer.changed()
  }
}
