/** What we read in record batches, in the words of `java/RecordBatches.java`, for the two to be compared. */

import { loadCodec } from '#src/wire/compression/codecs.js'
import { readControlRecord } from '#src/wire/records/control-record.js'
import type { RecordBatch } from '#src/wire/records/record-batch.js'
import { RecordBatchReader } from '#src/wire/records/record-batch-reader.js'

export async function dump(records: Buffer): Promise<string> {
  let text = ''
  for (const batch of new RecordBatchReader(records)) {
    await loadCodec(batch.codecId)
    text += dumpBatch(batch)
  }
  return text
}

function dumpBatch(batch: RecordBatch): string {
  const isNew = batch.magic === 2
  const parts = [
    ['magic', batch.magic],
    ['last', batch.lastOffset],
    ['base', isNew ? batch.baseOffset : '?'],
    ['epoch', batch.partitionLeaderEpoch],
    ['codec', batch.compression],
    ['type', batch.timestampType],
    ['max', batch.maxTimestamp],
    ['producer', `${batch.producerId}/${batch.producerEpoch}`],
    ['sequence', batch.baseSequence],
    ['transactional', batch.isTransactional],
    ['control', batch.isControl],
    ['count', isNew ? batch.count : '?'],
    ['size', batch.sizeInBytes],
  ]
  let text = `batch ${parts.map((part) => part.join('=')).join(' ')}|`
  for (const record of batch.cursor()) {
    text += `record ${record.offset} ${record.timestamp} ${hex(record.key)} ${hex(record.value)}`
    for (const { key, value } of record.headers) {
      text += ` ${Buffer.from(key).toString('hex')}=${value === null ? 'null' : value.toString('hex')}`
    }
    if (batch.isControl) {
      const control = readControlRecord(record.key, record.value)
      text += control.type === 'other' ? ` control ${otherTypes[control.typeId]}` : ''
      text += control.type === 'other' ? '' : ` control ${control.type} ${control.coordinatorEpoch}`
    }
    text += '|'
  }
  return text
}

const otherTypes: Record<number, string> = { 2: 'leader_change' }

function hex(data: Buffer | null): string {
  return data === null ? 'null' : `x${data.toString('hex')}`
}
