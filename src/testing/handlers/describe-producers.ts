/** DescribeProducers: what partitions know of producers (KIP-664). */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import type { Init } from '../../wire/api.ts'
import {
  DescribeProducers,
  type DescribeProducersRequest,
  type DescribeProducersResponse,
  type PartitionResponse,
} from '../../wire/messages/describe-producers.ts'
import { complaintAboutTopicName } from '../topics.ts'
import { defineHandler, type AnyHandler } from './handler.ts'

export const describeProducers: AnyHandler = defineHandler({
  api: DescribeProducers,
  minVersion: 0,
  maxVersion: 0,

  handle: (request, { state, brokerId }) =>
    answer(request, (name, index) => {
      if (complaintAboutTopicName(name) !== undefined) {
        return { errorCode: brokerErrorNumber('INVALID_TOPIC_EXCEPTION') }
      }
      const partition = state.partition(name, index)
      if (partition === undefined) return { errorCode: brokerErrorNumber('UNKNOWN_TOPIC_OR_PARTITION') }
      if (!partition.replicas.includes(brokerId)) return { errorCode: brokerErrorNumber('NOT_LEADER_OR_FOLLOWER') }
      return {
        activeProducers: partition.producers.producers.map(({ transactionStartOffset, ...producer }) => ({
          ...producer,
          currentTxnStartOffset: transactionStartOffset,
        })),
      }
    }),

  refuse: (request, errorCode) => answer(request, () => ({ errorCode })),
})

function answer(
  { topics }: DescribeProducersRequest,
  partitionOf: (topic: string, index: number) => Init<PartitionResponse>,
): Init<DescribeProducersResponse> {
  return {
    topics: topics.map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map((partitionIndex) => ({ partitionIndex, ...partitionOf(name, partitionIndex) })),
    })),
  }
}
