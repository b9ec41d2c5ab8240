/** snappy, in both framings that Kafka knows: the block format alone, and the one of snappy-java ("xerial"), which the
 *  Java client writes and every client reads. */

import { CorruptRecordError } from '../../errors/errors.ts'
import type { Codec } from './codec.ts'
import { checkCompressionLevel } from './level.ts'
import { loadPackage, notLoaded } from './package-codec.ts'

interface SnappyWasm {
  compress_raw(input: Uint8Array): Uint8Array
  decompress_raw(input: Uint8Array): Uint8Array
}

/** 0x82 'SNAPPY' 0x00, and then two int32: the version, and the oldest version that can read it. */
const MAGIC: readonly number[] = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]
const HEADER_BYTES = 16
const VERSION = 1
/** What snappy-java compresses at a time. */
const BLOCK_BYTES = 32 * 1024
/** No element of the format makes more than 64 bytes of 3: a block that announces more than this many times its size
 *  lies, and is found out before memory is taken for it. */
const MAX_EXPANSION = 22

let snappyWasm: SnappyWasm | undefined

export const snappy: Codec = {
  name: 'snappy',
  id: 2,

  async load() {
    snappyWasm ??= loadPackage<SnappyWasm>('snappy', 'snappy-wasm')
  },

  compress(source, level) {
    if (snappyWasm === undefined) throw notLoaded('snappy')
    if (level !== undefined) checkCompressionLevel('snappy', level)
    const chunks: Uint8Array[] = [Buffer.from([...MAGIC, 0, 0, 0, VERSION, 0, 0, 0, VERSION])]
    for (let at = 0; at < source.length; at += BLOCK_BYTES) {
      const block = snappyWasm.compress_raw(source.subarray(at, Math.min(at + BLOCK_BYTES, source.length)))
      const length = Buffer.allocUnsafe(4)
      length.writeUInt32BE(block.length)
      chunks.push(length, block)
    }
    return Buffer.concat(chunks)
  },

  decompress(source, maxBytes) {
    if (snappyWasm === undefined) throw notLoaded('snappy')
    if (!MAGIC.every((byte, index) => source[index] === byte)) return decompressBlock(source, maxBytes)
    const bytes = Buffer.from(source.buffer, source.byteOffset, source.length)
    if (bytes.length < HEADER_BYTES) throw new CorruptRecordError('snappy data ends within its header')
    const oldestReader = bytes.readInt32BE(12)
    if (oldestReader > VERSION) {
      throw new CorruptRecordError(`snappy data is framed in version ${oldestReader}, beyond the only one known`)
    }
    const blocks: Uint8Array[] = []
    let total = 0
    for (let at = HEADER_BYTES; at < bytes.length;) {
      if (at + 4 > bytes.length) throw new CorruptRecordError('snappy data ends within the length of a block')
      const length = bytes.readUInt32BE(at)
      at += 4
      // Streams that were written one after the other into the same bytes: each begins with the header again.
      if (length === 0x82534e41 && at + HEADER_BYTES - 4 <= bytes.length) {
        at += HEADER_BYTES - 4
        continue
      }
      if (at + length > bytes.length) throw new CorruptRecordError(`snappy data ends within a block of ${length} bytes`)
      const block = decompressBlock(bytes.subarray(at, at + length), maxBytes - total)
      blocks.push(block)
      total += block.length
      at += length
    }
    return blocks.length === 1 ? blocks[0]! : Buffer.concat(blocks, total)
  },
}

function decompressBlock(block: Uint8Array, maxBytes: number): Uint8Array {
  const announced = announcedLength(block)
  if (announced > maxBytes) throw new CorruptRecordError(`snappy data holds ${announced} bytes, more than it may`)
  if (announced > block.length * MAX_EXPANSION) {
    throw new CorruptRecordError(`a snappy block of ${block.length} bytes cannot hold the ${announced} it announces`)
  }
  try {
    return snappyWasm!.decompress_raw(block)
  } catch (error) {
    throw new CorruptRecordError('snappy data cannot be decompressed', { cause: error })
  }
}

/** The varint that a block begins with: its length when decompressed. */
function announcedLength(block: Uint8Array): number {
  let length = 0
  for (let index = 0; index < 5 && index < block.length; index++) {
    const byte = block[index]!
    length += (byte & 0x7f) * 2 ** (7 * index)
    if (byte < 0x80) return length
  }
  throw new CorruptRecordError('a snappy block does not say how much it holds')
}
