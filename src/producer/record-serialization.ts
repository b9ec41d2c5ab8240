/** Turns a record's key and value into bytes with the serializers that the application gave, and takes over the headers
 *  they write. At once where they answer at once; else a promise. Knows no batches, and nothing of who waits. */

import { types } from 'node:util'
import { SerializationError } from '../errors/errors.ts'
import {
  isPromiseLike,
  serdeHeadersOf,
  serializeFunctionOf,
  type SerdeHeaders,
  type SerializeFunction,
  type Serializer,
} from '../model/serde.ts'
import { quote } from '../options/option-table.ts'
import { copied, type RecordBytes, type WrittenHeader } from './producer-record.ts'

export interface SerializedRecord {
  readonly key: RecordBytes
  readonly value: RecordBytes
  readonly headers: readonly WrittenHeader[] | undefined
}

type Part = 'key' | 'value'

export class RecordSerialization {
  readonly #key: SerializeFunction<unknown> | undefined
  readonly #value: SerializeFunction<unknown> | undefined

  private constructor(key: Serializer<never> | undefined, value: Serializer<never> | undefined) {
    // What they are given is what the application says they take; that it says so rightly is for them to find out.
    this.#key = key && serializeFunctionOf(key as Serializer<unknown>)
    this.#value = value && serializeFunctionOf(value as Serializer<unknown>)
  }

  /** undefined when there is no serializer. */
  static of(key: Serializer<never> | undefined, value: Serializer<never> | undefined): RecordSerialization | undefined {
    return key === undefined && value === undefined ? undefined : new RecordSerialization(key, value)
  }

  /** Whether keys are serialized: else they must be bytes. */
  get hasKey(): boolean {
    return this.#key !== undefined
  }

  /** Whether values are serialized: else they must be bytes. */
  get hasValue(): boolean {
    return this.#value !== undefined
  }

  /**
   * The record as it is sent. Null is null and is not given to a serializer. What is given as bytes counts as they are at
   * the time of the call.
   *
   * @throws SerializationError when a serializer throws, or gives what is no bytes; so does the promise
   */
  serialize(
    topic: string,
    key: unknown,
    value: unknown,
    headers: readonly WrittenHeader[] | undefined,
  ): SerializedRecord | Promise<SerializedRecord> {
    const draft = serdeHeadersOf(headers)
    const keyGiven = key === null || this.#key === undefined ? key : call(this.#key, 'key', topic, key, draft)
    let valueGiven: unknown
    try {
      valueGiven = value === null || this.#value === undefined ? value : call(this.#value, 'value', topic, value, draft)
    } catch (error) {
      // The record has failed already: what becomes of its key is of no interest any more.
      if (isPromiseLike(keyGiven)) keyGiven.then(undefined, () => {})
      throw error
    }
    if (isPromiseLike(keyGiven) || isPromiseLike(valueGiven)) {
      const kept = headers?.map((header) => ({ key: header.key, value: copied(header.value) }))
      const both = Promise.all([settled(keyGiven, 'key', topic), settled(valueGiven, 'value', topic)])
      return both.then(([keyBytes, valueBytes]) => ({
        key: keyBytes,
        value: valueBytes,
        headers: headersAfter(topic, headers, draft, kept),
      }))
    }
    return {
      key: requireResult(keyGiven, 'key', topic),
      value: requireResult(valueGiven, 'value', topic),
      headers: headersAfter(topic, headers, draft, headers),
    }
  }
}

function call(
  serialize: SerializeFunction<unknown>,
  part: Part,
  topic: string,
  data: unknown,
  headers: SerdeHeaders,
): unknown {
  try {
    return serialize(topic, data, headers)
  } catch (cause) {
    throw failure(part, topic, cause)
  }
}

/** Never throws at once: the other part's promise must not be left without anyone who hears of its failure. */
async function settled(given: unknown, part: Part, topic: string): Promise<RecordBytes> {
  // What is given is copied at once: the caller may use its buffer again.
  if (!isPromiseLike(given)) return copied(requireResult(given, part, topic))
  let result: unknown
  try {
    result = await given
  } catch (cause) {
    throw failure(part, topic, cause)
  }
  return requireResult(result, part, topic)
}

function failure(part: Part, topic: string, cause: unknown): SerializationError {
  const why = cause instanceof Error ? `: ${cause.message}` : ''
  return new SerializationError(`the ${part} of a record for '${topic}' could not be serialized${why}`, { cause })
}

function requireResult(result: unknown, part: Part, topic: string): RecordBytes {
  if (isBytes(result)) return result
  throw new SerializationError(
    `the serializer gave ${quote(result)} for the ${part} of a record for '${topic}'; it must give a string, a Uint8Array or null`,
  )
}

function isBytes(value: unknown): value is RecordBytes {
  return typeof value === 'string' || value === null || value instanceof Uint8Array || types.isUint8Array(value)
}

/**
 * The headers with what serializers changed in them: what they left alone keeps its place, a name that they wrote anew has
 * its first one's place, and new names come last.
 *
 * @param kept the given headers with bytes that cannot change any more
 */
function headersAfter(
  topic: string,
  given: readonly WrittenHeader[] | undefined,
  draft: SerdeHeaders,
  kept: readonly WrittenHeader[] | undefined,
): readonly WrittenHeader[] | undefined {
  const names = Object.keys(draft)
  if (given === undefined || kept === undefined) {
    return names.length === 0 ? undefined : nonEmpty(names.flatMap((name) => written(topic, name, draft[name])))
  }
  const before = new Map<string, RecordBytes[]>()
  for (const { key, value } of given) {
    const values = before.get(key)
    if (values === undefined) before.set(key, [value])
    else values.push(value)
  }
  const changed = new Set(
    [...before.keys(), ...names].filter((name) => !isSame(before.get(name) ?? [], listOf(draft[name]))),
  )
  if (changed.size === 0) return kept
  const isNew = (name: string): boolean => !given.some(({ key }) => key === name)
  const after: WrittenHeader[] = []
  for (const header of kept) {
    if (!changed.has(header.key)) {
      after.push(header)
    } else if (before.delete(header.key)) {
      after.push(...written(topic, header.key, draft[header.key]))
    }
  }
  for (const name of names) if (isNew(name)) after.push(...written(topic, name, draft[name]))
  return nonEmpty(after)
}

function nonEmpty(headers: WrittenHeader[]): WrittenHeader[] | undefined {
  return headers.length === 0 ? undefined : headers
}

function listOf(value: unknown): readonly unknown[] {
  return value === undefined ? [] : Array.isArray(value) ? (value as unknown[]) : [value]
}

function isSame(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((value, i) => value === other[i])
}

function written(topic: string, name: string, value: unknown): WrittenHeader[] {
  return listOf(value).map((one) => {
    if (isBytes(one)) return { key: name, value: one }
    throw new SerializationError(
      `a serializer wrote ${quote(one)} as header '${name}' of a record for '${topic}'; it must be a string, a Uint8Array or null`,
    )
  })
}
