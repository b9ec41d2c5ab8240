/** Walks the records of one batch without allocating anything per record: positions and numbers, and views when asked.
 *  Knows no checksum and no compression: its bytes are already plain. */

import { CorruptRecordError } from '../../errors/errors.ts'
import type { RecordHeader } from '../../model/record-header.ts'
import { readVarlongSlowly } from './varlong.ts'

/**
 * A place in a batch. Call `next()` until it is false; in between, the fields and methods speak of the current record.
 *
 * Positions are those of {@link RecordCursor.block}, so that a caller can keep the ones it needs in an object of its
 * own and make views later with {@link viewOf} and {@link readHeaders}.
 */
export abstract class RecordCursor {
  /** All of the memory that the plain bytes lie in, and maybe others beside them; views keep it alive. Not just the
   *  batch, so that a view is made without asking a Buffer for its own offset (56 ns instead of 65). */
  readonly block: Buffer
  offset = -1
  /** Milliseconds since the epoch; -1 for none. */
  timestamp = -1
  keyStart = 0
  /** -1 for a null key. */
  keyLength = -1
  valueStart = 0
  /** -1 for a null value. */
  valueLength = -1
  headersStart = 0
  headerCount = 0

  constructor(memory: ArrayBufferLike) {
    this.block = Buffer.from(memory)
  }

  /** Moves to the next record; false after the last one. Throws `CorruptRecordError` where the bytes make no sense. */
  abstract next(): boolean

  /** The current record's key: a view, made anew at each call. */
  key(): Buffer | null {
    return viewOf(this.block, this.keyStart, this.keyLength)
  }

  /** The current record's value: a view, made anew at each call. */
  value(): Buffer | null {
    return viewOf(this.block, this.valueStart, this.valueLength)
  }

  /** The current record's headers, in their order, repeated names included. */
  headers(): RecordHeader[] {
    return readHeaders(this.block, this.headersStart, this.headerCount)
  }

  /** The current record as an object that stays what it is when the cursor moves on. */
  record(): BatchRecord {
    return new BatchRecord(this)
  }

  /** The records that are left, one object each. */
  *[Symbol.iterator](): Generator<BatchRecord, void, undefined> {
    while (this.next()) yield new BatchRecord(this)
  }
}

/** A record of a batch, its key, value and headers made when they are first asked for. */
export class BatchRecord {
  readonly offset: number
  /** Milliseconds since the epoch; -1 for none. */
  readonly timestamp: number
  readonly #block: Buffer
  readonly #keyStart: number
  readonly #keyLength: number
  readonly #valueStart: number
  readonly #valueLength: number
  readonly #headersStart: number
  readonly #headerCount: number
  #key: Buffer | null | undefined
  #value: Buffer | null | undefined
  #headers: readonly RecordHeader[] | undefined

