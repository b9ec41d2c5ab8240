/** DescribeConfigs: the configs of topics and brokers, each with its value, where that comes from, and what lies behind it. */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import type { Init } from '../../wire/api.ts'
import {
  DescribeConfigs,
  type DescribeConfigsRequest,
  type DescribeConfigsResource,
  type DescribeConfigsResourceResult,
  type DescribeConfigsResult,
} from '../../wire/messages/describe-configs.ts'
import { brokerConfigs, configSources, configTypes, topicConfigs, type ConfigDefinition } from '../configs.ts'
import { complaintAboutTopicName } from '../topics.ts'
import { brokerResource, namedBroker, topicResource } from './config-resource.ts'
import { defineHandler, type AnyHandler, type RequestContext } from './handler.ts'
import { Refusal } from './refusal.ts'

/** What a broker is started as: nobody can set it. Both names mean the same since KRaft. */
const identityConfigs: Readonly<Record<string, ConfigDefinition>> = {
  'broker.id': { type: 'int', default: '-1' },
  'node.id': { type: 'int', default: '-1' },
}

interface DescribedValue {
  readonly name: string
  readonly value: string
  readonly source: number
}

export const describeConfigs: AnyHandler = defineHandler({
  api: DescribeConfigs,
  minVersion: 1,
  maxVersion: 4,

  handle: (request, context) => ({
    results: request.resources.map((resource) => answerFor(resource, request, context)),
  }),

  refuse: ({ resources }, errorCode) => ({
    results: resources.map(({ resourceType, resourceName }) => ({ resourceType, resourceName, errorCode })),
  }),
})

function answerFor(
  resource: DescribeConfigsResource,
  request: DescribeConfigsRequest,
  context: RequestContext,
): Init<DescribeConfigsResult> {
  const { resourceType, resourceName, configurationKeys } = resource
  try {
    const { definitions, valuesOf, isReadOnly } = subject(resource, context)
    const wanted = (name: string): boolean => configurationKeys === null || configurationKeys.includes(name)
    return {
      resourceType,
      resourceName,
      configs: Object.entries(definitions)
        .filter(([name]) => wanted(name) && valuesOf(name).length > 0)
        .map(([name, definition]) => described(name, definition, valuesOf(name), isReadOnly(definition), request)),
    }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return { resourceType, resourceName, errorCode: brokerErrorNumber(error.code), errorMessage: error.message }
  }
}

function subject(
  { resourceType, resourceName }: DescribeConfigsResource,
  { state, brokerId }: RequestContext,
): {
  definitions: Readonly<Record<string, ConfigDefinition>>
  valuesOf: (name: string) => readonly DescribedValue[]
  isReadOnly: (definition: ConfigDefinition) => boolean
} {
  if (resourceType === topicResource) {
    const complaint = complaintAboutTopicName(resourceName)
    if (complaint !== undefined) throw new Refusal('INVALID_TOPIC_EXCEPTION', complaint)
    const topic = state.topic(resourceName)
    if (topic === undefined) throw new Refusal('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic '${resourceName}'`)
    return { definitions: topicConfigs, valuesOf: (name) => topic.configValues(name), isReadOnly: () => false }
  }
  if (resourceType !== brokerResource) {
    throw new Refusal('INVALID_REQUEST', `the in-process cluster has no configs of resource type ${resourceType}`)
  }
  const id = namedBroker(resourceName)
  if (id !== undefined && id !== brokerId) {
    throw new Refusal('INVALID_REQUEST', `broker ${brokerId} was asked for the configs of broker '${resourceName}'`)
  }
  const { properties } = state
  return {
    definitions: id === undefined ? brokerConfigs : { ...identityConfigs, ...brokerConfigs },
    // The default of all brokers is what was set for them while they run, and nothing else.
    valuesOf: (name) =>
      (Object.hasOwn(identityConfigs, name)
        ? [{ value: String(id), source: configSources.staticBroker }]
        : properties.values(name, id)
      )
        .filter(({ source }) => id !== undefined || source === configSources.dynamicDefaultBroker)
        .map(({ value, source }) => ({ name, value: shown(name, value, state.defaultReplicationFactor), source })),
    isReadOnly: ({ dynamic }) => dynamic !== true,
  }
}

/** -1 is ours alone, and means what the number of brokers makes of it. */
function shown(name: string, value: string, defaultReplicationFactor: number): string {
  return name === 'default.replication.factor' ? String(defaultReplicationFactor) : value
}

function described(
  name: string,
  definition: ConfigDefinition,
  values: readonly DescribedValue[],
  readOnly: boolean,
  { includeSynonyms, includeDocumentation }: DescribeConfigsRequest,
): Init<DescribeConfigsResourceResult> {
  const { value, source } = values[0]!
  return {
    name,
    value,
    readOnly,
    configSource: source,
    isSensitive: false,
    configType: configTypes[definition.type],
    synonyms: includeSynonyms
      ? values.filter((behind) => behind.source !== configSources.default || definition.isUnsetOnBroker !== true)
      : [],
    documentation: includeDocumentation ? '' : null,
  }
}
