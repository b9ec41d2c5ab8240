/** CRC-32 (the polynomial of gzip), the checksum of messages of magic 0 and 1, by table: they are rare enough. */

import { makeCrcTables } from './crc32c-javascript.ts'

let table: Int32Array | undefined

/** The CRC-32 of `bytes[start, end)`, as an unsigned number. */
export function crc32(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
  table ??= makeCrcTables(0xedb88320, 1)
  let crc = -1
  for (let at = start; at < end; at++) crc = table[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8)
  return ~crc >>> 0
}
