/** Writes one record batch (magic 2, KIP-98) at send time, each record straight into the batch's one buffer, and seals
 *  it for the wire. Knows no partition, no clock and no policy: when a batch is full enough is the caller's business. */

import { IllegalStateError, InvalidArgumentError } from '../../errors/errors.ts'
import type { Codec } from '../compression/codec.ts'
import {
  CHECKED_FROM,
  CONTROL_BIT,
  HEADER_BYTES,
  LOG_OVERHEAD_BYTES,
  TRANSACTIONAL_BIT,
  readInt16,
  readInt32,
  readInt64,
  writeInt16,
  writeInt32,
  writeInt64,
} from './batch-layout.ts'
import { unpooledBuffers, type BufferPool } from './buffer-pool.ts'
import { crc32c } from './crc32c.ts'
import { utf8Size, writeString } from './record-strings.ts'
import { lengthSize, varlongSize, writeLength, writeVarlong } from './varint.ts'

/** A key, a value or a header's value: a string is written as UTF-8. */
export type RecordData = Uint8Array | string | null

/** A header to write. Names may repeat; their order is kept. */
export interface HeaderToWrite {
  readonly key: string
  readonly value: RecordData
}

/** Who a batch says it is from, and how it is compressed. */
export interface SealOptions {
  /** The producer's id, -1 (the default) without idempotence. */
  readonly producerId?: number
  /** The producer's epoch, -1 by default. */
  readonly producerEpoch?: number
  /** The sequence number of the first record, -1 by default. */
  readonly baseSequence?: number
  readonly isTransactional?: boolean
  readonly isControl?: boolean
  /** A loaded codec; none by default. */
  readonly codec?: Codec | undefined
  /** The codec's level; its own default when absent. */
  readonly level?: number | undefined
}

export interface RecordBatchBuilderOptions {
  /** The size in bytes, header included, that a batch of two records or more may have. A lone record may be larger. */
  readonly sizeLimit: number
  /** Bytes to begin with; the buffer doubles up to `sizeLimit` when they do not suffice. `sizeLimit` by default. */
  readonly initialCapacity?: number
  /** Where memory comes from; fresh memory by default. */
  readonly pool?: BufferPool
}

/** Kafka counts bytes of a batch in an int32. */
const MAX_BATCH_BYTES = 0x7fff_ffff
/** The most that the fields around key, value and headers take: length, attributes, two deltas, two lengths, a count. */
const MAX_RECORD_OVERHEAD = 5 + 1 + 8 + 5 + 5 + 5 + 5
/** Below this many bytes a loop copies faster than `TypedArray.set` does (60 against 78 ns a record on Node 20). */
const LOOP_COPY_BYTES = 24
/** A string is written where it may have four bytes more than it has characters, so that its length tells whether all
 *  of it was ASCII: cut anywhere, a longer one still ends beyond its character count. */
const ASCII_SLACK = 4

/** The sizes of one record's header names and values, kept from the pass that adds them up to the one that writes. */
const headerSizes: number[] = []

function dataSize(data: RecordData): number {
  return data === null ? 0 : typeof data === 'string' ? utf8Size(data) : data.length
}

/**
 * The most bytes that a record can take in a batch, the batch's header not counted: above its exact size by at most 27,
 * and 8 for every header. For the accounting of memory before a batch is opened.
 */
export function recordSizeUpperBound(
  key: RecordData,
  value: RecordData,
  headers?: readonly HeaderToWrite[] | undefined,
): number {
  let size = MAX_RECORD_OVERHEAD + dataSize(key) + dataSize(value)
  if (headers !== undefined) {
    for (const header of headers) size += 10 + utf8Size(header.key) + dataSize(header.value)
  }
  return size
}

/** The bytes of a batch that holds one record of the given size, the batch's header included. */
export function batchSizeFor(recordSize: number): number {
  return HEADER_BYTES + recordSize
}

export class RecordBatchBuilder {
  readonly #pool: BufferPool
  readonly #sizeLimit: number
  #buffer: Buffer
  /** Where the next record goes; after sealing, where the batch ends. */
  #position = HEADER_BYTES
  #count = 0
  #baseTimestamp = -1
  #maxTimestamp = -1
  /** The strings so far were ASCII: the next ones are first tried as such. */
  #expectAscii = true
  #sealed: Buffer | undefined
  /** What the sealed bytes were compressed with. */
  #codec: Codec | undefined
  #level: number | undefined
  /** Buffers that sealed bytes once lived in, or still do: a socket may be reading them until `release`. */
  #retired: Buffer[] | undefined
  #released = false

