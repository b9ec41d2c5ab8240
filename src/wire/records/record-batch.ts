/** A record batch as it lies in a log or a fetch answer: its header at once, its records when asked. One file for what
 *  all magics share and for magic 2 (KIP-98); `legacy-record-batch.ts` has the message sets of magic 0 and 1. */

import { CorruptRecordError } from '../../errors/errors.ts'
import type { TimestampType } from '../../model/record-header.ts'
import { compressionTypes, type CompressionType } from '../compression/codec.ts'
import { codecById } from '../compression/codecs.ts'
import {
  CHECKED_FROM,
  COMPRESSION_MASK,
  CONTROL_BIT,
  DELETE_HORIZON_BIT,
  HEADER_BYTES,
  LOG_APPEND_TIME_BIT,
  MIN_RECORD_BYTES,
  TRANSACTIONAL_BIT,
  readInt16,
  readInt32,
  readInt64,
  readUint32,
} from './batch-layout.ts'
import { crc32c } from './crc32c.ts'
import { BatchRecordCursor, type RecordCursor } from './record-cursor.ts'

/** What is done to a batch as it is read. */
export interface ReadOptions {
  /** Compare every batch's checksum before its records are read; true by default (Kafka's `check.crcs`). */
  readonly checkCrcs?: boolean | undefined
  /** The most bytes that the records of one batch may decompress to; 128 MiB by default. */
  readonly maxDecompressedBytes?: number | undefined
}

export const DEFAULT_MAX_DECOMPRESSED_BYTES: number = 128 * 1024 * 1024

export interface RecordBatch {
  readonly magic: number
  /** The first record's offset, also when compaction has removed that record; -1 where only decompressing would tell,
   *  in compressed batches of magic 0 and 1. */
  readonly baseOffset: number
  /** The last record's offset, also when compaction has removed that record: reading goes on at the one after it. */
  readonly lastOffset: number
  /** `lastOffset - baseOffset`; -1 where `baseOffset` is. */
  readonly lastOffsetDelta: number
  /** -1 when not known, and below magic 2. */
  readonly partitionLeaderEpoch: number
  /** The attribute bits as they are. */
  readonly attributes: number
  /** The number of the codec in the attributes, 0 for none. */
  readonly codecId: number
  /** The codec's name. Throws `UnsupportedCodecError` when Kafka has none of that number. */
  readonly compression: CompressionType
  readonly timestampType: TimestampType
  readonly isTransactional: boolean
  /** Whether its records are markers for the client, not data for the user. */
  readonly isControl: boolean
  /** -1 without idempotence, and below magic 2. */
  readonly producerId: number
  readonly producerEpoch: number
  /** The sequence number of the record at `baseOffset`; -1 without idempotence. */
  readonly baseSequence: number
  /** How many records there are: none is possible after compaction; -1 where `baseOffset` is. */
  readonly count: number
  /** Bytes of the batch, header and length fields included. */
  readonly sizeInBytes: number
  /** The latest timestamp of its records, in milliseconds; -1 when it has none. */
  readonly maxTimestamp: number
  /** The batch's bytes. */
  readonly bytes: Buffer
  /** Compares the checksum with the bytes; throws `CorruptRecordError` when they differ. */
  verifyChecksum(): void
  /** A cursor before the first record. Decompresses, if need be, at every call; the codec must have been loaded. */
  cursor(): RecordCursor
}

/** Reads a 64-bit field that must be a non-negative offset we can count with. */
export function readOffset(source: Uint8Array, at: number, what: string): number {
  const offset = readInt64(source, at)
  if (offset < 0 || offset > Number.MAX_SAFE_INTEGER) {
    throw new CorruptRecordError(`${what} ${offset} is outside 0 to 2^53 - 1`)
  }
  return offset
}

/** A batch of magic 2. */
export class DefaultRecordBatch implements RecordBatch {
  readonly bytes: Buffer
  readonly magic = 2
  readonly baseOffset: number
  readonly lastOffset: number
  readonly lastOffsetDelta: number
  readonly attributes: number
  readonly producerId: number
  readonly count: number
  readonly #maxDecompressedBytes: number

