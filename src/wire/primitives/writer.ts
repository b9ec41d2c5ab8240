/**
 * Puts values into bytes, in the protocol's encodings, as a list of chunks.
 *
 * Small values go into a block; when it is full, the next block is twice as large, and nothing is copied. Large byte
 * fields, and records always, become chunks of their own, by reference: the caller leaves them alone until they are
 * sent. Knows no message: which field comes next is the business of the generated encoders.
 */

import { InvalidArgumentError } from '../../errors/errors.ts'
import { maxStringBytes } from './limits.ts'
import type { UnknownTaggedField } from './tagged-field.ts'
import { uuidLength, zeroUuid } from './uuid.ts'

const TWO_POW_32 = 4_294_967_296
const FIRST_BLOCK_BYTES = 512
const LARGEST_BLOCK_BYTES = 65_536

/** From this size on a byte field is sent from where it is: below it, copying costs less than one more chunk. */
const BY_REFERENCE_BYTES = 4_096

/** Up to this many characters a string is written before its length is known, leaving one or two bytes for it. */
const SHORT_STRING_CHARACTERS = 42

/** Writes one element of an array, or one struct. */
export type WriteElement<T> = (writer: Writer, value: T, version: number, flexible: boolean) => void

/**
 * A growing message.
 *
 * `flexible` says which of the protocol's two encodings a length has: an int16 or int32 (false, the default), or an
 * unsigned varint of the length plus one (true, KIP-482's "compact"). A value that its encoding cannot hold throws
 * `InvalidArgumentError`.
 */
export class Writer {
  readonly #chunks: Uint8Array[] = []
  #sealedBytes = 0
  #block: Buffer
  /** Where the part of the block starts that is in no chunk yet. */
  #start = 0
  #position = 0

  /** @param firstBlock memory to start in, which the caller may use again once the chunks are sent; else a fresh block */
  constructor(firstBlock: Buffer = Buffer.allocUnsafe(FIRST_BLOCK_BYTES)) {
    this.#block = firstBlock
  }

  /** How many bytes were written. */
  get size(): number {
    return this.#sealedBytes + this.#position - this.#start
  }

  /** Everything written so far, in order. More may be written afterwards; the chunks given out stay as they are. */
  finish(): Uint8Array[] {
    this.#seal()
    return this.#chunks.slice()
  }

  /** Everything written so far as one block, copied unless it is one already. */
  toBuffer(): Buffer {
    const chunks = this.finish()
    const only = chunks[0]
    return chunks.length === 1 && Buffer.isBuffer(only) ? only : Buffer.concat(chunks)
  }

  /** Leaves `byteCount` bytes to be filled in later, through the view that is returned; until then they are zero. */
  reserve(byteCount: number): Buffer {
    const at = this.#take(byteCount)
    return this.#block.subarray(at, at + byteCount).fill(0)
  }

  bool(value: boolean): void {
    const at = this.#take(1)
    this.#block[at] = value ? 1 : 0
  }

  int8(value: number): void {
    if ((value << 24) >> 24 !== value) throw outOfRange('int8', value)
    const at = this.#take(1)
    this.#block[at] = value
  }

  uint8(value: number): void {
    if ((value & 0xff) !== value) throw outOfRange('uint8', value)
    const at = this.#take(1)
    this.#block[at] = value
  }

  int16(value: number): void {
    if ((value << 16) >> 16 !== value) throw outOfRange('int16', value)
    this.#put16(value)
  }

  uint16(value: number): void {
    if ((value & 0xffff) !== value) throw outOfRange('uint16', value)
    this.#put16(value)
  }

  int32(value: number): void {
    if ((value | 0) !== value) throw outOfRange('int32', value)
    this.#put32(this.#take(4), value)
  }

  uint32(value: number): void {
    if (value >>> 0 !== value) throw outOfRange('uint32', value)
    this.#put32(this.#take(4), value)
  }

  /** An int64 given as a number within ±(2^53 − 1). */
  int64(value: number): void {
    if (!Number.isSafeInteger(value)) throw outOfRange('int64', value)
    const at = this.#take(8)
    this.#put32(at, Math.floor(value / TWO_POW_32))
    this.#put32(at + 4, value >>> 0)
  }

  /** Any int64. */
  bigint64(value: bigint): void {
    if (BigInt.asIntN(64, value) !== value) throw outOfRange('int64', value)
    const at = this.#take(8)
    this.#block.writeBigInt64BE(value, at)
  }

  float64(value: number): void {
    const at = this.#take(8)
    this.#block.writeDoubleBE(value, at)
  }

