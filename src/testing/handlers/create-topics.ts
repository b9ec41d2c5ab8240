/** CreateTopics: makes topics, or says what is wrong with them. */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import type { BrokerErrorCode } from '../../errors/broker-error-codes.ts'
import type { Init } from '../../wire/api.ts'
import { CreateTopics, type CreatableTopic, type CreatableTopicResult } from '../../wire/messages/create-topics.ts'
import { complaintAbout, topicConfigs } from '../configs.ts'
import { complaintAboutTopicName, Topic } from '../topics.ts'
import type { ClusterState } from '../cluster-state.ts'
import { Refusal } from './refusal.ts'
import { placementOf } from './replica-placement.ts'
import { defineHandler, type AnyHandler, type RequestContext } from './handler.ts'

export const createTopics: AnyHandler = defineHandler({
  api: CreateTopics,
  minVersion: 2,
  maxVersion: 7,

  handle({ topics, validateOnly }, context) {
    const names = new Set<string>()
    const repeated = new Set(topics.filter(({ name }) => names.size === names.add(name).size).map(({ name }) => name))
    return {
      topics: [...new Map(topics.map((topic) => [topic.name, topic])).values()].map((topic) =>
        repeated.has(topic.name)
          ? refused(topic.name, 'INVALID_REQUEST', 'the topic is named more than once')
          : create(topic, validateOnly, context),
      ),
    }
  },

  refuse: ({ topics }, errorCode) => ({ topics: topics.map(({ name }) => ({ name, errorCode })) }),
})

function create(
  asked: CreatableTopic,
  validateOnly: boolean,
  { state, version }: RequestContext,
): Init<CreatableTopicResult> {
  const { name, assignments } = asked
  try {
    checkName(name, state)
    const placement =
      assignments.length > 0 ? assigned(asked, state) : placed(asked.numPartitions, asked.replicationFactor, state)
    const configs = checkedConfigs(asked)
    const topic = validateOnly
      ? new Topic(name, state.uuid(), { configs, properties: state.properties, isInternal: false })
      : state.createTopic(name, placement, configs)
    return {
      name,
      ...(version >= 7 ? { topicId: topic.id } : {}),
      ...(version >= 5
        ? {
            numPartitions: placement.length,
            replicationFactor: placement[0]!.length,
            configs: Object.keys(topicConfigs).map((config) => {
              const { value, source } = topic.configValues(config)[0]!
              return { name: config, value, configSource: source }
            }),
          }
        : {}),
    }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return refused(name, error.code, error.message)
  }
}

function checkName(name: string, state: ClusterState): void {
  const complaint = complaintAboutTopicName(name)
  if (complaint !== undefined) throw new Refusal('INVALID_TOPIC_EXCEPTION', complaint)
  if (state.topic(name) !== undefined) throw new Refusal('TOPIC_ALREADY_EXISTS', `there is a topic '${name}' already`)
  const other = state.collision(name)
  if (other !== undefined) throw new Refusal('INVALID_TOPIC_EXCEPTION', `'${name}' is too much like '${other.name}'`)
}

/** Numbers of -1 mean the default. */
function placed(numPartitions: number, replicationFactor: number, state: ClusterState): number[][] {
  const partitions = numPartitions === -1 ? state.properties.number('num.partitions') : numPartitions
  const replicas = replicationFactor === -1 ? state.defaultReplicationFactor : replicationFactor
  if (partitions < 1) throw new Refusal('INVALID_PARTITIONS', `a topic has at least one partition, not ${partitions}`)
  if (partitions > maxPartitions) {
    throw new Refusal('INVALID_PARTITIONS', `the in-process cluster has at most ${maxPartitions} partitions a topic`)
  }
  if (replicas < 1)
    throw new Refusal('INVALID_REPLICATION_FACTOR', `a partition has at least one replica, not ${replicas}`)
  const live = state.liveBrokers.length
  if (replicas > live)
    throw new Refusal('INVALID_REPLICATION_FACTOR', `${replicas} replicas need as many brokers; ${live} are up`)
  return state.placeReplicas(partitions, replicas)
}

/** Who asks for more in one request wants to exhaust us. */
const maxPartitions = 10_000

function assigned({ numPartitions, replicationFactor, assignments }: CreatableTopic, state: ClusterState): number[][] {
  if (numPartitions !== -1 || replicationFactor !== -1) {
    throw new Refusal('INVALID_REQUEST', 'with replicas assigned, the numbers of partitions and replicas must be -1')
  }
  const sorted = [...assignments].sort((a, b) => a.partitionIndex - b.partitionIndex)
  if (sorted.some(({ partitionIndex }, i) => partitionIndex !== i)) {
    throw new Refusal('INVALID_REPLICA_ASSIGNMENT', 'partitions are numbered from 0 without a gap')
  }
  return placementOf(sorted, state)
}

function checkedConfigs({ configs }: CreatableTopic): Map<string, string> {
  const checked = new Map<string, string>()
  for (const { name, value } of configs) {
    if (!Object.hasOwn(topicConfigs, name)) throw new Refusal('INVALID_CONFIG', `topics have no config '${name}'`)
    if (value === null) throw new Refusal('INVALID_CONFIG', `the config '${name}' needs a value`)
    const complaint = complaintAbout(topicConfigs[name]!, value)
    if (complaint !== undefined)
      throw new Refusal('INVALID_CONFIG', `the config '${name}' ${complaint}, not '${value}'`)
    checked.set(name, value)
  }
  return checked
}

function refused(name: string, code: BrokerErrorCode, errorMessage: string): Init<CreatableTopicResult> {
  return { name, errorCode: brokerErrorNumber(code), errorMessage }
}
