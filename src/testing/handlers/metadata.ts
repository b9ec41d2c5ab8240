/** Metadata: which brokers there are, which topics, and who leads their partitions. Makes topics that are asked for, where
 *  that is configured; as in Kafka the answer that made one does not name it yet. */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import type { Init } from '../../wire/api.ts'
import {
  Metadata,
  type MetadataRequestTopic,
  type MetadataResponsePartition,
  type MetadataResponseTopic,
} from '../../wire/messages/metadata.ts'
import { zeroUuid } from '../../wire/primitives/uuid.ts'
import { complaintAboutTopicName, type Partition, type Topic } from '../topics.ts'
import { clusterOperations, topicOperations } from '../operations.ts'
import { defineHandler, type AnyHandler, type RequestContext } from './handler.ts'

export const metadata: AnyHandler = defineHandler({
  api: Metadata,
  minVersion: 0,
  maxVersion: 13,

  handle(request, context) {
    const { state, version } = context
    const { topics, includeTopicAuthorizedOperations: withOperations } = request
    const wantsAll = topics === null || (version === 0 && topics.length === 0)
    const mayCreate = version < 4 || request.allowAutoTopicCreation
    return {
      brokers: state.liveBrokers.map(({ id, host, port, rack }) => ({ nodeId: id, host, port, rack })),
      clusterId: state.clusterId,
      controllerId: state.controllerId,
      topics: wantsAll
        ? state.topics.map((topic) => describe(topic, context, withOperations))
        : topics!.map((asked) => answerFor(asked, context, mayCreate, withOperations)),
      ...(request.includeClusterAuthorizedOperations ? { clusterAuthorizedOperations: clusterOperations } : {}),
    }
  },

  refuse: ({ topics }, errorCode, { version, state }) => ({
    brokers: state.liveBrokers.map(({ id, host, port, rack }) => ({ nodeId: id, host, port, rack })),
    clusterId: state.clusterId,
    controllerId: state.controllerId,
    topics: (topics ?? []).map(({ name, topicId }) => ({ errorCode, name: nameFor(name, version), topicId })),
    ...(version >= 13 ? { errorCode } : {}),
  }),
})

function answerFor(
  { name, topicId }: MetadataRequestTopic,
  context: RequestContext,
  mayCreate: boolean,
  withOperations: boolean,
): Init<MetadataResponseTopic> {
  const { state, version } = context
  if (topicId !== zeroUuid || name === null) {
    const topic = state.topicById(topicId)
    if (topic !== undefined) return describe(topic, context, withOperations)
    return { errorCode: brokerErrorNumber('UNKNOWN_TOPIC_ID'), name: nameFor(null, version), topicId }
  }
  const topic = state.topic(name)
  if (topic !== undefined) return describe(topic, context, withOperations)
  if (complaintAboutTopicName(name) !== undefined) {
    return { errorCode: brokerErrorNumber('INVALID_TOPIC_EXCEPTION'), name }
  }
  if (mayCreate && state.properties.flag('auto.create.topics.enable')) {
    if (state.collision(name) !== undefined) return { errorCode: brokerErrorNumber('INVALID_TOPIC_EXCEPTION'), name }
    const replicas = state.defaultReplicationFactor
    if (replicas > state.liveBrokers.length) {
      return { errorCode: brokerErrorNumber('INVALID_REPLICATION_FACTOR'), name }
    }
    state.createTopic(name, state.placeReplicas(state.properties.number('num.partitions'), replicas), new Map())
  }
  return { errorCode: brokerErrorNumber('UNKNOWN_TOPIC_OR_PARTITION'), name }
}

function describe(topic: Topic, context: RequestContext, withOperations: boolean): Init<MetadataResponseTopic> {
  return {
    name: topic.name,
    topicId: topic.id,
    isInternal: topic.isInternal,
    partitions: topic.partitions.map((partition) => describePartition(partition, context)),
    ...(withOperations ? { topicAuthorizedOperations: topicOperations } : {}),
  }
}

function describePartition(partition: Partition, { state }: RequestContext): Init<MetadataResponsePartition> {
  const { index, leaderId, leaderEpoch, replicas, inSyncReplicas } = partition
  return {
    errorCode: leaderId === -1 ? brokerErrorNumber('LEADER_NOT_AVAILABLE') : 0,
    partitionIndex: index,
    leaderId,
    leaderEpoch,
    replicaNodes: replicas,
    isrNodes: inSyncReplicas,
    offlineReplicas: replicas.filter((id) => !state.isUp(id)),
  }
}

/** A topic known by its id alone has a name of null, where the version has that. */
function nameFor(name: string | null, version: number): string | null {
  return name ?? (version >= 12 ? null : '')
}
