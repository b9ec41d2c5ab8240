/**
 * The consumer's side of a membership: takes partitions in and lets them go, in an order in which nothing is lost.
 *
 * Letting go: nothing more is handed out; then what was handed out is waited for; then it is committed; then the application
 * is told, and may commit too; and only then are the partitions no longer ours.
 */

import { abortable, before } from '../async/wait.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { KafkaError } from '../errors/kafka-error.ts'
import type { AssignOptions, MembershipHost, RevokeOptions } from '../group/membership.ts'
import type { TopicPartition } from '../model/topic-partition.ts'
import type { OffsetCommitter } from './offset-committer.ts'
import type { PartitionState, StartAt } from './partition-state.ts'
import type { SubscriptionState } from './subscription-state.ts'

/** What the application wants to hear of rebalances. Each is awaited; what one throws rejects the next hand-out call. */
export interface RebalanceListener {
  /** These partitions are new: seek here to start elsewhere than where the group left off. */
  onAssigned?: ((partitions: TopicPartition[]) => unknown) | undefined
  /** These will be given up when this resolves: everything that was handed out of them is finished; commit here. */
  onRevoked?: ((partitions: TopicPartition[]) => unknown) | undefined
  /** These are another member's already: it is too late to commit. */
  onLost?: ((partitions: TopicPartition[]) => unknown) | undefined
}

export interface AssignmentEvents {
  /** The partitions in the state have changed: what is buffered, fetched and looked up may be others. */
  onChange(): void
  /** The application has its assignment. */
  onAssigned(): void
  onCallbackError(error: unknown): void
  onMembershipFailed(error: KafkaError): void
}

export class AssignmentHost implements MembershipHost {
  listener: RebalanceListener = {}
  readonly #cluster: Cluster
  readonly #subscription: SubscriptionState
  readonly #committer: OffsetCommitter | undefined
  readonly #autoCommit: boolean
  readonly #startAt: StartAt
  readonly #maxPollIntervalMs: number
  readonly #topics: () => readonly string[]
  readonly #events: AssignmentEvents
  /** What was told to be revoked: none is told twice, though the wait for the application may be begun anew. */
  readonly #revocations = new WeakMap<PartitionState, Promise<void>>()
  /** The last commit of what was abandoned, which the group must hear before it is left. */
  #abandoned: Promise<void> = Promise.resolve()

  /** @param committer undefined without a group */
  constructor(
    cluster: Cluster,
    subscription: SubscriptionState,
    committer: OffsetCommitter | undefined,
    options: {
      readonly autoCommit: boolean
      readonly maxPollIntervalMs: number
      readonly topics: () => readonly string[]
    },
    events: AssignmentEvents,
  ) {
    this.#cluster = cluster
    this.#subscription = subscription
    this.#committer = committer
    this.#autoCommit = options.autoCommit && committer !== undefined
    this.#startAt = committer === undefined ? 'reset-policy' : 'committed'
    this.#maxPollIntervalMs = options.maxPollIntervalMs
    this.#topics = options.topics
    this.#events = events
  }

  topics(): readonly string[] {
    return this.#topics()
  }

  owned(): readonly TopicPartition[] {
    return this.#subscription.all.filter((state) => !state.byHand)
  }

  async assign(partitions: readonly TopicPartition[], { signal }: AssignOptions): Promise<void> {
    const added = this.#subscription.add(partitions, this.#startAt)
    this.#events.onChange()
    await abortable(this.#call('onAssigned', added), { signal })
    for (const state of added) state.announced = true
    this.#events.onAssigned()
    this.#events.onChange()
  }

  async revoke(partitions: readonly TopicPartition[], { deadline, signal, leaving }: RevokeOptions): Promise<void> {
    const states = this.#states(partitions)
    for (const state of states) state.withheld = true
    if (!leaving && !(await this.#finished(states, deadline, signal))) {
      this.#cluster.logger.warn(
        `records of ${states.length} partitions were not finished within maxPollIntervalMs: the partitions are lost`,
      )
      await this.lose(partitions)
      return
    }
    await abortable(this.#abandoned, { signal })
    await this.#commitFinished(states, signal)
    await abortable(this.#tellRevoked(states), { signal })
    this.#subscription.giveUp(states)
    this.#events.onChange()
  }

  async lose(partitions: readonly TopicPartition[]): Promise<void> {
    const states = this.#states(partitions)
    this.#subscription.giveUp(states)
    this.#events.onChange()
    const { clock, logger } = this.#cluster
    const deadline = clock.now() + this.#maxPollIntervalMs
    await before(this.#call('onLost', states), { clock, deadline, what: 'waiting for onLost' }).catch(
      (error: unknown) => {
        logger.error(`onLost has not returned, and is not waited for any longer: ${String(error)}`)
      },
    )
  }

  /**
   * Gives up what a membership that is being left still holds, at once: the application has assigned partitions by hand.
   * What was finished is committed; for more it is too late, so the application hears of a loss.
   */
  async abandon(states: readonly PartitionState[]): Promise<void> {
    if (states.length === 0) return
    if (this.#autoCommit) {
      this.#abandoned = this.#committer!.commitFinal(states).catch((error: unknown) => {
        this.#cluster.logger.warn(`what is finished could not be committed: ${String(error)}`)
      })
    }
    await Promise.all([this.#abandoned, this.lose(states)])
  }

  fail(error: KafkaError): void {
    for (const state of this.#subscription.all) state.withheld = true
    this.#events.onMembershipFailed(error)
  }

  /** Whether everything handed out was finished in time. Rejects when it has become pointless to wait. */
  #finished(states: readonly PartitionState[], deadline: number, signal: AbortSignal): Promise<boolean> {
    const { clock } = this.#cluster
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        this.#subscription.onFinished(undefined)
        clock.clearTimer(timer)
        signal.removeEventListener('abort', onAbort)
      }
      const onAbort = (): void => {
        settle()
        reject(signal.reason)
      }
      const look = (): void => {
        if (states.some((state) => state.unfinished)) return
        settle()
        resolve(true)
      }
      const timer = clock.setTimer(() => {
        settle()
        resolve(false)
      }, deadline - clock.now())
      if (signal.aborted) {
        onAbort()
        return
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#subscription.onFinished(look)
      look()
    })
  }

  async #commitFinished(states: readonly PartitionState[], signal: AbortSignal): Promise<void> {
    if (!this.#autoCommit) return
    try {
      await abortable(this.#committer!.commitFinished(states), { signal })
    } catch (error) {
      if (signal.aborted) throw error
      // The next owner reads again what was not committed: at least once, as promised.
      this.#cluster.logger.warn(`what is finished could not be committed before giving up partitions: ${String(error)}`)
    }
  }

  async #tellRevoked(states: readonly PartitionState[]): Promise<void> {
    const untold = states.filter((state) => !this.#revocations.has(state))
    const told = this.#call('onRevoked', untold)
    for (const state of untold) this.#revocations.set(state, told)
    for (const state of states) await this.#revocations.get(state)
  }

  async #call(name: keyof RebalanceListener, states: readonly PartitionState[]): Promise<void> {
    if (name !== 'onAssigned' && states.length === 0) return
    try {
      await this.listener[name]?.(states.map(({ topic, partition }) => ({ topic, partition })))
    } catch (error) {
      this.#cluster.logger.error(`${name} failed: ${String(error)}`)
      this.#events.onCallbackError(error)
    }
  }

  #states(partitions: readonly TopicPartition[]): PartitionState[] {
    return partitions
      .map((partition) => this.#subscription.find(partition))
      .filter((state) => state !== undefined && !state.byHand) as PartitionState[]
  }
}
