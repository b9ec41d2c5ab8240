/** A record as the application gets it. Keeps where its parts lie in the fetched block, and makes views of them when they
 *  are first asked for: most readers want only some, and a view costs more than all the rest of the object. */

import type { DeserializationError } from '../errors/errors.ts'
import type { RecordHeader, TimestampType } from '../model/record-header.ts'
import { readHeaders, viewOf, type RecordCursor } from '../wire/records/record-cursor.ts'

/** What the records of a batch have in common. */
export interface RecordSource {
  readonly topic: string
  readonly partition: number
  readonly timestampType: TimestampType
  readonly leaderEpoch: number
}

const noHeaders: readonly RecordHeader[] = Object.freeze([])
const nothing = Buffer.alloc(0)
/** Stands for a key or value that nobody has asked for yet. */
const unread = Symbol('unread')
/** Why records have bytes in place of what a deserializer makes of them. Beside the records: hardly one has it. */
const undeserialized = new WeakMap<object, DeserializationError>()

/**
 * A record that was read.
 *
 * Without deserializers `key`, `value` and header values are views into the block that was fetched, unless the consumer was
 * made with `copyRecords`: a record that is kept for long keeps that block in memory.
 */
export class ConsumerRecord<Key = Buffer | null, Value = Buffer | null> {
  /** Its place in the partition. */
  readonly offset: number
  /** In ms since 1970; -1 when it has none. What it means says {@link ConsumerRecord.timestampType}. */
  readonly timestamp: number
  readonly #source: RecordSource
  #block: Buffer
  readonly #keyStart: number
  readonly #keyLength: number
  readonly #valueStart: number
  readonly #valueLength: number
  readonly #headersStart: number
  readonly #headerCount: number
  #key: Key | null | typeof unread
  #value: Value | null | typeof unread
  #headers: readonly RecordHeader[] | undefined

  /** @internal Consumers make records. */
  constructor(cursor: RecordCursor, source: RecordSource) {
    this.offset = cursor.offset
    this.timestamp = cursor.timestamp
    this.#source = source
    this.#block = cursor.block
    this.#keyStart = cursor.keyStart
    this.#keyLength = cursor.keyLength
    this.#valueStart = cursor.valueStart
    this.#valueLength = cursor.valueLength
    this.#headersStart = cursor.headersStart
    this.#headerCount = cursor.headerCount
    this.#key = unread
    this.#value = unread
    this.#headers = undefined
  }

  /** @internal The same, with memory of its own. */
  static copied(cursor: RecordCursor, source: RecordSource): ConsumerRecord {
    const record = new ConsumerRecord(cursor, source)
    record.#key = copyOf(record.key)
    record.#value = copyOf(record.value)
    record.#headers = record.headers.map(({ key, value }) => ({ key, value: copyOf(value) }))
    record.#block = nothing
    return record
  }

  /**
   * @internal Gives a record what deserializers made of its key and value.
   * @param error why one of them is bytes all the same
   */
  static deserialized(
    record: ConsumerRecord<unknown, unknown>,
    key: unknown,
    value: unknown,
    error: DeserializationError | undefined,
  ): void {
    record.#key = key
    record.#value = value
    // Nothing but headers would need it any more.
    if (record.#headerCount === 0) record.#block = nothing
    if (error !== undefined) undeserialized.set(record, error)
  }

  get topic(): string {
    return this.#source.topic
  }

  get partition(): number {
    return this.#source.partition
  }

  /** Whether the timestamp was given by the producer (`CreateTime`) or by the broker (`LogAppendTime`). */
  get timestampType(): TimestampType {
    return this.#source.timestampType
  }

  /** The epoch of the leader that the record was written to (KIP-320); -1 when not known. */
  get leaderEpoch(): number {
    return this.#source.leaderEpoch
  }

  /** Null when it has none, with or without a deserializer. */
  get key(): Key | null {
    if (this.#key !== unread) return this.#key
    return (this.#key = viewOf(this.#block, this.#keyStart, this.#keyLength) as Key | null)
  }

  /** Null for a tombstone, with or without a deserializer. */
  get value(): Value | null {
    if (this.#value !== unread) return this.#value
    return (this.#value = viewOf(this.#block, this.#valueStart, this.#valueLength) as Value | null)
  }

  /** Why the key or the value is bytes and not what its deserializer makes of them, with `onDeserializationError: 'raw'`. */
  get deserializationError(): DeserializationError | undefined {
    return undeserialized.get(this)
  }

  /** In the order in which they were written; names may repeat. */
  get headers(): readonly RecordHeader[] {
    return (this.#headers ??=
      this.#headerCount === 0 ? noHeaders : readHeaders(this.#block, this.#headersStart, this.#headerCount))
  }

  /** The value of the last header of that name, as Kafka has it; undefined when there is none. */
  header(name: string): Buffer | null | undefined {
    return this.headers.findLast(({ key }) => key === name)?.value
  }

  /** Everything as a plain object, for `JSON.stringify`; bytes as Node writes a Buffer. */
  toJSON(): object {
    const { topic, partition, offset, timestamp, timestampType, leaderEpoch, key, value, headers } = this
    return { topic, partition, offset, timestamp, timestampType, leaderEpoch, key, value, headers }
  }
}

// What console.log shows: the getters too.
Object.defineProperty(ConsumerRecord.prototype, Symbol.for('nodejs.util.inspect.custom'), {
  value(this: ConsumerRecord) {
    return this.toJSON()
  },
})

function copyOf(bytes: Buffer | null): Buffer | null {
  if (bytes === null) return null
  // Not from Node's shared pool, where a neighbour that is kept would keep it too.
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  copy.set(bytes)
  return copy
}
