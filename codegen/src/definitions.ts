/** Kafka's message definitions as they are written: JSON with comments, one file per message. Interprets nothing. */

import { clientsJar, readZip } from './jars.ts'

/** A field as its definition has it. */
export interface RawField {
  readonly name: string
  readonly type: string
  readonly versions: string
  readonly nullableVersions?: string
  readonly taggedVersions?: string
  readonly tag?: number
  readonly ignorable?: boolean
  readonly default?: string | number | boolean
  readonly fields?: readonly RawField[]
}

/** A struct that several fields of one message share. */
export interface RawStruct {
  readonly name: string
  readonly versions: string
  readonly fields: readonly RawField[]
}

/** One definition file. */
export interface RawMessage {
  readonly type: 'request' | 'response' | 'header' | 'data'
  readonly name: string
  readonly apiKey?: number
  readonly validVersions: string
  readonly flexibleVersions?: string
  readonly latestVersionUnstable?: boolean
  readonly fields?: readonly RawField[]
  readonly commonStructs?: readonly RawStruct[]
}

/** Reads every definition in the `kafka-clients` jar of a version, by message name. */
export function readDefinitions(kafkaVersion: string): Map<string, RawMessage> {
  const messages = new Map<string, RawMessage>()
  for (const text of readZip(clientsJar(kafkaVersion), 'common/message/', '.json').values()) {
    const message = parseDefinition(text)
    messages.set(message.name, message)
  }
  return messages
}

/** Reads one definition file. */
export function parseDefinition(text: string): RawMessage {
  return JSON.parse(withoutComments(text)) as RawMessage
}

/** Drops `//` comments, but not the slashes inside strings. */
function withoutComments(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|\/\/[^\n]*/g, (match) => (match.startsWith('"') ? match : ''))
}
