/** The hash by which librdkafka's `consistent` partitioners spread keys: CRC-32 as zlib has it. Not the checksum of record
 *  batches, which is CRC-32C. Knows bytes and numbers, nothing of topics. */

/** The reflected polynomial of zlib, Ethernet and gzip. */
const polynomial = 0xedb88320

let table: Int32Array | undefined

/** Made when it is first needed: few producers hash so. */
function tableOf(): Int32Array {
  const made = new Int32Array(256)
  for (let byte = 0; byte < 256; byte++) {
    let rest = byte
    for (let bit = 0; bit < 8; bit++) rest = (rest & 1) === 1 ? (rest >>> 1) ^ polynomial : rest >>> 1
    made[byte] = rest
  }
  return made
}

/** CRC-32 of the bytes, from 0 to 2^32 - 1. */
export function crc32(bytes: Uint8Array): number {
  table ??= tableOf()
  let rest = -1
  for (let i = 0; i < bytes.length; i++) rest = table[(rest ^ bytes[i]!) & 0xff]! ^ (rest >>> 8)
  return ~rest >>> 0
}
