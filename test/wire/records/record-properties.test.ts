/** Properties of record batches under records that nobody thought of, and under damage at every byte. */

import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import fc from 'fast-check'
import { KafkaError } from '#src/errors/kafka-error.js'
import type { CompressionType } from '#src/wire/compression/codec.js'
import { codecs } from '#src/wire/compression/codecs.js'
import { LegacyRecordBatch } from '#src/wire/records/legacy-record-batch.js'
import { RecordBatchBuilder, type HeaderToWrite, type RecordData } from '#src/wire/records/record-batch-builder.js'
import { RecordBatchReader } from '#src/wire/records/record-batch-reader.js'
import { crc32 } from '#src/wire/records/crc32.js'
import { lengthSize, varlongSize, writeLength, writeVarlong } from '#src/wire/records/varint.js'
import { readVarlongSlowly } from '#src/wire/records/varlong.js'

const names: readonly CompressionType[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

before(async () => {
  for (const name of names) await codecs.get(name)?.load()
})

interface Written {
  readonly timestamp: number
  readonly key: RecordData
  readonly value: RecordData
  readonly headers: HeaderToWrite[] | undefined
}

const anyString = fc.oneof(fc.string(), fc.string({ unit: 'binary', maxLength: 400 }))
const anyData = fc.oneof<fc.Arbitrary<RecordData>[]>(fc.constant(null), anyString, fc.uint8Array({ maxLength: 300 }))
const anyRecord: fc.Arbitrary<Written> = fc.record({
  timestamp: fc.oneof(
    fc.maxSafeNat(),
    fc.integer({ min: -1, max: 200 }),
    fc.integer({ min: 0, max: 2 ** 20 }).map((millis) => 1_700_000_000_000 + millis),
  ),
  key: anyData,
  value: anyData,
  headers: fc.option(fc.array(fc.record({ key: anyString, value: anyData }), { maxLength: 5 }), { nil: undefined }),
})

const bytesOf = (data: RecordData): Buffer | null => (data === null ? null : Buffer.from(data as string))

test('what is written is what is read, with every codec', () => {
  fc.assert(
    fc.property(fc.array(anyRecord, { minLength: 1, maxLength: 40 }), fc.constantFrom(...names), (records, name) => {
      const builder = new RecordBatchBuilder({ sizeLimit: 1 << 20, initialCapacity: 200 })
      for (const { timestamp, key, value, headers } of records)
        assert.ok(builder.append(timestamp, key, value, headers))
      const size = builder.sizeInBytes
      const sealed = builder.seal({ codec: codecs.get(name) })
      if (name === 'none') assert.equal(sealed.length, size)
      const batch = new RecordBatchReader(sealed).next()!
      assert.equal(batch.maxTimestamp, Math.max(...records.map(({ timestamp }) => timestamp)))
      assert.deepEqual(
        [...batch.cursor()].map(({ offset, timestamp, key, value, headers }) => ({
          offset,
          timestamp,
          key,
          value,
          headers,
        })),
        records.map(({ timestamp, key, value, headers = [] }, offset) => ({
          offset,
          timestamp,
          key: bytesOf(key),
          value: bytesOf(value),
          headers: headers.map((header) => ({
            // A name is text: half of a surrogate pair is not, and becomes the replacement character.
            key: Buffer.from(header.key).toString(),
            value: bytesOf(header.value),
          })),
        })),
      )
    }),
    { numRuns: 300 },
  )
})

test('a varint has the size that was foretold, and reads back', () => {
  const target = new Uint8Array(12)
  const check = (value: number): void => {
    const end = writeVarlong(target, 1, value)
    assert.equal(end, 1 + varlongSize(value), String(value))
    assert.equal(readVarlongSlowly(target, 1, end - 1), value)
    // Against the definition, in whole numbers of any size.
    const image = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n))
    let written = 0n
    for (let at = end - 1; at >= 1; at--) written = (written << 7n) | BigInt(target[at]! & 0x7f)
    assert.equal(written, image)
    if (value >= 0 && value < 2 ** 31) {
      const lengthEnd = writeLength(target, 1, value)
      assert.equal(lengthEnd, end)
      assert.equal(lengthSize(value), end - 1)
      assert.equal(readVarlongSlowly(target, 1, end - 1), value)
    }
  }
  for (let bits = 0; bits <= 53; bits++) {
    for (const near of [-2, -1, 0, 1, 2]) {
      const value = 2 ** bits + near
      if (Number.isSafeInteger(value)) [value, 0 - value].forEach(check)
    }
  }
  fc.assert(fc.property(fc.maxSafeInteger(), check))
})

test('a varlong of ten bytes is the 64-bit number it stands for', () => {
  const lowest = Uint8Array.from([...Array<number>(9).fill(0xff), 1])
  assert.equal(readVarlongSlowly(lowest, 0, 10), -(2 ** 63))
  const highest = Uint8Array.from([0xfe, ...Array<number>(8).fill(0xff), 1])
  assert.equal(readVarlongSlowly(highest, 0, 10), 2 ** 63)
})