  constructor(cursor: RecordCursor) {
    this.offset = cursor.offset
    this.timestamp = cursor.timestamp
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

  get key(): Buffer | null {
    return (this.#key ??= viewOf(this.#block, this.#keyStart, this.#keyLength))
  }

  get value(): Buffer | null {
    return (this.#value ??= viewOf(this.#block, this.#valueStart, this.#valueLength))
  }

  get headers(): readonly RecordHeader[] {
    return (this.#headers ??= readHeaders(this.#block, this.#headersStart, this.#headerCount))
  }
}

/** A view of `length` bytes of a cursor's block, or null for a negative length. Measured on Node 20: 56 ns, against 84 of
 *  `subarray`. A subclass of Uint8Array would take 18, but would not be deeply equal to a Buffer. */
export function viewOf(block: Buffer, start: number, length: number): Buffer | null {
  return length < 0 ? null : Buffer.from(block.buffer, start, length)
}

/** Decodes headers of a cursor's block, whose structure the cursor has checked. */
export function readHeaders(block: Buffer, start: number, count: number): RecordHeader[] {
  const headers: RecordHeader[] = []
  let at = start
  for (let index = 0; index < count; index++) {
    let length = varint(block, at)
    at += varintSize(block, at)
    const key = block.toString('utf8', at, at + length)
    at += length
    length = varint(block, at)
    at += varintSize(block, at)
    headers.push({ key, value: viewOf(block, at, length) })
    if (length > 0) at += length
  }
  return headers
}

export interface BatchRecordCursorOptions {
  /** What the positions are those of. */
  readonly memory: ArrayBufferLike
  /** Where in `memory` the records begin, and where they end. */
  readonly start: number
  readonly end: number
  readonly count: number
  readonly baseOffset: number
  readonly lastOffsetDelta: number
  readonly baseTimestamp: number
  /** Every record has `baseTimestamp`, whatever its own delta says. */
  readonly logAppendTime: boolean
}

/** The records of a batch of magic 2. */
export class BatchRecordCursor extends RecordCursor {
  #position: number
  readonly #end: number
  #remaining: number
  readonly #baseOffset: number
  readonly #lastOffsetDelta: number
  readonly #baseTimestamp: number
  readonly #logAppendTime: boolean

  constructor(options: BatchRecordCursorOptions) {
    super(options.memory)
    this.#position = options.start
    this.#end = options.end
    this.#remaining = options.count
    this.#baseOffset = options.baseOffset
    this.#lastOffsetDelta = options.lastOffsetDelta
    this.#baseTimestamp = options.baseTimestamp
    this.#logAppendTime = options.logAppendTime
  }

  // One function with every varint of one byte read in place: 17 ns a record. The lengths decide what is read, so each
  // is compared with the record's end before it is used; the bytes of a varint itself may be read a little beyond it,
  // which is noticed at the next comparison.
  next(): boolean {
    const block = this.block
    let at = this.#position
    if (this.#remaining === 0) {
      if (at !== this.#end) throw this.#corrupt('has bytes after its last record')
      return false
    }
    let byte: number
    let length: number
    if ((byte = block[at]!) < 0x80) {
      length = (byte >>> 1) ^ -(byte & 1)
      at++
    } else {
      length = varint(block, at)
      at += varintSize(block, at)
    }
    const end = at + length
    if (!(length > 0 && end <= this.#end)) throw this.#corrupt(`has a record of ${length} bytes`)

    at++ // attributes, unused

    let delta: number
    if ((byte = block[at]!) < 0x80) {
      delta = (byte >>> 1) ^ -(byte & 1)
      at++
    } else {
      const size = varlongSize(block, at)
      delta = size < 5 ? varint(block, at) : readVarlongSlowly(block, at, size)
      at += size
    }
    this.timestamp = this.#logAppendTime ? this.#baseTimestamp : this.#baseTimestamp + delta

    if ((byte = block[at]!) < 0x80) {
      delta = (byte >>> 1) ^ -(byte & 1)
      at++
    } else {
      delta = varint(block, at)
      at += varintSize(block, at)
    }
    if (!(delta >= 0 && delta <= this.#lastOffsetDelta)) throw this.#corrupt(`has a record at offset delta ${delta}`)
    this.offset = this.#baseOffset + delta

    if ((byte = block[at]!) < 0x80) {
      length = (byte >>> 1) ^ -(byte & 1)
      at++
    } else {
      length = varint(block, at)
      at += varintSize(block, at)
    }
    if (length < -1 || at + length > end) throw this.#corrupt(`has a key of ${length} bytes`)
    this.keyStart = at
    this.keyLength = length
    if (length > 0) at += length

    if ((byte = block[at]!) < 0x80) {
      length = (byte >>> 1) ^ -(byte & 1)
      at++
    } else {
      length = varint(block, at)
      at += varintSize(block, at)
    }
    if (length < -1 || at + length > end) throw this.#corrupt(`has a value of ${length} bytes`)
    this.valueStart = at
    this.valueLength = length
    if (length > 0) at += length

    if ((byte = block[at]!) === 0) {
      this.headerCount = 0
      at++
    } else {
      const count = varint(block, at)
      at += varintSize(block, at)
      if (count < 0) throw this.#corrupt(`has a record with ${count} headers`)
      this.headersStart = at
      this.headerCount = count
      at = this.#skipHeaders(at, count, end)
    }
    if (at !== end) throw this.#corrupt('has a record whose parts do not add up to its length')
    this.#position = end
    this.#remaining--
    return true
  }

  #skipHeaders(start: number, count: number, end: number): number {
    const block = this.block
    let at = start
    for (let index = 0; index < count; index++) {
      let length = varint(block, at)
      at += varintSize(block, at)
      if (length < 0 || at + length > end) throw this.#corrupt(`has a header name of ${length} bytes`)
      at += length
      length = varint(block, at)
      at += varintSize(block, at)
      if (length < -1 || at + length > end) throw this.#corrupt(`has a header value of ${length} bytes`)
      if (length > 0) at += length
      if (at > end) throw this.#corrupt('has a header that ends after its record')
    }
    return at
  }

  #corrupt(what: string): CorruptRecordError {
    return new CorruptRecordError(`the record batch at offset ${this.#baseOffset} ${what}`)
  }
}

/** The zig-zag value of the varint at `at`, 32 bits of it. Past the end of the block it reads zeros. */
function varint(block: Buffer, at: number): number {
  let byte = block[at]! | 0
  let raw = byte & 0x7f
  for (let shift = 7; byte > 0x7f && shift < 35; shift += 7) {
    byte = block[++at]! | 0
    raw |= (byte & 0x7f) << shift
  }
  return (raw >>> 1) ^ -(raw & 1)
}

/** The bytes of the varint at `at`. One that does not end within five is told as longer than any block. */
function varintSize(block: Buffer, at: number): number {
  for (let size = 1; size <= 5; size++) if ((block[at + size - 1]! | 0) < 0x80) return size
  return 0x1_0000_0000
}

/** The same for up to ten bytes. */
function varlongSize(block: Buffer, at: number): number {
  for (let size = 1; size <= 10; size++) if ((block[at + size - 1]! | 0) < 0x80) return size
  return 0x1_0000_0000
}
