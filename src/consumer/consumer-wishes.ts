/** What the consumer is to read: takes subscriptions and assignments, and has them come true once it runs. Knows not how a
 *  group divides partitions, nor what becomes of them. */

import type { Cluster } from '../cluster/cluster.ts'
import { IllegalStateError } from '../errors/errors.ts'
import type { TopicPartition } from '../model/topic-partition.ts'
import type { AssignmentHost, RebalanceListener } from './assignment-host.ts'
import { checkListener, wishFor } from './consumer-arguments.ts'
import type { ResolvedConsumerOptions } from './consumer-options.ts'
import type { MembershipKeeper } from './membership-keeper.ts'
import type { OffsetCommitter } from './offset-committer.ts'
import type { PartitionState } from './partition-state.ts'
import { filterOf, partitionsOf, type SubscriptionState } from './subscription-state.ts'
import type { TopicWatch } from './topic-watch.ts'

/** What a wish needs of the consumer. */
export interface WishingConsumer {
  readonly cluster: Cluster
  readonly options: ResolvedConsumerOptions
  readonly subscription: SubscriptionState
  readonly host: AssignmentHost
  readonly membership: MembershipKeeper
  readonly topics: TopicWatch
  readonly committer: OffsetCommitter | undefined
  readonly running: boolean
  assertOpen(): void
  hasAssignment(): void
  lacksAssignment(): void
  /** Which partitions are ours has changed. */
  changed(): void
  /** What failed is replaced by something new. */
  forgive(): void
}

export class ConsumerWishes {
  readonly #consumer: WishingConsumer

  constructor(consumer: WishingConsumer) {
    this.#consumer = consumer
  }

  subscribe(topics: readonly string[] | RegExp, listener: RebalanceListener): void {
    const { subscription, host, running } = this.#consumer
    this.#consumer.assertOpen()
    const wish = wishFor(topics)
    checkListener(listener)
    if (subscription.wish.kind === 'partitions') {
      throw new IllegalStateError('partitions are assigned by hand: unsubscribe before subscribing to topics')
    }
    subscription.wish = wish
    host.listener = listener
    if (running) this.fulfil()
  }

  unsubscribe(): void {
    const { subscription, membership, topics } = this.#consumer
    this.#consumer.assertOpen()
    if (subscription.wish.kind === 'partitions') {
      // They are dropped at once: what was finished of them is committed behind the caller's back.
      this.#commitInBackground(subscription.all)
      subscription.giveUp(subscription.all)
    }
    subscription.wish = { kind: 'nothing' }
    this.#consumer.lacksAssignment()
    for (const state of subscription.all) state.withheld = true
    membership.depart('the consumer unsubscribed')
    topics.follow(subscription.wish)
    this.#consumer.forgive()
    this.#consumer.changed()
  }

  assign(partitions: Iterable<TopicPartition>): void {
    const { subscription, membership, host, options, running } = this.#consumer
    this.#consumer.assertOpen()
    const wanted = partitionsOf(partitions)
    const { wish } = subscription
    if (wish.kind === 'topics' || wish.kind === 'pattern') {
      throw new IllegalStateError('topics are subscribed to: unsubscribe before assigning partitions')
    }
    const stays = filterOf(wanted)!
    // What a membership that is being left still holds is not carried over.
    const former = subscription.all.filter((state) => !state.byHand)
    membership.await(host.abandon(former))
    const gone = subscription.all.filter((state) => !stays.has(state))
    this.#commitInBackground(gone)
    subscription.giveUp(gone)
    subscription.wish = { kind: 'partitions' }
    const startAt = options.groupId === undefined ? 'reset-policy' : 'committed'
    for (const state of subscription.add(wanted, startAt)) {
      state.byHand = true
      state.announced = true
    }
    if (running) this.fulfil()
  }

  /** Begins what is wished for. Called once running, and again with every new wish. */
  fulfil(): void {
    const { subscription, topics, membership } = this.#consumer
    const { wish } = subscription
    this.#consumer.forgive()
    if (wish.kind === 'nothing') return
    topics.follow(
      wish,
      subscription.all.map(({ topic }) => topic),
    )
    if (wish.kind === 'partitions') {
      this.#consumer.hasAssignment()
      this.#consumer.changed()
      return
    }
    // Nothing of what is not wished for any more is handed out, though giving it up takes a rebalance.
    const wished = new Set(topics.topics())
    for (const state of subscription.all) state.unwanted = !wished.has(state.topic)
    membership.keep({ listTopics: wish.kind === 'pattern' })
  }

  /** Before the end: no membership commits what was finished of partitions that were assigned by hand. */
  async commitLast(): Promise<void> {
    const { subscription, options, running, committer, cluster } = this.#consumer
    if (subscription.wish.kind !== 'partitions' || !options.autoCommit || !running) return
    await committer!.commitFinished(subscription.all).catch((error: unknown) => {
      cluster.logger.warn(`what is finished could not be committed: ${String(error)}`)
    })
  }

  #commitInBackground(states: readonly PartitionState[]): void {
    const { options, running, committer, cluster, membership } = this.#consumer
    if (!running || !options.autoCommit || states.length === 0) return
    const committed = committer!.commitFinal(states).catch((error: unknown) => {
      cluster.logger.warn(`what is finished could not be committed: ${String(error)}`)
    })
    membership.await(committed)
  }
}
