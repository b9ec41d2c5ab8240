/** Record batches as a producer would write them, and as it should not. */

import { RecordBatchBuilder, type SealOptions } from '#src/wire/records/record-batch-builder.js'
import { crc32c } from '#src/wire/records/crc32c.js'

export interface BatchOptions extends SealOptions {
  readonly key?: string | null
  readonly timestamp?: number
  readonly valueBytes?: number
}

export function batch(
  count: number,
  { key = 'k', timestamp = Date.now(), valueBytes = 10, ...seal }: BatchOptions = {},
): Buffer {
  const builder = new RecordBatchBuilder({ sizeLimit: 64 * 1024 * 1024, initialCapacity: 1024 })
  for (let i = 0; i < count; i++) builder.append(timestamp + i, key, Buffer.alloc(valueBytes, 65 + (i % 26)))
  return Buffer.from(builder.seal(seal))
}

/** The batch with bytes changed and, unless told otherwise, with a checksum that is right for them. */
export function changed(bytes: Buffer, change: (bytes: Buffer) => void, { withChecksum = true } = {}): Buffer {
  const copy = Buffer.from(bytes)
  change(copy)
  if (withChecksum) copy.writeUInt32BE(crc32c(copy, 21), 17)
  return copy
}
