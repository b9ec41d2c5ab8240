/** What a hostile peer can announce, and what that makes the reader do: throw, before it allocates. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { maxArrayLength, maxTaggedFields, Reader, Writer } from '#src/wire/primitives/index.js'
import { readInt32, readInt8 } from '#src/wire/primitives/elements.js'

const refused = { code: 'MALFORMED_MESSAGE' }

function reader(hex: string): Reader {
  return new Reader(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
}

test('an array of 2^31 - 1 elements in a few bytes is refused', () => {
  assert.throws(() => reader('7fffffff 00000000').array(false, 1, readInt8, 0), refused)
  assert.throws(() => reader('ffffffff0f 00000000').array(true, 1, readInt8, 0), refused)
})

test('an array whose elements could not all fit is refused before the first is read', () => {
  let isRead = false
  const read = (): number => ((isRead = true), 0)
  assert.throws(() => reader('00000003 0000000000000000').array(false, 4, read, 0), refused)
  assert.equal(isRead, false)
  assert.deepEqual(reader('00000002 0000000000000000').array(false, 4, readInt32, 0), [0, 0])
})

test('an array of a million elements is read, one of a million and one is not', () => {
  const bytes = new Writer()
  bytes.int32(maxArrayLength)
  bytes.append(Buffer.alloc(maxArrayLength + 1))
  const block = bytes.toBuffer()
  assert.equal(new Reader(block).array(false, 1, readInt8, 0).length, maxArrayLength)
  block.writeInt32BE(maxArrayLength + 1)
  assert.throws(() => new Reader(block).array(false, 1, readInt8, 0), refused)
})

test('lengths below -1 are refused', () => {
  assert.throws(() => reader('fffffffe').arrayLength(false, 1), refused)
  assert.throws(() => reader('fffe').nullableString(), refused)
  assert.throws(() => reader('fffffffe').nullableBytes(), refused)
})

test('null where it must not be is refused', () => {
  assert.throws(() => reader('ffff').string(), refused)
  assert.throws(() => reader('00').string(true), refused)
  assert.throws(() => reader('ffffffff').bytes(), refused)
  assert.throws(() => reader('00').bytes(true), refused)
  assert.throws(() => reader('ffffffff').array(false, 1, readInt8, 0), refused)
  assert.throws(() => reader('00').array(true, 1, readInt8, 0), refused)
})

test('a struct is there or not: other presence bytes are refused', () => {
  assert.throws(() => reader('00').nullableStruct(readInt8, 0, true), refused)
  assert.throws(() => reader('02').nullableStruct(readInt8, 0, true), refused)
  assert.equal(reader('ff').nullableStruct(readInt8, 0, true), null)
})

test('a compact string longer than an int16 could say is refused even if it is there', () => {
  const writer = new Writer()
  writer.uvarint(32_769)
  writer.append(Buffer.alloc(40_000))
  assert.throws(() => new Reader(writer.toBuffer()).string(true), refused)
})

test('10,000 tagged fields are read, 10,001 are not', () => {
  const section = (count: number): Reader => {
    const writer = new Writer()
    writer.uvarint(count)
    for (let tag = 0; tag < count; tag++) {
      writer.uvarint(tag)
      writer.uvarint(0)
    }
    return new Reader(writer.toBuffer())
  }
  const target: { unknownTaggedFields?: { tag: number; data: Uint8Array }[] } = {}
  section(maxTaggedFields).taggedFields(target, 0)
  assert.equal(target.unknownTaggedFields?.length, maxTaggedFields)
  assert.throws(() => section(maxTaggedFields + 1).taggedFields({}, 0), refused)
  assert.throws(() => reader('904e 0000').taggedFields({}, 0), refused)
})

test('a tagged field that comes twice in one struct is refused, wherever the other is', () => {
  assert.throws(() => reader('02 05 00 05 00').taggedFields({}, 0), /tagged field 5 comes twice/)
  assert.throws(() => reader('03 05 00 02 00 05 00').taggedFields({}, 0), refused)
  reader('02 05 00 02 00').taggedFields({}, 0)
})

test('a tagged field that ends beyond the message is refused', () => {
  assert.throws(() => reader('01 00 05 0000').taggedFields({}, 0), refused)
  assert.throws(() => reader('01 00 ffffffff0f').taggedFields({}, 0), refused)
})

test('varints that are too long are refused', () => {
  assert.throws(() => reader('ffffffff1f').uvarint(), refused)
  assert.throws(() => reader('808080808001').uvarint(), refused)
  assert.throws(() => reader('ffffffffffffffffff02').varlong(), refused)
  assert.throws(() => reader('ffffffffffffffffff02').bigvarlong(), refused)
  assert.throws(() => reader('8080808080808080808001').varlong(), refused)
})

test('64-bit values that a number cannot hold exactly are refused, and read as bigint', () => {
  assert.throws(() => reader('0020000000000000').int64(), /9007199254740992 is beyond/)
  assert.throws(() => reader('ffe0000000000000').int64(), refused)
  assert.equal(reader('ffe0000000000001').int64(), -(2 ** 53) + 1)
  assert.equal(reader('0020000000000000').bigint64(), 2n ** 53n)
  assert.throws(() => reader('8080808080808020').varlong(), /9007199254740992 is beyond/)
  assert.throws(() => reader('ffffffffffffff1f').varlong(), refused)
  assert.equal(reader('8080808080808020').bigvarlong(), 2n ** 53n)
})

test('a reader cannot be made beyond its block, nor skip beyond its end', () => {
  const block = Buffer.alloc(8)
  assert.throws(() => new Reader(block, 0, 9), refused)
  assert.throws(() => new Reader(block, 5, 4), refused)
  assert.throws(() => new Reader(block, -1), refused)
  assert.throws(() => new Reader(block).skip(9), refused)
  assert.throws(() => new Reader(block).skip(-1), refused)
  assert.throws(() => new Reader(block).view(NaN), refused)
})

test('byte fields are views into the block, not copies', () => {
  const block = Buffer.from('00000002aabb', 'hex')
  const bytes = new Reader(new Uint8Array(block.buffer, block.byteOffset, block.length)).bytes()
  block[4] = 0x11
  assert.equal(bytes[0], 0x11)
})
