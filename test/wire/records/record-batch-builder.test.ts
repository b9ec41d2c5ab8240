import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { codecs } from '#src/wire/compression/codecs.js'
import type { BufferPool } from '#src/wire/records/buffer-pool.js'
import { batchSizeFor, RecordBatchBuilder, recordSizeUpperBound } from '#src/wire/records/record-batch-builder.js'
import { RecordBatchReader } from '#src/wire/records/record-batch-reader.js'
import type { BatchRecord } from '#src/wire/records/record-cursor.js'
import { splitRecordBatch } from '#src/wire/records/split-record-batch.js'

function read(sealed: Buffer): BatchRecord[] {
  const reader = new RecordBatchReader(sealed)
  const records = [...reader.next()!.cursor()]
  assert.equal(reader.next(), undefined)
  return records
}

/** A pool that knows what it gave, and fills what comes back with noise: whoever still reads it is found out. */
class WatchfulPool implements BufferPool {
  readonly out = new Set<Buffer>()
  taken = 0

  take(size: number): Buffer {
    const buffer = Buffer.alloc(size, 0xa5)
    this.out.add(buffer)
    this.taken++
    return buffer
  }

  give(buffer: Buffer): void {
    assert.ok(this.out.delete(buffer), 'a buffer is given back once, the same that was taken')
    buffer.fill(0xa5)
  }
}

