/** The consumer: brings together what is wished for, who gets it, what is fetched and who asks for it. The parts know
 *  nothing of each other; what connects them stands here, and what they do stands there. */

import { Deferred } from '../async/deferred.ts'
import { systemDoors, type Doors } from '../async/doors.ts'
import { abortable, before, type WaitOptions } from '../async/wait.ts'
import { clusterFor, type ClientOptions } from '../cluster/client.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { ClusterOptions } from '../cluster/cluster-options.ts'
import { ClosedError, IllegalStateError, InvalidArgumentError } from '../errors/errors.ts'
import type { KafkaError } from '../errors/kafka-error.ts'
import type { ConsumerGroupMetadata } from '../model/consumer-group-metadata.ts'
import type { OffsetAndMetadata, TopicPartitionOffset } from '../model/offset-and-metadata.ts'
import type { TopicPartition } from '../model/topic-partition.ts'
import { checkCallOptions } from '../options/call-options.ts'
import { quote } from '../options/option-table.ts'
import { AssignmentHost, type RebalanceListener } from './assignment-host.ts'
import { committedOffsets } from './committed-offsets.ts'
import {
  consumerOptions,
  readConsumerOptions,
  type ConsumerOptions,
  type ResolvedConsumerOptions,
} from './consumer-options.ts'
import {
  checkedCommit,
  checkedOffset,
  checkedTime,
  checkLimits,
  checkListener,
  plain,
  wishFor,
  type CloseOptions,
  type ConsumerMetrics,
  getManyOptionNames,
  getOneOptionNames,
  type GetManyOptions,
  type GetOneOptions,
  type OffsetAndTimestamp,
  type TimestampQuery,
} from './consumer-arguments.ts'
import type { ConsumerRecord } from './consumer-record.ts'
import { FetchBuffer } from './fetch-buffer.ts'
import { FetchPlanner } from './fetch-planner.ts'
import { FetchedRecords } from './fetched-records.ts'
import { Fetcher } from './fetcher.ts'
import { HandOut } from './hand-out.ts'
import { earliest, latest, listOffsets } from './list-offsets.ts'
import { MembershipKeeper } from './membership-keeper.ts'
import { OffsetCommitter } from './offset-committer.ts'
import type { PartitionState } from './partition-state.ts'
import { PollWatch } from './poll-watch.ts'
import { PositionResolver } from './position-resolver.ts'
import { RecordIterator } from './record-iterator.ts'
import { filterOf, partitionsOf, SubscriptionState } from './subscription-state.ts'
import { TopicWatch } from './topic-watch.ts'
import { WholeTopics } from './whole-topics.ts'

export type {
  CloseOptions,
  ConsumerMetrics,
  GetManyOptions,
  GetOneOptions,
  OffsetAndTimestamp,
  TimestampQuery,
} from './consumer-arguments.ts'

/**
 * Reads records, alone or in a group.
 *
 * @example
 * ```ts
 * import { Consumer } from 'jackdaw'
 *
 * const consumer = new Consumer({ bootstrapServers: 'localhost:9092', groupId: 'billing', autoOffsetReset: 'earliest' })
 * await consumer.subscribe(['orders'])
 * for await (const record of consumer) console.log(record.partition, record.offset, record.value?.toString())
 * ```
 */
export class Consumer {
  readonly #cluster: Cluster
  readonly #ownsCluster: boolean
  readonly #options: ResolvedConsumerOptions
  readonly #laneName: string
  readonly #subscription = new SubscriptionState()
  readonly #buffer: FetchBuffer
  readonly #handOut: HandOut
  readonly #fetcher: Fetcher
  readonly #resolver: PositionResolver
  readonly #topics: TopicWatch
  readonly #host: AssignmentHost
  readonly #polls: PollWatch
  readonly #committer: OffsetCommitter | undefined
  readonly #lifetime = new AbortController()
  readonly #membership: MembershipKeeper
  /** Ends a close that is under way. */
  readonly #hurry = new AbortController()
  #running = false
  /** Closing, but still in the group: what it takes to leave in order is allowed. */
  #leaving = false
  #starting: Promise<this> | undefined
  #closing: Promise<void> | undefined
  #closed: ClosedError | undefined
  #failure: Error | undefined
  #hasAssignment = false
  #whenAssigned: Deferred<void> | undefined

