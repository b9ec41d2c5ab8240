/** Decoders given bytes that nobody wrote: they throw a ProtocolError or return a message, and nothing else. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { apis, Reader, Writer } from '#src/wire/index.js'
import { ProtocolError } from '#src/errors/errors.js'

const targets = apis.flatMap((api) => [
  { api, codec: api.request, what: 'request' },
  { api, codec: api.response, what: 'response' },
])

test('random bytes are a message or a ProtocolError, for every API at every version', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      for (const { api, codec, what } of targets) {
        for (let version = api.minVersion; version <= api.latestVersion; version++) {
          try {
            codec.decode(new Reader(bytes), version)
          } catch (error) {
            if (!(error instanceof ProtocolError)) assert.fail(`${api.name} ${what} ${version}: ${String(error)}`)
          }
        }
      }
    }),
    { numRuns: 100 },
  )
})

test('a message with one byte changed is a message or a ProtocolError, and a message can be written again', () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(), fc.integer({ min: 1, max: 255 }), (pick, place, change) => {
      const { api, codec } = targets[pick % targets.length]!
      const version = api.minVersion + (place % (api.latestVersion - api.minVersion + 1))
      const writer = new Writer()
      codec.encode(writer, {}, version)
      const bytes = Buffer.from(writer.toBuffer())
      if (bytes.length === 0) return
      const at = place % bytes.length
      bytes[at] = bytes[at]! ^ change
      let message: unknown
      try {
        message = codec.decode(new Reader(bytes), version)
      } catch (error) {
        assert.ok(error instanceof ProtocolError)
        return
      }
      const again = new Writer()
      codec.encode(again, message, version)
      assert.deepEqual(codec.decode(new Reader(again.toBuffer()), version), message)
    }),
    { numRuns: 2_000 },
  )
})
