/** CRC-32C and CRC-32 against published values and against each other. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32 } from '#src/wire/records/crc32.js'
import { crc32cInJavaScript } from '#src/wire/records/crc32c-javascript.js'
import { makeWasmCrc32c } from '#src/wire/records/crc32c-wasm.js'
import { crc32c } from '#src/wire/records/crc32c.js'

/** The definition, bit by bit. */
function bitByBit(bytes: Uint8Array, start: number, end: number): number {
  let crc = -1
  for (let at = start; at < end; at++) {
    crc ^= bytes[at]!
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}

function noise(length: number): Buffer {
  let state = 1
  return Buffer.from(Array.from({ length }, () => (state = Math.imul(state, 1_664_525) + 1_013_904_223) >>> 24))
}

test('CRC-32C of the vectors of RFC 3720', () => {
  assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa)
  assert.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43)
  assert.equal(crc32c(Buffer.from(Array.from({ length: 32 }, (_, index) => index))), 0x46dd794e)
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283)
  assert.equal(crc32c(Buffer.alloc(0)), 0)
})

test('CRC-32 of its check value', () => {
  assert.equal(crc32(Buffer.from('123456789')), 0xcbf43926)
  assert.equal(crc32(Buffer.from('xx123456789yy'), 2, 11), 0xcbf43926)
})

test('WebAssembly, JavaScript and the definition agree at every length around their seams, from any offset', () => {
  const wasm = makeWasmCrc32c()
  assert.ok(wasm)
  const bytes = noise(130_000).subarray(13)
  const lengths = [
    0, 1, 7, 8, 9, 767, 768, 769, 775, 6143, 6144, 6145, 6151, 13_000, 114_687, 114_688, 114_689, 120_001,
  ]
  for (const start of [0, 1, 3, 4]) {
    for (const length of lengths) {
      const end = start + length
      const expected = bitByBit(bytes, start, end)
      assert.equal(~wasm(-1, bytes, start, end) >>> 0, expected, `WebAssembly, ${start} to ${end}`)
      assert.equal(~crc32cInJavaScript(-1, bytes, start, end) >>> 0, expected, `JavaScript, ${start} to ${end}`)
      assert.equal(crc32c(bytes, start, end), expected)
    }
  }
})

test('the checksum is the same before and after the module is compiled', () => {
  const bytes = noise(1000)
  const expected = bitByBit(bytes, 0, 1000)
  for (let round = 0; round < 600; round++) assert.equal(crc32c(bytes), expected)
})
