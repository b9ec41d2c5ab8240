/** One partition's log in memory: batches as producers sent them, with the offsets and the leader epoch that the leader gave
 *  them. Finds batches by offset and by timestamp. Knows no broker, no version, and checks nothing of what it is given. */

import type { RecordCursor } from '../wire/records/record-cursor.ts'
import { DefaultRecordBatch } from '../wire/records/record-batch.ts'
import { loadCodec } from '../wire/compression/codecs.ts'
import { writeInt32, writeInt64 } from '../wire/records/batch-layout.ts'

/** A batch in a log. */
export interface LogBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly leaderEpoch: number
  /** The latest timestamp of its records, in ms since 1970. */
  readonly maxTimestamp: number
  /** As a Fetch sends them. Not to be written to. */
  readonly bytes: Buffer
}

/** And where it lies, counted from the first byte that the log ever had. */
interface StoredBatch extends LogBatch {
  readonly position: number
}

export interface TimestampedOffset {
  readonly offset: number
  readonly timestamp: number
  readonly leaderEpoch: number
}

const baseOffsetAt = 0
const leaderEpochAt = 12
/** Kafka's index has an offset for every so many bytes (`index.interval.bytes`). */
const indexIntervalBytes = 4096
/** So many batches may lie dead at the front of the list before it is made anew. */
const slack = 1024

export class PartitionLog {
  readonly #maxBytes: number
  #batches: StoredBatch[] = []
  #first = 0
  #sizeInBytes = 0
  #logStartOffset = 0
  #logEndOffset = 0
  /** Kafka's sparse index: the last offsets of some batches, and where these lie. */
  #index: { readonly offset: number; readonly position: number }[] = []
  #nextPosition = 0
  #unindexedBytes = 0
  /** Where each leader epoch began, ascending. */
  readonly #epochs: { readonly epoch: number; readonly startOffset: number }[] = []

  /** @param maxBytes the oldest batches go when the log is larger; Infinity for never */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** The first offset that can be read. */
  get logStartOffset(): number {
    return this.#logStartOffset
  }

  /** The offset that the next record gets. Every replica has what the leader has, so it is the high watermark too. */
  get logEndOffset(): number {
    return this.#logEndOffset
  }

  get sizeInBytes(): number {
    return this.#sizeInBytes
  }

  /** The batches that are there, oldest first. */
  get batches(): readonly LogBatch[] {
    return this.#batches.slice(this.#first)
  }

