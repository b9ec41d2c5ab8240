/** Creating topics. */

import { InvalidArgumentError, UnsupportedVersionError } from '../errors/errors.ts'
import { CreateTopics } from '../wire/messages/create-topics.ts'
import { zeroUuid } from '../wire/primitives/uuid.ts'
import type { AdminCall, AdminCallOptions } from './admin-call.ts'
import {
  checkAssignments,
  checkDistinct,
  checkOptions,
  checkKeys,
  checkList,
  checkName,
  checkWholeNumber,
  int16Most,
  int32Most,
} from './arguments.ts'
import { askEach, toResult } from './ask-each.ts'
import { configSource, configText, type ConfigEntry, type ConfigValue } from './config-values.ts'
import type { Result } from './result.ts'

/** A topic to be created. */
export interface NewTopic {
  readonly name: string
  /** Default: what the brokers' `num.partitions` says (KIP-464). */
  readonly partitions?: number | undefined
  /** On how many brokers each partition is kept. Default: the brokers' `default.replication.factor` (KIP-464). */
  readonly replicationFactor?: number | undefined
  /** Instead of `partitions` and `replicationFactor`: for each partition the brokers that keep it, its preferred
   *  leader first. */
  readonly assignments?: readonly (readonly number[])[] | undefined
  /** The topic's own settings, by Kafka's names: `{ 'cleanup.policy': 'compact' }`. */
  readonly configs?: Readonly<Record<string, ConfigValue>> | undefined
}

export interface CreateTopicsOptions extends AdminCallOptions {
  /** Only checks whether the topics could be created. Default false. */
  validateOnly?: boolean | undefined
}

/** A topic as it was created. */
export interface CreatedTopic {
  /** Null when only validated, and from brokers before Kafka 2.8. */
  readonly topicId: string | null
  /** Null from brokers before Kafka 2.4, and when we may not see the topic's settings. */
  readonly partitions: number | null
  /** Null as `partitions` is. */
  readonly replicationFactor: number | null
  /** All its settings; null as `partitions` is. */
  readonly configs: readonly ConfigEntry[] | null
}

export type CreateTopicResult = Result<{ readonly name: string }, CreatedTopic>

export async function createTopics(
  call: AdminCall,
  topics: readonly NewTopic[],
  options: CreateTopicsOptions,
): Promise<CreateTopicResult[]> {
  check(topics, options)
  const { validateOnly = false } = options
  const outcomes = await askEach<NewTopic, CreatedTopic>(call, {
    entities: topics,
    key: ({ name }) => name,
    complaint: ({ name }) => `cannot create topic '${name}'`,
    target: () => ({ kind: 'controller' }),
    ask: async (target, group) => {
      const request = { topics: group.map(toCreatable), timeoutMs: call.brokerTimeoutMs, validateOnly }
      // Before version 4 a broker takes the -1 that stands for its own default to be a number of partitions.
      const minVersion = group.some((topic) => topic.assignments === undefined && leavesToBroker(topic)) ? 4 : 0
      const { throttleTimeMs, topics: created } = await call
        .ask(target, CreateTopics, request, { minVersion })
        .catch((error: unknown) => {
          if (!(error instanceof UnsupportedVersionError) || minVersion === 0) throw error
          const why = 'brokers before Kafka 2.4 must be told partitions and replicationFactor of a new topic'
          throw new UnsupportedVersionError(`${why}: ${error.message}`, { cause: error, persistence: 'not-persisted' })
        })
      return {
        throttleTimeMs,
        byKey: new Map(created.map((topic) => [topic.name, { ...topic, answer: toCreated(topic, validateOnly) }])),
      }
    },
  })
  return outcomes.map((outcome, i) => toResult({ name: topics[i]!.name }, outcome))
}

function check(topics: readonly NewTopic[], options: CreateTopicsOptions): void {
  checkOptions('createTopics', options, ['validateOnly'])
  checkList('createTopics', '{ name, partitions, replicationFactor, configs }', topics)
  for (const topic of topics) {
    checkKeys('a topic to create', topic, ['name', 'partitions', 'replicationFactor', 'assignments', 'configs'])
    const { name, partitions, replicationFactor, assignments, configs } = topic
    checkName("a new topic's name", name)
    if (partitions !== undefined) checkWholeNumber(`partitions of topic '${name}'`, partitions, 1, int32Most)
    if (replicationFactor !== undefined) {
      checkWholeNumber(`replicationFactor of topic '${name}'`, replicationFactor, 1, int16Most)
    }
    if (assignments !== undefined) {
      if (partitions !== undefined || replicationFactor !== undefined) {
        throw new InvalidArgumentError(
          `topic '${name}' has assignments, which say the partitions and replicas already: leave out partitions and replicationFactor`,
        )
      }
      checkAssignments(`assignments of topic '${name}'`, assignments)
    }
    if (configs !== undefined) {
      if (typeof configs !== 'object' || configs === null || Array.isArray(configs)) {
        throw new InvalidArgumentError(`configs of topic '${name}' must be an object: { 'retention.ms': 3600000 }`)
      }
      for (const [key, value] of Object.entries(configs)) configText(`config '${key}' of topic '${name}'`, value)
    }
  }
  checkDistinct(
    'createTopics',
    topics.map(({ name }) => `topic '${name}'`),
  )
}

function leavesToBroker({ partitions, replicationFactor }: NewTopic): boolean {
  return partitions === undefined || replicationFactor === undefined
}

function toCreatable({ name, partitions = -1, replicationFactor = -1, assignments = [], configs = {} }: NewTopic) {
  return {
    name,
    numPartitions: partitions,
    replicationFactor,
    assignments: assignments.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds })),
    configs: Object.entries(configs).map(([key, value]) => ({
      name: key,
      value: configText(`config '${key}' of topic '${name}'`, value),
    })),
  }
}

interface CreatableTopicResult {
  topicId: string
  topicConfigErrorCode: number
  numPartitions: number
  replicationFactor: number
  configs:
    { name: string; value: string | null; readOnly: boolean; configSource: number; isSensitive: boolean }[] | null
}

function toCreated(topic: CreatableTopicResult, validateOnly: boolean): CreatedTopic {
  const { topicId, topicConfigErrorCode, numPartitions, replicationFactor, configs } = topic
  const seen = topicConfigErrorCode === 0
  return {
    // A topic that was only thought of has been given an id all the same, which nothing will ever have.
    topicId: validateOnly || topicId === zeroUuid ? null : topicId,
    partitions: seen && numPartitions >= 0 ? numPartitions : null,
    replicationFactor: seen && replicationFactor >= 0 ? replicationFactor : null,
    configs:
      seen && configs !== null && numPartitions >= 0
        ? configs.map(({ name, value, readOnly, configSource: source, isSensitive }) => ({
            name,
            value,
            source: configSource(source),
            isDefault: configSource(source) === 'default',
            isReadOnly: readOnly,
            isSensitive,
          }))
        : null,
  }
}
