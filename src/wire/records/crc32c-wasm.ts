/** CRC-32C in WebAssembly: the module is put together here, instruction by instruction, so that its source is what you
 *  read. Three streams are computed side by side, since one alone waits for its own table look-ups, and joined by
 *  tables that advance a register over a stretch of zeros. Knows no batch. */

import { castagnoliTables } from './crc32c-javascript.ts'

/** Bytes of one stream of a triple, long and short: what is left below a short triple goes through one stream. */
const LONG_STREAM = 2048
const SHORT_STREAM = 256

/** The module's memory: tables for slicing by 8, advancing tables for both stream lengths, and the data behind them. */
const TABLES_AT = 0
const LONG_ADVANCE_AT = 8192
const SHORT_ADVANCE_AT = 12_288
const DATA_AT = 16_384
const PAGE_BYTES = 65_536
const PAGES = 2
/** The most that fits behind the tables. */
const DATA_BYTES = PAGES * PAGE_BYTES - DATA_AT

// The few instructions that are needed, by their names in the WebAssembly text format.
const I32 = 0x7f
const op = {
  block: [0x02, 0x40],
  loop: [0x03, 0x40],
  br: 0x0c,
  brIf: 0x0d,
  end: 0x0b,
  localGet: 0x20,
  localSet: 0x21,
  load: 0x28,
  load8: 0x2d,
  constant: 0x41,
  ltU: 0x49,
  add: 0x6a,
  and: 0x71,
  xor: 0x73,
  shl: 0x74,
  shrU: 0x76,
} as const

type Code = number[]

function unsigned(value: number): Code {
  const bytes: Code = []
  for (; value > 0x7f; value >>>= 7) bytes.push((value & 0x7f) | 0x80)
  return [...bytes, value]
}

function signed(value: number): Code {
  const bytes: Code = []
  for (; value < -0x40 || value > 0x3f; value >>= 7) bytes.push((value & 0x7f) | 0x80)
  return [...bytes, value & 0x7f]
}

function section(id: number, ...content: Code[]): Code {
  const body = content.flat()
  return [id, ...unsigned(body.length), ...body]
}

const get = (local: number): Code => [op.localGet, ...unsigned(local)]
const set = (local: number, value: Code): Code => [...value, op.localSet, ...unsigned(local)]
const constant = (value: number): Code => [op.constant, ...signed(value)]
const binary = (operator: number, left: Code, right: Code): Code => [...left, ...right, operator]
const load = (address: Code, offset: number): Code => [...address, op.load, 2, ...unsigned(offset)]
const loadUnaligned = (address: Code, offset: number): Code => [...address, op.load, 0, ...unsigned(offset)]
const loadByte = (address: Code, offset: number): Code => [...address, op.load8, 0, ...unsigned(offset)]

/** Locals: the three parameters, the registers of streams two and three, and scratch. */
const CRC = 0
const AT = 1
const END = 2
const SECOND = 3
const THIRD = 4
const WORD = 5
const STOP = 6

/** The entry of table `table` for byte `byte` (0 lowest) of a local. */
function lookUp(base: number, local: number, byte: number): Code {
  // Shifted so that the byte arrives multiplied by four, the size of an entry.
  const shifted =
    byte === 0 ? binary(op.shl, get(local), constant(2)) : binary(op.shrU, get(local), constant(8 * byte - 2))
  return load(binary(op.and, shifted, constant(0x3fc)), base)
}

const xorAll = (values: Code[]): Code => values.reduce((left, right) => binary(op.xor, left, right))

/** Takes eight bytes at `AT + offset` into a register. */
function step(register: number, offset: number): Code {
  return [
    ...set(register, binary(op.xor, get(register), loadUnaligned(get(AT), offset))),
    ...set(WORD, loadUnaligned(get(AT), offset + 4)),
    ...set(
      register,
      xorAll([
        ...[0, 1, 2, 3].map((byte) => lookUp(TABLES_AT + 1024 * (7 - byte), register, byte)),
        ...[0, 1, 2, 3].map((byte) => lookUp(TABLES_AT + 1024 * (3 - byte), WORD, byte)),
      ]),
    ),
  ]
}

/** The register after as many zero bytes as an advancing table stands for. */
function advance(register: number, base: number): Code {
  return xorAll([0, 1, 2, 3].map((byte) => lookUp(base + 1024 * byte, register, byte)))
}

/** `while (left < right) body`, with the bound compared unsigned. */
function whileBelow(left: Code, right: Code, body: Code): Code {
  const test = [...binary(op.ltU, left, right)]
  return [...op.block, ...op.loop, ...test, 0x45, op.brIf, 1, ...body, op.br, 0, op.end, op.end]
}

