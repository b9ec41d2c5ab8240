import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { codecs, registerCodec } from '#src/wire/compression/codecs.js'
import { readControlRecord, writeTransactionMarker } from '#src/wire/records/control-record.js'
import { crc32c } from '#src/wire/records/crc32c.js'
import type { DefaultRecordBatch } from '#src/wire/records/record-batch.js'
import { RecordBatchBuilder } from '#src/wire/records/record-batch-builder.js'
import { RecordBatchReader } from '#src/wire/records/record-batch-reader.js'

function batchOf(values: readonly string[], baseOffset = 0): Buffer {
  const builder = new RecordBatchBuilder({ sizeLimit: 100_000 })
  for (const value of values) builder.append(1000, null, value)
  const bytes = builder.seal()
  bytes.writeBigInt64BE(BigInt(baseOffset), 0)
  return bytes
}

/** Changes a batch's bytes and puts the checksum right again. */
function changed(batch: Buffer, change: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.from(batch)
  change(bytes)
  bytes.writeUInt32BE(crc32c(bytes, 21), 17)
  return bytes
}

function readAll(bytes: Buffer): number {
  let count = 0
  for (const batch of new RecordBatchReader(bytes))
    for (const record of batch.cursor()) count += record.offset >= 0 ? 1 : 0
  return count
}

const corrupt = { code: 'CORRUPT_RECORD' }

describe('a fetched field', () => {
  test('is read batch by batch, wherever in its memory it lies', () => {
    const batches = [batchOf(['a', 'b'], 10), batchOf(['c'], 20), batchOf(['d', 'e', 'f'], 30)]
    const field = Buffer.concat([Buffer.alloc(7, 0xff), ...batches, Buffer.alloc(9, 0xff)]).subarray(7, -9)
    const seen: string[] = []
    const reader = new RecordBatchReader(field)
    for (const batch of reader) {
      for (const record of batch.cursor()) seen.push(`${record.offset}${String(record.value)}`)
    }
    assert.deepEqual(seen, ['10a', '11b', '20c', '30d', '31e', '32f'])
    assert.equal(reader.position, field.length)
  })

  test('may end within a batch at any byte; what is whole before is read', () => {
    const first = batchOf(['a', 'b'])
    const field = Buffer.concat([first, batchOf(['c'], 2)])
    for (let length = 0; length <= field.length; length++) {
      const reader = new RecordBatchReader(field.subarray(0, length))
      const expected = length < first.length ? 0 : length < field.length ? 1 : 2
      assert.equal([...reader].length, expected, `${length} bytes`)
      const needed = length === 0 || length >= first.length ? 0 : length < 12 ? 61 : first.length
      assert.equal(reader.bytesNeeded, needed, `${length} bytes`)
    }
  })

  test('goes on behind a batch with a wrong checksum', () => {
    const bad = batchOf(['a'], 5)
    bad[67]! ^= 1
    const reader = new RecordBatchReader(Buffer.concat([bad, batchOf(['b'], 6)]))
    assert.throws(() => reader.next(), {
      ...corrupt,
      message: /^the record batch at offset 5 has checksum [0-9a-f]{8}, not/,
    })
    assert.equal(reader.next()?.lastOffset, 6)
  })

  test('is read without comparing checksums when that is not wanted', () => {
    const batch = batchOf(['a'])
    batch[17]! ^= 1
    assert.throws(() => new RecordBatchReader(batch).next(), corrupt)
    assert.equal(new RecordBatchReader(batch, { checkCrcs: false }).next()?.count, 1)
  })
})

