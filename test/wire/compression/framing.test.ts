/** The outer formats around compressed blocks: those that other clients write, and those that lie. */

import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { codecs } from '#src/wire/compression/codecs.js'
import {
  decodeLz4Block,
  encodeLz4BlockHigh,
  lz4BlockBound,
  lz4BlockContentSize,
} from '#src/wire/compression/lz4-block.js'
import { xxHash32 } from '#src/wire/compression/xxhash32.js'
import { zstdFrames } from '#src/wire/compression/zstd-frames.js'

const [lz4, snappy, zstd] = [codecs.get('lz4'), codecs.get('snappy'), codecs.get('zstd')]
const corrupt = { code: 'CORRUPT_RECORD' }

before(async () => {
  for (const codec of [lz4, snappy, zstd]) await codec.load()
})

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value >>> 0)
  return bytes
}

interface FrameOptions {
  readonly independent?: boolean
  readonly blockChecksums?: boolean
  readonly contentChecksum?: boolean
  readonly contentSize?: number
  readonly wrongHeader?: boolean
}

/** An lz4 frame of 64 KiB blocks with whatever its format allows. Blocks that depend on others refer into them. */
function lz4Frame(content: Buffer, blocks: Buffer[], options: FrameOptions = {}): Buffer {
  const {
    independent = true,
    blockChecksums = false,
    contentChecksum = false,
    contentSize,
    wrongHeader = false,
  } = options
  const flags =
    0x40 |
    (independent ? 0x20 : 0) |
    (blockChecksums ? 0x10 : 0) |
    (contentSize === undefined ? 0 : 0x08) |
    (contentChecksum ? 0x04 : 0)
  const size = contentSize === undefined ? Buffer.alloc(0) : Buffer.concat([uint32(contentSize), uint32(0)])
  const descriptor = Buffer.concat([Buffer.from([flags, 0x40]), size])
  const checksum = (xxHash32(descriptor) >>> 8) & 0xff
  return Buffer.concat([
    uint32(0x184d2204),
    descriptor,
    Buffer.from([wrongHeader ? checksum ^ 0xff : checksum]),
    ...blocks.flatMap((block) => [uint32(block.length), block, ...(blockChecksums ? [uint32(xxHash32(block))] : [])]),
    uint32(0),
    ...(contentChecksum ? [uint32(xxHash32(content))] : []),
  ])
}

function block(content: Buffer): Buffer {
  const target = Buffer.alloc(lz4BlockBound(content.length))
  return target.subarray(0, encodeLz4BlockHigh(content, 0, content.length, target, 0, 64))
}

describe('lz4', () => {
  const content = Buffer.from('the quick brown jackdaw '.repeat(500))

  test('frames with checksums, sizes and skippable parts are read, and what contradicts them is refused', () => {
    const all = { blockChecksums: true, contentChecksum: true, contentSize: content.length }
    const frame = lz4Frame(content, [block(content)], all)
    assert.deepEqual(lz4.decompress(frame, 1 << 20), content)
    const skippable = Buffer.concat([uint32(0x184d2a53), uint32(5), Buffer.from('jumps')])
    assert.deepEqual(
      lz4.decompress(Buffer.concat([skippable, frame, skippable, frame]), 1 << 20),
      Buffer.concat([content, content]),
    )
    for (let at = 0; at < frame.length; at++) {
      const damaged = Buffer.from(frame)
      damaged[at]! ^= 0x04
      assert.throws(() => lz4.decompress(damaged, 1 << 20), corrupt, `byte ${at}`)
    }
    assert.throws(() => lz4.decompress(lz4Frame(content, [block(content)], { contentSize: 5 }), 1 << 20), corrupt)
  })

  test('blocks that refer back into earlier ones are read, when the frame says they do', () => {
    const first = Buffer.from('a jackdaw is a small crow with pale eyes')
    // A token for no literals and a match of 15 + 4 + 6 bytes, 40 back; and then five literals.
    const second = Buffer.from([0x0f, 40, 0, 6, 0x50, ...Buffer.from('!!!!!')])
    const expected = Buffer.concat([first, first.subarray(0, 25), Buffer.from('!!!!!')])
    const blocks = [block(first), second]
    assert.deepEqual(lz4.decompress(lz4Frame(expected, blocks, { independent: false }), 1000), expected)
    assert.throws(() => lz4.decompress(lz4Frame(expected, blocks), 1000), corrupt)
    // Nor does a block refer into an earlier frame.
    const alone = lz4Frame(expected, [second], { independent: false })
    assert.throws(() => lz4.decompress(Buffer.concat([lz4Frame(first, [block(first)]), alone]), 1000), corrupt)
  })

  test('the wrong header checksum of magic 0 is accepted there and nowhere else', () => {
    const frame = lz4Frame(content, [block(content)], { wrongHeader: true })
    assert.deepEqual(lz4.decompress(frame, 1 << 20, 0), content)
    assert.throws(() => lz4.decompress(frame, 1 << 20, 1), corrupt)
    assert.throws(() => lz4.decompress(frame, 1 << 20), corrupt)
  })

  test('a block larger than the frame allows is refused', () => {
    const large = Buffer.alloc(65_537)
    assert.throws(
      () => lz4.decompress(lz4Frame(large, [block(large.subarray(0, 65_536)), block(large)]), 1 << 20),
      corrupt,
    )
  })

  test('our decoder and the package agree on what a block is', () => {
    const source = block(content)
    const target = Buffer.alloc(content.length)
    assert.equal(lz4BlockContentSize(source, 0, source.length), content.length)
    assert.equal(decodeLz4Block(source, 0, source.length, target, 0, 0, target.length), content.length)
    assert.deepEqual(target, content)
    assert.throws(() => decodeLz4Block(source, 0, source.length, target, 0, 0, content.length - 1), corrupt)
  })

  test('a higher level is never a larger result', () => {
    const text = Buffer.from(Array.from({ length: 3000 }, (_, index) => `${(index * 7919) % 1000},`).join(''))
    const sizes = [1, 3, 6, 12, 17].map((level) => lz4.compress(text, level).length)
    assert.deepEqual(
      sizes,
      sizes.toSorted((left, right) => right - left),
    )
    assert.ok(sizes[0]! > sizes[4]!)
  })

  test('xxHash32 has its published values', () => {
    assert.equal(xxHash32(Buffer.alloc(0)), 0x02cc5d05)
    assert.equal(xxHash32(Buffer.from('abc')), 0x32d153ff)
    assert.equal(xxHash32(Buffer.from('Nobody inspects the spammish repetition')), 0xe2293b2f)
  })
})

