/** xxHash32, the checksum of lz4 frames. Knows no frame. */

const PRIME1 = 0x9e3779b1
const PRIME2 = 0x85ebca77
const PRIME3 = 0xc2b2ae3d
const PRIME4 = 0x27d4eb2f
const PRIME5 = 0x165667b1

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

function readUint32(source: Uint8Array, at: number): number {
  return source[at]! | (source[at + 1]! << 8) | (source[at + 2]! << 16) | (source[at + 3]! << 24)
}

function round(lane: number, input: number): number {
  return Math.imul(rotate((lane + Math.imul(input, PRIME2)) | 0, 13), PRIME1)
}

/** The xxHash32 (seed 0) of `source[start, end)`, as an unsigned number. */
export function xxHash32(source: Uint8Array, start = 0, end: number = source.length): number {
  let at = start
  let hash: number
  if (end - start >= 16) {
    let lane1 = (PRIME1 + PRIME2) | 0
    let lane2 = PRIME2 | 0
    let lane3 = 0
    let lane4 = -PRIME1 | 0
    for (; at + 16 <= end; at += 16) {
      lane1 = round(lane1, readUint32(source, at))
      lane2 = round(lane2, readUint32(source, at + 4))
      lane3 = round(lane3, readUint32(source, at + 8))
      lane4 = round(lane4, readUint32(source, at + 12))
    }
    hash = (rotate(lane1, 1) + rotate(lane2, 7) + rotate(lane3, 12) + rotate(lane4, 18)) | 0
  } else {
    hash = PRIME5 | 0
  }
  hash = (hash + (end - start)) | 0
  for (; at + 4 <= end; at += 4) {
    hash = Math.imul(rotate((hash + Math.imul(readUint32(source, at), PRIME3)) | 0, 17), PRIME4)
  }
  for (; at < end; at++) hash = Math.imul(rotate((hash + Math.imul(source[at]!, PRIME5)) | 0, 11), PRIME1)
  hash = Math.imul(hash ^ (hash >>> 15), PRIME2)
  hash = Math.imul(hash ^ (hash >>> 13), PRIME3)
  return (hash ^ (hash >>> 16)) >>> 0
}
