/** The fixed places and bits of a record batch's header, magic 2 and the older log entries (KIP-98, KIP-32). */

/** Bytes of a magic 2 header, up to the first record. */
export const HEADER_BYTES = 61
/** Bytes before the part that `batchLength` counts: the base offset and the length itself. */
export const LOG_OVERHEAD_BYTES = 12
/** The checksum of a magic 2 batch covers everything from here on. */
export const CHECKED_FROM = 21
/** The shortest record: length, attributes, two deltas, key length, value length, header count, one byte each. */
export const MIN_RECORD_BYTES = 7

export const COMPRESSION_MASK = 0x07
export const LOG_APPEND_TIME_BIT = 0x08
export const TRANSACTIONAL_BIT = 0x10
export const CONTROL_BIT = 0x20
export const DELETE_HORIZON_BIT = 0x40

const TWO_TO_32 = 0x1_0000_0000

/** Reads a signed 64-bit integer; beyond 2^53 the result is rounded. */
export function readInt64(source: Uint8Array, at: number): number {
  const high = (source[at]! << 24) | (source[at + 1]! << 16) | (source[at + 2]! << 8) | source[at + 3]!
  return high * TWO_TO_32 + readUint32(source, at + 4)
}

export function readUint32(source: Uint8Array, at: number): number {
  return readInt32(source, at) >>> 0
}

export function readInt32(source: Uint8Array, at: number): number {
  return (source[at]! << 24) | (source[at + 1]! << 16) | (source[at + 2]! << 8) | source[at + 3]!
}

export function readInt16(source: Uint8Array, at: number): number {
  return ((source[at]! << 24) >> 16) | source[at + 1]!
}

/** Writes a safe integer as a signed 64-bit one. */
export function writeInt64(target: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / TWO_TO_32)
  writeInt32(target, at, high)
  writeInt32(target, at + 4, value - high * TWO_TO_32)
}

export function writeInt32(target: Uint8Array, at: number, value: number): void {
  target[at] = value >>> 24
  target[at + 1] = value >>> 16
  target[at + 2] = value >>> 8
  target[at + 3] = value
}

export function writeInt16(target: Uint8Array, at: number, value: number): void {
  target[at] = value >> 8
  target[at + 1] = value
}