describe('a batch', () => {
  test('of a log whose times the broker sets has one timestamp for all', () => {
    const batch = changed(batchOf(['a', 'b']), (bytes) => {
      bytes[22]! |= 0x08
      bytes.writeBigInt64BE(777n, 35)
    })
    const read = new RecordBatchReader(batch).next()!
    assert.equal(read.timestampType, 'LogAppendTime')
    assert.deepEqual(
      [...read.cursor()].map(({ timestamp }) => timestamp),
      [777, 777],
    )
  })

  test('tells its delete horizon when it has one', () => {
    const read = (batch: Buffer): DefaultRecordBatch => new RecordBatchReader(batch).next() as DefaultRecordBatch
    assert.equal(read(batchOf(['a'])).deleteHorizonMs, undefined)
    assert.equal(read(changed(batchOf(['a']), (bytes) => (bytes[22]! |= 0x40))).deleteHorizonMs, 1000)
  })

  test('has offsets up to 2^53 - 1 and none beyond', () => {
    const most = Number.MAX_SAFE_INTEGER
    const batch = new RecordBatchReader(batchOf(['a', 'b'], most - 1)).next()!
    assert.deepEqual(
      [...batch.cursor()].map(({ offset }) => offset),
      [most - 1, most],
    )
    assert.throws(() => new RecordBatchReader(batchOf(['a', 'b'], most)).next(), corrupt)
    for (const offset of [2n ** 53n, 2n ** 62n, -1n]) {
      const bytes = batchOf(['a'])
      bytes.writeBigInt64BE(offset, 0)
      assert.throws(() => new RecordBatchReader(bytes).next(), corrupt, String(offset))
    }
  })

  test('of a codec that Kafka does not have is refused when opened, not before', () => {
    const batch = new RecordBatchReader(changed(batchOf(['a']), (bytes) => (bytes[22] = 5))).next()!
    assert.equal(batch.codecId, 5)
    assert.throws(() => batch.compression, { code: 'UNSUPPORTED_CODEC' })
    assert.throws(() => batch.cursor(), { code: 'UNSUPPORTED_CODEC' })
  })

  test('whose header lies is corrupt', () => {
    const lies: [string, (bytes: Buffer) => void][] = [
      ['a count beyond its bytes', (bytes) => (bytes.writeInt32BE(1_000_000, 23), bytes.writeInt32BE(1_000_000, 57))],
      ['a count beyond its offsets', (bytes) => bytes.writeInt32BE(3, 57)],
      ['a negative count', (bytes) => bytes.writeInt32BE(-1, 57)],
      ['a count below its records', (bytes) => bytes.writeInt32BE(1, 57)],
      ['a negative last offset delta', (bytes) => bytes.writeInt32BE(-1, 23)],
      ['a record outside its offsets', (bytes) => (bytes.writeInt32BE(0, 23), bytes.writeInt32BE(1, 57))],
      ['a producer id beyond 2^53', (bytes) => bytes.writeBigInt64BE(2n ** 60n, 43)],
      ['magic 3', (bytes) => (bytes[16] = 3)],
      ['a size below any header', (bytes) => bytes.writeInt32BE(13, 8)],
      ['a negative size', (bytes) => bytes.writeInt32BE(-1, 8)],
      ['a size below its header', (bytes) => bytes.writeInt32BE(40, 8)],
    ]
    for (const [name, lie] of lies) assert.throws(() => readAll(changed(batchOf(['a', 'b']), lie)), corrupt, name)
  })

  test('whose records lie is corrupt', () => {
    // One record: length at 61, attributes, timestamp, offset, key (null) at 65, value length at 66, value, headers at 68.
    const lies: [string, number, number][] = [
      ['a negative record length', 61, 1],
      ['a record length of zero', 61, 0],
      ['a record length beyond the batch', 61, 16],
      ['a record length below its parts', 61, 12],
      ['an offset delta beyond the last', 64, 2],
      ['a negative offset delta', 64, 1],
      ['a key length below -1', 65, 3],
      ['a key beyond its record', 65, 20],
      ['a value length below -1', 66, 3],
      ['a value beyond its record', 66, 126],
      ['a value that swallows the header count', 66, 4],
      ['headers that are not there', 68, 2],
      ['a negative header count', 68, 1],
      ['an endless varint', 68, 0x80],
    ]
    for (const [name, at, byte] of lies) {
      const batch = changed(batchOf(['a']), (bytes) => (bytes[at] = byte))
      assert.throws(() => readAll(batch), { ...corrupt, message: /^the record batch at offset 0 has / }, name)
    }
    assert.equal(readAll(changed(batchOf(['a']), () => {})), 1)
  })

  test('whose headers lie is corrupt before any is handed out', () => {
    const builder = new RecordBatchBuilder({ sizeLimit: 1000 })
    builder.append(1, null, null, [{ key: 'k', value: 'v' }])
    const sealed = builder.seal()
    const at = sealed.length - 5 // the header count
    assert.equal(sealed[at], 2)
    const lies: [number, number][] = [
      [at, 4],
      [at, 0xfe],
      [at + 1, 1],
      [at + 1, 100],
      [at + 3, 3],
      [at + 3, 100],
    ]
    for (const [place, byte] of lies) {
      const batch = changed(sealed, (bytes) => (bytes[place] = byte))
      assert.throws(() => new RecordBatchReader(batch).next()!.cursor().next(), corrupt, `${place - at}: ${byte}`)
    }
  })
})