  /** An unsigned varint of up to 32 bits. */
  uvarint(value: number): void {
    if (value >>> 0 !== value) throw outOfRange('unsigned varint', value)
    this.#ensure(5)
    const block = this.#block
    let at = this.#position
    let rest = value
    while (rest > 0x7f) {
      block[at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    block[at++] = rest
    this.#position = at
  }

  /** A signed (zig-zag) varint of up to 32 bits, as records use. */
  varint(value: number): void {
    if ((value | 0) !== value) throw outOfRange('varint', value)
    this.uvarint(((value << 1) ^ (value >> 31)) >>> 0)
  }

  /** A signed (zig-zag) varint of up to 64 bits, given as a number within ±(2^53 − 1). */
  varlong(value: number): void {
    if ((value | 0) === value) {
      this.uvarint(((value << 1) ^ (value >> 31)) >>> 0)
      return
    }
    if (!Number.isSafeInteger(value)) throw outOfRange('varlong', value)
    // Zig-zag makes it twice as large, beyond what is exact: the first seven bits are taken off before doubling.
    const negative = value < 0
    const magnitude = negative ? -(value + 1) : value
    this.#ensure(10)
    const block = this.#block
    let at = this.#position
    block[at++] = (magnitude % 64) * 2 + (negative ? 1 : 0) + 0x80
    let rest = Math.floor(magnitude / 64)
    while (rest > 0x7f) {
      block[at++] = (rest % 128) + 0x80
      rest = Math.floor(rest / 128)
    }
    block[at++] = rest
    this.#position = at
  }

  /** Any signed (zig-zag) varint of up to 64 bits. */
  bigvarlong(value: bigint): void {
    if (BigInt.asIntN(64, value) !== value) throw outOfRange('varlong', value)
    let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
    while (rest > 0x7fn) {
      this.uint8(Number(rest & 0x7fn) | 0x80)
      rest >>= 7n
    }
    this.uint8(Number(rest))
  }

  string(value: string, flexible = false): void {
    if (typeof value !== 'string')
      throw new InvalidArgumentError(`a string is wanted where ${describe(value)} was given`)
    if (value.length <= SHORT_STRING_CHARACTERS) {
      this.#shortString(value, flexible)
      return
    }
    const length = Buffer.byteLength(value)
    if (length > maxStringBytes) {
      throw new InvalidArgumentError(
        `a string of ${length} bytes is longer than the ${maxStringBytes} the protocol allows`,
      )
    }
    if (flexible) this.uvarint(length + 1)
    else this.int16(length)
    const at = this.#take(length)
    this.#block.write(value, at, length)
  }

  nullableString(value: string | null, flexible = false): void {
    if (value !== null) this.string(value, flexible)
    else if (flexible) this.uvarint(0)
    else this.int16(-1)
  }

  /** A byte field: copied when it is small, else sent from where it is. */
  bytes(value: Uint8Array, flexible = false): void {
    this.#bytesLength(value, flexible)
    this.raw(value)
  }

  nullableBytes(value: Uint8Array | null, flexible = false): void {
    if (value === null) this.#nullLength(flexible)
    else this.bytes(value, flexible)
  }

  /** Records: sent from where they are, whatever their size. */
  records(value: Uint8Array, flexible = false): void {
    this.#bytesLength(value, flexible)
    this.append(value)
  }

  nullableRecords(value: Uint8Array | null, flexible = false): void {
    if (value === null) this.#nullLength(flexible)
    else this.records(value, flexible)
  }

  /** Bytes without a length: copied when they are few, else sent from where they are. */
  raw(value: Uint8Array): void {
    if (value.length >= BY_REFERENCE_BYTES) {
      this.append(value)
      return
    }
    const at = this.#take(value.length)
    this.#block.set(value, at)
  }

  /** Bytes without a length, by reference. */
  append(value: Uint8Array): void {
    if (value.length === 0) return
    this.#seal()
    this.#chunks.push(value)
    this.#sealedBytes += value.length
  }

  /** A uuid of 22 characters of base64url. */
  uuid(value: string): void {
    const at = this.#take(16)
    if (value === zeroUuid) {
      this.#block.fill(0, at, at + 16)
      return
    }
    const written = value.length === uuidLength ? this.#block.write(value, at, 16, 'base64url') : 0
    if (written !== 16) throw new InvalidArgumentError(`${describe(value)} is not a uuid of ${uuidLength} characters`)
  }

  /** The number of elements of an array; −1 for a null one. */
  arrayLength(length: number, flexible: boolean): void {
    if (flexible) this.uvarint(length + 1)
    else this.int32(length)
  }

  array<T>(values: readonly T[], flexible: boolean, write: WriteElement<T>, version: number): void {
    this.arrayLength(values.length, flexible)
    for (const value of values) write(this, value, version, flexible)
  }

  nullableArray<T>(values: readonly T[] | null, flexible: boolean, write: WriteElement<T>, version: number): void {
    if (values === null) this.arrayLength(-1, flexible)
    else this.array(values, flexible, write, version)
  }

  /** A struct behind a byte that says whether it is there: 1, or −1 for null. */
  nullableStruct<T>(value: T | null, write: WriteElement<T>, version: number, flexible: boolean): void {
    this.int8(value === null ? -1 : 1)
    if (value !== null) write(this, value, version, flexible)
  }

  /** The tagged section of a struct without tagged fields of its own. */
  unknownTaggedFields(unknown: readonly UnknownTaggedField[] | undefined): void {
    if (unknown === undefined || unknown.length === 0) this.uint8(0)
    else new TaggedSection(unknown).writeTo(this)
  }

  /** Writes the characters behind the place of their length, then the length: ASCII takes one walk. */
  #shortString(value: string, flexible: boolean): void {
    const characters = value.length
    this.#ensure(2 + characters * 3)
    const prefix = flexible ? 1 : 2
    const block = this.#block
    const at = this.#position + prefix
    let length = characters
    for (let index = 0; index < characters; index++) {
      const code = value.charCodeAt(index)
      if (code > 0x7f) {
        length = block.write(value, at)
        break
      }
      block[at + index] = code
    }
    // At most 42 × 3 = 126 bytes, so that the length plus one still is a varint of one byte.
    if (flexible) {
      block[at - 1] = length + 1
    } else {
      block[at - 2] = 0
      block[at - 1] = length
    }
    this.#position = at + length
  }

  #bytesLength(value: Uint8Array, flexible: boolean): void {
    if (!(value instanceof Uint8Array)) {
      throw new InvalidArgumentError(`bytes are wanted where ${describe(value)} was given`)
    }
    if (flexible) this.uvarint(value.length + 1)
    else this.int32(value.length)
  }

