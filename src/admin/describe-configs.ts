/** The settings of topics, brokers and the rest, as they are. */

import { DescribeConfigs, type DescribeConfigsResponse } from '../wire/messages/describe-configs.ts'
import type { AdminCall, AdminCallOptions } from './admin-call.ts'
import { checkDistinct, checkKeys, checkList, checkName, checkOptions } from './arguments.ts'
import { askEach, toResult } from './ask-each.ts'
import {
  checkResource,
  describeResource,
  resourceKey,
  resourceTarget,
  resourceTypeNumber,
  type ConfigResource,
} from './config-resources.ts'
import { configSource, configType, type ConfigEntry, type ConfigSource, type ConfigType } from './config-values.ts'
import type { Result } from './result.ts'

/** A resource whose settings are wanted. */
export interface ConfigQuery extends ConfigResource {
  /** Only these settings, by name. Default: all. */
  readonly configNames?: readonly string[] | undefined
}

export interface DescribeConfigsOptions extends AdminCallOptions {
  /** Also every place where each setting could come from (KIP-226). Default false. */
  includeSynonyms?: boolean | undefined
  /** Also the broker's own words on each setting (KIP-569, Kafka 2.6). Default false. */
  includeDocumentation?: boolean | undefined
}

/** One of the places where a setting's value may come from. */
export interface ConfigSynonym {
  readonly name: string
  readonly value: string | null
  readonly source: ConfigSource
}

export interface DescribedConfigEntry extends ConfigEntry {
  /** `'unknown'` from brokers before Kafka 2.6. */
  readonly type: ConfigType
  /** The strongest first; empty unless asked for. */
  readonly synonyms: readonly ConfigSynonym[]
  /** Null unless asked for. */
  readonly documentation: string | null
}

export type DescribeConfigsResult = Result<ConfigResource, { readonly configs: readonly DescribedConfigEntry[] }>

export async function describeConfigs(
  call: AdminCall,
  resources: readonly ConfigQuery[],
  options: DescribeConfigsOptions,
): Promise<DescribeConfigsResult[]> {
  check(resources, options)
  const { includeSynonyms = false, includeDocumentation = false } = options
  const outcomes = await askEach<ConfigQuery, { configs: readonly DescribedConfigEntry[] }>(call, {
    entities: resources,
    key: ({ type, name }) => resourceKey(resourceTypeNumber(type), name),
    complaint: (resource) => `cannot describe the configs of ${describeResource(resource)}`,
    target: resourceTarget,
    ask: async (target, group) => {
      const request = {
        resources: group.map(({ type, name, configNames }) => ({
          resourceType: resourceTypeNumber(type),
          resourceName: name,
          configurationKeys: configNames ?? null,
        })),
        includeSynonyms,
        includeDocumentation,
      }
      const { throttleTimeMs, results } = await call.ask(target, DescribeConfigs, request)
      return {
        throttleTimeMs,
        byKey: new Map(
          results.map((result) => [
            resourceKey(result.resourceType, result.resourceName),
            { ...result, answer: { configs: result.configs.map(toEntry) } },
          ]),
        ),
      }
    },
  })
  return outcomes.map((outcome, i) => toResult({ type: resources[i]!.type, name: resources[i]!.name }, outcome))
}

function check(resources: readonly ConfigQuery[], options: DescribeConfigsOptions): void {
  const call = 'describeConfigs'
  checkOptions(call, options, ['includeSynonyms', 'includeDocumentation'])
  checkList(call, "resources such as { type: 'topic', name }", resources)
  for (const resource of resources) {
    checkKeys(`a resource given to ${call}`, resource, ['type', 'name', 'configNames'])
    checkResource(call, resource)
    if (resource.configNames === undefined) continue
    checkList(`configNames of ${describeResource(resource)}`, 'config names', resource.configNames)
    for (const name of resource.configNames) checkName(`a config's name of ${describeResource(resource)}`, name)
  }
  checkDistinct(call, resources.map(describeResource))
}

type Config = DescribeConfigsResponse['results'][number]['configs'][number]

function toEntry(config: Config): DescribedConfigEntry {
  const source = configSource(config.configSource)
  return {
    name: config.name,
    value: config.value,
    source,
    isDefault: source === 'default' || config.isDefault,
    isReadOnly: config.readOnly,
    isSensitive: config.isSensitive,
    type: configType(config.configType),
    synonyms: config.synonyms.map((synonym) => ({
      name: synonym.name,
      value: synonym.value,
      source: configSource(synonym.source),
    })),
    documentation: config.documentation === '' ? null : config.documentation,
  }
}
