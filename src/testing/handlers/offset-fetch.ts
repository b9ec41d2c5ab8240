/** OffsetFetch: what groups have committed. */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import type { Init } from '../../wire/api.ts'
import {
  OffsetFetch,
  type OffsetFetchResponseGroup,
  type OffsetFetchResponsePartitions,
} from '../../wire/messages/offset-fetch.ts'
import { zeroUuid } from '../../wire/primitives/uuid.ts'
import type { CommittedOffset } from '../groups/group-coordinator.ts'
import { defineHandler, type AnyHandler, type RequestContext } from './handler.ts'

/** Several groups at once since then (KIP-709). */
const batchedSince = 8

interface AskedTopic {
  readonly name: string
  readonly topicId: string
  readonly partitionIndexes: readonly number[]
}

export const offsetFetch: AnyHandler = defineHandler({
  api: OffsetFetch,
  minVersion: 1,
  maxVersion: 10,

  handle(request, context) {
    const { requireStable } = request
    if (context.version >= batchedSince) {
      return { groups: request.groups.map(({ groupId, topics }) => answerFor(groupId, topics, requireStable, context)) }
    }
    const topics = request.topics?.map((topic) => ({ ...topic, topicId: '' })) ?? null
    const { errorCode = 0, topics: answered = [] } = answerFor(request.groupId, topics, requireStable, context)
    return inOldForm(errorCode, errorCode === 0 ? answered : refusedTopics(topics, errorCode), context.version)
  },

  refuse({ groups, topics }, errorCode, { version }) {
    if (version >= batchedSince) return { groups: groups.map((each) => ({ groupId: each.groupId, errorCode })) }
    return inOldForm(
      errorCode,
      refusedTopics(topics?.map((topic) => ({ ...topic, topicId: '' })) ?? [], errorCode),
      version,
    )
  },
})

function answerFor(
  groupId: string,
  topics: readonly AskedTopic[] | null,
  requireStable: boolean,
  context: RequestContext,
): Init<OffsetFetchResponseGroup> {
  const { groups, brokerId, state, version } = context
  const refused = groups.refusal(groupId, brokerId)
  if (refused !== 0) return { groupId, errorCode: refused }
  const group = groups.group(groupId)
  const committed = (name: string, index: number): Init<OffsetFetchResponsePartitions> => {
    // A transaction may replace it yet (KIP-447).
    if (requireStable && groups.isPending(groupId, name, index)) {
      return missing(index, brokerErrorNumber('UNSTABLE_OFFSET_COMMIT'))
    }
    const offset = group?.offsets.get(name)?.get(index)
    return offset === undefined ? missing(index, 0) : found(index, offset)
  }
  if (topics === null) {
    return {
      groupId,
      topics: Array.from(group?.offsets ?? [], ([name, partitions]) => ({
        name,
        ...(version >= 10 ? { topicId: state.topic(name)?.id ?? zeroUuid } : {}),
        partitions: Array.from(partitions.keys(), (index) => committed(name, index)),
      })),
    }
  }
  return {
    groupId,
    topics: topics.map(({ name, topicId, partitionIndexes }) => {
      const topic = version >= 10 ? state.topicById(topicId)?.name : name
      const partitions = partitionIndexes.map((index) =>
        topic === undefined ? missing(index, brokerErrorNumber('UNKNOWN_TOPIC_ID')) : committed(topic, index),
      )
      return version >= 10 ? { topicId, partitions } : { name, partitions }
    }),
  }
}

function found(index: number, { offset, leaderEpoch, metadata }: CommittedOffset): Init<OffsetFetchResponsePartitions> {
  return { partitionIndex: index, committedOffset: offset, committedLeaderEpoch: leaderEpoch, metadata }
}

function missing(index: number, errorCode: number): Init<OffsetFetchResponsePartitions> {
  return { partitionIndex: index, committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode }
}

function refusedTopics(topics: readonly AskedTopic[] | null, errorCode: number): OffsetFetchResponseGroup['topics'] {
  return (topics ?? []).map(({ name, partitionIndexes }) => ({
    name,
    topicId: '',
    partitions: partitionIndexes.map((index) => missing(index, errorCode) as OffsetFetchResponsePartitions),
  }))
}

/** Before there were several groups, one's topics were the answer itself, and version 1 had the error on partitions only. */
function inOldForm(
  errorCode: number,
  topics: NonNullable<Init<OffsetFetchResponseGroup>['topics']>,
  version: number,
): Init<{ errorCode: number; topics: { name: string; partitions: OffsetFetchResponsePartitions[] }[] }> {
  return {
    ...(version >= 2 ? { errorCode } : {}),
    topics: topics.map(({ name, partitions = [] }) => ({
      name,
      partitions: partitions.map(({ committedLeaderEpoch, ...rest }) =>
        version >= 5 ? { ...rest, committedLeaderEpoch } : rest,
      ),
    })),
  }
}