/** Reads everything there is in a field; whatever is thrown must be an error that says so. */
function readThrough(bytes: Buffer, checkCrcs: boolean): 'read' | 'refused' {
  try {
    const reader = new RecordBatchReader(bytes, { checkCrcs, maxDecompressedBytes: 1 << 20 })
    for (let batch = reader.next(); batch !== undefined; batch = reader.next()) {
      for (const record of batch.cursor()) {
        assert.ok(record.offset >= 0)
        assert.ok((record.key?.length ?? 0) + (record.value?.length ?? 0) <= 1 << 20)
        for (const header of record.headers) assert.equal(typeof header.key, 'string')
      }
    }
    return 'read'
  } catch (error) {
    assert.ok(error instanceof KafkaError, String(error))
    assert.ok(error.code === 'CORRUPT_RECORD' || error.code === 'UNSUPPORTED_CODEC', error.code)
    return 'refused'
  }
}

function sample(name: CompressionType): Buffer {
  const builder = new RecordBatchBuilder({ sizeLimit: 10_000 })
  builder.append(1_700_000_000_000, 'key', 'value '.repeat(20), [{ key: 'header', value: 'x' }])
  builder.append(1, null, null)
  builder.append(1_700_000_000_500, 'key', 'value '.repeat(30), [{ key: 'header', value: null }])
  return Buffer.from(builder.seal({ codec: codecs.get(name), producerId: 1, producerEpoch: 1, baseSequence: 1 }))
}

/** A message of magic 1, or a set of two compressed into one. */
function legacySample(name: CompressionType, magic: number): Buffer {
  const message = (offset: number, attributes: number, key: Buffer | null, value: Buffer): Buffer => {
    const int32 = (number: number): Buffer => Buffer.from(new Uint8Array(new Int32Array([number]).buffer)).reverse()
    const time = magic === 0 ? Buffer.alloc(0) : Buffer.from([0, 0, 1, 0, 0, 0, 0, 0])
    const parts = [Buffer.from([magic, attributes]), time, int32(key?.length ?? -1), key ?? Buffer.alloc(0)]
    const body = Buffer.concat([...parts, int32(value.length), value])
    const head = [int32(0), int32(offset), int32(body.length + 4), int32(crc32(body) | 0)]
    return Buffer.concat([...head, body])
  }
  const plain = Buffer.concat([
    message(name === 'none' ? 5 : 0, 0, Buffer.from('key'), Buffer.from('value '.repeat(20))),
    message(name === 'none' ? 6 : 1, 0, null, Buffer.from('value '.repeat(30))),
  ])
  const codec = codecs.get(name)
  return codec === undefined ? plain : message(6, codec.id, null, Buffer.from(codec.compress(plain)))
}

const fields = (): [string, Buffer][] => [
  ...names.map((name): [string, Buffer] => [`magic 2, ${name}`, sample(name)]),
  ...(['none', 'gzip', 'snappy', 'lz4'] as const).flatMap((name) =>
    [0, 1].map((magic): [string, Buffer] => [`magic ${magic}, ${name}`, legacySample(name, magic)]),
  ),
]

describe('damage', () => {
  test('the samples are read as long as they are whole', () => {
    for (const [name, field] of fields()) assert.equal(readThrough(field, true), 'read', name)
    const batch = new RecordBatchReader(legacySample('gzip', 1)).next()
    assert.ok(batch instanceof LegacyRecordBatch)
    assert.deepEqual(
      [...batch.cursor()].map(({ offset }) => offset),
      [5, 6],
    )
  })

  test('a flipped bit at any byte that the checksum covers is noticed', () => {
    for (const [name, field] of fields()) {
      let begin = 0
      for (let at = 0; at < field.length; at++) {
        if (at === begin + 12 + field.readInt32BE(begin + 8)) begin = at
        for (const bit of [1, 0x80]) {
          const damaged = Buffer.from(field)
          damaged[at]! ^= bit
          const outcome = readThrough(damaged, true)
          // Not covered: the offset, the length (which may then say that the batch is cut), magic 2's leader epoch.
          if (at - begin >= (field[16] === 2 ? 16 : 12)) assert.equal(outcome, 'refused', `${name}, byte ${at}`)
        }
      }
    }
  })

  test('a flipped bit at any byte does no harm when checksums are not compared', () => {
    for (const [, field] of fields()) {
      for (let at = 0; at < field.length; at++) {
        for (let bit = 1; bit < 0x100; bit <<= 1) {
          const damaged = Buffer.from(field)
          damaged[at]! ^= bit
          readThrough(damaged, false)
        }
      }
    }
  })

  test('a batch that is cut at any byte, and says that it is not, is refused', () => {
    for (const name of names) {
      const whole = sample(name)
      for (let length = 17; length < whole.length; length++) {
        const cut = Buffer.from(whole.subarray(0, length))
        cut.writeInt32BE(length - 12, 8)
        assert.equal(readThrough(cut, true), 'refused', `${name}, ${length} bytes`)
        assert.equal(readThrough(cut, false), 'refused', `${name}, ${length} bytes`)
      }
    }
  })

  test('any bytes at all are read or refused', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.constantFrom(0, 1, 2),
        fc.nat(7),
        (noise, magic, attributes) => {
          const field = Buffer.concat([Buffer.alloc(8), Buffer.alloc(4), Buffer.from(noise)])
          field.writeInt32BE(noise.length, 8)
          if (field.length > 22) {
            field[16] = magic
            field[17] = attributes
            field[22] = attributes
          }
          readThrough(field, false)
        },
      ),
      { numRuns: 2000 },
    )
  })
})
