/** Brings the parts of a consumer together: what is wished for, who gets it, what is fetched and who asks for it. The parts
 *  know nothing of each other; what connects them stands here, and how they begin and end. Documents nothing: that is the
 *  public class's. */

import { Deferred } from '../async/deferred.ts'
import { abortable, before, type WaitOptions } from '../async/wait.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Lane } from '../cluster/target.ts'
import { ClosedError, IllegalStateError } from '../errors/errors.ts'
import type { KafkaError } from '../errors/kafka-error.ts'
import type { ConsumerGroupMetadata } from '../model/consumer-group-metadata.ts'
import type { ConsumerInterceptor } from '../model/interceptor.ts'
import { AssignmentHost } from './assignment-host.ts'
import type { ConsumerMetrics } from './consumer-arguments.ts'
import type { ResolvedConsumerOptions } from './consumer-options.ts'
import { ConsumerOffsets } from './consumer-offsets.ts'
import { ConsumerWishes } from './consumer-wishes.ts'
import { DeserializingBuffer } from './deserializing-buffer.ts'
import { FetchBuffer } from './fetch-buffer.ts'
import { FetchPlanner } from './fetch-planner.ts'
import { Fetcher } from './fetcher.ts'
import { HandOut } from './hand-out.ts'
import { InterceptorChain } from './interceptor-chain.ts'
import { MembershipKeeper } from './membership-keeper.ts'
import { MissingPartitions } from './missing-partitions.ts'
import { OffsetCommitter } from './offset-committer.ts'
import { PollWatch } from './poll-watch.ts'
import { PositionResolver } from './position-resolver.ts'
import { RecordDeserializer } from './record-deserializer.ts'
import { SubscriptionState } from './subscription-state.ts'
import { TopicWatch } from './topic-watch.ts'
import { WholeTopics } from './whole-topics.ts'

export class ConsumerCore {
  readonly cluster: Cluster
  readonly options: ResolvedConsumerOptions
  /** For what must not wait behind a fetch: commits, heartbeats. */
  readonly lane: Lane
  readonly subscription: SubscriptionState = new SubscriptionState()
  readonly buffer: FetchBuffer
  /** Undefined without deserializers. */
  readonly deserializing: DeserializingBuffer | undefined
  readonly handOut: HandOut
  readonly fetcher: Fetcher
  readonly resolver: PositionResolver
  readonly topics: TopicWatch
  readonly host: AssignmentHost
  readonly membership: MembershipKeeper
  /** Undefined without a group. */
  readonly committer: OffsetCommitter | undefined
  readonly wishes: ConsumerWishes
  readonly offsets: ConsumerOffsets
  readonly #ownsCluster: boolean
  readonly #laneName: string
  readonly #polls: PollWatch
  readonly #missing: MissingPartitions
  readonly #deserializer: RecordDeserializer | undefined
  readonly #lifetime = new AbortController()
  /** Ends a close that is under way. */
  readonly #hurry = new AbortController()
  #running = false
  /** Closing, but still in the group: what it takes to leave in order is allowed. */
  #leaving = false
  #starting: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #closed: ClosedError | undefined
  #failure: Error | undefined
  #hasAssignment = false
  #whenAssigned: Deferred<void> | undefined

