/** CRC-32C in plain JavaScript, slicing by 8: for the shortest inputs, and wherever WebAssembly is not to be had. */

/** The Castagnoli polynomial, bit-reversed. */
const POLYNOMIAL = 0x82f63b78

/** Table `k` (256 entries from `k * 256`) is the effect of a byte that `k` more bytes follow. */
export function makeCrcTables(polynomial: number, count: number): Int32Array {
  const tables = new Int32Array(count * 256)
  for (let byte = 0; byte < 256; byte++) {
    let remainder = byte
    for (let bit = 0; bit < 8; bit++) remainder = remainder & 1 ? (remainder >>> 1) ^ polynomial : remainder >>> 1
    tables[byte] = remainder
  }
  for (let entry = 256; entry < tables.length; entry++) {
    const before = tables[entry - 256]!
    tables[entry] = (before >>> 8) ^ tables[before & 0xff]!
  }
  return tables
}

let tables: Int32Array | undefined

export function castagnoliTables(count: number): Int32Array {
  return makeCrcTables(POLYNOMIAL, count)
}

/** Continues a CRC whose register is `crc` (begin with -1, invert the result) over `bytes[start, end)`. */
export function crc32cInJavaScript(crc: number, bytes: Uint8Array, start: number, end: number): number {
  const table = (tables ??= castagnoliTables(8))
  let at = start
  for (const last = end - 7; at < last; at += 8) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    crc =
      table[1792 + (crc & 0xff)]! ^
      table[1536 + ((crc >>> 8) & 0xff)]! ^
      table[1280 + ((crc >>> 16) & 0xff)]! ^
      table[1024 + (crc >>> 24)]! ^
      table[768 + bytes[at + 4]!]! ^
      table[512 + bytes[at + 5]!]! ^
      table[256 + bytes[at + 6]!]! ^
      table[bytes[at + 7]!]!
  }
  for (; at < end; at++) crc = table[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8)
  return crc
}
