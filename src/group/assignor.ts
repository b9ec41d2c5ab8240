/** Who gets which partition: what an assignor is given and what it answers. Plain data in and out; an assignor knows no
 *  network, and whoever leads the group runs it for everybody. */

import type { TopicPartition } from '../model/topic-partition.ts'

/** A member as the leader of its group sees it. */
export interface GroupMember {
  readonly memberId: string
  /** Set for static members (KIP-345). */
  readonly groupInstanceId: string | null
  readonly topics: readonly string[]
  /** What the member's own assignor wanted to be told; null when nothing. */
  readonly userData: Buffer | null
  /** What the member held when it joined; empty under an eager assignor. */
  readonly ownedPartitions: readonly TopicPartition[]
  /** The generation in which it was given those; -1 when it did not say (KIP-792). */
  readonly generationId: number
  /** Where the member is (KIP-881); null when it did not say. */
  readonly rackId: string | null
}

/** A topic that some member subscribes to and that exists. */
export interface AssignableTopic {
  readonly name: string
  readonly partitionCount: number
  /** The racks that hold a replica of the partition; empty when brokers do not say. */
  racks(partition: number): ReadonlySet<string>
}

/** Member id to what the member gets; a member that is left out gets nothing. */
export type GroupAssignment = Map<string, TopicPartition[]>

export interface Assignor {
  /** What members agree on in JoinGroup: every member must offer it. */
  readonly name: string
  /** Eager: a member gives up everything before it joins. */
  readonly protocol: 'eager'
  /** Divides the topics among the members. Every partition of every topic goes to at most one member. */
  assign(members: readonly GroupMember[], topics: readonly AssignableTopic[]): GroupAssignment
}
