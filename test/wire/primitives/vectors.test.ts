/** Encodings that are known from elsewhere: the protocol guide, Kafka's own tests of its varints, and by hand. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Reader, TaggedSection, Writer, zeroUuid } from '#src/wire/primitives/index.js'
import { readInt32, writeInt32 } from '#src/wire/primitives/elements.js'

const vectors: [name: string, hex: string, write: (writer: Writer) => void, read: (reader: Reader) => void][] = [
  ["the string 'test'", '0004 74657374', (w) => w.string('test'), (r) => assert.equal(r.string(), 'test')],
  [
    "the compact string 'test'",
    '05 74657374',
    (w) => w.string('test', true),
    (r) => assert.equal(r.string(true), 'test'),
  ],
  ['a null string', 'ffff', (w) => w.nullableString(null), (r) => assert.equal(r.nullableString(), null)],
  [
    'a null compact string',
    '00',
    (w) => w.nullableString(null, true),
    (r) => assert.equal(r.nullableString(true), null),
  ],
  ['null bytes', 'ffffffff', (w) => w.nullableBytes(null), (r) => assert.equal(r.nullableBytes(), null)],
  [
    'the int32s 1, 2, 3',
    '00000003 00000001 00000002 00000003',
    (w) => w.array([1, 2, 3], false, writeInt32, 0),
    (r) => assert.deepEqual(r.array(false, 4, readInt32, 0), [1, 2, 3]),
  ],
  [
    'the int32s 1, 2, 3 in a compact array',
    '04 00000001 00000002 00000003',
    (w) => w.array([1, 2, 3], true, writeInt32, 0),
    (r) => assert.deepEqual(r.array(true, 4, readInt32, 0), [1, 2, 3]),
  ],
  ['the unsigned varint 300', 'ac02', (w) => w.uvarint(300), (r) => assert.equal(r.uvarint(), 300)],
  [
    'the largest unsigned varint',
    'ffffffff0f',
    (w) => w.uvarint(0xffff_ffff),
    (r) => assert.equal(r.uvarint(), 0xffff_ffff),
  ],
  ['the varint -1', '01', (w) => w.varint(-1), (r) => assert.equal(r.varint(), -1)],
  ['the varint 64', '8001', (w) => w.varint(64), (r) => assert.equal(r.varint(), 64)],
  ['the smallest varint', 'ffffffff0f', (w) => w.varint(-(2 ** 31)), (r) => assert.equal(r.varint(), -(2 ** 31))],
  [
    'the varlong 2^53 - 1',
    'feffffffffffff1f',
    (w) => w.varlong(2 ** 53 - 1),
    (r) => assert.equal(r.varlong(), 2 ** 53 - 1),
  ],
  [
    'the smallest varlong',
    'ffffffffffffffffff01',
    (w) => w.bigvarlong(-(2n ** 63n)),
    (r) => assert.equal(r.bigvarlong(), -(2n ** 63n)),
  ],
  ['the int64 -2', 'fffffffffffffffe', (w) => w.int64(-2), (r) => assert.equal(r.int64(), -2)],
  [
    'the largest safe int64',
    '001fffffffffffff',
    (w) => w.int64(2 ** 53 - 1),
    (r) => assert.equal(r.int64(), 2 ** 53 - 1),
  ],
  ['the float64 0.5', '3fe0000000000000', (w) => w.float64(0.5), (r) => assert.equal(r.float64(), 0.5)],
  ['the uuid of zeros', '00'.repeat(16), (w) => w.uuid(zeroUuid), (r) => assert.equal(r.uuid(), zeroUuid)],
  [
    'a uuid',
    '0123456789abcdef0123456789abcdef',
    (w) => w.uuid('ASNFZ4mrze8BI0VniavN7w'),
    (r) => assert.equal(r.uuid(), 'ASNFZ4mrze8BI0VniavN7w'),
  ],
  ['no tagged fields', '00', (w) => w.unknownTaggedFields(undefined), (r) => r.taggedFields({}, 0)],
]

for (const [name, hex, write, read] of vectors) {
  test(`${name} is written and read as ${hex}`, () => {
    const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex')
    const writer = new Writer()
    write(writer)
    assert.equal(writer.toBuffer().toString('hex'), bytes.toString('hex'))
    const reader = new Reader(bytes)
    read(reader)
    assert.equal(reader.remaining, 0)
  })
}

describe('the writer', () => {
  test('sends records from where they are, and what is around them in the same block', () => {
    const records = Buffer.from('records')
    const writer = new Writer()
    writer.int8(1)
    writer.records(records)
    writer.int8(2)
    const chunks = writer.finish()
    assert.equal(chunks.length, 3)
    assert.equal(chunks[1], records)
    assert.equal(chunks[0]?.buffer, chunks[2]?.buffer)
    assert.deepEqual(Buffer.concat(chunks), Buffer.from('\x01\0\0\0\x07records\x02'))
  })

  test('sends large byte fields from where they are, and copies small ones', () => {
    const large = new Uint8Array(4096)
    const small = new Uint8Array(4095)
    const writer = new Writer()
    writer.bytes(large)
    writer.bytes(small)
    const chunks = writer.finish()
    assert.ok(chunks.includes(large))
    assert.ok(!chunks.includes(small))
  })

  test('fills in later what was reserved, even when many blocks came after', () => {
    const writer = new Writer()
    const place = writer.reserve(4)
    for (let index = 0; index < 50_000; index++) writer.int32(index)
    place.writeInt32BE(writer.size)
    const bytes = writer.toBuffer()
    assert.equal(bytes.length, 200_004)
    assert.equal(bytes.readInt32BE(0), 200_004)
    assert.equal(bytes.readInt32BE(4 + 4 * 49_999), 49_999)
  })

  test('starts in memory that it is given, and leaves it for more', () => {
    const block = Buffer.alloc(16)
    const writer = new Writer(block)
    writer.int64(1)
    writer.int64(2)
    writer.int64(3)
    const chunks = writer.finish()
    assert.equal(chunks[0]?.buffer, block.buffer)
    assert.deepEqual(
      chunks.map(({ length }) => length),
      [16, 8],
    )
  })

  test('gives out the same chunks when more is written afterwards', () => {
    const writer = new Writer()
    writer.int8(1)
    const before = writer.finish()
    writer.int8(2)
    assert.equal(before.length, 1)
    assert.deepEqual(Buffer.concat(writer.finish()), Buffer.of(1, 2))
  })

  const unfit: [what: string, write: (writer: Writer) => void][] = [
    ['128 as int8', (w) => w.int8(128)],
    ['256 as uint8', (w) => w.uint8(256)],
    ['-1 as uint16', (w) => w.uint16(-1)],
    ['32768 as int16', (w) => w.int16(32_768)],
    ['2^31 as int32', (w) => w.int32(2 ** 31)],
    ['1.5 as int32', (w) => w.int32(1.5)],
    ['NaN as int32', (w) => w.int32(NaN)],
    ['-1 as uint32', (w) => w.uint32(-1)],
    ['2^53 as int64', (w) => w.int64(2 ** 53)],
    ['2^63 as int64', (w) => w.bigint64(2n ** 63n)],
    ['2^32 as unsigned varint', (w) => w.uvarint(2 ** 32)],
    ['2^31 as varint', (w) => w.varint(2 ** 31)],
    ['2^53 as varlong', (w) => w.varlong(2 ** 53)],
    ['2^63 as varlong', (w) => w.bigvarlong(2n ** 63n)],
    ['a string of 32768 bytes', (w) => w.string('x'.repeat(32_768))],
    ['a compact string of 32768 bytes', (w) => w.string('x'.repeat(32_768), true)],
    ['a number as string', (w) => w.string(7 as unknown as string)],
    ['a string as bytes', (w) => w.bytes('x' as unknown as Buffer)],
    ['21 characters as uuid', (w) => w.uuid('A'.repeat(21))],
    ['characters beside the alphabet as uuid', (w) => w.uuid('!'.repeat(22))],
  ]
  for (const [what, write] of unfit) {
    test(`refuses ${what}`, () => assert.throws(() => write(new Writer()), { code: 'INVALID_ARGUMENT' }))
  }

  test('does not put a value that may be secret into an error', () => {
    assert.throws(
      () => new Writer().uuid('hunter2'),
      (error: Error) => !error.message.includes('hunter2'),
    )
  })
})

describe('tagged fields', () => {
  test('are written in ascending order, whoever knows them', () => {
    const section = new TaggedSection([
      { tag: 7, data: Buffer.of(7) },
      { tag: 0, data: Buffer.of(0) },
    ])
    section.field(3).int8(3)
    const writer = new Writer()
    section.writeTo(writer)
    assert.equal(writer.toBuffer().toString('hex'), '03' + '000100' + '030103' + '070107')
  })

  test('that use a tag twice are refused', () => {
    const section = new TaggedSection([{ tag: 3, data: Buffer.of(7) }])
    section.field(3).int8(3)
    assert.throws(() => section.writeTo(new Writer()), { code: 'INVALID_ARGUMENT' })
  })

  test('that are unknown are kept', () => {
    const target: { unknownTaggedFields?: { tag: number; data: Uint8Array }[] } = {}
    new Reader(Buffer.from('0205020a0b090100', 'hex')).taggedFields(target, 0)
    assert.deepEqual(target.unknownTaggedFields, [
      { tag: 5, data: Buffer.of(10, 11) },
      { tag: 9, data: Buffer.of(0) },
    ])
  })

  test('cannot read beyond their own size', () => {
    // Tag 0 of two bytes, and behind it more bytes, which an int32 must not take.
    const reader = new Reader(Buffer.from('010002000000000000', 'hex'))
    const readTag = (inner: Reader): boolean => inner.int32() >= 0
    assert.throws(() => reader.taggedFields({}, 0, readTag), /2 are left/)
  })

  test('that hold less than their size are refused', () => {
    const reader = new Reader(Buffer.from('01000200000000', 'hex'))
    assert.throws(() => reader.taggedFields({}, 0, (inner) => inner.int8() === 0), { code: 'MALFORMED_MESSAGE' })
  })
})
