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
  /** When, by the wall clock, in ms. */
  readonly committedAt: number
}

/** A group and what it has committed. */
export interface Group {
  readonly classic: ClassicGroup
  /** By topic, then by partition. */
  readonly offsets: Map<string, Map<number, CommittedOffset>>
}

export class GroupCoordinator {
  readonly #state: ClusterState
  readonly #groups = new Map<string, Group>()
  /** Partitions of the offsets topic whose new leader still reads them, until when on the clock. */
  readonly #loadingUntil = new Map<Partition, number>()

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
      group = { classic, offsets: new Map() }
      this.#groups.set(groupId, group)
    }
    return group
  }

  delete(groupId: string): void {
    this.#groups.get(groupId)?.classic.die(brokerErrorNumber('COORDINATOR_NOT_AVAILABLE'))
    this.#groups.delete(groupId)
  }

  /** Forgets what was committed for a topic that is gone. */
  topicDeleted(topic: string): void {
    for (const { offsets } of this.#groups.values()) offsets.delete(topic)
  }

  /** Ends all timers and answers whoever waits. */
  close(): void {
    for (const groupId of this.groupIds) this.delete(groupId)
  }
}
