/** What a topic is made of: its partitions, who leads them, and who keeps them. */

import { Metadata, type MetadataResponse } from '../wire/messages/metadata.ts'
import { zeroUuid } from '../wire/primitives/uuid.ts'
import type { AdminCall, AdminCallOptions } from './admin-call.ts'
import { checkOptions } from './arguments.ts'
import { askEach, toResult } from './ask-each.ts'
import { authorizedOperations, type AclOperation } from './authorized-operations.ts'
import type { Result } from './result.ts'
import { describe, readTopics, type NamedTopic, type TopicReference } from './topic-names.ts'

export interface DescribeTopicsOptions extends AdminCallOptions {
  /** Also what we may do to each topic (KIP-430, Kafka 2.3). Default false. */
  includeAuthorizedOperations?: boolean | undefined
}

export interface PartitionDescription {
  readonly partition: number
  /** The node that leads it, or null while there is none. */
  readonly leader: number | null
  /** Null from brokers before Kafka 2.2. */
  readonly leaderEpoch: number | null
  /** The nodes that keep it, its preferred leader first. */
  readonly replicas: readonly number[]
  /** Those of them that are in sync. */
  readonly isr: readonly number[]
  /** Those of them that are not running, or whose disk is gone. */
  readonly offlineReplicas: readonly number[]
}

export interface TopicDescription {
  readonly isInternal: boolean
  /** Entry i is partition i. */
  readonly partitions: readonly PartitionDescription[]
  /** Null unless asked for. */
  readonly authorizedOperations: readonly AclOperation[] | null
}

export type DescribeTopicResult = Result<
  {
    /** Null when the topic was given by an id that nothing has. */
    readonly name: string | null
    /** Null when there is no such topic, and from brokers before Kafka 2.8. */
    readonly topicId: string | null
  },
  TopicDescription
>

export async function describeTopics(
  call: AdminCall,
  topics: readonly TopicReference[],
  options: DescribeTopicsOptions,
): Promise<DescribeTopicResult[]> {
  checkOptions('describeTopics', options, ['includeAuthorizedOperations'])
  const entities = readTopics('describeTopics', topics)
  const outcomes = await askEach<NamedTopic, NamedTopic & TopicDescription>(call, {
    entities,
    key: ({ name, topicId }) => name ?? topicId!,
    complaint: (topic) => `cannot describe ${describe(topic)}`,
    target: () => ({ kind: 'any' }),
    ask: async (target, group) => {
      const request = {
        topics: group.map(({ name, topicId }) => ({ name, topicId: topicId ?? zeroUuid })),
        allowAutoTopicCreation: false,
        includeTopicAuthorizedOperations: options.includeAuthorizedOperations ?? false,
      }
      // Before version 12 a broker looks at names only.
      const minVersion = group.some(({ name }) => name === null) ? 12 : 4
      const { throttleTimeMs, topics: found } = await call.ask(target, Metadata, request, { minVersion })
      const asked = new Set(group.map(({ name }) => name))
      return {
        throttleTimeMs,
        byKey: new Map(
          found.map((topic) => [
            topic.name !== null && asked.has(topic.name) ? topic.name : topic.topicId,
            { errorCode: topic.errorCode, answer: toDescription(topic) },
          ]),
        ),
      }
    },
  })
  return outcomes.map((outcome, i) => {
    const { name, topicId } = entities[i]!
    if (outcome.error !== null) return toResult<NamedTopic, TopicDescription>({ name, topicId }, outcome)
    const { name: nameTold, topicId: idTold, ...answer } = outcome.answer
    return toResult<NamedTopic, TopicDescription>({ name: nameTold ?? name, topicId: idTold }, { error: null, answer })
  })
}

function toDescription(topic: MetadataResponse['topics'][number]): NamedTopic & TopicDescription {
  return {
    name: topic.name,
    topicId: topic.topicId === zeroUuid ? null : topic.topicId,
    isInternal: topic.isInternal,
    partitions: topic.partitions
      .map(({ partitionIndex, leaderId, leaderEpoch, replicaNodes, isrNodes, offlineReplicas }) => ({
        partition: partitionIndex,
        // A partition without a leader is described like any other: its error code says no more than that.
        leader: leaderId < 0 ? null : leaderId,
        leaderEpoch: leaderEpoch < 0 ? null : leaderEpoch,
        replicas: replicaNodes,
        isr: isrNodes,
        offlineReplicas,
      }))
      .sort((one, other) => one.partition - other.partition),
    authorizedOperations: authorizedOperations(topic.topicAuthorizedOperations),
  }
}
