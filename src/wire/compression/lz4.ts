/** lz4 in its frame format, as Kafka uses it: 64 KiB blocks, independent of each other, no checksums but the header's.
 *  Reads any frame that needs no dictionary. The blocks are compressed by a package, and by our own code where that has
 *  no such level or cannot look back into earlier blocks; the frame is ours. */

import { CorruptRecordError } from '../../errors/errors.ts'
import type { Codec } from './codec.ts'
import { checkCompressionLevel } from './level.ts'
import { decodeLz4Block, encodeLz4BlockHigh, lz4BlockBound, lz4BlockContentSize } from './lz4-block.ts'
import { loadPackage, notLoaded } from './package-codec.ts'
import { xxHash32 } from './xxhash32.ts'

interface Lz4Wasm {
  /** A block, behind four bytes that say how long it was. */
  compress(input: Uint8Array): Uint8Array
  /** The inverse: the four bytes must be right. */
  decompress(input: Uint8Array): Uint8Array
}

const FRAME_MAGIC = 0x184d2204
const SKIPPABLE_MAGIC = 0x184d2a50
const BLOCK_BYTES = 64 * 1024
/** A block whose length has this bit was not compressed. */
const UNCOMPRESSED_BIT = 0x8000_0000
/** Kafka's default, and in the Java client the one level that means the fast compressor. */
const DEFAULT_LEVEL = 9

let lz4Wasm: Lz4Wasm | undefined

export const lz4: Codec = {
  name: 'lz4',
  id: 3,

  async load() {
    lz4Wasm ??= loadPackage<Lz4Wasm>('lz4', 'lz4-wasm-nodejs')
  },

  /** Level 9 is the fast compressor; every other one tries 2^(level - 1) earlier places at each position. */
  compress(source, level = DEFAULT_LEVEL) {
    if (lz4Wasm === undefined) throw notLoaded('lz4')
    checkCompressionLevel('lz4', level)
    const blocks = Math.ceil(source.length / BLOCK_BYTES)
    const target = Buffer.allocUnsafe(7 + blocks * (4 + lz4BlockBound(BLOCK_BYTES)) + 4)
    target.writeUInt32LE(FRAME_MAGIC, 0)
    target[4] = 0x60 // version 1, independent blocks
    target[5] = 0x40 // blocks of up to 64 KiB
    target[6] = headerChecksum(target, 4, 6)
    let to = 7
    for (let at = 0; at < source.length; at += BLOCK_BYTES) {
      const end = Math.min(at + BLOCK_BYTES, source.length)
      let length: number
      if (level === DEFAULT_LEVEL) {
        const block = lz4Wasm.compress(source.subarray(at, end))
        length = block.length - 4
        if (length < end - at) target.set(block.subarray(4), to + 4)
      } else {
        length = encodeLz4BlockHigh(source, at, end, target, to + 4, 2 ** (level - 1)) - (to + 4)
      }
      if (length < end - at) {
        target.writeUInt32LE(length, to)
      } else {
        length = end - at
        target.writeUInt32LE(length + UNCOMPRESSED_BIT, to)
        target.set(source.subarray(at, end), to + 4)
      }
      to += 4 + length
    }
    target.writeUInt32LE(0, to)
    return target.subarray(0, to + 4)
  },

  decompress(source, maxBytes, magic = 2) {
    if (lz4Wasm === undefined) throw notLoaded('lz4')
    return new FrameDecoder(source, maxBytes, magic === 0).decode()
  },
}

/** The package's decoder makes 1,200 MB/s, ours 450 (Node 20); below this size the call costs more than it gains. */
const WASM_FROM_BYTES = 256
let scratch: Buffer = Buffer.alloc(0)

function decompressBlock(block: Uint8Array, size: number): Uint8Array {
  const needed = 4 + block.length
  let input = scratch
  if (input.length < needed) {
    input = Buffer.allocUnsafeSlow(Math.max(needed, BLOCK_BYTES + 4))
    // Kept for Kafka's own block size; a frame of larger ones has memory of its own.
    if (input.length === BLOCK_BYTES + 4) scratch = input
  }
  input.writeUInt32LE(size, 0)
  input.set(block, 4)
  try {
    return lz4Wasm!.decompress(input.subarray(0, needed))
  } catch (error) {
    throw new CorruptRecordError('an lz4 block cannot be decompressed', { cause: error })
  }
}

function headerChecksum(bytes: Uint8Array, start: number, end: number): number {
  return (xxHash32(bytes, start, end) >>> 8) & 0xff
}

/** Decodes frame after frame into one growing buffer. */
class FrameDecoder {
  readonly #source: Buffer
  readonly #maxBytes: number
  readonly #ignoreHeaderChecksum: boolean
  #at = 0
  #target: Buffer
  #length = 0

