/** The hash by which Java's producer spreads keys: murmur2 with Kafka's seed, so that a key lands on the same partition
 *  whichever client wrote it. Knows bytes and numbers, nothing of topics. */

const seed = 0x9747b28c | 0
const multiplier = 0x5bd1e995

/** murmur2 of the bytes without its sign bit: what is taken modulo the number of partitions. */
export function murmur2(bytes: Uint8Array): number {
  const length = bytes.length
  const whole = length & ~3
  let hash = seed ^ length
  let i = 0
  while (i < whole) {
    let k = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24)
    k = Math.imul(k, multiplier)
    hash = Math.imul(hash, multiplier) ^ Math.imul(k ^ (k >>> 24), multiplier)
    i += 4
  }
  const left = length - whole
  if (left > 0) {
    if (left > 2) hash ^= bytes[whole + 2]! << 16
    if (left > 1) hash ^= bytes[whole + 1]! << 8
    hash = Math.imul(hash ^ bytes[whole]!, multiplier)
  }
  return finish(hash)
}

/**
 * The same of a string's UTF-8 bytes, without encoding it, as long as it is plain ASCII; -1 when it is not, and the
 * caller has to encode it.
 */
export function murmur2OfAscii(text: string): number {
  const length = text.length
  const whole = length & ~3
  let hash = seed ^ length
  let seen = 0
  let i = 0
  while (i < whole) {
    const a = text.charCodeAt(i)
    const b = text.charCodeAt(i + 1)
    const c = text.charCodeAt(i + 2)
    const d = text.charCodeAt(i + 3)
    seen |= a | b | c | d
    const k = Math.imul(a | (b << 8) | (c << 16) | (d << 24), multiplier)
    hash = Math.imul(hash, multiplier) ^ Math.imul(k ^ (k >>> 24), multiplier)
    i += 4
  }
  const left = length - whole
  if (left > 0) {
    for (let j = left - 1; j >= 0; j--) {
      const code = text.charCodeAt(whole + j)
      seen |= code
      hash ^= code << (8 * j)
    }
    hash = Math.imul(hash, multiplier)
  }
  return seen > 0x7f ? -1 : finish(hash)
}

function finish(state: number): number {
  let hash = Math.imul(state ^ (state >>> 13), multiplier)
  hash ^= hash >>> 15
  return hash & 0x7fffffff
}
