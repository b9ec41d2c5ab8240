/** IncrementalAlterConfigs: sets, deletes, appends to and subtracts from configs (KIP-339). */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import type { Init } from '../../wire/api.ts'
import {
  IncrementalAlterConfigs,
  type AlterConfigsResource,
  type AlterConfigsResourceResponse,
  type AlterableConfig,
} from '../../wire/messages/incremental-alter-configs.ts'
import { brokerConfigs, complaintAbout, listOf, topicConfigs, type ConfigDefinitions } from '../configs.ts'
import { brokerResource, namedBroker, topicResource } from './config-resource.ts'
import { defineHandler, type AnyHandler, type RequestContext } from './handler.ts'
import { Refusal } from './refusal.ts'

const set = 0
const remove = 1
const append = 2
const subtract = 3

export const incrementalAlterConfigs: AnyHandler = defineHandler({
  api: IncrementalAlterConfigs,
  minVersion: 0,
  maxVersion: 1,

  handle: ({ resources, validateOnly }, context) => ({
    responses: resources.map((resource) => alter(resource, validateOnly, context)),
  }),

  refuse: ({ resources }, errorCode) => ({
    responses: resources.map(({ resourceType, resourceName }) => ({ resourceType, resourceName, errorCode })),
  }),
})

function alter(
  resource: AlterConfigsResource,
  validateOnly: boolean,
  context: RequestContext,
): Init<AlterConfigsResourceResponse> {
  const { resourceType, resourceName } = resource
  try {
    if (resourceType === topicResource) alterTopic(resource, validateOnly, context)
    else if (resourceType === brokerResource) alterBroker(resource, validateOnly, context)
    else throw new Refusal('INVALID_REQUEST', `the in-process cluster has no configs of resource type ${resourceType}`)
    return { resourceType, resourceName }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return { resourceType, resourceName, errorCode: brokerErrorNumber(error.code), errorMessage: error.message }
  }
}

function alterTopic(
  { resourceName, configs }: AlterConfigsResource,
  validateOnly: boolean,
  { state }: RequestContext,
): void {
  const topic = state.topic(resourceName)
  if (topic === undefined) throw new Refusal('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic '${resourceName}'`)
  const altered = alteredConfigs(configs, topic.configs, topicConfigs, (name) => topic.config(name))
  if (validateOnly) return
  topic.configs.clear()
  for (const [name, value] of altered) topic.configs.set(name, value)
}

function alterBroker(
  { resourceName, configs }: AlterConfigsResource,
  validateOnly: boolean,
  { state }: RequestContext,
): void {
  const id = namedBroker(resourceName)
  if (id !== undefined && !state.brokers.has(id)) throw new Refusal('INVALID_REQUEST', `there is no broker ${id}`)
  for (const { name } of configs) {
    if (brokerConfigs[name]?.dynamic !== true) {
      throw new Refusal('INVALID_REQUEST', `the broker config '${name}' cannot be changed while the broker runs`)
    }
  }
  const { properties } = state
  const altered = alteredConfigs(configs, properties.dynamic(id), brokerConfigs, (name) => properties.text(name, id))
  if (!validateOnly) properties.setDynamic(altered, id)
}

function alteredConfigs(
  changes: readonly AlterableConfig[],
  before: ReadonlyMap<string, string>,
  definitions: ConfigDefinitions,
  current: (name: string) => string,
): Map<string, string> {
  const after = new Map(before)
  const seen = new Set<string>()
  for (const { name, configOperation, value } of changes) {
    if (seen.has(name)) throw new Refusal('INVALID_REQUEST', `the config '${name}' is changed twice`)
    seen.add(name)
    const definition = Object.hasOwn(definitions, name) ? definitions[name] : undefined
    if (definition === undefined) throw new Refusal('INVALID_CONFIG', `there is no config '${name}'`)
    if (configOperation === remove) {
      after.delete(name)
      continue
    }
    if (value === null) throw new Refusal('INVALID_REQUEST', `the config '${name}' needs a value`)
    let next: string
    switch (configOperation) {
      case set:
        next = value
        break
      case append:
      case subtract: {
        if (definition.type !== 'list') throw new Refusal('INVALID_CONFIG', `the config '${name}' is not a list`)
        const given = listOf(value)
        const had = listOf(current(name))
        const rest = had.filter((element) => !given.includes(element))
        next = (
          configOperation === append ? [...had, ...given.filter((element) => !had.includes(element))] : rest
        ).join(',')
        break
      }
      default:
        throw new Refusal('INVALID_REQUEST', `there is no config operation ${configOperation}`)
    }
    const complaint = complaintAbout(definition, next)
    if (complaint !== undefined) throw new Refusal('INVALID_CONFIG', `the config '${name}' ${complaint}, not '${next}'`)
    after.set(name, next)
  }
  return after
}
