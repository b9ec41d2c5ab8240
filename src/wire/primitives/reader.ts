/**
 * Takes values out of a block of bytes, in the protocol's encodings.
 *
 * Every read is checked against the end of the block, and every announced length against what is left, before anything
 * is allocated. Knows no message: which field comes next is the business of the generated decoders.
 */

import { ProtocolError } from '../../errors/errors.ts'
import { maxArrayLength, maxStringBytes, maxTaggedFields } from './limits.ts'
import type { WithUnknownTaggedFields } from './tagged-field.ts'
import { zeroUuid } from './uuid.ts'

const TWO_POW_32 = 4_294_967_296

/** Reads one element of an array, or one struct. */
export type ReadElement<T> = (reader: Reader, version: number, flexible: boolean) => T

/** Reads the tagged field `tag` into `target`, or returns false when it has no name for it. */
export type ReadTaggedField<T> = (reader: Reader, target: T, tag: number, version: number) => boolean

/**
 * A cursor over bytes.
 *
 * `flexible` says which of the protocol's two encodings a length has: an int16 or int32 (false, the default), or an
 * unsigned varint of the length plus one (true, KIP-482's "compact"). What the bytes do not hold throws `ProtocolError`.
 * Byte fields are views into the block, not copies.
 */
export class Reader {
  readonly #buffer: Buffer
  #offset: number
  #end: number

  /**
   * @param source the bytes; a plain `Uint8Array` is looked at through a Buffer, not copied
   * @param offset where to start, in bytes
   * @param end where to stop, in bytes
   */
  constructor(source: Uint8Array, offset = 0, end: number = source.length) {
    if (!(offset >= 0 && offset <= end && end <= source.length)) {
      throw new ProtocolError(`bytes ${offset} to ${end} are not within a block of ${source.length} bytes`)
    }
    this.#buffer = Buffer.isBuffer(source) ? source : Buffer.from(source.buffer, source.byteOffset, source.byteLength)
    this.#offset = offset
    this.#end = end
  }

  /** Where the next read starts, in bytes from the start of the block. */
  get offset(): number {
    return this.#offset
  }

  /** How many bytes are left. */
  get remaining(): number {
    return this.#end - this.#offset
  }

  /** Moves past `byteCount` bytes. */
  skip(byteCount: number): void {
    this.#take(byteCount)
  }

  /** Throws unless everything was read. `what` names the message in the error. */
  expectEnd(what: string): void {
    if (this.#offset !== this.#end) {
      const left = this.remaining === 1 ? '1 byte is' : `${this.remaining} bytes are`
      throw new ProtocolError(`${left} left over after ${what}`)
    }
  }

  bool(): boolean {
    return this.#buffer[this.#take(1)] !== 0
  }

