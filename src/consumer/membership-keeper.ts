/** Sees to it that the consumer has the membership that its wish asks for, and one at most: a former one is left before
 *  the next one joins. Knows neither protocols nor partitions. */

import type { Cluster } from '../cluster/cluster.ts'
import type { LeaveOptions, Membership, MembershipMetrics } from '../group/membership.ts'
import type { ConsumerGroupMetadata } from '../model/consumer-group-metadata.ts'

export interface MembershipKeeperEvents {
  /** A membership begins: there is no assignment until it says so. */
  onBegin(): void
  onFailure(error: unknown): void
}

const none: MembershipMetrics = { rebalances: 0, heartbeats: 0, failedHeartbeats: 0 }

export class MembershipKeeper {
  readonly #cluster: Cluster
  readonly #lifetime: AbortSignal
  readonly #events: MembershipKeeperEvents
  #create: (() => Membership) | undefined
  #current: Membership | undefined
  /** The first of those that are being left, the only one that had joined: its identity counts for what it commits last,
   *  and nobody joins before it is gone. */
  #former: Membership | undefined
  #departure: Promise<void> = Promise.resolve()
  #expired = false

  constructor(cluster: Cluster, lifetime: AbortSignal, events: MembershipKeeperEvents) {
    this.#cluster = cluster
    this.#lifetime = lifetime
    this.#events = events
  }

  /** Set once the code of the protocol has been loaded. */
  set create(create: () => Membership) {
    this.#create = create
  }

  /** Whether others wait for what this consumer holds. */
  get isMember(): boolean {
    return this.#current !== undefined && !this.#expired
  }

  get metrics(): MembershipMetrics {
    return this.#current?.metrics ?? none
  }

  /** Undefined while there is no membership. */
  identity(): ConsumerGroupMetadata | undefined {
    return (this.#former ?? this.#current)?.identity()
  }

  heard(errorCode: number, identity: ConsumerGroupMetadata): void {
    this.#current?.heard(errorCode, identity)
  }

  /**
   * Has a membership for what is subscribed to: the one there is, told that the topics are others, or a new one.
   *
   * @param listTopics to join for the topics that there are, and not for none and then again
   */
  keep({ listTopics }: { readonly listTopics: boolean }): void {
    if (this.#current?.state === 'failed') this.depart('the membership failed')
    if (this.#current !== undefined) {
      this.#current.subscriptionChanged()
      return
    }
    const membership = this.#create!()
    this.#current = membership
    this.#events.onBegin()
    this.#join(membership, listTopics).catch((error: unknown) => {
      this.#events.onFailure(error)
    })
  }

  /** The topics that a regular expression matches are others. */
  subscriptionChanged(): void {
    this.#current?.subscriptionChanged()
  }

  async #join(membership: Membership, listTopics: boolean): Promise<void> {
    await this.#departure
    if (listTopics) {
      await this.#cluster.refreshMetadata({ signal: this.#lifetime }).catch((error: unknown) => {
        this.#cluster.logger.debug(`the topics could not be listed yet: ${String(error)}`)
      })
    }
    if (this.#current === membership && !this.#lifetime.aborted) membership.join()
  }

  /** Leaves in the background; a membership that is kept afterwards waits for it. */
  depart(reason: string): void {
    const membership = this.#current
    if (membership === undefined) return
    this.#current = undefined
    this.#former ??= membership
    this.#expired = false
    const { clock, options } = this.#cluster
    const deadline = clock.now() + options.closeTimeoutMs
    this.await(
      this.#departure
        .then(() => membership.leave({ reason, deadline, tellGroup: true }))
        .finally(() => {
          if (this.#former === membership) this.#former = undefined
        }),
    )
  }

  /** Something else that must be over before the next membership joins, and before the consumer is closed. */
  await(work: Promise<void>): void {
    const handled = work.catch((error: unknown) => {
      this.#events.onFailure(error)
    })
    this.#departure = Promise.all([this.#departure, handled]).then(() => {})
  }

  /** The application does not ask: the group gets its partitions, until it asks again. */
  expire(reason: string): void {
    this.#expired = true
    this.#current?.expire(reason)
  }

  /** The application asks for records. Whether it had been given up, and joins again now. */
  resume(): boolean {
    if (!this.#expired) return false
    this.#expired = false
    this.#current?.join()
    return true
  }

  /** Ends the membership for good. Never rejects. */
  async leave(options: LeaveOptions): Promise<void> {
    await this.#current?.leave(options)
    await this.#departure
  }
}
