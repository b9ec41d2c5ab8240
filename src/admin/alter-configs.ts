/** Changing single settings and leaving the others as they are (KIP-339). */

import { InvalidArgumentError } from '../errors/errors.ts'
import { quote } from '../options/option-table.ts'
import { IncrementalAlterConfigs } from '../wire/messages/incremental-alter-configs.ts'
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
import { configText, type ConfigValue } from './config-values.ts'
import type { Result } from './result.ts'

/**
 * What to do with one setting: give it a value, take its own value away so that the default holds again, or add items
 * to a list or remove them from it (`value`: the items, with commas between).
 */
export type ConfigOperation =
  | { readonly name: string; readonly op: 'set' | 'append' | 'subtract'; readonly value: ConfigValue }
  | { readonly name: string; readonly op: 'delete' }

/** A resource some settings of which are to change. */
export interface ConfigAlteration extends ConfigResource {
  readonly operations: readonly ConfigOperation[]
}

export interface IncrementalAlterConfigsOptions extends AdminCallOptions {
  /** Only checks whether the change could be made. Default false. */
  validateOnly?: boolean | undefined
}

export type IncrementalAlterConfigsResult = Result<ConfigResource, object>

const operationNumbers: Readonly<Record<ConfigOperation['op'], number>> = { set: 0, delete: 1, append: 2, subtract: 3 }

export async function incrementalAlterConfigs(
  call: AdminCall,
  resources: readonly ConfigAlteration[],
  options: IncrementalAlterConfigsOptions,
): Promise<IncrementalAlterConfigsResult[]> {
  check(resources, options)
  const { validateOnly = false } = options
  const outcomes = await askEach<ConfigAlteration, object>(call, {
    entities: resources,
    key: ({ type, name }) => resourceKey(resourceTypeNumber(type), name),
    complaint: (resource) => `cannot alter the configs of ${describeResource(resource)}`,
    target: resourceTarget,
    ask: async (target, group) => {
      const request = {
        resources: group.map(({ type, name, operations }) => ({
          resourceType: resourceTypeNumber(type),
          resourceName: name,
          configs: operations.map((operation) => ({
            name: operation.name,
            configOperation: operationNumbers[operation.op],
            value: operation.op === 'delete' ? null : String(operation.value),
          })),
        })),
        validateOnly,
      }
      const { throttleTimeMs, responses } = await call.ask(target, IncrementalAlterConfigs, request)
      return {
        throttleTimeMs,
        byKey: new Map(
          responses.map((response) => [
            resourceKey(response.resourceType, response.resourceName),
            { ...response, answer: {} },
          ]),
        ),
      }
    },
  })
  return outcomes.map((outcome, i) => toResult({ type: resources[i]!.type, name: resources[i]!.name }, outcome))
}

function check(resources: readonly ConfigAlteration[], options: IncrementalAlterConfigsOptions): void {
  const call = 'incrementalAlterConfigs'
  checkOptions(call, options, ['validateOnly'])
  checkList(call, "resources such as { type: 'topic', name, operations }", resources)
  for (const resource of resources) {
    checkKeys(`a resource given to ${call}`, resource, ['type', 'name', 'operations'])
    checkResource(call, resource)
    const where = describeResource(resource)
    checkList(
      `operations of ${where}`,
      "{ name, op: 'set' | 'delete' | 'append' | 'subtract', value }",
      resource.operations,
    )
    for (const operation of resource.operations) checkOperation(where, operation)
    checkDistinct(
      call,
      resource.operations.map(({ name }) => `config '${name}' of ${where}`),
    )
  }
  checkDistinct(call, resources.map(describeResource))
}

function checkOperation(where: string, operation: ConfigOperation): void {
  checkKeys(`an operation on ${where}`, operation, ['name', 'op', 'value'])
  checkName(`a config's name of ${where}`, operation.name)
  const what = `config '${operation.name}' of ${where}`
  if (!Object.hasOwn(operationNumbers, operation.op)) {
    throw new InvalidArgumentError(
      `the op on ${what} must be one of 'set', 'delete', 'append', 'subtract', not ${quote(operation.op)}`,
    )
  }
  if (operation.op !== 'delete') configText(`the value of ${what}`, operation.value)
  else if ('value' in operation && operation.value !== undefined) {
    throw new InvalidArgumentError(`the op 'delete' on ${what} takes no value: leave it out`)
  }
}