  constructor(source: Uint8Array, maxBytes: number, ignoreHeaderChecksum: boolean) {
    this.#source = Buffer.from(source.buffer, source.byteOffset, source.length)
    this.#maxBytes = maxBytes
    this.#ignoreHeaderChecksum = ignoreHeaderChecksum
    this.#target = Buffer.allocUnsafeSlow(Math.min(maxBytes, Math.max(source.length * 3, 1024)))
  }

  decode(): Buffer {
    do this.#frame()
    while (this.#at < this.#source.length)
    return this.#target.subarray(0, this.#length)
  }

  #frame(): void {
    const magic = this.#uint32()
    if ((magic & 0xffff_fff0) >>> 0 === SKIPPABLE_MAGIC) {
      this.#skip(this.#uint32())
      return
    }
    if (magic !== FRAME_MAGIC) throw new CorruptRecordError('lz4 data does not begin with a frame')
    const descriptor = this.#at
    this.#skip(2)
    const flags = this.#source[descriptor]!
    const blockSizeCode = (this.#source[descriptor + 1]! >>> 4) & 7
    if (flags >>> 6 !== 1) throw new CorruptRecordError(`an lz4 frame has version ${flags >>> 6}, not 1`)
    if (blockSizeCode < 4) throw new CorruptRecordError(`an lz4 frame has blocks of unknown size ${blockSizeCode}`)
    if (flags & 0x01) throw new CorruptRecordError('an lz4 frame needs a dictionary')
    const areIndependent = (flags & 0x20) !== 0
    const haveChecksums = (flags & 0x10) !== 0
    const maxBlockBytes = 1 << (8 + 2 * blockSizeCode)
    let contentBytes: number | undefined
    if (flags & 0x08) contentBytes = this.#uint32() + this.#uint32() * 0x1_0000_0000
    const expected = headerChecksum(this.#source, descriptor, this.#at)
    this.#skip(1)
    // In magic 0, Kafka took the checksum over the wrong bytes (KIP-57); what such a header says, its blocks tell.
    if (!this.#ignoreHeaderChecksum && this.#source[this.#at - 1] !== expected) {
      throw new CorruptRecordError('the header of an lz4 frame does not match its checksum')
    }
    const begin = this.#length
    for (let size = this.#uint32(); size !== 0; size = this.#uint32()) {
      const isPlain = size >= UNCOMPRESSED_BIT
      const length = isPlain ? size - UNCOMPRESSED_BIT : size
      if (length > maxBlockBytes)
        throw new CorruptRecordError(`an lz4 block has ${length} bytes in a frame of smaller ones`)
      const start = this.#at
      this.#skip(length)
      if (haveChecksums && this.#uint32() !== xxHash32(this.#source, start, start + length)) {
        throw new CorruptRecordError('an lz4 block does not match its checksum')
      }
      if (isPlain) {
        this.#reserve(length)
        this.#source.copy(this.#target, this.#length, start, start + length)
        this.#length += length
      } else {
        const size = lz4BlockContentSize(this.#source, start, start + length)
        if (size > maxBlockBytes)
          throw new CorruptRecordError(`an lz4 block holds ${size} bytes in a frame of smaller ones`)
        this.#reserve(size)
        if (areIndependent && size >= WASM_FROM_BYTES) {
          this.#target.set(decompressBlock(this.#source.subarray(start, start + length), size), this.#length)
          this.#length += size
        } else {
          const to = this.#length
          const earliest = areIndependent ? to : begin
          this.#length = decodeLz4Block(this.#source, start, start + length, this.#target, to, earliest, to + size)
        }
      }
    }
    if (flags & 0x04 && this.#uint32() !== xxHash32(this.#target, begin, this.#length)) {
      throw new CorruptRecordError('the content of an lz4 frame does not match its checksum')
    }
    if (contentBytes !== undefined && contentBytes !== this.#length - begin) {
      throw new CorruptRecordError(`an lz4 frame holds ${this.#length - begin} bytes, not ${contentBytes} as it says`)
    }
  }

  #reserve(bytes: number): void {
    const wanted = this.#length + bytes
    if (wanted > this.#maxBytes)
      throw new CorruptRecordError(`lz4 data holds more than the ${this.#maxBytes} bytes it may`)
    if (wanted <= this.#target.length) return
    const larger = Buffer.allocUnsafeSlow(Math.min(Math.max(wanted, this.#target.length * 2), this.#maxBytes))
    this.#target.copy(larger, 0, 0, this.#length)
    this.#target = larger
  }

  #uint32(): number {
    this.#skip(4)
    return this.#source.readUInt32LE(this.#at - 4)
  }

  #skip(bytes: number): void {
    if (this.#at + bytes > this.#source.length) throw new CorruptRecordError('lz4 data ends within a frame')
    this.#at += bytes
  }
}
