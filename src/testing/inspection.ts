/** What tests see of topics, groups and brokers: plain data, as it is at the moment of asking. */

import type { OffsetAndMetadata } from '../model/offset-and-metadata.ts'
import type { RecordHeader } from '../model/record-header.ts'
import type { Group } from './groups/group-coordinator.ts'
import type { GroupState } from './groups/classic-group.ts'
import { cursorOf, type LogBatch } from './partition-log.ts'
import type { Partition, Topic } from './topics.ts'

export interface TestBroker {
  readonly id: number
  /** `host:port` */
  readonly address: string
  readonly isUp: boolean
  /** How many clients are connected. */
  readonly connections: number
}

export interface TestRecord {
  readonly offset: number
  /** In ms since 1970. */
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
}

export interface TestPartition {
  readonly partition: number
  /** -1 when no replica that is in sync is up. */
  readonly leader: number
  readonly leaderEpoch: number
  readonly replicas: readonly number[]
  readonly inSyncReplicas: readonly number[]
  /** The first offset that can be read. */
  readonly logStartOffset: number
  /** The offset that the next record gets. */
  readonly logEndOffset: number
  readonly sizeInBytes: number
  /** As they lie in the log, oldest first. */
  readonly batches: readonly LogBatch[]
  /** All records, decoded. Rejects when a batch cannot be read. */
  records(): Promise<TestRecord[]>
}

export interface TestTopic {
  readonly name: string
  /** A uuid in Kafka's spelling. */
  readonly topicId: string
  /** What was set for this topic itself. */
  readonly configs: Readonly<Record<string, string>>
  readonly partitions: readonly TestPartition[]
}

export interface TestGroupMember {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  /** The names of its protocols (assignors), most preferred first. */
  readonly protocols: readonly string[]
  /** As the leader gave it; a `ConsumerProtocolAssignment` for consumers. */
  readonly assignment: Buffer
}

export interface TestGroup {
  readonly groupId: string
  readonly state: GroupState
  readonly generationId: number
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly leader: string | null
  readonly members: readonly TestGroupMember[]
  readonly offsets: readonly ({ readonly topic: string; readonly partition: number } & OffsetAndMetadata)[]
}

export function describeTopic({ name, id, configs, partitions }: Topic): TestTopic {
  return { name, topicId: id, configs: Object.fromEntries(configs), partitions: partitions.map(describePartition) }
}

function describePartition({ index, log, ...partition }: Partition): TestPartition {
  const { batches, logStartOffset } = log
  return {
    partition: index,
    leader: partition.leaderId,
    leaderEpoch: partition.leaderEpoch,
    replicas: [...partition.replicas],
    inSyncReplicas: [...partition.inSyncReplicas],
    logStartOffset,
    logEndOffset: log.logEndOffset,
    sizeInBytes: log.sizeInBytes,
    batches,
    async records() {
      const records: TestRecord[] = []
      for (const batch of batches) {
        for (const { offset, timestamp, key, value, headers } of await cursorOf(batch)) {
          if (offset >= logStartOffset) records.push({ offset, timestamp, key, value, headers })
        }
      }
      return records
    },
  }
}

export function describeGroup(groupId: string, { classic, offsets }: Group): TestGroup {
  return {
    groupId,
    state: classic.state,
    generationId: classic.generationId,
    protocolType: classic.protocolType,
    protocolName: classic.protocolName,
    leader: classic.leaderId,
    members: classic.members.map(({ memberId, groupInstanceId, clientId, protocols, assignment }) => ({
      memberId,
      groupInstanceId,
      clientId,
      protocols: protocols.map(({ name }) => name),
      assignment,
    })),
    offsets: [...offsets].flatMap(([topic, partitions]) =>
      Array.from(partitions, ([partition, { offset, leaderEpoch, metadata }]) => ({
        topic,
        partition,
        offset,
        metadata,
        ...(leaderEpoch === -1 ? {} : { leaderEpoch }),
      })),
    ),
  }
}
