/** The message sets of magic 0 and 1 (before Kafka 0.11; brokers still hand them out from old segments, and to old
 *  fetch versions): read only. An entry is one message, or a wrapper whose value is a compressed message set. */

import { CorruptRecordError, UnsupportedCodecError } from '../../errors/errors.ts'
import type { TimestampType } from '../../model/record-header.ts'
import { compressionTypes, type CompressionType } from '../compression/codec.ts'
import { codecById } from '../compression/codecs.ts'
import {
  COMPRESSION_MASK,
  LOG_APPEND_TIME_BIT,
  LOG_OVERHEAD_BYTES,
  readInt32,
  readInt64,
  readUint32,
} from './batch-layout.ts'
import { crc32 } from './crc32.ts'
import { readOffset, type RecordBatch } from './record-batch.ts'
import { RecordCursor } from './record-cursor.ts'

/** Checksum, magic, attributes, and the two lengths of key and value. */
const MIN_MESSAGE_BYTES = 14
const CHECKED_FROM = 16

export interface LegacyReadOptions {
  readonly checkCrcs: boolean
  readonly maxDecompressedBytes: number
}

/** One entry of a message set. */
export class LegacyRecordBatch implements RecordBatch {
  readonly bytes: Buffer
  readonly magic: number
  readonly lastOffset: number
  readonly attributes: number
  readonly partitionLeaderEpoch = -1
  readonly isTransactional = false
  readonly isControl = false
  readonly producerId = -1
  readonly producerEpoch = -1
  readonly baseSequence = -1
  readonly #options: LegacyReadOptions

  /** `bytes` is exactly one entry, whose length field was checked to say so. */
  constructor(bytes: Buffer, options: LegacyReadOptions) {
    this.bytes = bytes
    this.lastOffset = readOffset(bytes, 0, 'a message has offset')
    checkSize(bytes.length - LOG_OVERHEAD_BYTES, this.lastOffset)
    this.magic = bytes[16]!
    this.attributes = bytes[17]!
    this.#options = options
  }

  get baseOffset(): number {
    return this.codecId === 0 ? this.lastOffset : -1
  }

  get lastOffsetDelta(): number {
    return this.codecId === 0 ? 0 : -1
  }

  get count(): number {
    return this.codecId === 0 ? 1 : -1
  }

  get codecId(): number {
    return this.attributes & COMPRESSION_MASK
  }

  get compression(): CompressionType {
    codecById(this.codecId)
    return compressionTypes[this.codecId]!
  }

  get timestampType(): TimestampType {
    if (this.magic === 0) return 'NoTimestampType'
    return this.attributes & LOG_APPEND_TIME_BIT ? 'LogAppendTime' : 'CreateTime'
  }

  get maxTimestamp(): number {
    return this.magic === 0 ? -1 : readInt64(this.bytes, 18)
  }

  get sizeInBytes(): number {
    return this.bytes.length
  }

  verifyChecksum(): void {
    verifyChecksum(this.bytes, 0, this.bytes.length, this.lastOffset)
  }

  cursor(): RecordCursor {
    const options = { magic: this.magic, inner: false, logAppendTime: undefined, offsetShift: 0, checkCrcs: false }
    if (this.codecId === 0) return new LegacyRecordCursor(this.bytes, options)
    if (this.codecId > 3) {
      throw new UnsupportedCodecError(
        `the message at offset ${this.lastOffset} has codec ${this.codecId}, which magic ${this.magic} has not`,
      )
    }

    const outer = new LegacyRecordCursor(this.bytes, options)
    outer.next()
    const compressed = outer.value()
    if (compressed === null) throw this.#corrupt('is a compressed one without a value')
    const plain = codecById(this.codecId)!.decompress(compressed, this.#options.maxDecompressedBytes, this.magic)
    const lastInner = lastOffsetOf(plain)
    if (lastInner === undefined) throw this.#corrupt('is a compressed one with nothing inside')
    return new LegacyRecordCursor(plain, {
      magic: this.magic,
      inner: true,
      logAppendTime: this.timestampType === 'LogAppendTime' ? this.maxTimestamp : undefined,
      // Magic 1 counts inside from the wrapper's last record (KIP-31); magic 0 has absolute offsets.
      offsetShift: this.magic === 1 ? this.lastOffset - lastInner : 0,
      checkCrcs: this.#options.checkCrcs,
    })
  }

  #corrupt(what: string): CorruptRecordError {
    return new CorruptRecordError(`the message at offset ${this.lastOffset} ${what}`)
  }
}

