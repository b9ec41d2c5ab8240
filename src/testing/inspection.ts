/** What tests see of topics, groups, transactions and brokers: plain data, as it is at the moment of asking. */

import type { OffsetAndMetadata } from '../model/offset-and-metadata.ts'
import type { TopicPartition } from '../model/topic-partition.ts'
import type { RecordHeader } from '../model/record-header.ts'
import type { Group } from './groups/group-coordinator.ts'
import type { GroupState } from './groups/classic-group.ts'
import { DefaultRecordBatch } from '../wire/records/record-batch.ts'
import { cursorOf, type LogBatch } from './partition-log.ts'
import type { KnownProducer } from './producer-states.ts'
import type { Partition, Topic } from './topics.ts'
import type { Transaction, TransactionState } from './transaction-coordination/transaction.ts'

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
  /** Where readers of committed records come to: the first record of the oldest open transaction, or the end of the log. */
  readonly lastStableOffset: number
  readonly sizeInBytes: number
  /** As they lie in the log, oldest first: also those of aborted transactions, and markers. */
  readonly batches: readonly LogBatch[]
  /** The transactions whose records readers of committed records leave out. */
  readonly abortedTransactions: readonly TestAbortedTransaction[]
  /** What is known of idempotent and transactional producers. */
  readonly producers: readonly KnownProducer[]
  /** All records, decoded, also of transactions that are open or aborted. Rejects when a batch cannot be read. */
  records(): Promise<TestRecord[]>
  /** The records that a reader of committed records gets. Rejects when a batch cannot be read. */
  committedRecords(): Promise<TestRecord[]>
}

export interface TestAbortedTransaction {
  readonly producerId: number
  /** Of its first record. */
  readonly firstOffset: number
  /** Of its marker. */
  readonly lastOffset: number
}

export interface TestTransaction {
  readonly transactionalId: string
  readonly state: TransactionState
  readonly producerId: number
  readonly producerEpoch: number
  readonly timeoutMs: number
  /** In ms since 1970; -1 when none was begun since the id was taken. */
  readonly startedAt: number
  /** What belongs to it; `__consumer_offsets` is there for the offsets of groups. */
  readonly partitions: readonly TopicPartition[]
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
  readonly offsets: readonly TestCommittedOffset[]
  /** What open transactions will commit. */
  readonly pendingOffsets: readonly (TestCommittedOffset & { readonly producerId: number })[]
}

export type TestCommittedOffset = { readonly topic: string; readonly partition: number } & OffsetAndMetadata

export function describeTopic({ name, id, configs, partitions }: Topic): TestTopic {
  return { name, topicId: id, configs: Object.fromEntries(configs), partitions: partitions.map(describePartition) }
}

function describePartition(partition: Partition): TestPartition {
  const { index, log, lastStableOffset } = partition
  const { batches, logStartOffset } = log
  const aborted = partition.aborted.all.map(({ producerId, firstOffset, lastOffset }) => ({
    producerId,
    firstOffset,
    lastOffset,
  }))
  const read = async (isWanted: (batch: DefaultRecordBatch) => boolean): Promise<TestRecord[]> => {
    const records: TestRecord[] = []
    for (const batch of batches) {
      const decoded = new DefaultRecordBatch(batch.bytes)
      if (decoded.isControl || !isWanted(decoded)) continue
      for (const { offset, timestamp, key, value, headers } of await cursorOf(batch)) {
        if (offset >= logStartOffset) records.push({ offset, timestamp, key, value, headers })
      }
    }
    return records
  }
  return {
    partition: index,
    leader: partition.leaderId,
    leaderEpoch: partition.leaderEpoch,
    replicas: [...partition.replicas],
    inSyncReplicas: [...partition.inSyncReplicas],
    logStartOffset,
    logEndOffset: log.logEndOffset,
    lastStableOffset,
    sizeInBytes: log.sizeInBytes,
    batches,
    abortedTransactions: aborted,
    producers: partition.producers.producers,
    records: () => read(() => true),
    committedRecords: () =>
      read(({ isTransactional, producerId, baseOffset }) => {
        const isAborted = aborted.some(
          (each) => each.producerId === producerId && baseOffset >= each.firstOffset && baseOffset < each.lastOffset,
        )
        return baseOffset < lastStableOffset && !(isTransactional && isAborted)
      }),
  }
}

export function describeGroup(groupId: string, { classic, offsets, pendingOffsets }: Group): TestGroup {
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
    offsets: describeOffsets(offsets),
    pendingOffsets: [...pendingOffsets].flatMap(([producerId, pending]) =>
      describeOffsets(pending).map((offset) => ({ ...offset, producerId })),
    ),
  }
}

function describeOffsets(offsets: Group['offsets']): TestCommittedOffset[] {
  return [...offsets].flatMap(([topic, partitions]) =>
    Array.from(partitions, ([partition, { offset, leaderEpoch, metadata }]) => ({
      topic,
      partition,
      offset,
      metadata,
      ...(leaderEpoch === -1 ? {} : { leaderEpoch }),
    })),
  )
}

export function describeTransaction({
  transactionalId,
  state,
  producerId,
  producerEpoch,
  timeoutMs,
  startedAt,
  partitions,
}: Transaction): TestTransaction {
  return { transactionalId, state, producerId, producerEpoch, timeoutMs, startedAt, partitions }
}