  constructor(options: RecordBatchBuilderOptions) {
    const { sizeLimit, initialCapacity = sizeLimit, pool = unpooledBuffers } = options
    this.#pool = pool
    this.#sizeLimit = Math.min(sizeLimit, MAX_BATCH_BYTES)
    this.#buffer = pool.take(Math.max(initialCapacity, HEADER_BYTES))
  }

  /** How many records were appended. */
  get count(): number {
    return this.#count
  }

  /** Bytes of the batch, header included: uncompressed until it is sealed, as sent afterwards. */
  get sizeInBytes(): number {
    return this.#position
  }

  /** Bytes of memory that the batch holds from its pool. */
  get capacity(): number {
    let capacity = this.#buffer.length
    if (this.#retired !== undefined) for (const buffer of this.#retired) capacity += buffer.length
    return capacity
  }

  /** The first record's timestamp, -1 while there is none. */
  get baseTimestamp(): number {
    return this.#baseTimestamp
  }

  /** The latest of the records' timestamps, -1 while there is none. */
  get maxTimestamp(): number {
    return this.#maxTimestamp
  }

  get isSealed(): boolean {
    return this.#sealed !== undefined
  }

  /** Whether a record of at most so many bytes ({@link recordSizeUpperBound}) would be accepted by `append`. */
  hasRoomFor(recordSize: number): boolean {
    if (this.#sealed !== undefined || this.#released) return false
    return this.#count === 0 || this.#position + recordSize <= this.#sizeLimit
  }

  /**
   * Appends a record, and says whether it was accepted: false, with nothing changed, when it would make the batch
   * larger than its limit, or when the batch is sealed. The first record is always accepted.
   *
   * @param timestamp - Milliseconds since the epoch, a non-negative safe integer, or -1 for none.
   */
  append(
    timestamp: number,
    key: RecordData,
    value: RecordData,
    headers?: readonly HeaderToWrite[] | undefined,
  ): boolean {
    if (this.#sealed !== undefined || this.#released) return false
    if (!(timestamp >= -1 && timestamp <= Number.MAX_SAFE_INTEGER && Math.floor(timestamp) === timestamp)) {
      throw new InvalidArgumentError(`a record's timestamp cannot be ${timestamp}: it must be -1 or a safe integer`)
    }
    const delta = this.#count === 0 ? 0 : timestamp - this.#baseTimestamp
    if (headers === undefined || headers.length === 0) {
      if (this.#expectAscii) {
        const end = this.#tryAscii(delta, key, value)
        if (end > 0) {
          this.#accept(end, timestamp)
          return true
        }
        if (end < 0) this.#expectAscii = false
      }
    }
    return this.#appendExactly(timestamp, delta, key, value, headers)
  }

  /**
   * Closes the batch and returns its bytes, ready for a produce request.
   *
   * Sealing again with the same options returns the same bytes, so that a retry is byte-identical. Sealing again with
   * another identity (a new epoch, other sequence numbers) makes a new copy: the old bytes, which a socket may still be
   * reading, stay untouched until {@link RecordBatchBuilder.release}. The codec and level of the first sealing stay.
   * The uncompressed records are gone once a codec was used; `splitRecordBatch` gets them back from the sealed bytes.
   */
  seal(options: SealOptions = {}): Buffer {
    if (this.#released) throw new IllegalStateError('a record batch cannot be sealed after its memory was given back')
    if (this.#count === 0) throw new IllegalStateError('a record batch without records cannot be sealed')
    const {
      producerId = -1,
      producerEpoch = -1,
      baseSequence = -1,
      isTransactional = false,
      isControl = false,
    } = options
    const again = this.#sealed !== undefined
    if (!again) {
      if (options.codec !== undefined) {
        this.#replaceRecords(options.codec.compress(this.#buffer.subarray(HEADER_BYTES, this.#position), options.level))
      }
      this.#codec = options.codec
      this.#level = options.level
    } else if (options.codec !== this.#codec || options.level !== this.#level) {
      throw new IllegalStateError('a sealed record batch keeps the codec and level it was sealed with')
    }
    const attributes =
      (this.#codec?.id ?? 0) | (isTransactional ? TRANSACTIONAL_BIT : 0) | (isControl ? CONTROL_BIT : 0)
    if (again) {
      const old = this.#buffer
      if (
        readInt16(old, 21) === attributes &&
        readInt64(old, 43) === producerId &&
        readInt16(old, 51) === producerEpoch &&
        readInt32(old, 53) === baseSequence
      ) {
        return this.#sealed!
      }
      this.#buffer = this.#pool.take(this.#position)
      this.#buffer.set(old.subarray(0, this.#position))
      ;(this.#retired ??= []).push(old)
    }
    this.#writeHeader(attributes, producerId, producerEpoch, baseSequence)
    this.#sealed = this.#buffer.subarray(0, this.#position)
    return this.#sealed
  }

  /**
   * Gives the batch's memory back to the pool, to be overwritten. To be called once nobody reads the sealed bytes any
   * more: every request that carried them was answered, or never began to be written. After a request that failed the
   * system may still be reading (see `Connection.send`): then do not call it, and leave the memory to the garbage
   * collector. Idempotent.
   */
  release(): void {
    if (this.#released) return
    this.#released = true
    this.#sealed = undefined
    this.#pool.give(this.#buffer)
    if (this.#retired !== undefined) for (const buffer of this.#retired) this.#pool.give(buffer)
    this.#retired = undefined
    this.#buffer = Buffer.alloc(0)
  }

  #accept(end: number, timestamp: number): void {
    if (this.#count === 0) {
      this.#baseTimestamp = timestamp
      this.#maxTimestamp = timestamp
    } else if (timestamp > this.#maxTimestamp) {
      this.#maxTimestamp = timestamp
    }
    this.#count++
    this.#position = end
  }

  /** The usual record, written in one pass on the guess that its strings are ASCII. Returns where it ends, 0 when it
   *  may not fit (nothing is known then), or -1 when a string was not ASCII. Measured on Node 20: asking for the byte
   *  length of a 100-character string first costs 45 ns, as much as writing it. */
  #tryAscii(delta: number, key: RecordData, value: RecordData): number {
    const keyLength = key === null ? 0 : key.length
    const valueLength = value === null ? 0 : value.length
    const index = this.#count
    let position = this.#position
    const buffer = this.#buffer
    const size =
      1 +
      varlongSize(delta) +
      lengthSize(index) +
      (key === null ? 1 : lengthSize(keyLength)) +
      keyLength +
      (value === null ? 1 : lengthSize(valueLength)) +
      valueLength +
      1
    const end = position + size + lengthSize(size)
    if (end + ASCII_SLACK > buffer.length || (end > this.#sizeLimit && index !== 0)) return 0
    position = writeLength(buffer, position, size)
    buffer[position++] = 0
    position = writeVarlong(buffer, position, delta)
    position = writeLength(buffer, position, index)
    if (key === null) {
      buffer[position++] = 1
    } else {
      position = writeLength(buffer, position, keyLength)
      if (typeof key === 'string') {
        if (writeString(buffer, position, key, keyLength + ASCII_SLACK) !== keyLength) return -1
        position += keyLength
      } else if (keyLength <= LOOP_COPY_BYTES) {
        for (let index = 0; index < keyLength; index++) buffer[position++] = key[index]!
      } else {
        buffer.set(key, position)
        position += keyLength
      }
    }
    if (value === null) {
      buffer[position++] = 1
    } else {
      position = writeLength(buffer, position, valueLength)
      if (typeof value === 'string') {
        if (writeString(buffer, position, value, valueLength + ASCII_SLACK) !== valueLength) return -1
        position += valueLength
      } else if (valueLength <= LOOP_COPY_BYTES) {
        for (let index = 0; index < valueLength; index++) buffer[position++] = value[index]!
      } else {
        buffer.set(value, position)
        position += valueLength
      }
    }
    buffer[position] = 0
    return end
  }

  /** Any record: sizes first, then bytes; grows the buffer where the limit allows. */
  #appendExactly(
    timestamp: number,
    delta: number,
    key: RecordData,
    value: RecordData,
    headers: readonly HeaderToWrite[] | undefined,
  ): boolean {
    const keyLength = dataSize(key)
    const valueLength = dataSize(value)
    let size =
      1 +
      varlongSize(delta) +
      lengthSize(this.#count) +
      (key === null ? 1 : lengthSize(keyLength) + keyLength) +
      (value === null ? 1 : lengthSize(valueLength) + valueLength)
    if (headers === undefined) {
      size++
    } else {
      size += lengthSize(headers.length)
      let place = 0
      for (const header of headers) {
        const nameLength = utf8Size(header.key)
        const length = dataSize(header.value)
        headerSizes[place++] = nameLength
        headerSizes[place++] = length
        size += lengthSize(nameLength) + nameLength + (header.value === null ? 1 : lengthSize(length) + length)
      }
    }
    const end = this.#position + size + lengthSize(size)
    if (end > this.#sizeLimit) {
      if (this.#count !== 0) return false
      if (end > MAX_BATCH_BYTES) {
        throw new InvalidArgumentError(`a record of ${size} bytes is larger than any record batch can be`)
      }
    }
    if (end > this.#buffer.length) this.#grow(end)

    const buffer = this.#buffer
    let position = writeLength(buffer, this.#position, size)
    buffer[position++] = 0
    position = writeVarlong(buffer, position, delta)
    position = writeLength(buffer, position, this.#count)
    position = writeData(buffer, position, key, keyLength)
    position = writeData(buffer, position, value, valueLength)
    if (headers === undefined) {
      buffer[position++] = 0
    } else {
      position = writeLength(buffer, position, headers.length)
      let place = 0
      for (const header of headers) {
        position = writeData(buffer, position, header.key, headerSizes[place++]!)
        position = writeData(buffer, position, header.value, headerSizes[place++]!)
      }
    }
    // A view of shared memory, or a header list, that changed between the two passes: its record is not to be trusted.
    if (position !== end) throw new InvalidArgumentError('a record changed its size while it was appended')
    // Plain ASCII that merely had headers, or no slack left, must not keep a batch on this slower path.
    if (!this.#expectAscii && isAsciiSized(key, keyLength) && isAsciiSized(value, valueLength)) this.#expectAscii = true
    this.#accept(end, timestamp)
    return true
  }

  #grow(atLeast: number): void {
    const size = Math.max(atLeast, Math.min(this.#buffer.length * 2, this.#sizeLimit))
    const larger = this.#pool.take(size)
    larger.set(this.#buffer.subarray(HEADER_BYTES, this.#position), HEADER_BYTES)
    this.#pool.give(this.#buffer)
    this.#buffer = larger
  }

  #replaceRecords(compressed: Uint8Array): void {
    const end = HEADER_BYTES + compressed.length
    if (end > MAX_BATCH_BYTES) throw new InvalidArgumentError(`a compressed record batch of ${end} bytes is too large`)
    if (end > this.#buffer.length) {
      const larger = this.#pool.take(end)
      this.#pool.give(this.#buffer)
      this.#buffer = larger
    }
    this.#buffer.set(compressed, HEADER_BYTES)
    this.#position = end
  }

  #writeHeader(attributes: number, producerId: number, producerEpoch: number, baseSequence: number): void {
    const buffer = this.#buffer
    writeInt64(buffer, 0, 0) // base offset: the leader's to set
    writeInt32(buffer, 8, this.#position - LOG_OVERHEAD_BYTES)
    writeInt32(buffer, 12, -1) // partition leader epoch: the leader's to set
    buffer[16] = 2
    writeInt16(buffer, 21, attributes)
    writeInt32(buffer, 23, this.#count - 1)
    writeInt64(buffer, 27, this.#baseTimestamp)
    writeInt64(buffer, 35, this.#maxTimestamp)
    writeInt64(buffer, 43, producerId)
    writeInt16(buffer, 51, producerEpoch)
    writeInt32(buffer, 53, baseSequence)
    writeInt32(buffer, 57, this.#count)
    writeInt32(buffer, 17, crc32c(buffer, CHECKED_FROM, this.#position))
  }
}

function isAsciiSized(data: RecordData, size: number): boolean {
  return typeof data !== 'string' || data.length === size
}

/** Writes a length and the bytes after it; null is length -1. */
function writeData(buffer: Buffer, position: number, data: RecordData, length: number): number {
  if (data === null) {
    buffer[position] = 1
    return position + 1
  }
  position = writeLength(buffer, position, length)
  if (typeof data === 'string') return position + writeString(buffer, position, data, length)
  if (length <= LOOP_COPY_BYTES) for (let index = 0; index < length; index++) buffer[position + index] = data[index]!
  else buffer.set(data, position)
  return position + length
}