describe('snappy', () => {
  const content = Buffer.from('the quick brown jackdaw '.repeat(3000))

  test('the block format alone is read too', () => {
    // Two literals of three bytes, and a copy of six from six back.
    const raw = Buffer.from([12, 0x14, ...Buffer.from('abcdef'), 0x09, 0x06])
    assert.equal(Buffer.from(snappy.decompress(raw, 100)).toString(), 'abcdefabcdef')
  })

  test('framed streams one after the other are one', () => {
    const one = Buffer.from(snappy.compress(content))
    assert.equal(one.subarray(0, 8).toString('latin1'), '\x82SNAPPY\0')
    const both = snappy.decompress(Buffer.concat([one, one]), 1 << 20)
    assert.ok(Buffer.concat([content, content]).equals(both))
  })

  test('a block that announces more than it can hold is refused before memory is taken', () => {
    const { external } = process.memoryUsage()
    const lie = Buffer.from([0xff, 0xff, 0xff, 0x7f, 0x00, 0x61])
    for (let index = 0; index < 10; index++) assert.throws(() => snappy.decompress(lie, 0x7fff_ffff), corrupt)
    assert.ok(process.memoryUsage().external - external < 1 << 20)
  })

  test('a framing of a later version, or of lengths that are not there, is refused', () => {
    const one = Buffer.from(snappy.compress(Buffer.from('abc')))
    const later = Buffer.from(one)
    later.writeInt32BE(2, 12)
    assert.throws(() => snappy.decompress(later, 100), corrupt)
    const long = Buffer.from(one)
    long.writeUInt32BE(0xffff_ffff, 16)
    assert.throws(() => snappy.decompress(long, 100), corrupt)
    assert.throws(() => snappy.decompress(one.subarray(0, 12), 100), corrupt)
  })
})

describe('zstd', () => {
  const content = Buffer.from('the quick brown jackdaw '.repeat(500))

  test('frames one after the other, and skippable ones between, are one', () => {
    const frame = Buffer.from(zstd.compress(content))
    const skippable = Buffer.concat([uint32(0x184d2a50), uint32(3), Buffer.from('xyz')])
    const both = zstd.decompress(Buffer.concat([skippable, frame, skippable, frame]), 1 << 20)
    assert.ok(Buffer.concat([content, content]).equals(both))
    assert.throws(() => zstd.decompress(Buffer.concat([frame, frame]), content.length * 2 - 1), corrupt)
    assert.throws(() => zstd.decompress(Buffer.concat([frame, Buffer.from('xyz')]), 1 << 20), corrupt)
  })

  test('a frame that does not say how much it holds is read', () => {
    // Single segment off, no size, a window of 1 KiB: a run of 300 bytes, and then a last block as it is.
    const unsized = Buffer.concat([
      uint32(0xfd2fb528),
      Buffer.from([0x00, 0x00]),
      Buffer.from([0x62, 0x09, 0x00, 0x61]),
      Buffer.from([0x19, 0x00, 0x00, ...Buffer.from('end')]),
    ])
    assert.equal(zstdFrames(unsized)[0]?.contentBytes, undefined)
    const plain = Buffer.from(zstd.decompress(unsized, 1000)).toString()
    assert.equal(plain, `${'a'.repeat(300)}end`)
    assert.throws(() => zstd.decompress(unsized, 302), corrupt)
  })

  test('a frame that announces more than its blocks can hold is refused before memory is taken', () => {
    const lie = Buffer.concat([
      uint32(0xfd2fb528),
      Buffer.from([0xe0]),
      uint32(0x4000_0000),
      uint32(0),
      Buffer.from([0x19, 0x00, 0x00, ...Buffer.from('end')]),
    ])
    assert.throws(() => zstdFrames(lie), { ...corrupt, message: /announces 1073741824 bytes, and its blocks hold 3/ })
    assert.throws(() => zstd.decompress(lie, 0x7fff_ffff), corrupt)
  })

  test('a frame that needs a dictionary is refused', () => {
    const frame = Buffer.from(zstd.compress(content))
    frame[4]! |= 1
    assert.throws(() => zstd.decompress(frame, 1 << 20), { ...corrupt, message: /dictionary/ })
  })
})