interface LegacyCursorOptions {
  readonly magic: number
  /** The messages were inside a compressed one, and cannot be compressed again. */
  readonly inner: boolean
  /** The wrapper's timestamp, when all inside have it. */
  readonly logAppendTime: number | undefined
  /** Added to the offsets as they are written. */
  readonly offsetShift: number
  readonly checkCrcs: boolean
}

class LegacyRecordCursor extends RecordCursor {
  #position: number
  readonly #end: number
  readonly #options: LegacyCursorOptions

  constructor(messages: Uint8Array, options: LegacyCursorOptions) {
    super(messages.buffer)
    this.#position = messages.byteOffset
    this.#end = messages.byteOffset + messages.length
    this.#options = options
  }

  next(): boolean {
    const block = this.block
    const start = this.#position
    if (start === this.#end) return false
    const { magic, inner, logAppendTime, offsetShift, checkCrcs } = this.#options
    const end = entryEnd(block, start, this.#end)
    const offset = readInt64(block, start) + offsetShift
    if (offset < 0 || offset > Number.MAX_SAFE_INTEGER) {
      throw new CorruptRecordError(`a message has offset ${offset}, outside 0 to 2^53 - 1`)
    }
    if (block[start + 16] !== magic) {
      throw new CorruptRecordError(
        `the message at offset ${offset} has magic ${block[start + 16]} in a set of magic ${magic}`,
      )
    }
    if (inner && (block[start + 17]! & COMPRESSION_MASK) !== 0) {
      throw new CorruptRecordError(`the message at offset ${offset} is compressed inside a compressed one`)
    }
    if (checkCrcs) verifyChecksum(block, start, end, offset)
    this.offset = offset
    this.timestamp = logAppendTime ?? (magic === 0 ? -1 : readInt64(block, start + 18))

    let at = start + (magic === 0 ? 18 : 26)
    for (const part of ['key', 'value'] as const) {
      if (at + 4 > end) throw new CorruptRecordError(`the message at offset ${offset} ends before its ${part}`)
      const length = readInt32(block, at)
      at += 4
      if (length < -1 || at + length > end) {
        throw new CorruptRecordError(`the message at offset ${offset} has a ${part} of ${length} bytes`)
      }
      if (part === 'key') {
        this.keyStart = at
        this.keyLength = length
      } else {
        this.valueStart = at
        this.valueLength = length
      }
      if (length > 0) at += length
    }
    if (at !== end)
      throw new CorruptRecordError(`the message at offset ${offset} has parts that do not add up to its length`)
    this.#position = end
    return true
  }
}

function checkSize(size: number, offset: number): void {
  if (size < MIN_MESSAGE_BYTES)
    throw new CorruptRecordError(`the message at offset ${offset} has a size of ${size} bytes`)
}

/** Where the entry at `start` ends, which must be at `limit` or before. */
function entryEnd(block: Uint8Array, start: number, limit: number): number {
  if (start + LOG_OVERHEAD_BYTES > limit) throw new CorruptRecordError('a message set ends within a message')
  const size = readInt32(block, start + 8)
  checkSize(size, readInt64(block, start))
  const end = start + LOG_OVERHEAD_BYTES + size
  if (end > limit) throw new CorruptRecordError('a message set ends within a message')
  return end
}

function lastOffsetOf(block: Uint8Array): number | undefined {
  let offset: number | undefined
  for (let at = 0; at < block.length;) {
    const end = entryEnd(block, at, block.length)
    offset = readInt64(block, at)
    at = end
  }
  return offset
}

function verifyChecksum(block: Uint8Array, start: number, end: number, offset: number): void {
  if (crc32(block, start + CHECKED_FROM, end) !== readUint32(block, start + 12)) {
    throw new CorruptRecordError(`the message at offset ${offset} does not match its checksum`)
  }
}
