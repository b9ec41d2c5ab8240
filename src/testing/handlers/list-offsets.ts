/** ListOffsets: the offset of a time, or of a log's ends (KIP-79, 734). */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import type { Init } from '../../wire/api.ts'
import {
  ListOffsets,
  type ListOffsetsPartition,
  type ListOffsetsPartitionResponse,
} from '../../wire/messages/list-offsets.ts'
import type { Partition } from '../topics.ts'
import { defineHandler, type AnyHandler, type RequestContext } from './handler.ts'
import { readable } from './readable.ts'

const readCommitted = 1
/** Consumers say that they are none. */
const noReplica = -1
/** Timestamps that mean something else, and the version that brought them. */
const latest = -1
const earliest = -2
const ofMaxTimestamp = -3
const earliestLocal = -4
const latestTiered = -5
const earliestPendingUpload = -6
const sinceVersion: ReadonlyMap<number, number> = new Map([
  [latest, 1],
  [earliest, 1],
  [ofMaxTimestamp, 7],
  [earliestLocal, 8],
  [latestTiered, 9],
  [earliestPendingUpload, 11],
])

export const listOffsets: AnyHandler = defineHandler({
  api: ListOffsets,
  minVersion: 1,
  maxVersion: 11,

  async handle({ topics, isolationLevel, replicaId }, context) {
    // Brokers, which have an id, see everything.
    const isCommittedOnly = replicaId === noReplica && isolationLevel === readCommitted
    const answered = []
    for (const { name, partitions } of topics) {
      const answers: Init<ListOffsetsPartitionResponse>[] = []
      for (const asked of partitions) {
        answers.push(
          await answerFor(context.state.partition(name, asked.partitionIndex), asked, isCommittedOnly, context),
        )
      }
      answered.push({ name, partitions: answers })
    }
    return { topics: answered }
  },

  refuse: ({ topics }, errorCode) => ({
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
    })),
  }),
})

async function answerFor(
  partition: Partition | undefined,
  { partitionIndex, timestamp, currentLeaderEpoch }: ListOffsetsPartition,
  isCommittedOnly: boolean,
  { version, brokerId }: RequestContext,
): Promise<Init<ListOffsetsPartitionResponse>> {
  const said = (offset: number, at: number, leaderEpoch: number): Init<ListOffsetsPartitionResponse> => ({
    partitionIndex,
    offset,
    timestamp: at,
    ...(version >= 4 ? { leaderEpoch } : {}),
  })
  if (partition === undefined) return { partitionIndex, errorCode: brokerErrorNumber('UNKNOWN_TOPIC_OR_PARTITION') }
  if (timestamp < 0 && version < (sinceVersion.get(timestamp) ?? Infinity)) {
    return { partitionIndex, errorCode: brokerErrorNumber('UNSUPPORTED_VERSION') }
  }
  const errorCode = readable(partition, currentLeaderEpoch, brokerId, 'the leader')
  if (errorCode !== 0) return { partitionIndex, errorCode }
  const { log, leaderEpoch, lastStableOffset } = partition
  const end = isCommittedOnly ? lastStableOffset : log.logEndOffset
  switch (timestamp) {
    case latest:
      return said(end, -1, leaderEpoch)
    case earliest:
    case earliestLocal:
      return said(log.logStartOffset, -1, log.epochAt(log.logStartOffset) ?? -1)
    case latestTiered:
    case earliestPendingUpload:
      // Nothing is kept anywhere else.
      return said(-1, -1, -1)
    default: {
      const found = timestamp === ofMaxTimestamp ? await log.offsetOfMaxTimestamp() : await log.offsetAt(timestamp)
      // A later record is not looked for: the first one that fits is not decided yet.
      return found === undefined || found.offset >= end
        ? said(-1, -1, -1)
        : said(found.offset, found.timestamp, found.leaderEpoch)
    }
  }
}