  /** `bytes` is exactly one batch, whose length field was checked to say so. */
  constructor(bytes: Buffer, maxDecompressedBytes: number = DEFAULT_MAX_DECOMPRESSED_BYTES) {
    this.bytes = bytes
    this.baseOffset = readOffset(bytes, 0, 'a record batch begins at offset')
    const where = `the record batch at offset ${this.baseOffset}`
    if (bytes.length < HEADER_BYTES) {
      throw new CorruptRecordError(`${where} has ${bytes.length} bytes, less than its header`)
    }
    this.attributes = readInt16(bytes, 21)
    this.lastOffsetDelta = readInt32(bytes, 23)
    this.lastOffset = this.baseOffset + this.lastOffsetDelta
    this.producerId = readInt64(bytes, 43)
    this.count = readInt32(bytes, 57)
    this.#maxDecompressedBytes = maxDecompressedBytes
    if (this.lastOffsetDelta < 0 || this.lastOffset > Number.MAX_SAFE_INTEGER) {
      throw new CorruptRecordError(`${where} has a last offset delta of ${this.lastOffsetDelta}`)
    }
    if (this.count < 0 || this.count > this.lastOffsetDelta + 1) {
      throw new CorruptRecordError(`${where} announces ${this.count} records for ${this.lastOffsetDelta + 1} offsets`)
    }
    if (!Number.isSafeInteger(this.producerId)) {
      throw new CorruptRecordError(`${where} has a producer id beyond 2^53`)
    }
    if (this.codecId === 0) this.#checkCount(bytes.length - HEADER_BYTES)
  }

  get partitionLeaderEpoch(): number {
    return readInt32(this.bytes, 12)
  }

  get codecId(): number {
    return this.attributes & COMPRESSION_MASK
  }

  get compression(): CompressionType {
    codecById(this.codecId)
    return compressionTypes[this.codecId]!
  }

  get timestampType(): TimestampType {
    return this.attributes & LOG_APPEND_TIME_BIT ? 'LogAppendTime' : 'CreateTime'
  }

  get isTransactional(): boolean {
    return (this.attributes & TRANSACTIONAL_BIT) !== 0
  }

  get isControl(): boolean {
    return (this.attributes & CONTROL_BIT) !== 0
  }

  get producerEpoch(): number {
    return readInt16(this.bytes, 51)
  }

  get baseSequence(): number {
    return readInt32(this.bytes, 53)
  }

  get sizeInBytes(): number {
    return this.bytes.length
  }

  /** What the records' timestamps are counted from: the first one's, or the delete horizon where there is one. */
  get baseTimestamp(): number {
    return readInt64(this.bytes, 27)
  }

  /** When the tombstones of a compacted batch, or its markers, may go (KIP-534); undefined when nothing says. */
  get deleteHorizonMs(): number | undefined {
    return this.attributes & DELETE_HORIZON_BIT ? this.baseTimestamp : undefined
  }

  get maxTimestamp(): number {
    return readInt64(this.bytes, 35)
  }

  /** The checksum that the header states. */
  get checksum(): number {
    return readUint32(this.bytes, 17)
  }

  verifyChecksum(): void {
    const actual = crc32c(this.bytes, CHECKED_FROM)
    if (actual !== this.checksum) {
      throw new CorruptRecordError(
        `the record batch at offset ${this.baseOffset} has checksum ${hex(actual)}, not ${hex(this.checksum)} as it says`,
      )
    }
  }

  cursor(): RecordCursor {
    const codec = codecById(this.codecId)
    let records: Uint8Array = this.bytes
    let start = HEADER_BYTES
    if (codec !== undefined) {
      // The compressed form of no records at all is not empty: there is nothing in it to look at.
      const compressed = records.subarray(HEADER_BYTES)
      records =
        this.count === 0 ? compressed.subarray(0, 0) : codec.decompress(compressed, this.#maxDecompressedBytes, 2)
      start = 0
      this.#checkCount(records.length)
    }
    const logAppendTime = (this.attributes & LOG_APPEND_TIME_BIT) !== 0
    return new BatchRecordCursor({
      memory: records.buffer,
      start: records.byteOffset + start,
      end: records.byteOffset + records.length,
      count: this.count,
      baseOffset: this.baseOffset,
      lastOffsetDelta: this.lastOffsetDelta,
      baseTimestamp: logAppendTime ? this.maxTimestamp : this.baseTimestamp,
      logAppendTime,
    })
  }

  /** Before anything is sized by the count: each record takes some bytes. */
  #checkCount(recordBytes: number): void {
    if (this.count * MIN_RECORD_BYTES > recordBytes) {
      throw new CorruptRecordError(
        `the record batch at offset ${this.baseOffset} announces ${this.count} records in ${recordBytes} bytes`,
      )
    }
  }
}

function hex(checksum: number): string {
  return checksum.toString(16).padStart(8, '0')
}
