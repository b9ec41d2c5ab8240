/** Says whether a record can be sent at all, before anything of it is kept: its shape, and that it is not too large. Asks
 *  no cluster: whether its partition exists is found out later. */

import { InvalidArgumentError } from '../errors/errors.ts'
import { quote } from '../options/option-table.ts'
import { HEADER_BYTES } from '../wire/records/batch-layout.ts'
import { recordSizeUpperBound } from '../wire/records/record-batch-builder.ts'
import {
  readHeaders,
  refusal,
  requireBytes,
  requirePartition,
  requireTimestamp,
  type BatchRecord,
  type RecordBytes,
  type WrittenHeader,
} from './producer-record.ts'

/** How far a batch's header and the fields of a record may exceed the bytes of key and value, generously. */
const mostOverheadBytes = 128

export interface RecordLimits {
  readonly maxRequestSize: number
  readonly bufferMemory: number
}

export class RecordChecks {
  readonly #limits: RecordLimits
  /** The most bytes that one record may take as a batch of its own. */
  readonly #maxRecordBytes: number

  constructor(limits: RecordLimits) {
    this.#limits = limits
    this.#maxRecordBytes = Math.min(limits.maxRequestSize, limits.bufferMemory)
  }

  /**
   * Checks all of a record but its topic, and gives its headers as they are written.
   *
   * @throws InvalidArgumentError saying what cannot be sent, and what to do instead
   */
  check(topic: string, key: RecordBytes, value: RecordBytes, record: BatchRecord): WrittenHeader[] | undefined {
    requireBytes(value, 'value', topic)
    if (key !== null) requireBytes(key, 'key', topic)
    const { partition, timestamp } = record
    if (partition !== undefined) requirePartition(partition, topic)
    if (timestamp !== undefined) requireTimestamp(timestamp, topic)
    const headers = record.headers === undefined ? undefined : readHeaders(record.headers, topic)
    // At most three bytes a character: only what might be too large is measured.
    const characters = (key === null ? 0 : key.length) + (value === null ? 0 : value.length)
    if (headers === undefined && 3 * characters + mostOverheadBytes <= this.#maxRecordBytes) return undefined
    this.requireSize(topic, key, value, headers)
    return headers
  }

  /** The same for a record of a batch, whose place in it the complaint names. */
  checkAt(
    index: number,
    topic: string,
    key: RecordBytes,
    value: RecordBytes,
    record: BatchRecord,
  ): WrittenHeader[] | undefined {
    try {
      return this.check(topic, key, value, record)
    } catch (error) {
      throw error instanceof InvalidArgumentError ? refusal(`record ${index} of a batch: ${error.message}`) : error
    }
  }

  /**
   * Checks what can be checked of a record before it is serialized, and gives its headers.
   *
   * @param serialized whether key and value may be anything, since serializers get them
   * @throws InvalidArgumentError saying what cannot be sent, and what to do instead
   */
  checkGiven(
    topic: string,
    record: BatchRecord<unknown, unknown>,
    serialized: { readonly key: boolean; readonly value: boolean },
  ): WrittenHeader[] | undefined {
    const { key = null, value, partition, timestamp } = record
    if (!serialized.value || value === undefined) requireBytes(value, 'value', topic)
    if (!serialized.key) requireBytes(key, 'key', topic)
    if (partition !== undefined) requirePartition(partition, topic)
    if (timestamp !== undefined) requireTimestamp(timestamp, topic)
    return record.headers === undefined ? undefined : readHeaders(record.headers, topic)
  }

  /** @throws InvalidArgumentError when the record is larger than any request may be */
  requireSize(
    topic: string,
    key: RecordBytes,
    value: RecordBytes,
    headers: readonly WrittenHeader[] | undefined,
  ): void {
    const bytes = HEADER_BYTES + recordSizeUpperBound(key, value, headers)
    if (bytes <= this.#maxRecordBytes) return
    const { maxRequestSize, bufferMemory } = this.#limits
    const limit =
      maxRequestSize <= bufferMemory ? `maxRequestSize (${maxRequestSize})` : `bufferMemory (${bufferMemory})`
    throw refusal(`a record for '${topic}' takes ${bytes} bytes, which is more than ${limit} allows`)
  }
}

/** @throws InvalidArgumentError when it is no object */
export function requireRecord(record: unknown): void {
  if (typeof record === 'object' && record !== null) return
  throw refusal(`a record must be an object with a topic and a value, not ${quote(record)}`)
}
