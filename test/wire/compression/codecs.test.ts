/** What every codec must do, each by the same tests. */

import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import fc from 'fast-check'
import { KafkaError } from '#src/errors/kafka-error.js'
import type { Codec, CodecName } from '#src/wire/compression/codec.js'
import { codecs, loadCodec } from '#src/wire/compression/codecs.js'

const names: readonly CodecName[] = ['gzip', 'snappy', 'lz4', 'zstd']
const levels: Record<CodecName, readonly (number | undefined)[]> = {
  gzip: [undefined, -1, 1, 9],
  snappy: [undefined],
  lz4: [undefined, 1, 2, 6, 9, 17],
  zstd: [undefined, -131_072, -1, 0, 1, 19],
}
const wrongLevels: Record<CodecName, readonly number[]> = {
  gzip: [-2, 0, 10, 1.5, Number.NaN],
  snappy: [0, 1],
  lz4: [0, -1, 18, 1.5],
  zstd: [-131_073, 23, 1.5],
}

const text = Buffer.from('{"id":42,"name":"jackdaw","seen":["tower","tree"]},'.repeat(8000))

function noise(length: number): Buffer {
  let state = 7
  return Buffer.from(Array.from({ length }, () => (state = Math.imul(state, 1_664_525) + 1_013_904_223) >>> 24))
}

const samples: Record<string, Buffer> = {
  'no bytes': Buffer.alloc(0),
  'one byte': Buffer.from('x'),
  'a few bytes': Buffer.from('abcabcabcabcabc'),
  'a run': Buffer.alloc(300_000, 'z'),
  'repeating text': text,
  'a block of lz4 to the byte': text.subarray(0, 65_536),
  'one byte more': text.subarray(0, 65_537),
  'noise': noise(200_000),
  'noise and text': Buffer.concat([noise(40_000), text.subarray(0, 90_000), noise(100)]),
}

const corrupt = { code: 'CORRUPT_RECORD' }

for (const name of names) {
  describe(name, () => {
    let codec: Codec

    before(async () => {
      codec = codecs.get(name)
      await loadCodec(codec.id)
      assert.equal(loadCodec(codec.id), undefined)
      await codec.load()
    })

    test('gives back what it was given, at every level, from any place in memory', () => {
      for (const [what, source] of Object.entries(samples)) {
        for (const level of levels[name]) {
          const copy = Buffer.from(source)
          const compressed = codec.compress(source, level)
          assert.ok(source.equals(copy))
          const shifted = Buffer.concat([Buffer.alloc(3, 0xff), compressed, Buffer.alloc(3, 0xff)]).subarray(3, -3)
          const plain = codec.decompress(shifted, source.length)
          assert.ok(Buffer.from(plain).equals(source), `${what} at level ${level}`)
        }
      }
    })

    test('makes repeating text smaller, at every level', () => {
      for (const level of levels[name]) {
        // The least of zstd's levels is so fast that it finds nothing.
        if (level !== -131_072) assert.ok(codec.compress(text, level).length < text.length / 10, `level ${level}`)
      }
    })

    test('refuses a level it does not have', () => {
      for (const level of wrongLevels[name]) {
        assert.throws(() => codec.checkLevel?.(level), { code: 'INVALID_OPTION' }, String(level))
        assert.throws(() => codec.compress(text, level), { code: 'INVALID_OPTION' }, String(level))
      }
    })

    test('keeps within the bound to the byte', () => {
      for (const source of [text, Buffer.alloc(5_000_000), Buffer.from('abc'), noise(70_000)]) {
        const compressed = codec.compress(source)
        assert.equal(codec.decompress(compressed, source.length).length, source.length)
        assert.throws(() => codec.decompress(compressed, source.length - 1), corrupt)
        assert.throws(() => codec.decompress(compressed, 1), corrupt)
        assert.throws(() => codec.decompress(compressed, 0), corrupt)
      }
    })

    test('does not make a bomb explode', () => {
      const bomb = Buffer.from(codec.compress(Buffer.alloc(64 << 20)))
      const before = process.memoryUsage()
      for (let index = 0; index < 5; index++) assert.throws(() => codec.decompress(bomb, 100_000), corrupt)
      const { arrayBuffers, external } = process.memoryUsage()
      assert.ok(arrayBuffers - before.arrayBuffers < 16 << 20)
      assert.ok(external - before.external < 16 << 20)
    })

    test('refuses data that is cut at any byte', () => {
      const compressed = Buffer.from(codec.compress(Buffer.concat([text.subarray(0, 2000), noise(100)])))
      for (let length = 0; length < compressed.length; length++) {
        // The framing of snappy has no end: what is whole before the cut is all there is.
        const isWhole = name === 'snappy' && length === 16
        if (!isWhole)
          assert.throws(() => codec.decompress(compressed.subarray(0, length), 1 << 20), corrupt, `${length}`)
      }
    })

    test('reads or refuses damaged data, and still works afterwards', () => {
      const source = Buffer.concat([text.subarray(0, 3000), noise(200)])
      const compressed = Buffer.from(codec.compress(source))
      fc.assert(
        fc.property(
          fc.array(fc.tuple(fc.nat(compressed.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
          (changes) => {
            const damaged = Buffer.from(compressed)
            for (const [at, byte] of changes) damaged[at] = byte
            try {
              assert.ok(codec.decompress(damaged, 1 << 20).length <= 1 << 20)
            } catch (error) {
              assert.ok(error instanceof KafkaError && error.code === 'CORRUPT_RECORD', String(error))
            }
          },
        ),
        { numRuns: 1500 },
      )
      assert.ok(Buffer.from(codec.decompress(compressed, source.length)).equals(source))
    })

    test('gives back any bytes', () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 2000 }), fc.constantFrom(...levels[name]), (source, level) => {
          assert.deepEqual(
            Buffer.from(codec.decompress(codec.compress(source, level), source.length)),
            Buffer.from(source),
          )
        }),
        { numRuns: 100 },
      )
    })

    test('gives memory of its own', () => {
      const [one, two] = [codec.compress(text), codec.compress(samples['noise']!)]
      const kept = Buffer.from(one)
      const plain = codec.decompress(one, 1 << 20)
      codec.decompress(two, 1 << 20)
      codec.compress(samples['noise']!)
      assert.ok(kept.equals(one))
      assert.ok(text.equals(plain))
    })
  })
}