describe('a record batch', () => {
  test('has the header fields it was sealed with', () => {
    const builder = new RecordBatchBuilder({ sizeLimit: 1000 })
    builder.append(100, 'a', 'b')
    builder.append(50, 'a', 'b')
    builder.append(120, 'a', 'b')
    assert.equal(builder.maxTimestamp, 120)
    assert.equal(builder.baseTimestamp, 100)
    const sealed = builder.seal({
      producerId: 2 ** 40 + 7,
      producerEpoch: 32_767,
      baseSequence: 2_147_483_647,
      isTransactional: true,
      isControl: true,
    })
    const batch = new RecordBatchReader(sealed).next()!
    assert.equal(batch.magic, 2)
    assert.equal(batch.baseOffset, 0)
    assert.equal(batch.lastOffset, 2)
    assert.equal(batch.lastOffsetDelta, 2)
    assert.equal(batch.partitionLeaderEpoch, -1)
    assert.equal(batch.producerId, 2 ** 40 + 7)
    assert.equal(batch.producerEpoch, 32_767)
    assert.equal(batch.baseSequence, 2_147_483_647)
    assert.equal(batch.isTransactional, true)
    assert.equal(batch.isControl, true)
    assert.equal(batch.compression, 'none')
    assert.equal(batch.timestampType, 'CreateTime')
    assert.equal(batch.count, 3)
    assert.equal(batch.maxTimestamp, 120)
    assert.equal(batch.sizeInBytes, sealed.length)
    assert.equal(builder.sizeInBytes, sealed.length)
  })

  test('says it is from nobody in particular by default', () => {
    const builder = new RecordBatchBuilder({ sizeLimit: 1000 })
    builder.append(1, null, null)
    const batch = new RecordBatchReader(builder.seal()).next()!
    assert.deepEqual([batch.producerId, batch.producerEpoch, batch.baseSequence], [-1, -1, -1])
    assert.equal(batch.attributes, 0)
  })

  test('keeps null apart from empty, and repeated header names in their order', () => {
    const builder = new RecordBatchBuilder({ sizeLimit: 1000 })
    builder.append(1, null, '')
    builder.append(1, Buffer.alloc(0), null)
    builder.append(1, 'k', 'v', [
      { key: 'b', value: '1' },
      { key: 'a', value: null },
      { key: 'b', value: '' },
      { key: '', value: new Uint8Array([0]) },
    ])
    const [first, second, third] = read(builder.seal())
    assert.deepEqual([first?.key, first?.value], [null, Buffer.alloc(0)])
    assert.deepEqual([second?.key, second?.value], [Buffer.alloc(0), null])
    assert.deepEqual(first?.headers, [])
    assert.deepEqual(third?.headers, [
      { key: 'b', value: Buffer.from('1') },
      { key: 'a', value: null },
      { key: 'b', value: Buffer.alloc(0) },
      { key: '', value: Buffer.from([0]) },
    ])
  })

  test('carries every timestamp that Kafka can have, in any order', () => {
    const timestamps = [
      1_700_000_000_000,
      0,
      Number.MAX_SAFE_INTEGER,
      -1,
      1_700_000_000_063,
      1_699_999_999_936,
      2 ** 31,
    ]
    for (const first of timestamps) {
      const builder = new RecordBatchBuilder({ sizeLimit: 1000 })
      for (const timestamp of [first, ...timestamps]) builder.append(timestamp, null, 'x')
      assert.deepEqual(
        read(builder.seal()).map(({ timestamp }) => timestamp),
        [first, ...timestamps],
      )
    }
  })

  test('refuses a timestamp that is none', () => {
    const builder = new RecordBatchBuilder({ sizeLimit: 1000 })
    for (const timestamp of [Number.NaN, 1.5, -2, 2 ** 53, Number.POSITIVE_INFINITY]) {
      assert.throws(() => builder.append(timestamp, null, null), { code: 'INVALID_ARGUMENT' }, String(timestamp))
    }
    assert.equal(builder.count, 0)
  })

  test('writes strings as UTF-8, of whatever length and alphabet', () => {
    const letters = ['a', 'é', '漢', '🐦', '\ud800', '\udc00a', '\0', '\x7f', '\x80']
    const strings = letters.flatMap((letter) =>
      [1, 2, 3, 4, 5, 11, 12, 13, 14, 31, 32, 63, 64, 65, 300].flatMap((length) => {
        const text = letter.repeat(length)
        return [text, `ascii ${text}`, `${text} ascii`]
      }),
    )
    // Each alone, and each in a batch whose end is close, where there is no room to guess.
    const builder = new RecordBatchBuilder({ sizeLimit: 1 << 20 })
    for (const text of strings) assert.ok(builder.append(1, text, text, [{ key: text, value: text }]))
    for (const text of strings) assert.ok(builder.append(1, text, text))
    const records = read(builder.seal())
    assert.equal(records.length, 2 * strings.length)
    for (const [index, { key, value, headers }] of records.entries()) {
      const expected = Buffer.from(strings[index % strings.length]!)
      assert.deepEqual(key, expected)
      assert.deepEqual(value, expected)
      if (index < strings.length) assert.deepEqual(headers, [{ key: expected.toString(), value: expected }])
    }
    for (const text of strings) {
      const exact = new RecordBatchBuilder({ sizeLimit: 1 })
      assert.ok(exact.append(1, text, text))
      assert.deepEqual(read(exact.seal())[0]?.value, Buffer.from(text))
    }
  })

  test('ends exactly at its limit, and changes nothing when a record does not fit', () => {
    const probe = new RecordBatchBuilder({ sizeLimit: 1000 })
    for (let index = 0; index < 3; index++) probe.append(1, 'key', 'value')
    const sizeLimit = probe.sizeInBytes
    for (const value of ['value', 'välu', Buffer.from('value')]) {
      const builder = new RecordBatchBuilder({ sizeLimit })
      for (let index = 0; index < 3; index++) assert.equal(builder.append(1, 'key', value), true)
      assert.equal(builder.sizeInBytes, sizeLimit)
      const before = Buffer.from(builder.seal())
      const open = new RecordBatchBuilder({ sizeLimit })
      for (let index = 0; index < 3; index++) open.append(1, 'key', value)
      assert.equal(open.append(1, null, null), false)
      assert.equal(open.append(1, null, 'ü', [{ key: 'a', value: 'b' }]), false)
      assert.equal(open.count, 3)
      assert.deepEqual(open.seal(), before)
    }
  })

  test('takes a first record that is larger than the limit, alone', () => {
    const pool = new WatchfulPool()
    const builder = new RecordBatchBuilder({ sizeLimit: 100, pool })
    const value = Buffer.alloc(5000, 'v')
    assert.equal(builder.append(1, null, value), true)
    assert.equal(builder.append(1, null, null), false)
    assert.equal(pool.out.size, 1)
    assert.deepEqual(read(builder.seal())[0]?.value, value)
    assert.ok(builder.capacity >= 5000)
    builder.release()
    assert.equal(pool.out.size, 0)
  })

  test('grows from its initial capacity to its limit, and gives back what it outgrew', () => {
    const pool = new WatchfulPool()
    const builder = new RecordBatchBuilder({ sizeLimit: 10_000, initialCapacity: 128, pool })
    let count = 0
    while (builder.append(count, `key ${count}`, 'value '.repeat(count % 9))) count++
    assert.ok(pool.taken > 4)
    assert.equal(pool.out.size, 1)
    assert.ok(builder.capacity <= 10_000)
    const records = read(builder.seal())
    assert.equal(records.length, count)
    assert.deepEqual(
      records.map(({ key }) => String(key)),
      records.map((_, index) => `key ${index}`),
    )
    builder.release()
    builder.release()
    assert.equal(pool.out.size, 0)
  })

  test('bounds the size of a record closely enough for accounting', () => {
    const cases = [
      [null, null, undefined],
      ['k', 'välue', undefined],
      [
        Buffer.alloc(300),
        'x'.repeat(70_000),
        [
          { key: 'näme', value: 'x' },
          { key: 'b', value: null },
        ],
      ],
    ] as const
    for (const [key, value, headers] of cases) {
      const bound = recordSizeUpperBound(key, value, headers)
      const builder = new RecordBatchBuilder({ sizeLimit: batchSizeFor(bound) })
      assert.equal(builder.hasRoomFor(bound), true)
      builder.append(Number.MAX_SAFE_INTEGER, key, value, headers)
      const exact = builder.sizeInBytes - 61
      assert.ok(exact <= bound && bound - exact <= 27 + 8 * (headers?.length ?? 0), `${exact} of ${bound}`)
      assert.equal(builder.hasRoomFor(bound), false)
    }
  })

  test('rule 9: sealed with other numbers it lies in other memory, for a socket may be reading the old bytes still', () => {
    const given = new Set<Buffer>()
    const pool = {
      take: (size: number) => Buffer.alloc(size),
      give: (buffer: Buffer) => void given.add(buffer),
    }
    const builder = new RecordBatchBuilder({ sizeLimit: 1_000, pool })
    builder.append(1, 'k', 'v')
    const first = builder.seal({ producerId: 7, producerEpoch: 0, baseSequence: 5 })
    const bytes = Buffer.from(first)
    assert.equal(builder.seal({ producerId: 7, producerEpoch: 0, baseSequence: 5 }), first)
    const second = builder.seal({ producerId: 7, producerEpoch: 1, baseSequence: 0 })
    assert.notEqual(second.buffer, first.buffer)
    assert.deepEqual(first, bytes)
    assert.equal(given.size, 0)
    builder.release()
    assert.equal(given.size, 2)
  })

  test('takes no record after it was sealed', () => {
    const builder = new RecordBatchBuilder({ sizeLimit: 1000 })
    assert.throws(() => builder.seal(), { code: 'ILLEGAL_STATE' })
    builder.append(1, 'a', 'b')
    builder.seal()
    assert.equal(builder.isSealed, true)
    assert.equal(builder.hasRoomFor(1), false)
    assert.equal(builder.append(1, 'a', 'b'), false)
    builder.release()
    assert.throws(() => builder.seal(), { code: 'ILLEGAL_STATE' })
    assert.equal(builder.append(1, 'a', 'b'), false)
  })
})

