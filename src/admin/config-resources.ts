/** What can have settings: topics, brokers, and the rest; and who must be asked about them. */

import type { Target } from '../cluster/target.ts'
import { InvalidArgumentError } from '../errors/errors.ts'
import { quote } from '../options/option-table.ts'
import { checkName } from './arguments.ts'

/** Client metrics came with Kafka 3.7 (KIP-714), groups with 3.8 (KIP-848). */
export type ConfigResourceType = 'topic' | 'broker' | 'broker-logger' | 'client-metrics' | 'group'

/** Something that has settings. */
export interface ConfigResource {
  readonly type: ConfigResourceType
  /** A topic's or a group's name, a broker's id as text; `''` with `'broker'` is what all brokers share. */
  readonly name: string
}

const numbers: Readonly<Record<ConfigResourceType, number>> = {
  'topic': 2,
  'broker': 4,
  'broker-logger': 8,
  'client-metrics': 16,
  'group': 32,
}

export function resourceTypeNumber(type: ConfigResourceType): number {
  return numbers[type]
}

/** Tells resources apart, in questions and in answers. */
export function resourceKey(typeNumber: number, name: string): string {
  return `${typeNumber}:${name}`
}

export function describeResource({ type, name }: ConfigResource): string {
  return type === 'broker' && name === '' ? 'the defaults of all brokers' : `${type} '${name}'`
}

/** Only the broker itself knows its own settings and loggers. */
export function resourceTarget({ type, name }: ConfigResource): Target {
  const ownBroker = type === 'broker-logger' || (type === 'broker' && name !== '')
  return ownBroker ? { kind: 'broker', id: Number(name) } : { kind: 'any' }
}

/** @throws InvalidArgumentError naming what is wrong with the resource */
export function checkResource(call: string, { type, name }: ConfigResource): void {
  if (!Object.hasOwn(numbers, type)) {
    const known = Object.keys(numbers).map((one) => `'${one}'`)
    throw new InvalidArgumentError(
      `the type of a resource given to ${call} must be one of ${known.join(', ')}, not ${quote(type)}`,
    )
  }
  if (type === 'broker' && name === '') return
  checkName(`the name of a ${type} given to ${call}`, name)
  if ((type === 'broker' || type === 'broker-logger') && !/^\d{1,10}$/.test(name)) {
    throw new InvalidArgumentError(`the name of a ${type} given to ${call} must be a broker's id, not ${quote(name)}`)
  }
}
