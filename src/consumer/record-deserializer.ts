/** Has the application's deserializers turn the bytes of records into what it works with, and decides what becomes of a
 *  record that cannot be. Knows no partitions' states: where a run of records goes afterwards is its caller's business. */

import type { Logger } from '../diagnostics/logger.ts'
import { DeserializationError } from '../errors/errors.ts'
import {
  deserializeFunctionOf,
  isPromiseLike,
  serdeHeadersOf,
  type DeserializeFunction,
  type Deserializer,
  type SerdeHeaders,
} from '../model/serde.ts'
import { ConsumerRecord } from './consumer-record.ts'

/** What becomes of a record whose key or value cannot be deserialized. */
export type OnDeserializationError = 'throw' | 'skip' | 'raw'

export interface DeserializerOptions {
  readonly keyDeserializer?: Deserializer<unknown> | undefined
  readonly valueDeserializer?: Deserializer<unknown> | undefined
  readonly onDeserializationError: OnDeserializationError
}

/** What came of a run of records of one partition. */
export interface DeserializedRun {
  /** Those to hand out, in order. */
  readonly records: ConsumerRecord[]
  /** Why the run ends before its end. */
  readonly error: DeserializationError | undefined
}

/** Of one part of a record: what it became, or why it did not. */
type Outcome =
  { readonly made: unknown; readonly failure: undefined } | { readonly failure: { readonly cause: unknown } }

const nothing: Outcome = { made: null, failure: undefined }

export class RecordDeserializer {
  readonly #key: DeserializeFunction<unknown> | undefined
  readonly #value: DeserializeFunction<unknown> | undefined
  readonly #onError: OnDeserializationError
  readonly #logger: Logger
  /** Records that could not be deserialized, however that was dealt with. */
  failed = 0

  constructor({ keyDeserializer, valueDeserializer, onDeserializationError }: DeserializerOptions, logger: Logger) {
    this.#key = keyDeserializer === undefined ? undefined : deserializeFunctionOf(keyDeserializer)
    this.#value = valueDeserializer === undefined ? undefined : deserializeFunctionOf(valueDeserializer)
    this.#onError = onDeserializationError
    this.#logger = logger
  }

  /** Deserializes records in order, asynchronous ones side by side. Gives a promise, which never rejects, only if it must wait. */
  deserialize(records: readonly ConsumerRecord[]): DeserializedRun | Promise<DeserializedRun> {
    const failures: (DeserializationError | undefined)[] = []
    let waits: Promise<void>[] | undefined
    for (let i = 0; i < records.length; i++) {
      const done = this.#deserializeOne(records[i]!)
      if (done instanceof Promise) {
        const settled = done.then((error) => {
          if (error !== undefined) failures[i] = error
        })
        waits ??= []
        waits.push(settled)
      } else if (done !== undefined) {
        failures[i] = done
        // What is behind it will be read again, once the application has decided what to do about it.
        if (this.#onError === 'throw') break
      }
    }
    if (waits === undefined) return this.#sift(records, failures)
    return Promise.all(waits).then(() => this.#sift(records, failures))
  }

  /** Gives the record its key and value; says what went wrong. */
  #deserializeOne(
    record: ConsumerRecord,
  ): DeserializationError | undefined | Promise<DeserializationError | undefined> {
    // As they are: asking for them later would give what they became.
    const { key, value } = record
    if ((key === null || this.#key === undefined) && (value === null || this.#value === undefined)) return undefined
    const given = serdeHeadersOf(record.headers)
    const madeKey = attempt(this.#key, record.topic, key, given)
    const madeValue = attempt(this.#value, record.topic, value, given)
    if (madeKey instanceof Promise || madeValue instanceof Promise) {
      return Promise.all([madeKey, madeValue]).then(([k, v]) => this.#become(record, k, v))
    }
    return this.#become(record, madeKey, madeValue)
  }

  #become(record: ConsumerRecord, key: Outcome, value: Outcome): DeserializationError | undefined {
    if (key.failure === undefined && value.failure === undefined) {
      ConsumerRecord.deserialized(record, key.made, value.made, undefined)
      return undefined
    }
    this.failed++
    const { timestamp, key: keyBytes, value: valueBytes, headers } = record
    const part = key.failure === undefined ? 'value' : 'key'
    const { cause } = (key.failure ?? value.failure)!
    const raw = { timestamp, key: keyBytes, value: valueBytes, headers }
    const error = new DeserializationError(record, part, raw, { cause })
    if (this.#onError === 'raw') {
      const newKey = key.failure === undefined ? key.made : keyBytes
      const newValue = value.failure === undefined ? value.made : valueBytes
      ConsumerRecord.deserialized(record, newKey, newValue, error)
    }
    return error
  }

  #sift(records: readonly ConsumerRecord[], failures: readonly (DeserializationError | undefined)[]): DeserializedRun {
    const first = failures.findIndex((failure) => failure !== undefined)
    if (first < 0 || this.#onError === 'raw') return { records: records as ConsumerRecord[], error: undefined }
    if (this.#onError === 'throw') return { records: records.slice(0, first), error: failures[first] }
    const good = records.filter((_, i) => failures[i] === undefined)
    const more = records.length - good.length - 1
    this.#logger.warn(
      `${failures[first]!.message}: it is skipped${more === 0 ? '' : `, as are ${more} more behind it`}`,
    )
    return { records: good, error: undefined }
  }
}

/** What a deserializer makes of bytes. Null is null: it has no bytes. Without one the bytes stay what they are. */
function attempt(
  deserialize: DeserializeFunction<unknown> | undefined,
  topic: string,
  data: Buffer | null,
  headers: SerdeHeaders,
): Outcome | Promise<Outcome> {
  if (data === null) return nothing
  if (deserialize === undefined) return { made: data, failure: undefined }
  try {
    const made = deserialize(topic, data, headers)
    if (!isPromiseLike(made)) return { made, failure: undefined }
    return Promise.resolve(made).then(
      (later: unknown): Outcome => ({ made: later, failure: undefined }),
      (cause: unknown): Outcome => ({ failure: { cause } }),
    )
  } catch (cause) {
    return { failure: { cause } }
  }
}