  /** @throws InvalidOptionError naming the option and what is valid */
  constructor(options: ClientOptions<ConsumerOptions> = {}, doors: Doors = systemDoors) {
    const given = options as ConsumerOptions & { cluster?: Cluster } & ClusterOptions
    const { cluster, owned, own } = clusterFor<ConsumerOptions>('Consumer', given, consumerOptions, doors)
    this.#cluster = cluster
    this.#ownsCluster = owned
    this.#options = readConsumerOptions(own, cluster.options.requestTimeoutMs)
    const { clock } = cluster
    this.#laneName = cluster.random.uuid()
    const lane = `group:${this.#laneName}` as const
    const onFailure = (error: unknown): void => {
      this.#crash(error)
    }
    this.#membership = new MembershipKeeper(cluster, this.#lifetime.signal, {
      onBegin: () => {
        this.#hasAssignment = false
        this.#polls.reset()
      },
      onFailure,
    })
    this.#buffer = new FetchBuffer(this.#subscription, () => {
      this.#fetcher.wake()
    })
    this.#handOut = new HandOut(clock, this.#subscription, this.#buffer, {
      onWait: () => {
        this.#waitedFor()
      },
    })
    const planner = new FetchPlanner(cluster, this.#subscription, this.#buffer, this.#options, this.#handOut)
    this.#fetcher = new Fetcher(cluster, this.#subscription, this.#buffer, planner, this.#options, this.#laneName, {
      onData: () => {
        this.#handOut.serve()
      },
      onPositionLost: () => {
        this.#resolver.wake()
      },
      onFailure,
    })
    this.#resolver = new PositionResolver(cluster, this.#subscription, this.#options, lane, {
      onProgress: () => {
        this.#fetcher.wake()
        this.#handOut.serve()
      },
      onFailure,
    })
    this.#topics = new TopicWatch(cluster, this.#options, {
      onChange: () => {
        this.#membership.subscriptionChanged()
      },
      onRefused: (error) => {
        this.#handOut.failOnce(error)
      },
      onFailure,
    })
    const { groupId, autoCommit, autoCommitIntervalMs, maxPollIntervalMs } = this.#options
    if (groupId !== undefined) {
      this.#committer = new OffsetCommitter(
        cluster,
        this.#subscription,
        { lane, autoCommit, autoCommitIntervalMs },
        {
          identity: () => this.groupMetadata(),
          heard: (errorCode, identity) => {
            this.#membership.heard(errorCode, identity)
          },
          onRefused: (error) => {
            this.#handOut.failOnce(error)
          },
          onFailure,
        },
      )
    }
    const hostOptions = { autoCommit, maxPollIntervalMs, topics: () => this.#topics.topics() }
    this.#host = new AssignmentHost(cluster, this.#subscription, this.#committer, hostOptions, {
      onChange: () => {
        this.#changed()
      },
      onAssigned: () => {
        this.#assigned()
      },
      onCallbackError: (error) => {
        this.#handOut.failOnce(error)
      },
      onMembershipFailed: (error) => {
        this.#fail(error)
      },
    })
    this.#polls = new PollWatch({
      clock,
      maxPollIntervalMs,
      calls: () => this.#handOut.calls,
      waiting: () => this.#handOut.waiting,
      matters: () => groupId !== undefined && this.#membership.isMember,
      onExpired: () => {
        this.#expire()
      },
      onFailure,
    })
  }

  /**
   * Connects, and begins what was subscribed or assigned before. Calls share one attempt; one that failed can be repeated.
   *
   * @throws ConnectionError when no bootstrap server answers; ClosedError after `close`
   */
  async start(options: WaitOptions = {}): Promise<this> {
    this.#assertOpen()
    if (this.#starting === undefined) {
      const starting = this.#start()
      this.#starting = starting
      starting.catch(() => {
        if (this.#starting === starting) this.#starting = undefined
      })
    }
    return await abortable(this.#starting, options)
  }

  /** For what may also be called while the consumer leaves its group, from `onRevoked`. */
  async #started(signal: AbortSignal | undefined): Promise<void> {
    if (!this.#leaving) await this.start({ signal })
  }

  async #start(): Promise<this> {
    await this.#cluster.start({ signal: this.#lifetime.signal })
    await this.#loadMembership()
    this.#assertOpen()
    this.#running = true
    this.#topics.start()
    this.#resolver.start()
    this.#fetcher.start()
    this.#committer?.start()
    this.#polls.start()
    this.#fulfil()
    return this
  }

  /** The group protocol is loaded by those who are in a group, and by nobody else. */
  async #loadMembership(): Promise<void> {
    const { groupId, sessionTimeoutMs, heartbeatIntervalMs, maxPollIntervalMs } = this.#options
    if (groupId === undefined) {
      this.#membership.create = () =>
        new WholeTopics(this.#cluster, this.#host, (error) => {
          this.#crash(error)
        })
      return
    }
    const [{ ClassicMembership }, { rangeAssignor }] = await Promise.all([
      import('../group/classic-protocol/classic-membership.ts'),
      import('../group/range-assignor.ts'),
    ])
    const assignors = this.#options.assignors.map((name) => ({ range: rangeAssignor })[name])
    const rebalanceTimeoutMs = maxPollIntervalMs
    const options = {
      groupId,
      laneName: this.#laneName,
      assignors,
      sessionTimeoutMs,
      heartbeatIntervalMs,
      rebalanceTimeoutMs,
    }
    this.#membership.create = () => new ClassicMembership(this.#cluster, this.#host, options)
  }

  /**
   * Reads these topics, dividing their partitions with the rest of the group; replaces an earlier subscription. What is
   * not subscribed to any more is not handed out from this call on.
   *
   * @param topics names, which need not exist yet, or a regular expression that follows topics as they come and go
   * @throws IllegalStateError after `assign`: call `unsubscribe` first
   */
  async subscribe(topics: readonly string[] | RegExp, listener: RebalanceListener = {}): Promise<void> {
    this.#assertOpen()
    const wish = wishFor(topics)
    checkListener(listener)
    if (this.#subscription.wish.kind === 'partitions') {
      throw new IllegalStateError('partitions are assigned by hand: unsubscribe before subscribing to topics')
    }
    this.#subscription.wish = wish
    this.#host.listener = listener
    if (this.#running) this.#fulfil()
  }

  /** Gives up what was subscribed or assigned; leaves the group. What is finished is committed with auto-commit. */
  unsubscribe(): void {
    this.#assertOpen()
    this.#abandonPartitions()
    this.#subscription.wish = { kind: 'nothing' }
    this.#hasAssignment = false
    for (const state of this.#subscription.all) state.withheld = true
    this.#membership.depart('the consumer unsubscribed')
    this.#topics.follow(this.#subscription.wish)
    this.#forgive()
    this.#changed()
  }

  /**
   * Reads exactly these partitions, without dividing them with anyone; replaces an earlier assignment. Positions of
   * partitions that stay are kept. Called right after `unsubscribe`, before the group has been left, it does not wait for
   * that: what was subscribed to is given up at once, its finished records are committed, and `onLost` is told.
   *
   * @throws IllegalStateError after `subscribe`: call `unsubscribe` first
   */
  assign(partitions: Iterable<TopicPartition>): void {
    this.#assertOpen()
    const wanted = partitionsOf(partitions)
    const { wish } = this.#subscription
    if (wish.kind === 'topics' || wish.kind === 'pattern') {
      throw new IllegalStateError('topics are subscribed to: unsubscribe before assigning partitions')
    }
    const stays = filterOf(wanted)!
    // What a membership that is being left still holds is not carried over.
    const former = this.#subscription.all.filter((state) => !state.byHand)
    this.#membership.await(this.#host.abandon(former))
    const gone = this.#subscription.all.filter((state) => !stays.has(state))
    this.#commitInBackground(gone)
    this.#subscription.giveUp(gone)
    this.#subscription.wish = { kind: 'partitions' }
    const startAt = this.#options.groupId === undefined ? 'reset-policy' : 'committed'
    for (const state of this.#subscription.add(wanted, startAt)) {
      state.byHand = true
      state.announced = true
    }
    if (this.#running) this.#fulfil()
  }

  /**
   * Waits for the first assignment, and for `onAssigned` to have returned.
   *
   * @returns the partitions, none when there are more members than partitions
   */
  async assigned({ signal }: WaitOptions = {}): Promise<TopicPartition[]> {
    this.#assertOpen()
    await this.start({ signal })
    if (this.#failure !== undefined) throw this.#failure
    if (!this.#hasAssignment) {
      this.#whenAssigned ??= new Deferred()
      this.#whenAssigned.promise.catch(() => {})
      this.#waitedFor()
      await abortable(this.#whenAssigned.promise, { signal })
    }
    return this.assignment()
  }

  /** The partitions that are ours now. */
  assignment(): TopicPartition[] {
    return this.#subscription.all.map(plain)
  }

  /** What was subscribed to; null after `assign` or before anything. */
  subscription(): readonly string[] | RegExp | null {
    const { wish } = this.#subscription
    return wish.kind === 'topics' ? [...wish.topics] : wish.kind === 'pattern' ? wish.pattern : null
  }

  /**
   * Walks the records as they come, without end until `close`. Each step finishes the records before it; `break` does not
   * finish the last one.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<ConsumerRecord> {
    this.#assertOpen()
    return new RecordIterator(this.#handOut)
  }

  /**
   * The next record. Finishes what was handed out before, of the partitions asked for.
   *
   * @throws ClosedError when the consumer is closed meanwhile; whatever ended the group; the signal's reason
   */
  async getOne(options: GetOneOptions = {}): Promise<ConsumerRecord> {
    checkCallOptions('getOne', options, getOneOptionNames)
    const { partitions, signal } = options
    signal?.throwIfAborted()
    return await this.#handOut.one(filterOf(partitions), signal)
  }

  /**
   * The next records that are there, at least one unless the time is up or the consumer is closed. Finishes what was
   * handed out before, of the partitions asked for.
   */
  async getMany(options: GetManyOptions = {}): Promise<FetchedRecords> {
    checkCallOptions('getMany', options, getManyOptionNames)
    const { partitions, timeoutMs, maxRecords = this.#options.maxPollRecords, signal } = options
    signal?.throwIfAborted()
    checkLimits(maxRecords, timeoutMs)
    const records = await this.#handOut.many({ filter: filterOf(partitions), maxRecords, timeoutMs, signal })
    return new FetchedRecords(records, this.#options.groupId === undefined ? undefined : this.groupMetadata())
  }

  /**
   * Commits the given offsets, each the next one to read; without any, everything that was handed out.
   *
   * @throws IllegalStateError without `groupId`, and for a partition that is not ours (any more); BrokerError when the
   * coordinator refuses, for instance because the group has moved on
   */
  async commit(offsets?: readonly TopicPartitionOffset[], { signal }: WaitOptions = {}): Promise<void> {
    if (!this.#leaving) this.#assertOpen()
    signal?.throwIfAborted()
    const committer = this.#committer ?? this.#noGroup('commit offsets')
    if (offsets === undefined) {
      const handedOut = this.#subscription.all.filter((state) => state.announced)
      if (handedOut.length === 0 && this.#subscription.wish.kind === 'nothing') {
        throw new IllegalStateError('nothing is subscribed to or assigned, so there is nothing to commit')
      }
      await this.#started(signal)
      await abortable(committer.commitHandedOut(handedOut), { signal })
      return
    }
    const checkedOffsets = partitionsOf(offsets).map(checkedCommit)
    for (const offset of checkedOffsets) this.#subscription.get(offset)
    await this.#started(signal)
    await abortable(committer.commit(checkedOffsets), { signal })
  }

  /** Goes on at an offset of a partition that is ours; the record at it is the next one of that partition to be handed out. */
  seek(partition: TopicPartition, offset: number): void {
    this.#assertOpen()
    this.#subscription.get(partition).moveTo(checkedOffset(offset))
    this.#moved()
  }

  /** Goes back to the first record of these partitions, or of all that are ours. */
  seekToBeginning(partitions?: Iterable<TopicPartition>): void {
    this.#seekLazily(partitions, 'earliest')
  }

  /** Goes behind the last record of these partitions, or of all that are ours. */
  seekToEnd(partitions?: Iterable<TopicPartition>): void {
    this.#seekLazily(partitions, 'latest')
  }

  /** Goes back to what the group has committed; where that is nothing, to where `autoOffsetReset` says. */
  async seekToCommitted(partitions?: Iterable<TopicPartition>, { signal }: WaitOptions = {}): Promise<void> {
    this.#assertOpen()
    const states = this.#subscription.getAll(partitions)
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

  /**
   * The offset of the next record to be handed out; looks it up when it is not known yet, within `apiTimeoutMs`.
   *
   * @throws IllegalStateError when the partition is not ours, or is lost meanwhile; NoOffsetError when nothing says where
   */
  async position(partition: TopicPartition, { signal }: WaitOptions = {}): Promise<number> {
    const state = this.#subscription.get(partition)
    await this.#started(signal)
    while (!state.positioned) {
      this.#assertOpen()
      if (state.failure !== undefined) throw state.failure.error
      // Throws when it has been lost.
      this.#subscription.get(partition)
      state.whenPositioned ??= new Deferred()
      this.#resolver.wake()
      const { clock } = this.#cluster
      const deadline = clock.now() + this.#cluster.options.apiTimeoutMs
      await before(state.whenPositioned.promise, {
        clock,
        deadline,
        signal,
        what: `waiting for the position of ${String(state)}`,
      })
    }
    return state.position
  }

  /** What the group has committed for each partition, in the order asked; null for nothing. */
  async committed(
    partitions: Iterable<TopicPartition>,
    { signal }: WaitOptions = {},
  ): Promise<(OffsetAndMetadata | null)[]> {
    const groupId = this.#options.groupId ?? this.#noGroup('have committed offsets')
    const wanted = partitionsOf(partitions)
    await this.#started(signal)
    const deadline = this.#cluster.clock.now() + this.#cluster.options.apiTimeoutMs
    return await committedOffsets(this.#cluster, wanted, { groupId, lane: `group:${this.#laneName}`, deadline, signal })
  }

  /** The first offset of each partition, in the order asked. */
  beginningOffsets(partitions: Iterable<TopicPartition>, options: WaitOptions = {}): Promise<number[]> {
    return this.#ends(partitions, earliest, options)
  }

  /** The offset behind the last record of each partition that this consumer may see, in the order asked. */
  endOffsets(partitions: Iterable<TopicPartition>, options: WaitOptions = {}): Promise<number[]> {
    return this.#ends(partitions, latest, options)
  }

  /** For each partition the first record not before the timestamp, in the order asked; null when there is none. */
  async offsetsForTimes(
    queries: Iterable<TimestampQuery>,
    { signal }: WaitOptions = {},
  ): Promise<(OffsetAndTimestamp | null)[]> {
    const wanted = partitionsOf(queries).map(checkedTime)
    const answers = await this.#lookUp(wanted, signal)
    return answers.map(({ offset, timestamp, leaderEpoch }) => {
      if (offset < 0) return null
      return leaderEpoch < 0 ? { offset, timestamp } : { offset, timestamp, leaderEpoch }
    })
  }

  /** Hands out nothing of these partitions until `resume`; they stay ours. */
  pause(partitions: Iterable<TopicPartition>): void {
    this.#assertOpen()
    for (const state of this.#subscription.getAll(partitions)) state.paused = true
  }

  /** Ends `pause`. */
  resume(partitions: Iterable<TopicPartition>): void {
    this.#assertOpen()
    for (const state of this.#subscription.getAll(partitions)) state.paused = false
    this.#fetcher.wake()
    this.#handOut.serve()
  }

  /** The partitions that are paused. */
  paused(): TopicPartition[] {
    return this.#subscription.all.filter((state) => state.paused).map(plain)
  }

  /** How many records the partition has before its end as this consumer may see it; null while that is not known. */
  lag(partition: TopicPartition): number | null {
    return this.#lag(this.#subscription.get(partition))
  }

  /** The end of what is replicated, as the last fetch said; null before one. */
  highWatermark(partition: TopicPartition): number | null {
    const { highWatermark } = this.#subscription.get(partition)
    return highWatermark < 0 ? null : highWatermark
  }

  /** The end of what no open transaction can change, as the last fetch said; null before one. */
  lastStableOffset(partition: TopicPartition): number | null {
    const { lastStableOffset } = this.#subscription.get(partition)
    return lastStableOffset < 0 ? null : lastStableOffset
  }

  /**
   * Who the consumer is in its group, for a transaction's `sendOffsets` (KIP-447); generation -1 while it is no member.
   *
   * @throws IllegalStateError without `groupId`
   */
  groupMetadata(): ConsumerGroupMetadata {
    const groupId = this.#options.groupId ?? this.#noGroup('have group metadata')
    const { autoCommit } = this.#options
    const identity = this.#membership.identity()
    return identity === undefined
      ? { groupId, generationId: -1, memberId: '', groupInstanceId: null, autoCommit }
      : { ...identity, autoCommit }
  }

  /** Counters and gauges, as they are now. */
  metrics(): ConsumerMetrics {
    const { all } = this.#subscription
    const lags = all.map((state) => this.#lag(state)).filter((lag) => lag !== null)
    const { rebalances, heartbeats, failedHeartbeats } = this.#membership.metrics
    const { commits, failedCommits } = this.#committer?.metrics ?? { commits: 0, failedCommits: 0 }
    return {
      records: this.#handOut.records,
      ...this.#fetcher.metrics,
      commits,
      failedCommits,
      rebalances,
      heartbeats,
      failedHeartbeats,
      assignedPartitions: all.length,
      pausedPartitions: all.filter((state) => state.paused).length,
      bufferedBytes: this.#buffer.heldBytes,
      maxLag: lags.length === 0 ? null : Math.max(...lags),
    }
  }

  /**
   * Commits what is finished, tells `onRevoked`, leaves the group, and ends: open iterators end, a pending `getMany` is
   * empty, a pending `getOne` rejects with `ClosedError`. Takes at most `closeTimeoutMs`. Idempotent.
   */
  close(options: CloseOptions = {}): Promise<void> {
    const { group = 'leave' } = options
    try {
      checkCallOptions('close', options, ['group'])
    } catch (error) {
      return Promise.reject(error as Error)
    }
    if (group !== 'leave' && group !== 'remain') {
      return Promise.reject(
        new InvalidArgumentError(`option 'group' of close is 'leave' or 'remain', not ${quote(group)}`),
      )
    }
    this.#closing ??= this.#close(group === 'leave')
    return this.#closing
  }

  /** Ends at once: whatever waits rejects, nothing is committed, the group finds out by itself. Idempotent. */
  destroy(reason?: Error): void {
    if (this.#lifetime.signal.aborted) return
    const error = new ClosedError('the consumer was destroyed', reason === undefined ? {} : { cause: reason })
    this.#end(error, true)
    this.#subscription.giveUp(this.#subscription.all)
    this.#lifetime.abort(error)
    this.#hurry.abort(error)
    this.#closing ??= this.#stop(error, false, this.#cluster.clock.now())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(leave: boolean): Promise<void> {
    const { clock, options } = this.#cluster
    const deadline = clock.now() + options.closeTimeoutMs
    const error = new ClosedError('the consumer is closed')
    this.#end(error, false)
    if (!this.#running) this.#lifetime.abort(error)
    // A start that is under way ends now; why is of no interest any more.
    await this.#starting?.catch(() => {})
    try {
      const { signal } = this.#hurry
      await before(this.#stop(undefined, leave, deadline), { clock, deadline, signal, what: 'closing the consumer' })
    } catch (failure) {
      this.#cluster.logger.warn(`the consumer could not be closed in order: ${String(failure)}`)
      await this.#stop(error, false, clock.now())
    }
  }

  #end(error: ClosedError, abruptly: boolean): void {
    this.#closed ??= error
    this.#handOut.close(error, abruptly)
    this.#whenAssigned?.reject(error)
    // A callback that waits for a position must not hold up the closing.
    for (const state of this.#subscription.all) state.stopWaiting(error)
  }

  /** In the order in which one part needs another. With a reason: without waiting for anything outside. */
  async #stop(reason: Error | undefined, leave: boolean, deadline: number): Promise<void> {
    this.#leaving = reason === undefined && this.#running
    if (
      reason === undefined &&
      this.#subscription.wish.kind === 'partitions' &&
      this.#options.autoCommit &&
      this.#running
    ) {
      await this.#committer!.commitFinished(this.#subscription.all).catch((error: unknown) => {
        this.#cluster.logger.warn(`what is finished could not be committed: ${String(error)}`)
      })
    }
    const stopsCommits = this.#committer?.stop(reason)
    const leaving = this.#membership.leave({ reason: 'the consumer is closing', deadline, tellGroup: leave })
    await Promise.all([
      stopsCommits,
      this.#polls.stop(),
      this.#resolver.stop(),
      this.#fetcher.stop(),
      this.#topics.stop(),
    ])
    if (reason === undefined) await leaving
    this.#leaving = false
    this.#subscription.giveUp(this.#subscription.all)
    this.#buffer.dropStale()
    this.#running = false
    const ended = reason ?? this.#closed ?? new ClosedError('the consumer is closed')
    this.#lifetime.abort(ended)
    // Everything that matters has been answered: what is still under way are fetches that nobody waits for.
    if (this.#ownsCluster) this.#cluster.destroy(ended)
  }

  /** Begins what is wished for. Called once running, and again with every new wish. */
  #fulfil(): void {
    const { wish } = this.#subscription
    this.#forgive()
    if (wish.kind === 'nothing') return
    this.#topics.follow(
      wish,
      this.#subscription.all.map(({ topic }) => topic),
    )
    if (wish.kind === 'partitions') {
      this.#assigned()
      this.#changed()
      return
    }
    // Nothing of what is not wished for any more is handed out, though giving it up takes a rebalance.
    const wished = new Set(this.#topics.topics())
    for (const state of this.#subscription.all) state.unwanted = !wished.has(state.topic)
    this.#membership.keep({ listTopics: wish.kind === 'pattern' })
  }

  /** The application stopped asking: the group gets its partitions, until it asks again. */
  #expire(): void {
    for (const state of this.#subscription.all) state.withheld = true
    const { maxPollIntervalMs } = this.#options
    this.#membership.expire(`the application asked for no records for ${maxPollIntervalMs} ms (maxPollIntervalMs)`)
  }

  /** Somebody waits for records: whatever can bring some is begun. */
  #waitedFor(): void {
    if (!this.#running) {
      this.start().catch((error: unknown) => {
        this.#handOut.failOnce(error)
      })
      return
    }
    if (this.#membership.resume()) this.#hasAssignment = false
    this.#resolver.wake()
    this.#fetcher.wake()
  }

  /** Which partitions are ours has changed. */
  #changed(): void {
    this.#buffer.dropStale()
    this.#resolver.wake()
    this.#fetcher.wake()
    this.#handOut.serve()
  }

  /** Where we are in a partition has changed. */
  #moved(): void {
    this.#subscription.finishedElsewhere()
    this.#changed()
  }

  #assigned(): void {
    this.#hasAssignment = true
    this.#whenAssigned?.resolve()
    this.#whenAssigned = undefined
  }

  #fail(error: KafkaError): void {
    this.#failure = error
    this.#handOut.fail(error)
    this.#whenAssigned?.reject(error)
    this.#whenAssigned = undefined
  }

  /** What failed is replaced by something new. */
  #forgive(): void {
    this.#failure = undefined
    this.#handOut.forgive()
  }

  /** A part of the consumer failed in a way that it was not made for: that is told, not hidden. */
  #crash(error: unknown): void {
    if (this.#closed !== undefined) return
    this.#cluster.logger.error(`the consumer failed: ${String(error)}`)
    this.#fail(new IllegalStateError('the consumer failed', { cause: error }))
  }

  #seekLazily(partitions: Iterable<TopicPartition> | undefined, to: 'earliest' | 'latest'): void {
    this.#assertOpen()
    for (const state of this.#subscription.getAll(partitions)) state.forget(to)
    this.#moved()
  }

  async #ends(partitions: Iterable<TopicPartition>, timestamp: number, { signal }: WaitOptions): Promise<number[]> {
    const queries = partitionsOf(partitions).map(({ topic, partition }) => ({ topic, partition, timestamp }))
    return (await this.#lookUp(queries, signal)).map(({ offset }) => offset)
  }

  async #lookUp(queries: readonly TimestampQuery[], signal: AbortSignal | undefined) {
    await this.start({ signal })
    const deadline = this.#cluster.clock.now() + this.#cluster.options.apiTimeoutMs
    return await listOffsets(this.#cluster, queries, { isolationLevel: this.#options.isolationLevel, deadline, signal })
  }

  #lag({ position, highWatermark, lastStableOffset }: PartitionState): number | null {
    const end = this.#options.isolationLevel === 'read_committed' ? lastStableOffset : highWatermark
    return end < 0 || position < 0 ? null : Math.max(0, end - position)
  }

  /** Partitions that were assigned by hand are dropped: what was finished of them is committed behind the caller's back. */
  #abandonPartitions(): void {
    if (this.#subscription.wish.kind !== 'partitions') return
    this.#commitInBackground(this.#subscription.all)
    this.#subscription.giveUp(this.#subscription.all)
  }

  #commitInBackground(states: readonly PartitionState[]): void {
    if (!this.#running || !this.#options.autoCommit || states.length === 0) return
    const committed = this.#committer!.commitFinal(states).catch((error: unknown) => {
      this.#cluster.logger.warn(`what is finished could not be committed: ${String(error)}`)
    })
    this.#membership.await(committed)
  }

  #assertOpen(): void {
    if (this.#closed !== undefined) throw this.#closed
  }

  #noGroup(what: string): never {
    throw new IllegalStateError(`a consumer without 'groupId' cannot ${what}`)
  }
}
