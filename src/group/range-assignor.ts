/** The `range` assignor: each topic's partitions in order, cut into even stretches, the first members getting one more
 *  where it does not divide. Gives what Java's RangeAssignor gives, so that it matters not who leads the group. */

import type { TopicPartition } from '../model/topic-partition.ts'
import type { AssignableTopic, Assignor, GroupAssignment, GroupMember } from './assignor.ts'

export const rangeAssignor: Assignor = {
  name: 'range',
  protocol: 'eager',
  assign: assignRanges,
}

function assignRanges(members: readonly GroupMember[], topics: readonly AssignableTopic[]): GroupAssignment {
  const assignment: GroupAssignment = new Map(members.map((member) => [member.memberId, []]))
  const inOrder = members.toSorted(staticFirst)
  const shares = topics
    .filter((topic) => topic.partitionCount > 0)
    .map((topic) => new TopicShare(topic, inOrder))
    .filter((share) => share.members.length > 0)
    .sort((a, b) => compare(a.topic.name, b.topic.name))
  const byRack = shares.some((share) => share.racksMatter)
  if (byRack) assignWithinRacks(shares, assignment)
  for (const share of shares) share.giveOut(assignment, () => true)
  if (byRack) for (const partitions of assignment.values()) partitions.sort(byTopicAndPartition)
  return assignment
}

/** Static members come first, by instance id: their ids outlive a restart, so the order does too (KIP-345). */
function staticFirst(a: GroupMember, b: GroupMember): number {
  if (a.groupInstanceId !== null && b.groupInstanceId !== null) return compare(a.groupInstanceId, b.groupInstanceId)
  if (a.groupInstanceId !== null) return -1
  if (b.groupInstanceId !== null) return 1
  return compare(a.memberId, b.memberId)
}

/** Order of UTF-16 code units: Java's, which a locale must not change. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function byTopicAndPartition(a: TopicPartition, b: TopicPartition): number {
  return compare(a.topic, b.topic) || a.partition - b.partition
}

/** How far one topic has been divided among those who subscribe to it. */
class TopicShare {
  readonly topic: AssignableTopic
  readonly members: readonly GroupMember[]
  /** Whether giving members the partitions near them can make a difference (KIP-881). */
  readonly racksMatter: boolean
  readonly #each: number
  readonly #given = new Map<string, number>()
  readonly #left: Set<number>
  #membersWithOneMore: number

  constructor(topic: AssignableTopic, inOrder: readonly GroupMember[]) {
    this.topic = topic
    this.members = inOrder.filter((member) => member.topics.includes(topic.name))
    const count = topic.partitionCount
    this.#left = new Set(Array(count).keys())
    this.#each = this.members.length === 0 ? 0 : Math.floor(count / this.members.length)
    this.#membersWithOneMore = this.members.length === 0 ? 0 : count % this.members.length
    this.racksMatter = this.#racksMatter()
  }

  #racksMatter(): boolean {
    const memberRacks = new Set(this.members.map((member) => member.rackId ?? '').filter((rack) => rack !== ''))
    if (memberRacks.size === 0) return false
    const perPartition = Array.from({ length: this.topic.partitionCount }, (_, i) => this.topic.racks(i))
    const all = new Set(perPartition.flatMap((racks) => [...racks]))
    if (![...memberRacks].some((rack) => all.has(rack))) return false
    return perPartition.some((racks) => racks.size !== all.size)
  }

  isNear(member: GroupMember, partition: number): boolean {
    return member.rackId === null || member.rackId === '' || this.topic.racks(partition).has(member.rackId)
  }

  /** How many more partitions the member may get without another getting too few. */
  room(member: GroupMember): number {
    const most = this.#each + (this.#membersWithOneMore > 0 ? 1 : 0)
    return Math.max(0, most - (this.#given.get(member.memberId) ?? 0))
  }

  give(member: GroupMember, partitions: readonly number[], assignment: GroupAssignment): void {
    for (const partition of partitions) {
      assignment.get(member.memberId)!.push({ topic: this.topic.name, partition })
      this.#left.delete(partition)
    }
    const given = (this.#given.get(member.memberId) ?? 0) + partitions.length
    this.#given.set(member.memberId, given)
    if (given > this.#each) this.#membersWithOneMore--
  }

  giveOut(assignment: GroupAssignment, may: (member: GroupMember, partition: number) => boolean): void {
    for (const member of this.members) {
      const room = this.room(member)
      const partitions: number[] = []
      for (const partition of this.#left) {
        if (partitions.length === room) break
        if (may(member, partition)) partitions.push(partition)
      }
      if (partitions.length > 0) this.give(member, partitions, assignment)
    }
  }
}

/** Topics with the same subscribers and as many partitions stay co-partitioned, even where that costs rack alignment. */
function assignWithinRacks(shares: readonly TopicShare[], assignment: GroupAssignment): void {
  const alike = new Map<string, TopicShare[]>()
  for (const share of shares) {
    const key = JSON.stringify([share.topic.partitionCount, share.members.map((member) => member.memberId)])
    const others = alike.get(key)
    if (others === undefined) alike.set(key, [share])
    else others.push(share)
  }
  for (const group of alike.values()) {
    const only = group[0]!
    if (group.length > 1) assignTogether(group, assignment)
    else if (only.racksMatter) only.giveOut(assignment, (member, partition) => only.isNear(member, partition))
  }
}

function assignTogether(shares: readonly TopicShare[], assignment: GroupAssignment): void {
  const { members, topic } = shares[0]!
  for (let partition = 0; partition < topic.partitionCount; partition++) {
    const member = members.find((candidate) =>
      shares.every((share) => share.room(candidate) > 0 && share.isNear(candidate, partition)),
    )
    if (member !== undefined) for (const share of shares) share.give(member, [partition], assignment)
  }
}