  int8(): number {
    return (this.#buffer[this.#take(1)]! << 24) >> 24
  }

  uint8(): number {
    return this.#buffer[this.#take(1)]!
  }

  int16(): number {
    const at = this.#take(2)
    return ((this.#buffer[at]! << 24) >> 16) | this.#buffer[at + 1]!
  }

  uint16(): number {
    const at = this.#take(2)
    return (this.#buffer[at]! << 8) | this.#buffer[at + 1]!
  }

  int32(): number {
    return this.#int32At(this.#take(4))
  }

  uint32(): number {
    return this.#int32At(this.#take(4)) >>> 0
  }

  /** An int64 that a number can hold exactly. Throws beyond ±(2^53 − 1), where it could not. */
  int64(): number {
    const at = this.#take(8)
    const high = this.#int32At(at)
    const value = high * TWO_POW_32 + (this.#int32At(at + 4) >>> 0)
    if (!Number.isSafeInteger(value)) {
      throw new ProtocolError(`the int64 ${this.#buffer.readBigInt64BE(at)} is beyond what a number holds exactly`)
    }
    return value
  }

  /** Any int64. */
  bigint64(): bigint {
    return this.#buffer.readBigInt64BE(this.#take(8))
  }

  float64(): number {
    return this.#buffer.readDoubleBE(this.#take(8))
  }

  /** An unsigned varint of up to 32 bits. */
  uvarint(): number {
    const first = this.#buffer[this.#take(1)]!
    if (first < 0x80) return first
    let value = first & 0x7f
    for (let shift = 7; shift < 28; shift += 7) {
      const byte = this.#buffer[this.#take(1)]!
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    const last = this.#buffer[this.#take(1)]!
    if (last > 0x0f) throw new ProtocolError('a varint is longer than 32 bits')
    return (value | (last << 28)) >>> 0
  }

  /** A signed (zig-zag) varint of up to 32 bits, as records use. */
  varint(): number {
    const value = this.uvarint()
    return (value >>> 1) ^ -(value & 1)
  }

  /** A signed (zig-zag) varint of up to 64 bits that a number can hold exactly. Throws beyond ±(2^53 − 1). */
  varlong(): number {
    const start = this.#offset
    const first = this.#buffer[start]!
    if (first < 0x80 && start < this.#end) {
      this.#offset = start + 1
      return (first >>> 1) ^ -(first & 1)
    }
    // Two halves, of 28 and 36 bits, keep the value exact without BigInt.
    let low = 0
    let high = 0
    for (let index = 0; index < 10; index++) {
      const byte = this.#buffer[this.#take(1)]!
      if (index < 4) low += (byte & 0x7f) * 2 ** (7 * index)
      else if (index === 9 && byte > 1) break
      else high += (byte & 0x7f) * 2 ** (7 * (index - 4))
      if (byte < 0x80) {
        // value = high · 2^28 + low; the lowest bit is the sign.
        const negative = low % 2 === 1
        const magnitude = high * 2 ** 27 + (low - (negative ? 1 : 0)) / 2
        const value = negative ? -magnitude - 1 : magnitude
        if (magnitude > Number.MAX_SAFE_INTEGER || !Number.isSafeInteger(value)) {
          this.#offset = start
          throw new ProtocolError(`the varlong ${this.bigvarlong()} is beyond what a number holds exactly`)
        }
        return value
      }
    }
    throw new ProtocolError('a varint is longer than 64 bits')
  }

  /** Any signed (zig-zag) varint of up to 64 bits. */
  bigvarlong(): bigint {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#buffer[this.#take(1)]!
      if (shift === 63n && byte > 1) break
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return (value >> 1n) ^ -(value & 1n)
    }
    throw new ProtocolError('a varint is longer than 64 bits')
  }

  string(flexible = false): string {
    const value = this.nullableString(flexible)
    if (value === null) throw new ProtocolError('a string that cannot be null is null')
    return value
  }

  nullableString(flexible = false): string | null {
    const length = flexible ? this.uvarint() - 1 : this.int16()
    if (length < 0) {
      if (length === -1) return null
      throw new ProtocolError(`a string has the length ${length}`)
    }
    if (length > maxStringBytes)
      throw new ProtocolError(`a string of ${length} bytes is longer than the protocol allows`)
    if (length === 0) return ''
    const at = this.#take(length)
    return this.#buffer.toString('utf8', at, at + length)
  }

  bytes(flexible = false): Buffer {
    const value = this.nullableBytes(flexible)
    if (value === null) throw new ProtocolError('a byte field that cannot be null is null')
    return value
  }

  nullableBytes(flexible = false): Buffer | null {
    const length = flexible ? this.uvarint() - 1 : this.int32()
    if (length < 0) {
      if (length === -1) return null
      throw new ProtocolError(`a byte field has the length ${length}`)
    }
    return this.view(length)
  }

  /** The next `byteCount` bytes, as a view into the block. */
  view(byteCount: number): Buffer {
    const at = this.#take(byteCount)
    return this.#buffer.subarray(at, at + byteCount)
  }

  /** Sixteen bytes as 22 characters of base64url. */
  uuid(): string {
    const at = this.#take(16)
    for (let index = at; index < at + 16; index++) {
      if (this.#buffer[index] !== 0) return this.#buffer.toString('base64url', at, at + 16)
    }
    return zeroUuid
  }

  /**
   * The number of elements of an array, or −1 for a null one.
   *
   * @param minimumBytes the fewest bytes that one element takes: more elements than fit in what is left throw
   */
  arrayLength(flexible: boolean, minimumBytes: number): number {
    const length = flexible ? this.uvarint() - 1 : this.int32()
    if (length < -1) throw new ProtocolError(`an array has the length ${length}`)
    if (length > maxArrayLength) throw new ProtocolError(`an array of ${length} elements is longer than Jackdaw reads`)
    if (length * minimumBytes > this.remaining) {
      throw new ProtocolError(
        `an array of ${length} elements does not fit in the ${this.remaining} bytes that are left`,
      )
    }
    return length
  }

  array<T>(flexible: boolean, minimumBytes: number, read: ReadElement<T>, version: number): T[] {
    const values = this.nullableArray(flexible, minimumBytes, read, version)
    if (values === null) throw new ProtocolError('an array that cannot be null is null')
    return values
  }

  nullableArray<T>(flexible: boolean, minimumBytes: number, read: ReadElement<T>, version: number): T[] | null {
    const length = this.arrayLength(flexible, minimumBytes)
    if (length < 0) return null
    const values: T[] = []
    for (let index = 0; index < length; index++) values.push(read(this, version, flexible))
    return values
  }

  /** A struct behind a byte that says whether it is there: 1, or −1 for null. */
  nullableStruct<T>(read: ReadElement<T>, version: number, flexible: boolean): T | null {
    const presence = this.int8()
    if (presence === -1) return null
    if (presence !== 1) throw new ProtocolError(`a struct has the presence byte ${presence}, neither 1 nor -1`)
    return read(this, version, flexible)
  }

  /**
   * The tagged section that ends every struct of a flexible version.
   *
   * @param target gets the fields that `read` knows; the others are kept in its `unknownTaggedFields`
   */
  taggedFields<T extends WithUnknownTaggedFields>(target: T, version: number, read?: ReadTaggedField<T>): void {
    const count = this.uvarint()
    if (count === 0) return
    if (count > maxTaggedFields) throw new ProtocolError(`a struct has ${count} tagged fields, more than Jackdaw reads`)
    // Tag and size take a byte each.
    if (count * 2 > this.remaining) {
      throw new ProtocolError(`${count} tagged fields do not fit in the ${this.remaining} bytes that are left`)
    }
    const outerEnd = this.#end
    // The protocol wants tags in rising order. Another order does no harm, but a field that comes twice has no meaning.
    const seen = count === 1 ? undefined : new Set<number>()
    for (let index = 0; index < count; index++) {
      const tag = this.uvarint()
      if (seen?.has(tag)) throw new ProtocolError(`the tagged field ${tag} comes twice in one struct`)
      seen?.add(tag)
      const size = this.uvarint()
      const fieldEnd = this.#offset + size
      if (fieldEnd > outerEnd) {
        throw new ProtocolError(`the tagged field ${tag} of ${size} bytes ends beyond its message`)
      }
      // Nothing inside may read past the field, even if its own lengths say so.
      this.#end = fieldEnd
      if (read === undefined || !read(this, target, tag, version)) {
        const unknown = (target.unknownTaggedFields ??= [])
        unknown.push({ tag, data: this.view(size) })
      } else if (this.#offset !== fieldEnd) {
        throw new ProtocolError(`the tagged field ${tag} says it has ${size} bytes, but holds fewer`)
      }
      this.#end = outerEnd
    }
  }

  /** Moves past `byteCount` bytes and returns where they start. */
  #take(byteCount: number): number {
    const at = this.#offset
    const next = at + byteCount
    // The comparison that also refuses NaN and negative counts.
    if (!(next >= at && next <= this.#end)) {
      throw new ProtocolError(`${byteCount} bytes are wanted where ${this.#end - at} are left`)
    }
    this.#offset = next
    return at
  }

  #int32At(at: number): number {
    const buffer = this.#buffer
    return (buffer[at]! << 24) | (buffer[at + 1]! << 16) | (buffer[at + 2]! << 8) | buffer[at + 3]!
  }
}
