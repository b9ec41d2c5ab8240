/** Walks the batches of a fetched `records` field, of any magic, mixed or not. A broker cuts the field where its limit
 *  falls, so an incomplete batch at the end is normal and ignored. Knows no partition, no position, no isolation. */

import { CorruptRecordError } from '../../errors/errors.ts'
import { HEADER_BYTES, LOG_OVERHEAD_BYTES, readInt32 } from './batch-layout.ts'
import { LegacyRecordBatch, type LegacyReadOptions } from './legacy-record-batch.ts'
import {
  DEFAULT_MAX_DECOMPRESSED_BYTES,
  DefaultRecordBatch,
  readOffset,
  type ReadOptions,
  type RecordBatch,
} from './record-batch.ts'

/** Offset, length, checksum or leader epoch, and then the magic, in every format. */
const MAGIC_AT = 16
/** No format has a shorter entry: a message of magic 0 with neither key nor value. */
const MIN_SIZE = 14

export class RecordBatchReader {
  readonly #records: Buffer
  readonly #options: LegacyReadOptions
  #position = 0

  constructor(records: Uint8Array, options: ReadOptions = {}) {
    this.#records = Buffer.isBuffer(records)
      ? records
      : Buffer.from(records.buffer, records.byteOffset, records.byteLength)
    this.#options = {
      checkCrcs: options.checkCrcs ?? true,
      maxDecompressedBytes: options.maxDecompressedBytes ?? DEFAULT_MAX_DECOMPRESSED_BYTES,
    }
  }

  /** Where the next batch begins, in bytes from the start of the field. */
  get position(): number {
    return this.#position
  }

  /**
   * How many bytes the field must have for its first batch to be whole, or 0 when it is, or when the field is empty:
   * fetch again with at least as many. Where not even the batch's length arrived, the size of a header.
   */
  get bytesNeeded(): number {
    const available = this.#records.length
    if (available === 0) return 0
    if (available < LOG_OVERHEAD_BYTES) return HEADER_BYTES
    const needed = LOG_OVERHEAD_BYTES + readInt32(this.#records, 8)
    return needed > available ? needed : 0
  }

  /**
   * The next whole batch, its checksum compared when that is wanted; undefined when there is none left.
   *
   * Throws `CorruptRecordError`. After a batch whose bytes are wrong but whose length makes sense, the next call goes on
   * with the batch behind it; where the length makes none, there is nothing behind it.
   */
  next(): RecordBatch | undefined {
    const records = this.#records
    const start = this.#position
    if (records.length - start <= MAGIC_AT) return undefined
    const size = readInt32(records, start + 8)
    if (size < MIN_SIZE) {
      this.#position = records.length
      const offset = readOffset(records, start, 'a record batch begins at offset')
      throw new CorruptRecordError(`the record batch at offset ${offset} has a size of ${size} bytes`)
    }
    const end = start + LOG_OVERHEAD_BYTES + size
    if (end > records.length) return undefined
    this.#position = end
    const bytes = start === 0 && end === records.length ? records : records.subarray(start, end)
    const magic = bytes[MAGIC_AT]!
    let batch: RecordBatch
    if (magic === 2) {
      batch = new DefaultRecordBatch(bytes, this.#options.maxDecompressedBytes)
    } else if (magic < 2) {
      batch = new LegacyRecordBatch(bytes, this.#options)
    } else {
      const offset = readOffset(bytes, 0, 'a record batch begins at offset')
      throw new CorruptRecordError(`the record batch at offset ${offset} has magic ${magic}, which does not exist`)
    }
    if (this.#options.checkCrcs) batch.verifyChecksum()
    return batch
  }

  /** The whole batches that are left. */
  *[Symbol.iterator](): Generator<RecordBatch, void, undefined> {
    for (let batch = this.next(); batch !== undefined; batch = this.next()) yield batch
  }
}
