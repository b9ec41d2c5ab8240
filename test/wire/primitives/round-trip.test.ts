/** Whatever the writer wrote, the reader reads; and nothing of it when a byte is missing. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Reader, Writer } from '#src/wire/primitives/index.js'
import { readInt32, readString, writeInt32, writeString } from '#src/wire/primitives/elements.js'

interface Primitive<T> {
  readonly values: fc.Arbitrary<T>
  readonly write: (writer: Writer, value: T) => void
  readonly read: (reader: Reader) => T
}

function primitive<T>(
  values: fc.Arbitrary<T>,
  write: (writer: Writer, value: T) => void,
  read: (reader: Reader) => T,
): Primitive<unknown> {
  return { values, write: write as Primitive<unknown>['write'], read }
}

const safeIntegers = fc.oneof(
  fc.maxSafeInteger(),
  fc.constantFrom(
    ...[2 ** 53 - 1, -(2 ** 53) + 1, 2 ** 32, -(2 ** 32), 2 ** 31, -(2 ** 31), 2 ** 31 - 1, 0, -1, 63, 64, -64, -65],
  ),
)
const int64s = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constantFrom(-(2n ** 63n), 2n ** 63n - 1n, 0n),
)
const int32s = fc.oneof(fc.integer(), fc.constantFrom(-(2 ** 31), 2 ** 31 - 1, 0, -1))
const uint32s = fc.oneof(
  fc.nat(2 ** 32 - 1),
  fc.constantFrom(127, 128, 16_383, 16_384, 2 ** 28 - 1, 2 ** 28, 2 ** 32 - 1),
)
// Around the lengths at which the encoding of the length, or the way of writing, changes.
const strings = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc
    .tuple(fc.constantFrom('a', 'é', '語', '😀'), fc.constantFrom(0, 1, 41, 42, 43, 63, 64, 126, 127, 128, 2000))
    .map(([one, count]) => one.repeat(count)),
)
const blobs: fc.Arbitrary<Buffer> = fc
  .oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.constantFrom(0, 126, 127, 4095, 4096, 4097, 70_000).map((size) => new Uint8Array(size).fill(size)),
  )
  .map((bytes) => Buffer.from(bytes))
const uuids = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('base64url'))
const versions = [false, true]

const primitives: Record<string, Primitive<unknown>> = {
  bool: primitive(
    fc.boolean(),
    (w, v) => w.bool(v),
    (r) => r.bool(),
  ),
  int8: primitive(
    fc.integer({ min: -128, max: 127 }),
    (w, v) => w.int8(v),
    (r) => r.int8(),
  ),
  uint8: primitive(
    fc.nat(255),
    (w, v) => w.uint8(v),
    (r) => r.uint8(),
  ),
  int16: primitive(
    fc.integer({ min: -32_768, max: 32_767 }),
    (w, v) => w.int16(v),
    (r) => r.int16(),
  ),
  uint16: primitive(
    fc.nat(65_535),
    (w, v) => w.uint16(v),
    (r) => r.uint16(),
  ),
  int32: primitive(
    int32s,
    (w, v) => w.int32(v),
    (r) => r.int32(),
  ),
  uint32: primitive(
    uint32s,
    (w, v) => w.uint32(v),
    (r) => r.uint32(),
  ),
  int64: primitive(
    safeIntegers,
    (w, v) => w.int64(v),
    (r) => r.int64(),
  ),
  bigint64: primitive(
    int64s,
    (w, v) => w.bigint64(v),
    (r) => r.bigint64(),
  ),
  float64: primitive(
    fc.double(),
    (w, v) => w.float64(v),
    (r) => r.float64(),
  ),
  uvarint: primitive(
    uint32s,
    (w, v) => w.uvarint(v),
    (r) => r.uvarint(),
  ),
  varint: primitive(
    int32s,
    (w, v) => w.varint(v),
    (r) => r.varint(),
  ),
  varlong: primitive(
    safeIntegers,
    (w, v) => w.varlong(v),
    (r) => r.varlong(),
  ),
  bigvarlong: primitive(
    int64s,
    (w, v) => w.bigvarlong(v),
    (r) => r.bigvarlong(),
  ),
  uuid: primitive(
    uuids,
    (w, v) => w.uuid(v),
    (r) => r.uuid(),
  ),
}
for (const flexible of versions) {
  const kind = flexible ? 'compact' : 'classic'
  Object.assign(primitives, {
    [`${kind} string`]: primitive(
      strings,
      (w, v) => w.string(v, flexible),
      (r) => r.string(flexible),
    ),
    [`${kind} nullable string`]: primitive(
      fc.option(strings),
      (w, v) => w.nullableString(v, flexible),
      (r) => r.nullableString(flexible),
    ),
    [`${kind} bytes`]: primitive(
      blobs,
      (w, v) => w.bytes(v, flexible),
      (r) => r.bytes(flexible),
    ),
    [`${kind} nullable bytes`]: primitive(
      fc.option(blobs),
      (w, v) => w.nullableBytes(v, flexible),
      (r) => r.nullableBytes(flexible),
    ),
    [`${kind} nullable records`]: primitive(
      fc.option(blobs),
      (w, v) => w.nullableRecords(v, flexible),
      (r) => r.nullableBytes(flexible),
    ),
    [`${kind} array of int32`]: primitive(
      fc.array(int32s, { maxLength: 200 }),
      (w, v) => w.array(v, flexible, writeInt32, 0),
      (r) => r.array(flexible, 4, readInt32, 0),
    ),
    [`${kind} nullable array of strings`]: primitive(
      fc.option(fc.array(strings, { maxLength: 5 })),
      (w, v) => w.nullableArray(v, flexible, writeString, 0),
      (r) => r.nullableArray(flexible, 1, readString, 0),
    ),
    [`${kind} nullable struct`]: primitive(
      fc.option(strings),
      (w, v) => w.nullableStruct(v, writeString, 0, flexible),
      (r) => r.nullableStruct(readString, 0, flexible),
    ),
  })
}

for (const [name, { values, write, read }] of Object.entries(primitives)) {
  describe(name, () => {
    test('is read as it was written, and nothing is left over', () => {
      fc.assert(
        fc.property(values, (value) => {
          const bytes = written((writer) => write(writer, value))
          const reader = new Reader(bytes)
          assert.deepEqual(read(reader), toWellFormed(value))
          assert.equal(reader.remaining, 0)
          assert.equal(reader.offset, bytes.length)
        }),
      )
    })

    test('is refused when it ends too early, at whichever byte', () => {
      fc.assert(
        fc.property(values, (value) => {
          const bytes = written((writer) => write(writer, value))
          const step = Math.max(1, Math.floor(bytes.length / 50))
          for (let length = 0; length < bytes.length; length += step) {
            // The rest of the block is there, to see that the reader's end counts and not the block's.
            assert.throws(() => read(new Reader(bytes, 0, length)), { code: 'MALFORMED_MESSAGE' })
          }
        }),
        { numRuns: 40 },
      )
    })

    test('stands after other values as well as alone', () => {
      fc.assert(
        fc.property(fc.array(values, { minLength: 2, maxLength: 8 }), (many) => {
          const reader = new Reader(written((writer) => many.forEach((value) => write(writer, value))))
          for (const value of many) assert.deepEqual(read(reader), toWellFormed(value))
          reader.expectEnd('the values')
        }),
        { numRuns: 40 },
      )
    })
  })
}

function written(write: (writer: Writer) => void): Buffer {
  const writer = new Writer()
  write(writer)
  const bytes = writer.toBuffer()
  assert.equal(bytes.length, writer.size)
  return bytes
}

/** Half a surrogate pair has no UTF-8: it is written as the replacement character. */
function toWellFormed(value: unknown): unknown {
  if (typeof value === 'string') return Buffer.from(value).toString()
  return Array.isArray(value) ? value.map(toWellFormed) : value
}
