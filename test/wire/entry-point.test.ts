/** What tool builders do with `jackdaw/wire`, through the published entry point. */

import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  codecs,
  crc32c,
  loadCodec,
  readControlRecord,
  RecordBatchBuilder,
  RecordBatchReader,
  registerCodec,
  type Codec,
} from 'jackdaw/wire'

test('a batch is written and read, compressed', async () => {
  const gzip = codecs.get('gzip')
  await loadCodec(gzip.id)
  const builder = new RecordBatchBuilder({ sizeLimit: 16_384 })
  builder.append(1_700_000_000_000, 'key', 'value', [{ key: 'source', value: 'web' }])
  builder.append(1_700_000_000_001, null, null)
  const sealed = builder.seal({ codec: gzip })
  const read = [...new RecordBatchReader(sealed)].flatMap((batch) => {
    assert.equal(batch.compression, 'gzip')
    return [...batch.cursor()].map((record) => [record.offset, record.key?.toString(), record.value?.toString()])
  })
  assert.deepEqual(read, [
    [0, 'key', 'value'],
    [1, undefined, undefined],
  ])
})

test('a codec of one’s own takes the place of ours', async (t) => {
  const ours = codecs.get('snappy')
  t.after(() => {
    registerCodec(ours)
  })
  const flip = (bytes: Uint8Array): Uint8Array => bytes.map((byte) => byte ^ 0xff)
  const own: Codec = { name: 'snappy', id: 2, load: () => Promise.resolve(), compress: flip, decompress: flip }
  registerCodec(own)
  assert.equal(codecs.get('snappy'), own)
  const builder = new RecordBatchBuilder({ sizeLimit: 16_384 })
  builder.append(-1, null, 'value')
  const [batch] = new RecordBatchReader(builder.seal({ codec: own }))
  assert.deepEqual(
    [...batch!.cursor()].map(({ value }) => value?.toString()),
    ['value'],
  )
})

test('checksums and transaction markers are read', () => {
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283)
  assert.deepEqual(readControlRecord(Buffer.from([0, 0, 0, 1]), Buffer.from([0, 0, 0, 0, 0, 7])), {
    type: 'commit',
    coordinatorEpoch: 7,
  })
})
