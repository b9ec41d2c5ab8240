import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { crc32 } from '#src/producer/crc32.js'
import { murmur2, murmur2OfAscii } from '#src/producer/murmur2.js'

// What Kafka's own tests say of murmur2, with its sign.
const published: readonly (readonly [string, number])[] = [
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
]

// Partitions of 1000 that Java's producer gives these keys.
const ofJava: readonly (readonly [string | Uint8Array, number])[] = [
  ['', 681],
  ['a', 524],
  ['ab', 434],
  ['abc', 107],
  ['123456789', 566],
  [Uint8Array.of(0x00, 0x20), 742],
]

test('hashes are those that Kafka publishes', () => {
  for (const [key, hash] of published) {
    assert.equal(murmur2(Buffer.from(key)), hash & 0x7fffffff, key)
    assert.equal(murmur2OfAscii(key), hash & 0x7fffffff, key)
  }
})

test('keys land on the partitions that the Java client puts them on', () => {
  for (const [key, partition] of ofJava) {
    if (typeof key === 'string') assert.equal(murmur2OfAscii(key) % 1000, partition, `key ${key}`)
    assert.equal(murmur2(Buffer.from(key)) % 1000, partition, `key ${String(key)} as bytes`)
  }
})

test('a key of a megabyte costs twenty times what one of 50 KB costs, and not its square', () => {
  const timeOf = (hash: () => number): number => {
    let best = Infinity
    for (let i = 0; i < 15; i++) {
      const startedAt = performance.now()
      hash()
      best = Math.min(best, performance.now() - startedAt)
    }
    return best
  }
  const [short, long] = [50_000, 1_000_000].map((length) => {
    const bytes = Buffer.alloc(length, 'key')
    const text = bytes.toString('latin1')
    return [() => murmur2(bytes), () => murmur2OfAscii(text), () => crc32(bytes)]
  })
  short!.forEach((hash, i) => {
    const [few, many] = [timeOf(hash), timeOf(long![i]!)]
    // Twenty times as long; with a square it would be four hundred.
    assert.ok(many < 100 * Math.max(few, 0.005), `${few} ms and ${many} ms`)
  })
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
