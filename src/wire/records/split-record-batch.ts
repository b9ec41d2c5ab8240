/** A sealed batch that the broker found too large, taken apart and packed again into smaller ones. */

import { DefaultRecordBatch } from './record-batch.ts'
import { RecordBatchBuilder, type RecordBatchBuilderOptions } from './record-batch-builder.ts'

/**
 * The records of a sealed batch, in order, in new batches of at most `options.sizeLimit` bytes each (before
 * compression; a lone record may be larger). They are to be sealed anew, with sequence numbers that follow each other.
 * The old batch is not touched, and must not be released before this returns; its codec must still be loaded.
 */
export function splitRecordBatch(sealed: Buffer, options: RecordBatchBuilderOptions): RecordBatchBuilder[] {
  const cursor = new DefaultRecordBatch(sealed, 0x7fff_ffff).cursor()
  const batches: RecordBatchBuilder[] = []
  let open: RecordBatchBuilder | undefined
  while (cursor.next()) {
    const [key, value, headers] = [cursor.key(), cursor.value(), cursor.headers()]
    if (open?.append(cursor.timestamp, key, value, headers) === true) continue
    open = new RecordBatchBuilder(options)
    open.append(cursor.timestamp, key, value, headers)
    batches.push(open)
  }
  return batches
}
