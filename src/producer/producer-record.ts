/** What a record looks like before it is sent, and whether it can be. Knows no producer: only the words and their rules. */

import { types } from 'node:util'
import { InvalidArgumentError } from '../errors/errors.ts'
import type { RecordBytes } from '../model/produced-record.ts'
import { quote } from '../options/option-table.ts'
import { topicNameComplaint } from '../options/topic-name.ts'

export type {
  BatchRecord,
  ProducerRecord,
  RecordBytes,
  RecordHeadersInit,
  RecordMetadata,
} from '../model/produced-record.ts'

/** A header as it is written. */
export interface WrittenHeader {
  readonly key: string
  readonly value: RecordBytes
}

/** @throws InvalidArgumentError saying what to do instead, when the value cannot be a record's key or value */
export function requireBytes(value: unknown, what: string, topic: string): void {
  // A record passes here twice; bytes from another realm (a vm context, as test runners make) take the slower question.
  if (typeof value === 'string' || value === null || value instanceof Uint8Array || types.isUint8Array(value)) return
  const advice =
    value === undefined
      ? 'null, if it is meant to be empty'
      : 'a string, a Uint8Array or null: turn it into bytes first, for instance with JSON.stringify'
  throw refusal(`the ${what} of a record for '${topic}' is ${quote(value)}; give ${advice}`)
}

/** @throws InvalidArgumentError when it is no topic name at all; whether the cluster takes it is the broker's to say */
export function requireTopic(topic: unknown): void {
  // At each record only this; the rest is looked at where a topic is met first.
  if (typeof topic === 'string' && topic.length > 0) return
  requireTopicName(topic)
}

/** The whole of it, for a topic that was not met before. */
export function requireTopicName(topic: unknown): void {
  const complaint = topicNameComplaint(topic)
  if (complaint !== undefined) throw refusal(`the topic of a record ${complaint}`)
}

/** @throws InvalidArgumentError when it is not milliseconds since 1970 */
export function requireTimestamp(timestamp: unknown, topic: string): void {
  if (Number.isSafeInteger(timestamp) && (timestamp as number) >= 0) return
  const advice = timestamp instanceof Date ? ': give its getTime()' : ''
  throw refusal(
    `the timestamp of a record for '${topic}' must be whole milliseconds since 1970, not ${quote(timestamp)}${advice}`,
  )
}

/** @throws InvalidArgumentError when no topic could have such a partition */
export function requirePartition(partition: unknown, topic: string): void {
  if (Number.isInteger(partition) && (partition as number) >= 0 && (partition as number) <= 0x7fffffff) return
  throw refusal(
    `the partition of a record for '${topic}' must be a whole number of at least 0, not ${quote(partition)}`,
  )
}

/** The headers as a list in the order given. undefined when there are none. */
export function readHeaders(headers: unknown, topic: string): WrittenHeader[] | undefined {
  if (typeof headers !== 'object' || headers === null) {
    throw refusal(
      `the headers of a record for '${topic}' must be an object or an iterable of [name, value], not ${quote(headers)}`,
    )
  }
  const list: WrittenHeader[] = []
  const pairs = Symbol.iterator in headers ? (headers as Iterable<unknown>) : Object.entries(headers)
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2) {
      throw refusal(`each header of a record for '${topic}' must be a pair [name, value], not ${quote(pair)}`)
    }
    const [key, value] = pair as [unknown, unknown]
    if (typeof key !== 'string') {
      throw refusal(`the name of a header of a record for '${topic}' must be a string, not ${quote(key)}`)
    }
    for (const one of Array.isArray(value) ? (value as unknown[]) : [value]) {
      requireBytes(one, `header '${key}'`, topic)
      list.push({ key, value: one as RecordBytes })
    }
  }
  return list.length === 0 ? undefined : list
}

/** The bytes as they are now: what waits must not change when the caller uses its buffer again. */
export function copied(bytes: RecordBytes): RecordBytes {
  return bytes === null || typeof bytes === 'string' ? bytes : Buffer.from(bytes)
}

/** An argument that cannot be sent: refused before anything is buffered. */
export function refusal(message: string): InvalidArgumentError {
  return new InvalidArgumentError(message, { persistence: 'not-persisted' })
}
