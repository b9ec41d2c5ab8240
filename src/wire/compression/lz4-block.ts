/** lz4 blocks in plain JavaScript: the decoder, which keeps within given bounds and may look back into earlier blocks,
 *  and the compressor of the "high compression" levels. Knows no frame. */

import { CorruptRecordError } from '../../errors/errors.ts'

const MIN_MATCH = 4
/** The format: a block's last five bytes are literals, and no match begins within its last twelve. */
const LAST_LITERALS = 5
const MATCH_LIMIT = 12
const MAX_DISTANCE = 0xffff
const HASH_BITS = 15

/** How many bytes the block `source[start, end)` holds, told by its lengths alone: some GB/s, so that a decoder can be
 *  given exactly the memory it needs. Throws `CorruptRecordError` where the block ends too early. */
export function lz4BlockContentSize(source: Uint8Array, start: number, end: number): number {
  let at = start
  let size = 0
  while (at < end) {
    const token = source[at++]!
    let length = token >>> 4
    if (length === 15) {
      let more: number
      do {
        if (at >= end) throw new CorruptRecordError('an lz4 block ends within a length')
        more = source[at++]!
        length += more
      } while (more === 255)
    }
    at += length
    size += length
    if (at === end) return size
    at += 2
    if (at >= end) break
    length = token & 15
    if (length === 15) {
      let more: number
      do {
        if (at >= end) throw new CorruptRecordError('an lz4 block ends within a length')
        more = source[at++]!
        length += more
      } while (more === 255)
    }
    size += length + MIN_MATCH
  }
  throw new CorruptRecordError('an lz4 block ends before its last literals')
}

/**
 * Decodes `source[start, end)` to `target` from `position` on; returns where the decoded bytes end.
 *
 * @param earliest - The first byte of `target` that a match may refer to: `position` for an independent block.
 * @param limit - Where the decoded bytes must end at the latest.
 */
export function decodeLz4Block(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  position: number,
  earliest: number,
  limit: number,
): number {
  let at = start
  let to = position
  while (at < end) {
    const token = source[at++]!
    let length = token >>> 4
    if (length === 15) {
      let more: number
      do {
        if (at >= end) throw new CorruptRecordError('an lz4 block ends within a length')
        more = source[at++]!
        length += more
      } while (more === 255)
    }
    if (length > 0) {
      if (at + length > end) throw new CorruptRecordError('an lz4 block has fewer literals than it says')
      if (to + length > limit) throw tooLarge()
      if (length > 32) target.set(source.subarray(at, at + length), to)
      else for (let index = 0; index < length; index++) target[to + index] = source[at + index]!
      at += length
      to += length
    }
    if (at === end) return to

    if (at + 2 > end) throw new CorruptRecordError('an lz4 block ends within a distance')
    const distance = source[at]! | (source[at + 1]! << 8)
    at += 2
    let from = to - distance
    if (distance === 0 || from < earliest) {
      throw new CorruptRecordError(`an lz4 block refers ${distance} bytes back, beyond its beginning`)
    }
    length = (token & 15) + MIN_MATCH
    if ((token & 15) === 15) {
      let more: number
      do {
        if (at >= end) throw new CorruptRecordError('an lz4 block ends within a length')
        more = source[at++]!
        length += more
      } while (more === 255)
    }
    if (to + length > limit) throw tooLarge()
    if (length > 64 && distance >= length) {
      target.copyWithin(to, from, from + length)
      to += length
    } else {
      for (const stop = to + length; to < stop;) target[to++] = target[from++]!
    }
  }
  throw new CorruptRecordError('an lz4 block ends without literals')
}

function tooLarge(): CorruptRecordError {
  return new CorruptRecordError('an lz4 block holds more than it may')
}

/** The most bytes that a block of `size` bytes compresses to. */
export function lz4BlockBound(size: number): number {
  return size + Math.ceil(size / 255) + 16
}

/**
 * Compresses `source[start, end)`, at most 64 KiB of it, by hash chains; returns where the block ends in `target`, which
 * must have room for {@link lz4BlockBound}.
 *
 * @param attempts - How many earlier places are tried at each position: more is slower and smaller.
 */
export function encodeLz4BlockHigh(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  position: number,
  attempts: number,
): number {
  // Positions are kept relative to `start` and one too high, so that 0 says none.
  const heads = new Int32Array(1 << HASH_BITS)
  const previous = new Int32Array(end - start)
  const lastMatch = end - MATCH_LIMIT
  const matchEnd = end - LAST_LITERALS
  let inserted = start
  let bestFrom = 0

  const insertUpTo = (stop: number): void => {
    for (; inserted < stop; inserted++) {
      const slot = hash(source, inserted)
      previous[inserted - start] = heads[slot]!
      heads[slot] = inserted - start + 1
    }
  }
  const longestMatch = (at: number): number => {
    insertUpTo(at)
    let best = MIN_MATCH - 1
    let candidate = heads[hash(source, at)]!
    for (let left = attempts; candidate !== 0 && left > 0; left--) {
      const from = start + candidate - 1
      if (at - from > MAX_DISTANCE) break
      if (source[from + best] === source[at + best]) {
        let length = 0
        while (at + length < matchEnd && source[from + length] === source[at + length]) length++
        if (length > best) {
          best = length
          bestFrom = from
          if (at + best >= matchEnd) break
        }
      }
      candidate = previous[from - start]!
    }
    return best < MIN_MATCH ? 0 : best
  }

  let to = position
  let anchor = start
  let at = start
  while (at <= lastMatch) {
    let length = longestMatch(at)
    if (length === 0) {
      at++
      continue
    }
    let from = bestFrom
    // A match that begins one byte later may be longer: then this byte is better a literal.
    while (at < lastMatch) {
      const later = longestMatch(at + 1)
      if (later <= length) break
      at++
      length = later
      from = bestFrom
    }
    to = writeSequence(source, anchor, at, target, to, at - from, length)
    at += length
    insertUpTo(Math.min(at, lastMatch + 1))
    anchor = at
  }
  return writeLiterals(source, anchor, end, target, to, 0)
}

function hash(source: Uint8Array, at: number): number {
  const word = source[at]! | (source[at + 1]! << 8) | (source[at + 2]! << 16) | (source[at + 3]! << 24)
  return Math.imul(word, 0x9e3779b1) >>> (32 - HASH_BITS)
}

/** Writes a token, literals and a match. */
function writeSequence(
  source: Uint8Array,
  from: number,
  to: number,
  target: Uint8Array,
  position: number,
  distance: number,
  matchLength: number,
): number {
  const rest = matchLength - MIN_MATCH
  let at = writeLiterals(source, from, to, target, position, Math.min(rest, 15))
  target[at++] = distance
  target[at++] = distance >>> 8
  return rest >= 15 ? writeExtraLength(target, at, rest - 15) : at
}

/** Writes a token whose lower half is given, and literals. */
function writeLiterals(
  source: Uint8Array,
  from: number,
  to: number,
  target: Uint8Array,
  position: number,
  lowerHalf: number,
): number {
  const length = to - from
  target[position] = (Math.min(length, 15) << 4) | lowerHalf
  let at = position + 1
  if (length >= 15) at = writeExtraLength(target, at, length - 15)
  target.set(source.subarray(from, to), at)
  return at + length
}

function writeExtraLength(target: Uint8Array, position: number, rest: number): number {
  for (; rest >= 255; rest -= 255) target[position++] = 255
  target[position] = rest
  return position + 1
}
