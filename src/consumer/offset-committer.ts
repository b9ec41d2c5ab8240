/**
 * Tells the coordinator how far the group has come. One request at a time: what is committed while one is under way
 * goes out together in the next. Knows what is ours, so that no one's offset is moved by someone who lost the partition.
 */

import { Deferred } from '../async/deferred.ts'
import { Loop } from '../async/loop.ts'
import { sleep } from '../async/wait.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Lane, Target } from '../cluster/target.ts'
import { BrokerError } from '../errors/broker-error.ts'
import { ClosedError, IllegalStateError, TimeoutError } from '../errors/errors.ts'
import { KafkaError } from '../errors/kafka-error.ts'
import type { ConsumerGroupMetadata } from '../model/consumer-group-metadata.ts'
import type { TopicPartitionOffset } from '../model/offset-and-metadata.ts'
import { OffsetCommit } from '../wire/messages/offset-commit.ts'
import { zeroUuid } from '../wire/primitives/uuid.ts'
import { groupCure } from '../group/group-cures.ts'
import type { PartitionState } from './partition-state.ts'
import type { SubscriptionState } from './subscription-state.ts'

export interface CommitterOptions {
  readonly lane: Lane
  readonly autoCommit: boolean
  readonly autoCommitIntervalMs: number
}

/** What the committer must know of the membership, which comes and goes. */
export interface CommitterHost {
  identity(): ConsumerGroupMetadata
  /** The answer to a commit in that name says that the membership has a problem. */
  heard(errorCode: number, identity: ConsumerGroupMetadata): void
  /** Auto-commit was refused, and will be again: told once until a commit succeeds. */
  onRefused(error: KafkaError): void
  /** Hears of every offset that the coordinator has, and does not throw. Undefined when nobody wants to. */
  readonly onCommitted: ((offsets: readonly TopicPartitionOffset[]) => void) | undefined
  onFailure(error: unknown): void
}

export interface CommitMetrics {
  commits: number
  failedCommits: number
}

interface Entry {
  readonly offset: TopicPartitionOffset
  /** Undefined for a partition that was given up with the commit on its way. */
  readonly state: PartitionState | undefined
}

/** Entries that go out together, and whoever waits for them. */
interface Round {
  readonly entries: Map<string, Entry>
  readonly done: Deferred<ReadonlyMap<string, KafkaError>>
  readonly deadline: number
}

export class OffsetCommitter {
  readonly metrics: CommitMetrics = { commits: 0, failedCommits: 0 }
  readonly #cluster: Cluster
  readonly #subscription: SubscriptionState
  readonly #options: CommitterOptions
  readonly #host: CommitterHost
  readonly #auto: Loop
  /** What goes out when the request under way is answered. */
  #next: Round | undefined
  #sending = false
  readonly #abort = new AbortController()

