/** DeleteRecords: moves the start of a log (KIP-107). */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import type { Init } from '../../wire/api.ts'
import { DeleteRecords, type DeleteRecordsPartitionResult } from '../../wire/messages/delete-records.ts'
import { listOf } from '../configs.ts'
import type { Partition } from '../topics.ts'
import { defineHandler, type AnyHandler } from './handler.ts'

/** Everything there is. */
const highWatermark = -1

export const deleteRecords: AnyHandler = defineHandler({
  api: DeleteRecords,
  minVersion: 0,
  maxVersion: 2,

  handle: ({ topics }, { state, brokerId }) => ({
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex, offset }) => ({
        partitionIndex,
        ...remove(state.partition(name, partitionIndex), offset, brokerId),
      })),
    })),
  }),

  refuse: ({ topics }, errorCode) => ({
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, lowWatermark: -1, errorCode })),
    })),
  }),
})

function remove(
  partition: Partition | undefined,
  asked: number,
  brokerId: number,
): Pick<Init<DeleteRecordsPartitionResult>, 'lowWatermark' | 'errorCode'> {
  if (partition === undefined) {
    return { lowWatermark: -1, errorCode: brokerErrorNumber('UNKNOWN_TOPIC_OR_PARTITION') }
  }
  if (partition.leaderId !== brokerId) {
    return { lowWatermark: -1, errorCode: brokerErrorNumber('NOT_LEADER_OR_FOLLOWER') }
  }
  const { log, topic } = partition
  if (topic.isInternal) return { lowWatermark: -1, errorCode: brokerErrorNumber('INVALID_TOPIC_EXCEPTION') }
  // What is only compacted keeps the last record of every key; nobody may cut that off.
  if (!listOf(topic.config('cleanup.policy')).includes('delete')) {
    return { lowWatermark: -1, errorCode: brokerErrorNumber('POLICY_VIOLATION') }
  }
  const offset = asked === highWatermark ? log.logEndOffset : asked
  if (offset < 0 || offset > log.logEndOffset) {
    return { lowWatermark: -1, errorCode: brokerErrorNumber('OFFSET_OUT_OF_RANGE') }
  }
  log.deleteBefore(offset)
  partition.changed()
  return { lowWatermark: log.logStartOffset }
}
