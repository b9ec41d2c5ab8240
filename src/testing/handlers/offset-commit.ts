/** OffsetCommit: keeps how far a group has read, if the member may still speak for it. */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import type { Init } from '../../wire/api.ts'
import {
  OffsetCommit,
  type OffsetCommitRequest,
  type OffsetCommitRequestPartition,
  type OffsetCommitResponse,
} from '../../wire/messages/offset-commit.ts'
import { defineHandler, type AnyHandler, type RequestContext } from './handler.ts'

export const offsetCommit: AnyHandler = defineHandler({
  api: OffsetCommit,
  minVersion: 2,
  maxVersion: 10,

  handle(request, context) {
    const { groupId, memberId, groupInstanceId, generationIdOrMemberEpoch: generationId } = request
    const { groups, brokerId, state, version } = context
    const check = (): number => {
      const refused = groups.refusal(groupId, brokerId)
      if (refused !== 0) return refused
      const known = groups.group(groupId)
      if (known !== undefined) return known.classic.checkCommit(memberId, groupInstanceId, generationId)
      // Without a generation it is a tool, or a consumer that assigns itself: a group is made for it.
      return generationId < 0 ? 0 : brokerErrorNumber(version >= 9 ? 'GROUP_ID_NOT_FOUND' : 'ILLEGAL_GENERATION')
    }
    const errorCode = check()
    const commit = (topic: string, partition: OffsetCommitRequestPartition): number => {
      if (errorCode !== 0) return errorCode
      const metadata = partition.committedMetadata ?? ''
      if (metadata.length > state.properties.number('offset.metadata.max.bytes')) {
        return brokerErrorNumber('OFFSET_METADATA_TOO_LARGE')
      }
      groups.commit(groupId, {
        topic,
        partition: partition.partitionIndex,
        offset: partition.committedOffset,
        leaderEpoch: partition.committedLeaderEpoch,
        metadata,
      })
      return 0
    }
    return answer(request, (topicIndex, partition) => {
      const { name, unknown } = nameOf(request.topics[topicIndex]!, context)
      // Whoever the member is: what there is not, nobody commits.
      if (name === undefined || state.partition(name, partition.partitionIndex) === undefined) return unknown
      return commit(name, partition)
    })
  },

  refuse: (request, errorCode) => refuseAll(request, errorCode),
})

/** The topic that is meant, or the error of one that is not known. */
function nameOf(
  { name, topicId }: { name: string; topicId: string },
  { state, version }: RequestContext,
): { name: string | undefined; unknown: number } {
  const topic = version >= 10 ? state.topicById(topicId) : state.topic(name)
  const isUnknownId = topic === undefined && version >= 10
  return {
    name: topic?.name,
    unknown: brokerErrorNumber(isUnknownId ? 'UNKNOWN_TOPIC_ID' : 'UNKNOWN_TOPIC_OR_PARTITION'),
  }
}

function answer(
  { topics }: OffsetCommitRequest,
  errorOf: (topicIndex: number, partition: OffsetCommitRequestPartition) => number,
): Init<OffsetCommitResponse> {
  return {
    topics: topics.map(({ name, topicId, partitions }, topicIndex) => ({
      name,
      topicId,
      partitions: partitions.map((partition) => ({
        partitionIndex: partition.partitionIndex,
        errorCode: errorOf(topicIndex, partition),
      })),
    })),
  }
}

function refuseAll(request: OffsetCommitRequest, errorCode: number): Init<OffsetCommitResponse> {
  return answer(request, () => errorCode)
}
