/** All groups of the cluster and their committed offsets. Which broker may speak for a group is a question of who leads its
 *  partition of the offsets topic; the groups themselves live here, beside the brokers, and survive them as they survive in
 *  Kafka's log. Knows no messages. */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import type { ClusterState } from '../cluster-state.ts'
import { groupsTopic } from '../cluster-state.ts'
import type { Partition } from '../topics.ts'
import { ClassicGroup } from './classic-group.ts'

export interface CommittedOffset {
  readonly offset: number
  /** -1 when the consumer did not say. */
  readonly leaderEpoch: number
  readonly metadata: string
  /** Its place among all commits, counted up: of two, the one that was written later stands. */
  readonly order: number
  /** When, by the wall clock, in ms. */
  readonly committedAt: number
}

/** A group and what it has committed. */
export interface Group {
  readonly classic: ClassicGroup
  /** By topic, then by partition. */
  readonly offsets: Map<string, Map<number, CommittedOffset>>
  /** What open transactions will commit, by producer id, then by topic, then by partition. */
  readonly pendingOffsets: Map<number, Map<string, Map<number, CommittedOffset>>>
}

/** What is committed, by whoever says so. */
export interface OffsetToCommit {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string
}

export class GroupCoordinator {
  readonly #state: ClusterState
  readonly #groups = new Map<string, Group>()
  /** Partitions of the offsets topic whose new leader still reads them, until when on the clock. */
  readonly #loadingUntil = new Map<Partition, number>()
  #commits = 0

  constructor(state: ClusterState) {
    this.#state = state
    state.onLeaderMoved((partition) => {
      if (partition.topic.name !== groupsTopic) return
      for (const [groupId, { classic }] of this.#groups) {
        if (state.coordinatingPartition(groupsTopic, groupId) === partition) classic.moved()
      }
    })
  }

  /** Ids of all groups there are. */
  get groupIds(): string[] {
    return [...this.#groups.keys()]
  }

  /** Why this broker cannot speak for the group now: an error code, or 0. */
  refusal(groupId: string, brokerId: number): number {
    const partition = this.#state.coordinatingPartition(groupsTopic, groupId)
    if (partition.leaderId !== brokerId) return brokerErrorNumber('NOT_COORDINATOR')
    const until = this.#loadingUntil.get(partition)
    if (until === undefined) return 0
    if (this.#state.clock.now() < until) return brokerErrorNumber('COORDINATOR_LOAD_IN_PROGRESS')
    this.#loadingUntil.delete(partition)
    return 0
  }

  /** Makes the coordinator of the group answer for a while that it is still loading. */
  load(groupId: string, durationMs: number): void {
    const partition = this.#state.coordinatingPartition(groupsTopic, groupId)
    this.#loadingUntil.set(partition, this.#state.clock.now() + durationMs)
  }

  group(groupId: string): Group | undefined {
    return this.#groups.get(groupId)
  }

  groupOrNew(groupId: string): Group {
    let group = this.#groups.get(groupId)
    if (group === undefined) {
      const { clock, random, properties } = this.#state
      const classic = new ClassicGroup(groupId, {
        clock,
        random,
        initialRebalanceDelayMs: () => properties.number('group.initial.rebalance.delay.ms'),
        maxSize: () => properties.number('group.max.size'),
      })
      group = { classic, offsets: new Map(), pendingOffsets: new Map() }
      this.#groups.set(groupId, group)
    }
    return group
  }

  delete(groupId: string): void {
    this.#groups.get(groupId)?.classic.die(brokerErrorNumber('COORDINATOR_NOT_AVAILABLE'))
    this.#groups.delete(groupId)
  }

  /** Commits an offset; with a producer id, when its transaction is committed. */
  commit(groupId: string, { topic, partition, ...said }: OffsetToCommit, producerId?: number): void {
    const { offsets, pendingOffsets } = this.groupOrNew(groupId)
    let target = offsets
    if (producerId !== undefined) {
      target = pendingOffsets.get(producerId) ?? new Map<string, Map<number, CommittedOffset>>()
      pendingOffsets.set(producerId, target)
    }
    set(target, topic, partition, { ...said, order: ++this.#commits, committedAt: this.#state.clock.wallTime() })
  }

  /** Whether a transaction may yet commit an offset of the partition. */
  isPending(groupId: string, topic: string, partition: number): boolean {
    for (const pending of this.#groups.get(groupId)?.pendingOffsets.values() ?? []) {
      if (pending.get(topic)?.has(partition) === true) return true
    }
    return false
  }

  /** A transaction is over for the groups of a partition of the offsets topic. */
  completeTransaction(partition: Partition, producerId: number, commits: boolean): void {
    for (const [groupId, { offsets, pendingOffsets }] of this.#groups) {
      if (this.#state.coordinatingPartition(groupsTopic, groupId) !== partition) continue
      const pending = pendingOffsets.get(producerId)
      pendingOffsets.delete(producerId)
      if (pending === undefined || !commits) continue
      for (const [topic, partitions] of pending) {
        for (const [index, offset] of partitions) {
          // What was committed since then, without a transaction or by one that ended earlier, is newer.
          const standing = offsets.get(topic)?.get(index)
          if (standing === undefined || standing.order < offset.order) set(offsets, topic, index, offset)
        }
      }
    }
  }

  /** Forgets the offset of a partition, and what transactions would commit for it. */
  deleteOffset(groupId: string, topic: string, partition: number): void {
    const group = this.#groups.get(groupId)
    group?.offsets.get(topic)?.delete(partition)
    for (const pending of group?.pendingOffsets.values() ?? []) pending.get(topic)?.delete(partition)
  }

  /** Forgets what was committed for a topic that is gone. */
  topicDeleted(topic: string): void {
    for (const { offsets, pendingOffsets } of this.#groups.values()) {
      offsets.delete(topic)
      for (const pending of pendingOffsets.values()) pending.delete(topic)
    }
  }

  /** Ends all timers and answers whoever waits. */
  close(): void {
    for (const groupId of this.groupIds) this.delete(groupId)
  }
}

function set(
  offsets: Map<string, Map<number, CommittedOffset>>,
  topic: string,
  partition: number,
  offset: CommittedOffset,
): void {
  const ofTopic = offsets.get(topic) ?? new Map<number, CommittedOffset>()
  offsets.set(topic, ofTopic)
  ofTopic.set(partition, offset)
}
