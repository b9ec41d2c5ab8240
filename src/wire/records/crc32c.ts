/** CRC-32C (Castagnoli), the checksum of record batches since magic 2. Knows no batch: bytes in, number out. */

import { crc32cInJavaScript } from './crc32c-javascript.ts'
import { makeWasmCrc32c, type ContinueCrc } from './crc32c-wasm.ts'

/** Up to here plain JavaScript (1.0 GB/s) is done before the copy into WebAssembly (3.0 GB/s) and the call pay off. */
const JAVASCRIPT_UP_TO = 128
/** To compile the module takes 4 ms: a program that sends a few records and ends should not pay them. */
const COMPILE_AFTER_BYTES = 256 * 1024

let continueCrc: ContinueCrc = crc32cInJavaScript
let bytesUntilCompiled = COMPILE_AFTER_BYTES

/** The CRC-32C of `bytes[start, end)`, as an unsigned number. */
export function crc32c(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
  if (end - start <= JAVASCRIPT_UP_TO) return ~crc32cInJavaScript(-1, bytes, start, end) >>> 0
  if (bytesUntilCompiled > 0) {
    bytesUntilCompiled -= end - start
    if (bytesUntilCompiled <= 0) continueCrc = makeWasmCrc32c() ?? crc32cInJavaScript
  }
  return ~continueCrc(-1, bytes, start, end) >>> 0
}