describe('sealing again', () => {
  const identity = { producerId: 5, producerEpoch: 1, baseSequence: 10 }

  for (const name of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
    test(`gives the same bytes for the same identity, and a copy for another one (${name})`, async () => {
      const codec = codecs.get(name)
      await codec?.load()
      const pool = new WatchfulPool()
      const builder = new RecordBatchBuilder({ sizeLimit: 4000, pool })
      for (let index = 0; index < 20; index++) builder.append(1, `key ${index}`, 'the same value again and again')
      const sealed = builder.seal({ ...identity, codec })
      const first = Buffer.from(sealed)
      assert.equal(builder.seal({ ...identity, codec }), sealed)

      const renewed = builder.seal({ ...identity, producerEpoch: 2, baseSequence: 0, codec })
      assert.deepEqual(sealed, first, 'what a socket may still be reading is untouched')
      const batch = new RecordBatchReader(renewed).next()!
      assert.deepEqual([batch.producerEpoch, batch.baseSequence, batch.compression], [2, 0, name])
      assert.deepEqual(renewed.subarray(61), first.subarray(61))
      assert.equal(read(renewed).length, 20)
      assert.throws(() => builder.seal({ ...identity, codec, level: 3 }), { code: 'ILLEGAL_STATE' })
      builder.release()
      assert.equal(pool.out.size, 0)
    })
  }

  test('compresses data that grows by it without losing any', async () => {
    const codec = codecs.get('snappy')
    await codec.load()
    const builder = new RecordBatchBuilder({ sizeLimit: 70 })
    builder.append(1, null, Buffer.from([9, 17, 254]))
    const sealed = builder.seal({ codec })
    assert.ok(sealed.length > 72)
    assert.deepEqual(read(sealed)[0]?.value, Buffer.from([9, 17, 254]))
  })
})

test('a sealed batch is split into batches with the same records', async () => {
  for (const name of ['none', 'lz4'] as const) {
    const codec = codecs.get(name)
    await codec?.load()
    const builder = new RecordBatchBuilder({ sizeLimit: 100_000 })
    for (let index = 0; index < 500; index++) {
      builder.append(
        1000 - index,
        index % 7 === 0 ? null : `k${index}`,
        index === 77 ? 'x'.repeat(3000) : `v${index}`,
        [{ key: 'h', value: index % 2 === 0 ? null : 'y' }],
      )
    }
    const sealed = builder.seal({ codec })
    const parts = splitRecordBatch(sealed, { sizeLimit: 1000 })
    const lone = parts.filter((part) => part.sizeInBytes > 1000)
    assert.deepEqual(
      lone.map(({ count }) => count),
      [1],
    )
    const plain = ({ timestamp, key, value, headers }: BatchRecord): unknown => ({ timestamp, key, value, headers })
    assert.deepEqual(
      parts.flatMap((part) => read(part.seal({ codec })).map(plain)),
      read(sealed).map(plain),
    )
  }
})