/** Triples of streams of `length` bytes, as long as there are any. */
function triples(length: number, advanceAt: number): Code {
  return whileBelow(binary(op.add, get(AT), constant(3 * length - 1)), get(END), [
    ...set(SECOND, constant(0)),
    ...set(THIRD, constant(0)),
    ...set(STOP, binary(op.add, get(AT), constant(length))),
    ...whileBelow(get(AT), get(STOP), [
      ...step(CRC, 0),
      ...step(SECOND, length),
      ...step(THIRD, 2 * length),
      ...set(AT, binary(op.add, get(AT), constant(8))),
    ]),
    ...set(SECOND, binary(op.xor, advance(CRC, advanceAt), get(SECOND))),
    ...set(CRC, binary(op.xor, advance(SECOND, advanceAt), get(THIRD))),
    ...set(AT, binary(op.add, get(AT), constant(2 * length))),
  ])
}

function makeModule(): Uint8Array<ArrayBuffer> {
  const body: Code = [
    ...[1, 4, I32],
    ...triples(LONG_STREAM, LONG_ADVANCE_AT),
    ...triples(SHORT_STREAM, SHORT_ADVANCE_AT),
    ...whileBelow(binary(op.add, get(AT), constant(7)), get(END), [
      ...step(CRC, 0),
      ...set(AT, binary(op.add, get(AT), constant(8))),
    ]),
    ...whileBelow(get(AT), get(END), [
      ...set(CRC, binary(op.xor, get(CRC), loadByte(get(AT), 0))),
      ...set(CRC, binary(op.xor, lookUp(TABLES_AT, CRC, 0), binary(op.shrU, get(CRC), constant(8)))),
      ...set(AT, binary(op.add, get(AT), constant(1))),
    ]),
    ...get(CRC),
    op.end,
  ]
  const name = (text: string): Code => [text.length, ...Buffer.from(text)]
  return new Uint8Array([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 3, I32, I32, I32, 1, I32]), // (crc, at, end) => crc
    ...section(3, [1, 0]),
    ...section(5, [1, 1, PAGES, PAGES]),
    ...section(7, [2], name('memory'), [2, 0], name('crc'), [0, 0]),
    ...section(10, [1], unsigned(body.length), body),
  ])
}

/** What becomes of each bit of a register over one zero byte. By linearity, that tells what becomes of any register. */
function overOneByte(table: Int32Array): Int32Array {
  return Int32Array.from({ length: 32 }, (_, bit) => (bit < 8 ? table[1 << bit]! : 1 << (bit - 8)))
}

/** The same over twice as many bytes. */
function overTwice(bits: Int32Array): Int32Array {
  return bits.map((crc) => {
    let result = 0
    for (let bit = 0; bit < 32; bit++) if (crc & (1 << bit)) result ^= bits[bit]!
    return result
  })
}

/** Four tables of 256 that take a register over `length` zero bytes, a power of two. */
function makeAdvanceTables(table: Int32Array, length: number): Int32Array {
  let bits = overOneByte(table)
  for (let bytes = 1; bytes < length; bytes *= 2) bits = overTwice(bits)
  const tables = new Int32Array(1024)
  for (let entry = 0; entry < 1024; entry++) {
    const byte = entry & 0xff
    const lowest = byte & -byte
    // All but its lowest bit was done before; a power of two is a bit of its own.
    tables[entry] = byte === 0 ? 0 : tables[entry - lowest]! ^ bits[8 * (entry >>> 8) + (31 - Math.clz32(lowest))]!
  }
  return tables
}

/** Continues a CRC whose register is `crc` over `bytes[start, end)`. */
export type ContinueCrc = (crc: number, bytes: Uint8Array, start: number, end: number) => number

/** The part of the WebAssembly interface that is used: TypeScript keeps its declaration in the library for browsers. */
interface WebAssemblyObject {
  Module: new (bytes: Uint8Array) => object
  Instance: new (module: object) => { readonly exports: unknown }
}

/** Compiles the module (some 4 ms on Node 20); undefined where WebAssembly is switched off, as by `--jitless`. */
export function makeWasmCrc32c(): ContinueCrc | undefined {
  const { WebAssembly } = globalThis as { WebAssembly?: WebAssemblyObject }
  if (WebAssembly === undefined) return undefined
  const { memory, crc: continueCrc } = new WebAssembly.Instance(new WebAssembly.Module(makeModule())).exports as {
    memory: { readonly buffer: ArrayBuffer }
    crc: (crc: number, at: number, end: number) => number
  }
  const words = new Int32Array(memory.buffer)
  const tables = castagnoliTables(8)
  words.set(tables, TABLES_AT / 4)
  words.set(makeAdvanceTables(tables, LONG_STREAM), LONG_ADVANCE_AT / 4)
  words.set(makeAdvanceTables(tables, SHORT_STREAM), SHORT_ADVANCE_AT / 4)
  const data = new Uint8Array(memory.buffer, DATA_AT, DATA_BYTES)
  return (crc, bytes, start, end) => {
    for (let at = start; at < end; at += DATA_BYTES) {
      const length = Math.min(DATA_BYTES, end - at)
      data.set(start === 0 && length === bytes.length ? bytes : bytes.subarray(at, at + length))
      crc = continueCrc(crc, DATA_AT, DATA_AT + length)
    }
    return crc
  }
}
