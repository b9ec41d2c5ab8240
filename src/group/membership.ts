/** Being a member of a group: what a consumer asks of it, and what it asks of the consumer. One implementation per
 *  protocol, and the only place that chooses between them is where the membership is made. */

import type { KafkaError } from '../errors/kafka-error.ts'
import type { ConsumerGroupMetadata } from '../model/consumer-group-metadata.ts'
import type { TopicPartition } from '../model/topic-partition.ts'

/** What a membership needs from the consumer it acts for. Its calls never overlap. */
export interface MembershipHost {
  /** The topics to be a member for, as they are now. */
  topics(): readonly string[]
  /** What was assigned and not yet given up. */
  owned(): readonly TopicPartition[]
  /**
   * Gives partitions up in order: resolves once the application has finished and let go of them, which may be long.
   * The group waits meanwhile, so it gives up waiting for the application at `deadline`.
   *
   * @param signal aborted when there is nothing left to hold up: the partitions are another member's already
   */
  revoke(partitions: readonly TopicPartition[], options: RevokeOptions): Promise<void>
  /** The partitions are gone: another member may be reading them already. */
  lose(partitions: readonly TopicPartition[]): Promise<void>
  /** Everything the member has now: what it kept and what is new. Resolves when the application was told. */
  assign(partitions: readonly TopicPartition[], options: AssignOptions): Promise<void>
  /** The membership is over and cannot go on by itself. */
  fail(error: KafkaError): void
}

export interface AssignOptions {
  /** Aborted when the application need not be waited for: the partitions are lost again. */
  readonly signal: AbortSignal
}

export interface RevokeOptions {
  /** On the clock of `clock.now()`: when to stop waiting for the application. */
  readonly deadline: number
  readonly signal: AbortSignal
  /** Leaving for good: what is not finished is not waited for. */
  readonly leaving: boolean
}

export interface MembershipMetrics {
  readonly rebalances: number
  readonly heartbeats: number
  readonly failedHeartbeats: number
}

export interface Membership {
  /** The state's name, for messages to people. */
  readonly state: string
  readonly metrics: MembershipMetrics
  /** Who the member is right now, for commits and transactions. */
  identity(): ConsumerGroupMetadata
  /** Becomes a member and stays one, through every failure that can be got over. Calling it again is free. */
  join(): void
  /** The host's `topics()` have changed. */
  subscriptionChanged(): void
  /** What the answer to a commit in the name of `identity` said: the member may have to join again. */
  heard(errorCode: number, identity: ConsumerGroupMetadata): void
  /** Leaves because the application does not poll: the partitions are lost until `join` is called again. */
  expire(reason: string): void
  /** Ends the membership, in order when that is possible. Never rejects; the membership cannot be used afterwards. */
  leave(options: LeaveOptions): Promise<void>
}

export interface LeaveOptions {
  readonly reason: string
  /** On the clock of `clock.now()`. */
  readonly deadline: number
  /** False: says nothing to the coordinator, so that the group waits for the member's return (KIP-1092). */
  readonly tellGroup: boolean
}
