/** Settings of topics, brokers and the rest as Admin shows them, and Kafka's numbers behind the words. */

import { InvalidArgumentError } from '../errors/errors.ts'
import { quote } from '../options/option-table.ts'

/** Where a setting's value comes from, the strongest first (KIP-226). */
export type ConfigSource =
  | 'dynamic-topic'
  | 'dynamic-broker-logger'
  | 'dynamic-broker'
  | 'dynamic-default-broker'
  | 'static-broker'
  | 'dynamic-client-metrics'
  | 'dynamic-group'
  | 'default'
  | 'unknown'

export type ConfigType =
  'boolean' | 'string' | 'int' | 'short' | 'long' | 'double' | 'list' | 'class' | 'password' | 'unknown'

/** One setting. */
export interface ConfigEntry {
  readonly name: string
  /** Null when there is none, and for what is sensitive. */
  readonly value: string | null
  readonly source: ConfigSource
  /** Whether the value is Kafka's own default: nobody set anything. */
  readonly isDefault: boolean
  readonly isReadOnly: boolean
  /** A secret: the broker never tells its value. */
  readonly isSensitive: boolean
}

/** A setting's value to be: written as text, as Kafka keeps it. */
export type ConfigValue = string | number | boolean

const sources: Readonly<Record<number, ConfigSource>> = {
  1: 'dynamic-topic',
  2: 'dynamic-broker',
  3: 'dynamic-default-broker',
  4: 'static-broker',
  5: 'default',
  6: 'dynamic-broker-logger',
  7: 'dynamic-client-metrics',
  8: 'dynamic-group',
}

const types: readonly ConfigType[] = [
  'unknown',
  'boolean',
  'string',
  'int',
  'short',
  'long',
  'double',
  'list',
  'class',
  'password',
]

export function configSource(source: number): ConfigSource {
  return sources[source] ?? 'unknown'
}

export function configType(type: number): ConfigType {
  return types[type] ?? 'unknown'
}

/** A setting's value as text. @throws InvalidArgumentError for what has no text of its own */
export function configText(what: string, value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) return String(value)
  throw new InvalidArgumentError(`${what} must be a string, a number or a boolean, not ${quote(value)}`)
}
