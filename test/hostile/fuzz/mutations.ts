/** Ways to spoil bytes, with or without knowing where their fields lie. */

import type { SeededRandom } from '#src/testing/simulation/index.js'
import type { FieldMark } from './inventing-reader.ts'

type Mutation = (bytes: Buffer, random: SeededRandom, marks: readonly FieldMark[]) => Buffer

const wicked = [
  [0xff, 0xff, 0xff, 0xff],
  [0x7f, 0xff, 0xff, 0xff],
  [0x80, 0, 0, 0],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
  [0x00],
  [0x01],
  [0x7f, 0xff],
  [0xff, 0xff],
  [0x00, 0x0f, 0x42, 0x40],
  [0xc1, 0x84, 0x3d],
]

const place = (bytes: Buffer, random: SeededRandom): number => random.integer([0, Math.max(0, bytes.length - 1)])

function cut(bytes: Buffer, from: number, to: number, into: Uint8Array = Buffer.alloc(0)): Buffer {
  return Buffer.concat([bytes.subarray(0, from), into, bytes.subarray(to)])
}

function span(bytes: Buffer, random: SeededRandom): [number, number] {
  const from = place(bytes, random)
  return [from, Math.min(bytes.length, from + random.integer([1, 40]))]
}

function changed(bytes: Buffer, at: number, values: readonly number[]): Buffer {
  const copy = Buffer.from(bytes)
  for (const [i, value] of values.entries()) if (at + i < copy.length) copy[at + i] = value
  return copy
}

const blind: readonly Mutation[] = [
  (bytes, random) => changed(bytes, place(bytes, random), [random.integer([0, 255])]),
  (bytes, random) => {
    const at = place(bytes, random)
    return bytes.length === 0 ? bytes : changed(bytes, at, [bytes[at]! ^ (1 << random.integer([0, 7]))])
  },
  (bytes, random) => changed(bytes, place(bytes, random), random.pick(wicked)),
  (bytes, random) => bytes.subarray(0, place(bytes, random)),
  (bytes, random) => cut(bytes, ...span(bytes, random)),
  (bytes, random) => {
    const at = place(bytes, random)
    return cut(bytes, at, at, random.bytes(random.integer([1, 20])))
  },
  (bytes, random) => {
    const [from, to] = span(bytes, random)
    return cut(bytes, to, to, bytes.subarray(from, to))
  },
  (bytes, random) => Buffer.concat([bytes.subarray(0, place(bytes, random)), Buffer.alloc(50, 0xff)]),
  (bytes, random) => Buffer.concat([bytes, random.bytes(random.integer([1, 9]))]),
]

const knowing: readonly Mutation[] = [
  (bytes, random, marks) => {
    const { start, end } = random.pick(marks)
    return changed(bytes, start, random.pick(wicked).slice(0, Math.max(1, end - start)))
  },
  (bytes, random, marks) => {
    const { start, end } = random.pick(marks)
    return cut(bytes, start, end, Buffer.from(random.pick(wicked)))
  },
  (bytes, random, marks) => {
    const { start, end } = random.pick(marks)
    return cut(bytes, start, end)
  },
  (bytes, random, marks) => {
    const [one, other] = [random.pick(marks), random.pick(marks)]
    return cut(bytes, one.start, one.end, bytes.subarray(other.start, other.end))
  },
  (bytes, random, marks) => bytes.subarray(0, random.pick(marks).end),
]

/** The bytes with one to four things wrong. Marks speak of the bytes as they came, so only the first change uses them. */
export function spoiled(bytes: Buffer, random: SeededRandom, marks: readonly FieldMark[] = []): Buffer {
  let result = marks.length > 0 && random.chance(0.7) ? random.pick(knowing)(bytes, random, marks) : bytes
  const more = random.integer([result === bytes ? 1 : 0, 3])
  for (let i = 0; i < more; i++) result = random.pick(blind)(result, random, [])
  return result
}
