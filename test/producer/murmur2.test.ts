import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { murmur2, murmur2OfAscii } from '#src/producer/murmur2.js'
import { partitionOfKey } from '#src/producer/partitioner.js'

// Partitions of 1000 that Java's producer gives these keys.
const ofJava: readonly (readonly [string | Uint8Array, number])[] = [
  ['', 681],
  ['a', 524],
  ['ab', 434],
  ['abc', 107],
  ['123456789', 566],
  [Uint8Array.of(0x00, 0x20), 742],
]

test('keys land on the partitions that the Java client puts them on', () => {
  for (const [key, partition] of ofJava) {
    assert.equal(partitionOfKey(key, 1000), partition, `key ${String(key)}`)
    const bytes = typeof key === 'string' ? Buffer.from(key) : key
    assert.equal(partitionOfKey(bytes, 1000), partition, `key ${String(key)} as bytes`)
  }
})

test('a string is hashed as its UTF-8 bytes are, whatever is in it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), fc.integer({ min: 1, max: 5_000 }), (key, count) => {
      const partition = partitionOfKey(key, count)
      assert.equal(partition, murmur2(Buffer.from(key)) % count)
      assert.ok(partition >= 0 && partition < count)
    }),
  )
})

test('the hash of an ASCII string needs no encoding, and any other string says so', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 20 }), (key) => {
      const isAscii = /^[\x00-\x7f]*$/.test(key)
      assert.equal(murmur2OfAscii(key), isAscii ? murmur2(Buffer.from(key)) : -1)
    }),
  )
  assert.equal(murmur2OfAscii('ä'), -1)
  assert.equal(murmur2OfAscii('abcé'), -1)
})
