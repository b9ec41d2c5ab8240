/** What the leader of a group does for everybody: collect the subscriptions, have the assignor divide the partitions,
 *  and watch the metadata for changes that make the division wrong. Sends no group requests. */

import type { Cluster } from '../../cluster/cluster.ts'
import type { MetadataSnapshot } from '../../cluster/metadata.ts'
import { KafkaError } from '../../errors/kafka-error.ts'
import type { JoinGroupResponseMember } from '../../wire/messages/join-group.ts'
import type { AssignableTopic, Assignor, GroupMember } from '../assignor.ts'
import { decodeSubscription, encodeAssignment } from './member-metadata.ts'

export interface EncodedAssignment {
  readonly memberId: string
  readonly assignment: Buffer
}

export class GroupLeader {
  readonly #cluster: Cluster
  readonly #groupId: string
  readonly #onChange: (reason: string) => void
  #stopWatching: (() => void) | undefined

  /** @param onChange called once when the last division is out of date: members must join again */
  constructor(cluster: Cluster, groupId: string, onChange: (reason: string) => void) {
    this.#cluster = cluster
    this.#groupId = groupId
    this.#onChange = onChange
  }

  /** Divides the partitions of all topics that members subscribe to, and from then on watches those topics. */
  async divide(
    assignor: Assignor,
    encodedMembers: readonly JoinGroupResponseMember[],
    signal: AbortSignal,
  ): Promise<EncodedAssignment[]> {
    const members = encodedMembers.map((member) => this.#decode(member))
    const names = new Set(members.flatMap((member) => member.topics))
    const snapshot = await this.#metadataOf(names, signal)
    const assignment = assignor.assign(members, assignableTopics(snapshot, names))
    this.#watch(names, snapshot)
    return members.map(({ memberId }) => ({
      memberId,
      assignment: encodeAssignment({ partitions: assignment.get(memberId) ?? [], userData: null }),
    }))
  }

  /** Somebody else leads now, or nobody: the others' topics are not our business any more. */
  resign(): void {
    this.#stopWatching?.()
    this.#stopWatching = undefined
    this.#cluster.useTopics(this, [])
  }

  /** A member whose subscription cannot be read gets nothing; the rest of the group does not suffer for it. */
  #decode({ memberId, groupInstanceId, metadata }: JoinGroupResponseMember): GroupMember {
    try {
      return { memberId, groupInstanceId, ...decodeSubscription(metadata) }
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error
      this.#cluster.logger.warn(`member '${memberId}' of group '${this.#groupId}' gets no partitions: ${error.message}`)
      const nothing = { topics: [], userData: null, ownedPartitions: [], generationId: -1, rackId: null }
      return { memberId, groupInstanceId, ...nothing }
    }
  }

  /** Other members' topics may be new to us: metadata that was asked for before does not have them. */
  async #metadataOf(names: ReadonlySet<string>, signal: AbortSignal): Promise<MetadataSnapshot> {
    this.#cluster.useTopics(this, names)
    const known = this.#cluster.metadata
    for (const name of names) {
      if (!known.topics.has(name)) return await this.#cluster.refreshMetadata({ signal })
    }
    return known
  }

  #watch(names: ReadonlySet<string>, divided: MetadataSnapshot): void {
    this.#stopWatching?.()
    const counts = new Map(Array.from(names, (name) => [name, divided.partitionCount(name)]))
    const compare = (snapshot: MetadataSnapshot): void => {
      for (const [name, count] of counts) {
        const now = snapshot.partitionCount(name)
        if (now === count) continue
        this.#stopWatching?.()
        this.#stopWatching = undefined
        this.#onChange(`topic '${name}' has ${now} partitions, no longer ${count}`)
        return
      }
    }
    this.#stopWatching = this.#cluster.onMetadata(compare)
    // A snapshot may have come between the look-up and now.
    compare(this.#cluster.metadata)
  }
}

function assignableTopics(snapshot: MetadataSnapshot, names: ReadonlySet<string>): AssignableTopic[] {
  const topics: AssignableTopic[] = []
  for (const name of names) {
    const partitions = snapshot.topics.get(name)?.partitions ?? []
    if (partitions.length === 0) continue
    const racks = (partition: number): ReadonlySet<string> => {
      const ids = partitions[partition]?.replicas ?? []
      return new Set(ids.map((id) => snapshot.brokers.get(id)?.rack ?? '').filter((rack) => rack !== ''))
    }
    topics.push({ name, partitionCount: partitions.length, racks })
  }
  return topics
}
