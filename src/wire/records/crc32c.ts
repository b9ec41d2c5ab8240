/** CRC-32C (Castagnoli), the checksum of record batches since magic 2. Knows no batch: bytes in, number out. */

import { crc32cInJavaScript } from './crc32c-javascript.ts'

/**
 * The CRC-32C of `bytes[start, end)`, as an unsigned number.
 */
export function crc32c(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
  return ~crc32cInJavaScript(-1, bytes, start, end) >>> 0
}
