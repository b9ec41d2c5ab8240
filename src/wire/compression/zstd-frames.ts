/** Finds the frames of zstd data and how much each can hold, without decompressing: what a decompressor is then allowed
 *  to make of it. Knows the format's outermost layer only (RFC 8878, section 3.1). */

import { CorruptRecordError } from '../../errors/errors.ts'

export interface ZstdFrame {
  readonly start: number
  readonly end: number
  /** How many bytes come of it, when it says: no more than its blocks can hold. */
  readonly contentBytes: number | undefined
  /** At most so many bytes come of it. */
  readonly maxContentBytes: number
}

const FRAME_MAGIC = 0xfd2fb528
const SKIPPABLE_MAGIC = 0x184d2a50
const MAX_BLOCK_BYTES = 128 * 1024

/** The frames of `source`, in order, skippable ones left out. Throws `CorruptRecordError` where they are not whole, or
 *  where there is none. */
export function zstdFrames(source: Uint8Array): ZstdFrame[] {
  const bytes = Buffer.from(source.buffer, source.byteOffset, source.length)
  const frames: ZstdFrame[] = []
  let at = 0
  const take = (length: number): number => {
    if (at + length > bytes.length) throw new CorruptRecordError('zstd data ends within a frame')
    at += length
    return at - length
  }
  while (at < bytes.length) {
    const start = at
    const magic = bytes.readUInt32LE(take(4))
    if ((magic & 0xffff_fff0) >>> 0 === SKIPPABLE_MAGIC) {
      take(bytes.readUInt32LE(take(4)))
      continue
    }
    if (magic !== FRAME_MAGIC) throw new CorruptRecordError('zstd data does not begin with a frame')
    const descriptor = bytes[take(1)]!
    const isSingleSegment = (descriptor & 0x20) !== 0
    let windowBytes = Number.POSITIVE_INFINITY
    if (!isSingleSegment) {
      const window = bytes[take(1)]!
      const base = 2 ** (10 + (window >>> 3))
      windowBytes = base + (base / 8) * (window & 7)
    }
    if ((descriptor & 3) !== 0) throw new CorruptRecordError('a zstd frame needs a dictionary')
    let contentBytes: number | undefined
    const sizeCode = descriptor >>> 6
    if (sizeCode === 3) {
      const low = take(8)
      contentBytes = bytes.readUInt32LE(low) + bytes.readUInt32LE(low + 4) * 0x1_0000_0000
    } else if (sizeCode === 2) {
      contentBytes = bytes.readUInt32LE(take(4))
    } else if (sizeCode === 1) {
      contentBytes = bytes.readUInt16LE(take(2)) + 256
    } else if (isSingleSegment) {
      contentBytes = bytes[take(1)]!
    }
    const maxBlockBytes = Math.min(MAX_BLOCK_BYTES, windowBytes, contentBytes ?? MAX_BLOCK_BYTES)
    let bound = 0
    let isLast = false
    while (!isLast) {
      const place = take(3)
      const header = bytes[place]! | (bytes[place + 1]! << 8) | (bytes[place + 2]! << 16)
      const type = (header >>> 1) & 3
      const size = header >>> 3
      isLast = (header & 1) === 1
      if (type === 3) throw new CorruptRecordError('a zstd frame has a block of a type that does not exist')
      if (size > maxBlockBytes) {
        throw new CorruptRecordError(`a zstd frame has a block of ${size} bytes, where ${maxBlockBytes} is the most`)
      }
      // Types: 0 as it is, 1 one byte many times over, 2 compressed.
      bound += type === 2 ? maxBlockBytes : size
      take(type === 1 ? 1 : size)
    }
    if (descriptor & 4) take(4)
    if (contentBytes !== undefined && contentBytes > bound) {
      throw new CorruptRecordError(`a zstd frame announces ${contentBytes} bytes, and its blocks hold ${bound} at most`)
    }
    frames.push({ start, end: at, contentBytes, maxContentBytes: contentBytes ?? bound })
  }
  if (frames.length === 0) throw new CorruptRecordError('zstd data has no frame')
  return frames
}