  constructor(cluster: Cluster, ownsCluster: boolean, options: ResolvedConsumerOptions) {
    this.cluster = cluster
    this.#ownsCluster = ownsCluster
    this.options = options
    const { clock } = cluster
    this.#laneName = cluster.random.uuid()
    this.lane = `group:${this.#laneName}`
    const onFailure = (error: unknown): void => {
      this.#crash(error)
    }
    this.membership = new MembershipKeeper(cluster, this.#lifetime.signal, {
      onBegin: () => {
        this.lacksAssignment()
        this.#polls.reset()
      },
      onFailure,
    })
    this.buffer = new FetchBuffer(this.subscription, () => {
      this.fetcher.wake()
    })
    if (options.keyDeserializer !== undefined || options.valueDeserializer !== undefined) {
      this.#deserializer = new RecordDeserializer(options, cluster.logger)
      this.deserializing = new DeserializingBuffer(this.subscription, this.buffer, this.#deserializer, {
        onReady: () => {
          this.handOut.serve()
          this.fetcher.wake()
        },
        onFailure,
      })
    }
    const interceptors = new InterceptorChain(options.interceptors as readonly ConsumerInterceptor[], cluster.logger)
    this.handOut = new HandOut(clock, this.subscription, this.deserializing ?? this.buffer, {
      onWait: () => {
        this.#waitedFor()
      },
      groupMetadata: () => (options.groupId === undefined ? undefined : this.groupMetadata()),
      onConsume: interceptors.onConsume,
    })
    const planner = new FetchPlanner(cluster, this.subscription, this.buffer, options, {
      isStarving: () => this.handOut.waiting && this.deserializing?.isBusy !== true,
      wants: (state) => this.handOut.wants(state),
    })
    this.fetcher = new Fetcher(cluster, this.subscription, this.buffer, planner, options, this.#laneName, {
      onData: () => {
        this.handOut.serve()
      },
      onPositionLost: () => {
        this.resolver.wake()
      },
      onFailure,
    })
    this.resolver = new PositionResolver(cluster, this.subscription, options, this.lane, {
      onProgress: () => {
        this.fetcher.wake()
        this.handOut.serve()
      },
      onFailure,
    })
    this.topics = new TopicWatch(cluster, options, {
      onChange: () => {
        this.membership.subscriptionChanged()
      },
      onRefused: (error) => {
        this.handOut.failOnce(error)
      },
      onFailure,
    })
    const { groupId, autoCommit, autoCommitIntervalMs, maxPollIntervalMs } = options
    if (groupId !== undefined) {
      this.committer = new OffsetCommitter(
        cluster,
        this.subscription,
        { lane: this.lane, autoCommit, autoCommitIntervalMs },
        {
          identity: () => this.groupMetadata(),
          heard: (errorCode, identity) => {
            this.membership.heard(errorCode, identity)
          },
          onRefused: (error) => {
            this.handOut.failOnce(error)
          },
          onCommitted: interceptors.onCommit,
          onFailure,
        },
      )
    }
    const hostOptions = { autoCommit, maxPollIntervalMs, topics: () => this.topics.topics() }
    this.host = new AssignmentHost(cluster, this.subscription, this.committer, hostOptions, {
      onChange: () => {
        this.changed()
      },
      onAssigned: () => {
        this.hasAssignment()
      },
      onCallbackError: (error) => {
        this.handOut.failOnce(error)
      },
      onMembershipFailed: (error) => {
        this.#fail(error)
      },
    })
    this.#polls = new PollWatch({
      clock,
      maxPollIntervalMs,
      calls: () => this.handOut.calls,
      waiting: () => this.handOut.waiting,
      matters: () => groupId !== undefined && this.membership.isMember,
      onExpired: () => {
        this.#expire()
      },
      onFailure,
    })
    this.#missing = new MissingPartitions(cluster, this.subscription, () => {
      this.handOut.serve()
    })
    this.wishes = new ConsumerWishes(this)
    this.offsets = new ConsumerOffsets(this)
  }

  get running(): boolean {
    return this.#running
  }

  assertOpen(): void {
    if (this.#closed !== undefined) throw this.#closed
  }

  /** The same for what may also be called while the consumer leaves its group, from `onRevoked`. */
  assertOpenOrLeaving(): void {
    if (!this.#leaving) this.assertOpen()
  }

  /** The group's id, for what cannot be done without one. */
  groupId(what: string): string {
    const { groupId } = this.options
    if (groupId === undefined) throw new IllegalStateError(`a consumer without 'groupId' cannot ${what}`)
    return groupId
  }

  groupMetadata(): ConsumerGroupMetadata {
    const groupId = this.groupId('have group metadata')
    const { autoCommit } = this.options
    const identity = this.membership.identity()
    return identity === undefined
      ? { groupId, generationId: -1, memberId: '', groupInstanceId: null, autoCommit }
      : { ...identity, autoCommit }
  }

  metrics(): ConsumerMetrics {
    const { all } = this.subscription
    const lags = all.map((state) => this.offsets.lag(state)).filter((lag) => lag !== null)
    const { rebalances, heartbeats, failedHeartbeats } = this.membership.metrics
    const { commits, failedCommits } = this.committer?.metrics ?? { commits: 0, failedCommits: 0 }
    return {
      records: this.handOut.records,
      undeserializableRecords: this.#deserializer?.failed ?? 0,
      ...this.fetcher.metrics,
      commits,
      failedCommits,
      rebalances,
      heartbeats,
      failedHeartbeats,
      assignedPartitions: all.length,
      pausedPartitions: all.filter((state) => state.paused).length,
      bufferedBytes: this.buffer.heldBytes,
      maxLag: lags.length === 0 ? null : Math.max(...lags),
    }
  }

  async start(options: WaitOptions): Promise<void> {
    this.assertOpen()
    if (this.#starting === undefined) {
      const starting = this.#start()
      this.#starting = starting
      starting.catch(() => {
        if (this.#starting === starting) this.#starting = undefined
      })
    }
    await abortable(this.#starting, options)
  }

  /** For what may also be called while the consumer leaves its group, from `onRevoked`. */
  async started(options: WaitOptions): Promise<void> {
    if (!this.#leaving) await this.start(options)
  }

  async #start(): Promise<void> {
    await this.cluster.start({ signal: this.#lifetime.signal })
    await this.#loadMembership()
    this.assertOpen()
    this.#running = true
    this.#missing.start()
    this.topics.start()
    this.resolver.start()
    this.fetcher.start()
    this.committer?.start()
    this.#polls.start()
    this.wishes.fulfil()
  }

  /** The group protocol is loaded by those who are in a group, and by nobody else. */
  async #loadMembership(): Promise<void> {
    const { groupId, sessionTimeoutMs, heartbeatIntervalMs, maxPollIntervalMs } = this.options
    if (groupId === undefined) {
      this.membership.create = () =>
        new WholeTopics(this.cluster, this.host, (error) => {
          this.#crash(error)
        })
      return
    }
    const [{ ClassicMembership }, { rangeAssignor }] = await Promise.all([
      import('../group/classic-protocol/classic-membership.ts'),
      import('../group/range-assignor.ts'),
    ])
    const assignors = this.options.assignors.map((name) => ({ range: rangeAssignor })[name])
    const rebalanceTimeoutMs = maxPollIntervalMs
    const options = {
      groupId,
      laneName: this.#laneName,
      assignors,
      sessionTimeoutMs,
      heartbeatIntervalMs,
      rebalanceTimeoutMs,
    }
    this.membership.create = () => new ClassicMembership(this.cluster, this.host, options)
  }

  /** Waits for the first assignment. */
  async assigned({ signal }: WaitOptions): Promise<void> {
    this.assertOpen()
    await this.start({ signal })
    if (this.#failure !== undefined) throw this.#failure
    if (this.#hasAssignment) return
    this.#whenAssigned ??= new Deferred()
    this.#whenAssigned.promise.catch(() => {})
    this.#waitedFor()
    await abortable(this.#whenAssigned.promise, { signal })
  }

  hasAssignment(): void {
    this.#hasAssignment = true
    this.#whenAssigned?.resolve()
    this.#whenAssigned = undefined
  }

  lacksAssignment(): void {
    this.#hasAssignment = false
  }

  close(leave: boolean): Promise<void> {
    this.#closing ??= this.#close(leave)
    return this.#closing
  }

  destroy(reason: Error | undefined): void {
    if (this.#lifetime.signal.aborted) return
    const error = new ClosedError('the consumer was destroyed', reason === undefined ? {} : { cause: reason })
    this.#end(error, true)
    this.subscription.giveUp(this.subscription.all)
    this.#lifetime.abort(error)
    this.#hurry.abort(error)
    this.#closing ??= this.#stop(error, false, this.cluster.clock.now())
  }

  async #close(leave: boolean): Promise<void> {
    const { clock, options } = this.cluster
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
      this.cluster.logger.warn(`the consumer could not be closed in order: ${String(failure)}`)
      await this.#stop(error, false, clock.now())
    }
  }

  #end(error: ClosedError, abruptly: boolean): void {
    this.#closed ??= error
    this.handOut.close(error, abruptly)
    this.#whenAssigned?.reject(error)
    // A callback that waits for a position must not hold up the closing.
    for (const state of this.subscription.all) state.stopWaiting(error)
  }

  /** In the order in which one part needs another. With a reason: without waiting for anything outside. */
  async #stop(reason: Error | undefined, leave: boolean, deadline: number): Promise<void> {
    this.#leaving = reason === undefined && this.#running
    if (reason === undefined) await this.wishes.commitLast()
    this.#missing.stop()
    const stopsCommits = this.committer?.stop(reason)
    const leaving = this.membership.leave({ reason: 'the consumer is closing', deadline, tellGroup: leave })
    await Promise.all([stopsCommits, this.#polls.stop(), this.resolver.stop(), this.fetcher.stop(), this.topics.stop()])
    if (reason === undefined) await leaving
    this.#leaving = false
    this.subscription.giveUp(this.subscription.all)
    this.#dropStale()
    this.#running = false
    const ended = reason ?? this.#closed ?? new ClosedError('the consumer is closed')
    this.#lifetime.abort(ended)
    // Everything that matters has been answered: what is still under way are fetches that nobody waits for.
    if (this.#ownsCluster) this.cluster.destroy(ended)
  }

  /** The application stopped asking: the group gets its partitions, until it asks again. */
  #expire(): void {
    for (const state of this.subscription.all) state.withheld = true
    const { maxPollIntervalMs } = this.options
    this.membership.expire(`the application asked for no records for ${maxPollIntervalMs} ms (maxPollIntervalMs)`)
  }

  /** Somebody waits for records: whatever can bring some is begun. */
  #waitedFor(): void {
    if (!this.#running) {
      this.start({}).catch((error: unknown) => {
        this.handOut.failOnce(error)
      })
      return
    }
    if (this.membership.resume()) this.lacksAssignment()
    this.resolver.wake()
    this.fetcher.wake()
  }

  #dropStale(): void {
    this.deserializing?.dropStale()
    this.buffer.dropStale()
  }

  /** Which partitions are ours has changed. */
  changed(): void {
    this.#dropStale()
    this.resolver.wake()
    this.fetcher.wake()
    this.handOut.serve()
  }

  #fail(error: KafkaError): void {
    this.#failure = error
    this.handOut.fail(error)
    this.#whenAssigned?.reject(error)
    this.#whenAssigned = undefined
  }

  /** What failed is replaced by something new. */
  forgive(): void {
    this.#failure = undefined
    this.handOut.forgive()
  }

  /** A part of the consumer failed in a way that it was not made for: that is told, not hidden. */
  #crash(error: unknown): void {
    if (this.#closed !== undefined) return
    this.cluster.logger.error(`the consumer failed: ${String(error)}`)
    this.#fail(new IllegalStateError('the consumer failed', { cause: error }))
  }
}
