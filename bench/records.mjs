/** What the record path costs by itself: encode, decode, checksum, codecs. Run: npm run build && node bench/records.mjs
 *  [encode|decode|crc|codecs]; figures are the best of many short runs, for the machine's other guests come and go. */

import { performance } from 'node:perf_hooks'
import { codecs } from '#src/wire/compression/codecs.js'
import { crc32cInJavaScript } from '#src/wire/records/crc32c-javascript.js'
import { makeWasmCrc32c } from '#src/wire/records/crc32c-wasm.js'
import { RecordBatchBuilder } from '#src/wire/records/record-batch-builder.js'
import { RecordBatchReader } from '#src/wire/records/record-batch-reader.js'

const RUN_MS = 300

/** Milliseconds of the fastest call. */
function best(work) {
  let fastest = Number.POSITIVE_INFINITY
  for (const begin = performance.now(); performance.now() - begin < RUN_MS;) {
    const start = performance.now()
    work()
    fastest = Math.min(fastest, performance.now() - start)
  }
  return fastest
}

const row = (name, figure, unit) => console.log(`${name.padEnd(52)} ${figure.toFixed(figure < 100 ? 1 : 0)} ${unit}`)

// One reused buffer, as from a pool: what is measured is the work, not the page faults of fresh memory.
const memory = Buffer.alloc(1 << 20)
const pool = { take: () => memory, give: () => {} }

const keyBytes = Array.from({ length: 1000 }, (_, index) => Buffer.from(String(index).padStart(8, '0')))
const keyStrings = keyBytes.map(String)
const valueBytes = Array.from({ length: 1000 }, (_, index) => Buffer.alloc(100, 97 + (index % 26)))
const valueStrings = valueBytes.map(String)
const accented = valueStrings.map((value) => `é${value.slice(2)}`)
const headers = [
  { key: 'source', value: 'web' },
  { key: 'trace', value: '0123456789abcdef' },
]

function fill(keys, values, head, sizeLimit = 1 << 20) {
  const builder = new RecordBatchBuilder({ sizeLimit, pool })
  for (let index = 0; index < 1000; index++) builder.append(1_700_000_000_000 + index, keys[index], values[index], head)
  return builder
}

function encode() {
  const perRecord = (name, work) => row(name, (best(work) * 1e6) / 1000, 'ns/record')
  perRecord('encode, 8 B key, 100 B value, bytes', () => fill(keyBytes, valueBytes))
  perRecord('encode, strings', () => fill(keyStrings, valueStrings))
  perRecord('encode, strings, not ASCII', () => fill(keyStrings, accented))
  perRecord('encode, bytes, two headers', () => fill(keyBytes, valueBytes, headers))
  perRecord('encode and seal, bytes', () => fill(keyBytes, valueBytes).seal())
}

function decode() {
  const plain = Buffer.from(fill(keyBytes, valueBytes).seal())
  const withHeaders = Buffer.from(fill(keyBytes, valueBytes, headers).seal())
  const walk = (bytes, options, each) => () => {
    let sum = 0
    const cursor = new RecordBatchReader(bytes, options).next().cursor()
    while (cursor.next()) sum += each(cursor)
    return sum
  }
  const perRecord = (name, work) => row(name, (best(work) * 1e6) / 1000, 'ns/record')
  const unchecked = { checkCrcs: false }
  perRecord(
    'decode, cursor only',
    walk(plain, unchecked, (cursor) => cursor.offset),
  )
  perRecord(
    'decode, cursor only, two headers',
    walk(withHeaders, unchecked, (cursor) => cursor.offset),
  )
  perRecord(
    'decode, cursor and checksum',
    walk(plain, {}, (cursor) => cursor.offset),
  )
  perRecord(
    'decode, a record object each',
    walk(plain, unchecked, (cursor) => cursor.record().offset),
  )
  perRecord(
    'decode, a record object each, value read',
    walk(plain, unchecked, (cursor) => cursor.record().value.length),
  )
  perRecord(
    'decode, key and value views',
    walk(plain, unchecked, (cursor) => cursor.key().length + cursor.value().length),
  )
  perRecord(
    'decode, headers read',
    walk(withHeaders, unchecked, (cursor) => cursor.headers().length),
  )
}

function crc() {
  const bytes = Buffer.alloc(1 << 20, 'jackdaw')
  const wasm = makeWasmCrc32c()
  for (const size of [128, 1024, 16_384, 1 << 20]) {
    const times = Math.max(1, (1 << 20) / size)
    for (const [name, work] of Object.entries({ JavaScript: crc32cInJavaScript, WebAssembly: wasm })) {
      const ms = best(() => {
        for (let index = 0; index < times; index++) work(-1, bytes, 0, size)
      })
      row(`CRC-32C, ${name}, ${size} B`, (size * times) / ms / 1e3, 'MB/s')
    }
  }
}

async function codec() {
  const sample = Array.from(
    { length: 12_000 },
    (_, index) =>
      `{"id":${(index * 7919) % 99_991},"status":"${['paid', 'open', 'void'][index % 3]}","customer":"c-${index % 811}"}`,
  ).join('\n')
  for (const size of [16_384, 262_144]) {
    const source = Buffer.from(sample.slice(0, size))
    for (const [name, level] of [
      ['gzip'],
      ['gzip', 1],
      ['snappy'],
      ['lz4'],
      ['lz4', 1],
      ['lz4', 12],
      ['zstd'],
      ['zstd', 1],
    ]) {
      const { load, compress, decompress } = codecs.get(name)
      await load()
      const compressed = compress(source, level)
      const label = `${name}${level === undefined ? '' : ` level ${level}`}, ${size} B`
      row(
        `${label}, compress (1:${(size / compressed.length).toFixed(1)})`,
        size / best(() => compress(source, level)) / 1e3,
        'MB/s',
      )
      row(`${label}, decompress`, size / best(() => decompress(compressed, 1 << 27)) / 1e3, 'MB/s')
    }
  }
}

const suites = { encode, decode, crc, codecs: codec }
for (const [name, suite] of Object.entries(suites)) {
  if (process.argv[2] === undefined || process.argv[2] === name) await suite()
}