  #nullLength(flexible: boolean): void {
    if (flexible) this.uvarint(0)
    else this.int32(-1)
  }

  #put16(value: number): void {
    const at = this.#take(2)
    this.#block[at] = value >> 8
    this.#block[at + 1] = value
  }

  #put32(at: number, value: number): void {
    const block = this.#block
    block[at] = value >> 24
    block[at + 1] = value >> 16
    block[at + 2] = value >> 8
    block[at + 3] = value
  }

  /** Makes room for `byteCount` bytes, moves past them and returns where they start. */
  #take(byteCount: number): number {
    this.#ensure(byteCount)
    const at = this.#position
    this.#position = at + byteCount
    return at
  }

  #ensure(byteCount: number): void {
    if (this.#position + byteCount <= this.#block.length) return
    this.#seal()
    const wanted = Math.min(this.#block.length * 2, LARGEST_BLOCK_BYTES)
    this.#block = Buffer.allocUnsafe(Math.max(wanted, byteCount, FIRST_BLOCK_BYTES))
    this.#start = 0
    this.#position = 0
  }

  /** Makes what was written since the last chunk a chunk. The block goes on behind it. */
  #seal(): void {
    if (this.#position === this.#start) return
    this.#chunks.push(this.#block.subarray(this.#start, this.#position))
    this.#sealedBytes += this.#position - this.#start
    this.#start = this.#position
  }
}

/**
 * Collects the tagged fields of one struct: those it knows, each in a small writer of its own because its size comes
 * before it, and those it was given without knowing them. Written in ascending order of tags, as the protocol demands.
 */
export class TaggedSection {
  /** Made with the first field: most structs that could have tagged fields have none. */
  #fields: { tag: number; content: Writer | Uint8Array }[] | undefined

  constructor(unknown: readonly UnknownTaggedField[] | undefined) {
    if (unknown !== undefined) this.#fields = unknown.map(({ tag, data }) => ({ tag, content: data }))
  }

  /** A writer for the content of the field `tag`, which the struct's encoder fills. */
  field(tag: number): Writer {
    const writer = new Writer(Buffer.allocUnsafe(64))
    this.#fields ??= []
    this.#fields.push({ tag, content: writer })
    return writer
  }

  writeTo(writer: Writer): void {
    if (this.#fields === undefined) {
      writer.uint8(0)
      return
    }
    const fields = this.#fields.sort((left, right) => left.tag - right.tag)
    writer.uvarint(fields.length)
    let previous = -1
    for (const { tag, content } of fields) {
      if (tag === previous) throw new InvalidArgumentError(`the tag ${tag} is used twice in one struct`)
      previous = tag
      writer.uvarint(tag)
      if (content instanceof Writer) {
        writer.uvarint(content.size)
        for (const chunk of content.finish()) writer.raw(chunk)
      } else {
        writer.uvarint(content.length)
        writer.raw(content)
      }
    }
  }
}

function outOfRange(type: string, value: unknown): InvalidArgumentError {
  return new InvalidArgumentError(`${describe(value)} is outside the range of ${type}`)
}

/** A value for an error message: its kind only, when it is text or bytes, which might be secret. */
function describe(value: unknown): string {
  if (value === null || typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') {
    return String(value)
  }
  return typeof value === 'string' ? `a string of ${value.length} characters` : `a value of type ${typeof value}`
}
