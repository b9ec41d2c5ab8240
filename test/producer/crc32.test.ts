import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as zlib from 'node:zlib'
import fc from 'fast-check'
import { crc32 } from '#src/producer/crc32.js'

test("is zlib's CRC-32 of any bytes", () => {
  // The check value that every catalogue of CRCs gives.
  assert.equal(crc32(Buffer.from('123456789')), 0xcbf43926)
  assert.equal(crc32(new Uint8Array()), 0)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      assert.equal(crc32(bytes), zlib.crc32(bytes))
    }),
  )
})
