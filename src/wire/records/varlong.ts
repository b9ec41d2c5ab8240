/** The rare varint of five to ten bytes, without BigInt. Knows no fields. */

/** The zig-zag value of the varlong of `size` bytes at `at`; rounded beyond 2^53. A size above ten gives 0. */
export function readVarlongSlowly(source: Uint8Array, at: number, size: number): number {
  if (size > 10) return 0
  // Seven bits a byte, from the last: the sign is the lowest bit, so the magnitude is everything above it, halved.
  // A zig-zag image of 64 bits has its top one in the tenth byte.
  let magnitude = 0
  for (let index = size - 1; index > 0; index--) {
    const bits = source[at + index]! & (index === 9 ? 0x01 : 0x7f)
    magnitude = magnitude * 0x80 + bits
  }
  const first = source[at]! & 0x7f
  magnitude = magnitude * 0x40 + (first >>> 1)
  return first & 1 ? -magnitude - 1 : magnitude
}
