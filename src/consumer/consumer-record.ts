/** A record as the application gets it. Keeps where its parts lie in the fetched block, and makes views of them when they
 *  are first asked for: most readers want only some, and a view costs more than all the rest of the object. */

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

/**
 * A record that was read.
 *
 * `key`, `value` and header values are views into the block that was fetched, unless the consumer was made with
 * `copyRecords`: a record that is kept for long keeps that block in memory.
 */
export class ConsumerRecord {
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
  #key: Buffer | null | undefined
  #value: Buffer | null | undefined
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
    this.#key = undefined
    this.#value = undefined
    this.#headers = undefined
  }

  /** @internal The same, with memory of its own. */
  static copied(cursor: RecordCursor, source: RecordSource): ConsumerRecord {
    const record = new ConsumerRecord(cursor, source)
    record.#copyOut()
    return record
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

  /** Null when it has none. */
  get key(): Buffer | null {
    return (this.#key ??= viewOf(this.#block, this.#keyStart, this.#keyLength))
  }

  /** Null for a tombstone. */
  get value(): Buffer | null {
    return (this.#value ??= viewOf(this.#block, this.#valueStart, this.#valueLength))
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

  #copyOut(): void {
    this.#key = copyOf(this.key)
    this.#value = copyOf(this.value)
    this.#headers = this.headers.map(({ key, value }) => ({ key, value: copyOf(value) }))
    this.#block = nothing
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