describe('a control record', () => {
  test('is read as it was written', () => {
    for (const type of ['commit', 'abort'] as const) {
      const { key, value } = writeTransactionMarker(type, 77)
      assert.deepEqual(readControlRecord(key, value), { type, coordinatorEpoch: 77 })
    }
    assert.deepEqual(readControlRecord(Buffer.from([0, 0, 0, 2]), null), { type: 'other', typeId: 2 })
  })

  test('is corrupt when it is too short for what it says', () => {
    const { key, value } = writeTransactionMarker('commit', 1)
    assert.throws(() => readControlRecord(null, value), corrupt)
    assert.throws(() => readControlRecord(key.subarray(0, 3), value), corrupt)
    assert.throws(() => readControlRecord(key, null), corrupt)
    assert.throws(() => readControlRecord(key, value.subarray(0, 5)), corrupt)
    assert.throws(() => readControlRecord(Buffer.from([255, 255, 0, 1]), value), corrupt)
  })
})

describe('the codec registry', () => {
  test('uses a codec that replaces ours', async (t) => {
    const gzip = codecs.get('gzip')
    await gzip.load()
    t.after(() => registerCodec(gzip))
    let decompressed = 0
    registerCodec({
      ...gzip,
      decompress: (...args) => {
        decompressed++
        return gzip.decompress(...args)
      },
    })
    const builder = new RecordBatchBuilder({ sizeLimit: 1000 })
    builder.append(1, 'a', 'b')
    assert.equal(readAll(builder.seal({ codec: codecs.get('gzip') })), 1)
    assert.equal(decompressed, 1)
  })

  test('says so when a codec is used before it was loaded', () => {
    const builder = new RecordBatchBuilder({ sizeLimit: 1000 })
    builder.append(1, 'a', 'b')
    const snappy = codecs.get('snappy')
    assert.throws(() => builder.seal({ codec: snappy }), { code: 'UNSUPPORTED_CODEC', message: /before it was loaded/ })
    assert.throws(() => snappy.decompress(Buffer.alloc(5), 100), { code: 'UNSUPPORTED_CODEC' })
    assert.equal(builder.isSealed, false)
    assert.equal(readAll(builder.seal()), 1)
  })

  test('refuses a codec under a name or number that is not its own', () => {
    const gzip = codecs.get('gzip')
    assert.throws(() => registerCodec({ ...gzip, id: 3 }), { code: 'INVALID_ARGUMENT' })
    assert.throws(() => registerCodec({ ...gzip, name: 'none' as 'gzip', id: 0 }), { code: 'INVALID_ARGUMENT' })
    assert.throws(() => codecs.get('brotli' as 'gzip'), { code: 'UNSUPPORTED_CODEC' })
    assert.equal(codecs.get('none'), undefined)
  })
})
