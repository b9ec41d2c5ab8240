/** Zig-zag varints of record batches, for the two loops where every nanosecond counts: plain functions over bytes and
 *  positions, no objects. Knows no fields; the protocol's own varints live in `wire/primitives`. */

/** Bytes that a zig-zag varint of a non-negative number below 2^31 takes: a length, a count, an offset delta. */
export function lengthSize(value: number): number {
  if (value < 0x40) return 1
  if (value < 0x2000) return 2
  if (value < 0x10_0000) return 3
  return value < 0x800_0000 ? 4 : 5
}

/** Bytes that a zig-zag varlong of any safe integer takes. */
export function varlongSize(value: number): number {
  if (value < 0x40 && value >= -0x40) return 1
  // Zig-zag maps a negative value to one less than twice its magnitude.
  let rest = value < 0 ? -(value + 1) : value
  let size = 1
  for (rest = Math.floor(rest / 0x40); rest > 0; rest = Math.floor(rest / 0x80)) size++
  return size
}

/** Writes a non-negative number below 2^31 as a zig-zag varint; returns the position after it. */
export function writeLength(target: Uint8Array, position: number, value: number): number {
  if (value < 0x40) {
    target[position] = value << 1
    return position + 1
  }
  let rest = (value << 1) >>> 0
  while (rest > 0x7f) {
    target[position++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  target[position] = rest
  return position + 1
}

/** Writes any safe integer as a zig-zag varlong; returns the position after it. */
export function writeVarlong(target: Uint8Array, position: number, value: number): number {
  if (value >= -0x4000_0000 && value < 0x4000_0000) {
    let rest = ((value << 1) ^ (value >> 31)) >>> 0
    while (rest > 0x7f) {
      target[position++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    target[position] = rest
    return position + 1
  }
  // The zig-zag image may need 54 bits, more than a double holds exactly: its lowest bit is the sign, so the first
  // byte carries six bits of the magnitude and the sign, and the rest is plain division.
  const negative = value < 0
  let magnitude = negative ? -(value + 1) : value
  let low = ((magnitude % 0x40) << 1) | (negative ? 1 : 0)
  for (magnitude = Math.floor(magnitude / 0x40); magnitude > 0; magnitude = Math.floor(magnitude / 0x80)) {
    target[position++] = low | 0x80
    low = magnitude % 0x80
  }
  target[position] = low
  return position + 1
}