  constructor(cluster: Cluster, subscription: SubscriptionState, options: CommitterOptions, host: CommitterHost) {
    this.#cluster = cluster
    this.#subscription = subscription
    this.#options = options
    this.#host = host
    this.#auto = new Loop({
      name: 'auto-commit',
      run: (signal) => this.#keepCommitting(signal),
      onFailure: (error) => {
        host.onFailure(error)
      },
    })
  }

  start(): void {
    if (this.#options.autoCommit) this.#auto.start()
  }

  /** Ends auto-commit, and with a reason everything that is not answered yet. */
  async stop(reason?: Error): Promise<void> {
    if (reason !== undefined) this.#abort.abort(reason)
    await this.#auto.stop()
  }

  /**
   * Commits these offsets; resolves when the coordinator has them.
   *
   * @throws IllegalStateError for a partition that is not ours, or not any more when its turn comes
   */
  async commit(offsets: readonly TopicPartitionOffset[]): Promise<void> {
    const entries = offsets.map((offset): Entry => ({ offset, state: this.#subscription.get(offset) }))
    await this.#commit(entries)
  }

  /** Commits everything that was handed out of these partitions; it counts as finished then. */
  async commitHandedOut(states: readonly PartitionState[]): Promise<void> {
    await this.#commit(
      states.filter((state) => state.positioned).map((state) => entryOf(state, state.position, state.leaderEpoch)),
    )
  }

  /** Commits what is finished of these partitions and not committed yet. */
  async commitFinished(states: readonly PartitionState[]): Promise<void> {
    await this.#commit(states.filter(hasNews).map((state) => entryOf(state, state.finished, state.finishedLeaderEpoch)))
  }

  /** The same for partitions that are being given up right now: they need not be ours when the request goes out. */
  async commitFinal(states: readonly PartitionState[]): Promise<void> {
    const entries = states.filter(hasNews).map((state) => entryOf(state, state.finished, state.finishedLeaderEpoch))
    await this.#commit(entries.map(({ offset }) => ({ offset, state: undefined })))
  }

  async #commit(entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return
    const { clock, options } = this.#cluster
    const round = (this.#next ??= {
      entries: new Map(),
      done: new Deferred(),
      deadline: clock.now() + options.apiTimeoutMs,
    })
    // A later commit of the same partition is the one that counts; both are answered by it.
    for (const entry of entries) round.entries.set(nameOf(entry.offset), entry)
    if (!this.#sending) void this.#sendRounds()
    const failures = await round.done.promise
    for (const { offset } of entries) {
      const failure = failures.get(nameOf(offset))
      if (failure !== undefined) throw failure
    }
  }

  /** Never rejects: what happens is told to those who wait for their round. */
  async #sendRounds(): Promise<void> {
    this.#sending = true
    // Commits made in the same turn go out together.
    await Promise.resolve()
    for (let round = this.#next; round !== undefined; round = this.#next) {
      this.#next = undefined
      const failures = new Map<string, KafkaError>()
      try {
        await this.#sendRound(round, failures)
      } catch (error) {
        const cause = this.#abort.signal.aborted ? this.#abort.signal.reason : error
        const failure =
          cause instanceof KafkaError ? cause : new IllegalStateError('offsets could not be committed', { cause })
        for (const name of round.entries.keys()) if (!failures.has(name)) failures.set(name, failure)
      }
      if (failures.size > 0) this.metrics.failedCommits++
      round.done.resolve(failures)
    }
    this.#sending = false
  }

  async #sendRound(round: Round, failures: Map<string, KafkaError>): Promise<void> {
    const { clock } = this.#cluster
    const backoff = this.#cluster.newBackoff()
    let entries = round.entries
    for (;;) {
      for (const [name, { state }] of entries) {
        if (state === undefined || state.ours) continue
        entries.delete(name)
        failures.set(name, new IllegalStateError(`${String(state)} is not ours any more: its offset was not committed`))
      }
      if (entries.size === 0) return
      const { again, failure } = await this.#sendOnce(entries, failures)
      if (failure === undefined) return
      // What was answered stays so, however the round ends.
      for (const name of entries.keys()) if (!again.has(name)) round.entries.delete(name)
      const waitMs = backoff.nextMs()
      if (clock.now() + waitMs >= round.deadline) {
        const late = new TimeoutError('offsets could not be committed in time', { cause: failure })
        for (const name of again.keys()) failures.set(name, late)
        return
      }
      entries = again
      await sleep(clock, waitMs, { signal: this.#abort.signal })
    }
  }

  /** One request: notes what failed for good, and gives back what is to be tried again. */
  async #sendOnce(
    entries: Map<string, Entry>,
    failures: Map<string, KafkaError>,
  ): Promise<{ again: Map<string, Entry>; failure: KafkaError | undefined }> {
    const identity = this.#host.identity()
    const target: Target = { kind: 'coordinator', of: 'group', key: identity.groupId }
    const again = new Map<string, Entry>()
    let failure: KafkaError | undefined
    const { request, maxVersion } = this.#request(entries, identity)
    let answered: Map<string, number>
    try {
      this.metrics.commits++
      const response = await this.#cluster.send(target, OffsetCommit, request, {
        lane: this.#options.lane,
        signal: this.#abort.signal,
        // Version 0 puts offsets into ZooKeeper, where no later version looks for them.
        minVersion: 1,
        maxVersion,
      })
      answered = new Map()
      for (const { name, topicId, partitions } of response.topics) {
        const topic = topicId === zeroUuid ? name : (this.#cluster.metadata.topicName(topicId) ?? name)
        for (const { partitionIndex, errorCode } of partitions) {
          answered.set(nameOf({ topic, partition: partitionIndex }), errorCode)
        }
      }
    } catch (error) {
      if (this.#abort.signal.aborted || !(error instanceof KafkaError) || !error.retriable) throw error
      this.#cluster.remedy(target, error)
      return { again: entries, failure: error }
    }
    const committed: TopicPartitionOffset[] = []
    for (const [name, entry] of entries) {
      const errorCode = answered.get(name)
      if (errorCode === 0) {
        const { state, offset } = entry
        if (state?.ours) this.#committed(state, offset.offset)
        committed.push(offset)
        continue
      }
      const { topic, partition, offset } = entry.offset
      const what = `committing offset ${offset} of partition ${partition} of '${topic}' failed`
      if (errorCode === undefined) {
        failures.set(name, new IllegalStateError(`${what}: the coordinator did not answer for it`))
        continue
      }
      const error = new BrokerError(errorCode, what)
      const cure = groupCure(errorCode)
      if (cure === 'find-coordinator' || cure === 'try-again') {
        if (failure === undefined) this.#cluster.remedy(target, error)
        failure = error
        again.set(name, entry)
      } else {
        failures.set(name, error)
        // An offset that was refused for its own sake says nothing about the member.
        if (cure !== 'give-up' || error.code === 'FENCED_INSTANCE_ID') this.#host.heard(errorCode, identity)
      }
    }
    if (committed.length > 0) this.#host.onCommitted?.(committed)
    return { again, failure }
  }

  #committed(state: PartitionState, offset: number): void {
    state.committed = offset
    // Whoever commits what was handed out says that it is done with.
    if (state.unfinished && offset >= state.position) {
      state.finish()
      this.#subscription.finishedElsewhere()
    }
  }

  #request(
    entries: ReadonlyMap<string, Entry>,
    { groupId, memberId, generationId, groupInstanceId }: ConsumerGroupMetadata,
  ) {
    const { metadata } = this.#cluster
    const topics = new Map<string, { name: string; topicId: string; partitions: object[] }>()
    for (const { offset } of entries.values()) {
      const name = offset.topic
      let topic = topics.get(name)
      if (topic === undefined) {
        topic = { name, topicId: metadata.topics.get(name)?.topicId ?? zeroUuid, partitions: [] }
        topics.set(name, topic)
      }
      topic.partitions.push({
        partitionIndex: offset.partition,
        committedOffset: offset.offset,
        committedLeaderEpoch: offset.leaderEpoch ?? -1,
        committedMetadata: offset.metadata ?? '',
      })
    }
    const list = [...topics.values()]
    const request = { groupId, memberId, generationIdOrMemberEpoch: generationId, groupInstanceId, topics: list }
    // From version 10 on a topic is known by its id only.
    return { request, maxVersion: list.every(({ topicId }) => topicId !== zeroUuid) ? undefined : 9 }
  }

  async #keepCommitting(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#cluster
    let told = false
    for (;;) {
      // Rejects when stopped, which ends the loop.
      await sleep(clock, this.#options.autoCommitIntervalMs, { signal })
      const states = this.#subscription.all.filter((state) => state.announced && hasNews(state))
      if (states.length === 0) continue
      try {
        await this.commitFinished(states)
        told = false
      } catch (error) {
        if (error instanceof ClosedError) return
        if (!(error instanceof KafkaError)) throw error
        // Nothing is lost: what is finished stays so, and is committed with the next round or by the next owner.
        logger.warn(`auto-commit failed: ${error.message}`)
        if (told || !this.#isRefusal(error)) continue
        told = true
        this.#host.onRefused(error)
      }
    }
  }

  /** Whether waiting does not help, and no rebalance either. */
  #isRefusal(error: KafkaError): boolean {
    if (error.retriable || error instanceof IllegalStateError) return false
    if (!(error instanceof BrokerError) || this.#subscription.wish.kind === 'partitions') return true
    return groupCure(error.errorCode) === 'give-up' && error.code !== 'FENCED_INSTANCE_ID'
  }
}

function hasNews(state: PartitionState): boolean {
  return state.finished >= 0 && state.finished !== state.committed
}

function entryOf(state: PartitionState, offset: number, epoch: number): Entry {
  const leaderEpoch = epoch < 0 ? undefined : epoch
  return { offset: { topic: state.topic, partition: state.partition, offset, leaderEpoch }, state }
}

function nameOf({ topic, partition }: { readonly topic: string; readonly partition: number }): string {
  return `${partition} ${topic}`
}
