/** Where `--offset` begins: at an offset, or so many records before the end. */

import type { Consumer, TopicPartition } from 'jackdaw'
import { UsageError } from './errors.ts'

/** @throws UsageError unless it is a whole number; a negative one counts from the end */
export function readOffset(text: string): number {
  const offset = /^-?\d+$/.test(text) ? Number(text) : NaN
  if (!Number.isSafeInteger(offset)) throw new UsageError(`--offset must be a whole number, not '${text}'`)
  // -0 is the end: the last 0 records.
  return offset
}

/** Moves each partition to the offset, or as near as its own first and last ones allow. */
export async function seekTo(
  consumer: Consumer,
  partitions: readonly TopicPartition[],
  offset: number,
  signal: AbortSignal,
): Promise<void> {
  const [first, last] = await Promise.all([
    consumer.beginningOffsets(partitions, { signal }),
    consumer.endOffsets(partitions, { signal }),
  ])
  partitions.forEach((partition, i) => {
    const wanted = offset < 0 || Object.is(offset, -0) ? last[i]! + offset : offset
    consumer.seek(partition, Math.min(Math.max(wanted, first[i]!), last[i]!))
  })
}