  /** A leader begins its epoch, from which on what is appended is of that epoch. One that nothing was written in leaves no
   *  trace. */
  beginEpoch(epoch: number): void {
    while (this.#epochs.length > 0 && this.#epochs.at(-1)!.startOffset >= this.#logEndOffset) this.#epochs.pop()
    this.#epochs.push({ epoch, startOffset: this.#logEndOffset })
  }

  /** Appends a checked batch, whose bytes become the log's own, and says at which offset it begins. */
  append(batch: DefaultRecordBatch, leaderEpoch: number): number {
    const bytes = owned(batch.bytes)
    const baseOffset = this.#logEndOffset
    writeInt64(bytes, baseOffsetAt, baseOffset)
    writeInt32(bytes, leaderEpochAt, leaderEpoch)
    const lastOffset = baseOffset + batch.lastOffsetDelta
    const position = this.#nextPosition
    if (this.#unindexedBytes > indexIntervalBytes) {
      this.#index.push({ offset: lastOffset, position })
      this.#unindexedBytes = 0
    }
    this.#batches.push({ baseOffset, lastOffset, leaderEpoch, maxTimestamp: batch.maxTimestamp, bytes, position })
    this.#sizeInBytes += bytes.length
    this.#nextPosition += bytes.length
    this.#unindexedBytes += bytes.length
    this.#logEndOffset = lastOffset + 1
    // The newest batch stays, however large: a log that forgets what it just acknowledged serves nobody.
    while (this.#sizeInBytes > this.#maxBytes && this.#batches.length - this.#first > 1) {
      this.deleteBefore(this.#batches[this.#first]!.lastOffset + 1)
    }
    return baseOffset
  }

  /**
   * The records from `offset` on, cut at `maxBytes` wherever that falls, as a broker cuts its file.
   *
   * @param atLeastOneBatch return the first batch whole, even when it is larger; otherwise a first batch that does not fit
   *   means nothing at all
   * @param end batches from this offset on are not returned
   */
  read(offset: number, maxBytes: number, atLeastOneBatch: boolean, end: number = Infinity): Buffer {
    if (offset >= end) return Buffer.alloc(0)
    let index = this.#indexOf(offset)
    const first = this.#batches[index]
    if (first === undefined || (!atLeastOneBatch && first.bytes.length > maxBytes)) return Buffer.alloc(0)
    const limit = Math.max(maxBytes, first.bytes.length)
    const parts: Buffer[] = []
    let size = 0
    for (; index < this.#batches.length && size < limit; index++) {
      const { bytes, baseOffset } = this.#batches[index]!
      if (baseOffset >= end) break
      const part = size + bytes.length > limit ? bytes.subarray(0, limit - size) : bytes
      parts.push(part)
      size += part.length
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts, size)
  }

  /** How many bytes `read` could return from `offset` to `end`, counted no further than `enough`. */
  bytesFrom(offset: number, enough: number, end: number = Infinity): number {
    let size = 0
    if (offset >= end) return size
    for (let index = this.#indexOf(offset); index < this.#batches.length && size < enough; index++) {
      if (this.#batches[index]!.baseOffset >= end) break
      size += this.#batches[index]!.bytes.length
    }
    return Math.min(size, enough)
  }

  /** An offset that is not before the end of what `read` returned, as near as Kafka's index tells. */
  upperBound(offset: number, readBytes: number): number {
    const batch = this.#batches[this.#indexOf(offset)]
    if (batch === undefined) return this.#logEndOffset
    const end = batch.position + readBytes
    let low = 0
    let high = this.#index.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#index[middle]!.position > end) high = middle
      else low = middle + 1
    }
    return this.#index[low]?.offset ?? this.#logEndOffset
  }

  /** The first offset of the batch with the offset, or of the first one after it; the log's end when there is none. */
  baseOffsetAt(offset: number): number {
    return this.#batches[this.#indexOf(offset)]?.baseOffset ?? this.#logEndOffset
  }

  /** The first record at or after the timestamp; undefined when there is none. Rejects for a batch that cannot be read. */
  async offsetAt(timestamp: number): Promise<TimestampedOffset | undefined> {
    // Timestamps are the producers': they ascend in no order that a search could use.
    for (let index = this.#first; index < this.#batches.length; index++) {
      const batch = this.#batches[index]!
      if (batch.maxTimestamp < timestamp) continue
      const cursor = await cursorOf(batch)
      while (cursor.next()) {
        if (cursor.timestamp >= timestamp && cursor.offset >= this.#logStartOffset) {
          return { offset: cursor.offset, timestamp: cursor.timestamp, leaderEpoch: batch.leaderEpoch }
        }
      }
    }
    return undefined
  }

  /** The first record that has the highest timestamp (KIP-734); undefined when the log is empty. */
  async offsetOfMaxTimestamp(): Promise<TimestampedOffset | undefined> {
    let latest: LogBatch | undefined
    for (let index = this.#first; index < this.#batches.length; index++) {
      const batch = this.#batches[index]!
      if (latest === undefined || batch.maxTimestamp > latest.maxTimestamp) latest = batch
    }
    if (latest === undefined) return undefined
    const cursor = await cursorOf(latest)
    while (cursor.next()) {
      if (cursor.timestamp === latest.maxTimestamp) {
        return { offset: cursor.offset, timestamp: cursor.timestamp, leaderEpoch: latest.leaderEpoch }
      }
    }
    return undefined
  }

  /** The leader epoch of the batch that holds an offset, or of the last one at the log's end; undefined for an empty log. */
  epochAt(offset: number): number | undefined {
    let found: number | undefined
    for (const { epoch, startOffset } of this.#epochs) if (startOffset <= offset) found = epoch
    return found
  }

  /**
   * Where an epoch ended (KIP-101): the greatest epoch not above the asked one, and the offset at which the next began.
   * Both are -1 when the log knows nothing of it.
   *
   * @param currentEpoch the leader's own: its end is the log's
   */
  endOfEpoch(asked: number, currentEpoch: number): { epoch: number; endOffset: number } {
    if (asked === currentEpoch) return { epoch: asked, endOffset: this.#logEndOffset }
    const nextAt = this.#epochs.findIndex(({ epoch }) => epoch > asked)
    if (nextAt === -1) return { epoch: -1, endOffset: -1 }
    const { startOffset } = this.#epochs[nextAt]!
    // Below the first epoch there is nothing to name: the asked one, and where the log begins.
    return nextAt === 0
      ? { epoch: asked, endOffset: startOffset }
      : { epoch: this.#epochs[nextAt - 1]!.epoch, endOffset: startOffset }
  }

  /** Makes `offset` the first that can be read (KIP-107). Whole batches before it are forgotten. */
  deleteBefore(offset: number): void {
    this.#logStartOffset = Math.max(this.#logStartOffset, offset)
    while (this.#first < this.#batches.length && this.#batches[this.#first]!.lastOffset < offset) {
      this.#sizeInBytes -= this.#batches[this.#first]!.bytes.length
      this.#first++
    }
    if (this.#first > slack && this.#first * 2 > this.#batches.length) {
      this.#batches = this.#batches.slice(this.#first)
      this.#first = 0
      const from = this.#batches[0]?.position ?? this.#nextPosition
      this.#index = this.#index.filter(({ position }) => position >= from)
    }
  }

  /** Where in the list the batch with the offset is, or the first one after it. */
  #indexOf(offset: number): number {
    let low = this.#first
    let high = this.#batches.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#batches[middle]!.lastOffset < offset) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** The records of a batch in a log. Rejects when its codec cannot be had or its bytes make no sense. */
export async function cursorOf(batch: LogBatch): Promise<RecordCursor> {
  const read = new DefaultRecordBatch(batch.bytes)
  await loadCodec(read.codecId)
  return read.cursor()
}

/** The batch alone in its memory: a view would keep all of the request alive that it came in. */
function owned(bytes: Buffer): Buffer {
  if (bytes.buffer.byteLength <= bytes.length + bytes.length / 8 + 256) return bytes
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  copy.set(bytes)
  return copy
}
