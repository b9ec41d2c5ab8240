/** What one answer brought of one partition: batches, opened one after the other when records are asked for, and not
 *  before. Checks sums, hides what the isolation level hides, skips what lies before the position. Moves nothing but its
 *  own place: when a record counts as handed out is for those to say who read it. */

import { CorruptRecordError, UnsupportedCodecError } from '../errors/errors.ts'
import type { KafkaError } from '../errors/kafka-error.ts'
import { readControlRecord } from '../wire/records/control-record.ts'
import type { RecordBatch } from '../wire/records/record-batch.ts'
import type { RecordCursor } from '../wire/records/record-cursor.ts'
import { ConsumerRecord, type RecordSource } from './consumer-record.ts'
import type { AbortedTransactions } from './isolation.ts'
import type { PartitionState } from './partition-state.ts'

/** The memory of one answer, which lives until all its chunks have been read. */
export class FetchedBlock {
  readonly bytes: number
  /** Who sent it. */
  readonly broker: number
  /** Chunks that are not read yet. */
  chunks = 0

  constructor(bytes: number, broker: number) {
    this.bytes = bytes
    this.broker = broker
  }
}

export interface ChunkInit {
  readonly state: PartitionState
  readonly block: FetchedBlock
  readonly batches: readonly RecordBatch[]
  readonly bytes: number
  /** Why nothing can be read behind the batches. */
  readonly brokenBy: KafkaError | undefined
  /** Undefined when everything may be seen. */
  readonly aborted: AbortedTransactions | undefined
}

export interface ChunkOptions {
  readonly checkCrcs: boolean
  readonly copyRecords: boolean
}

export class FetchedChunk {
  readonly state: PartitionState
  readonly block: FetchedBlock
  readonly bytes: number
  readonly #epoch: number
  readonly #init: ChunkInit
  readonly #options: ChunkOptions
  #next = 0
  #batch: RecordBatch | undefined
  #cursor: RecordCursor | undefined
  #source: RecordSource | undefined
  /** The cursor stands at a record that was looked at and not given yet. */
  #held = false
  /** The offset behind everything that was read or passed so far; -1 before the first reading. */
  nextOffset = -1
  /** The leader epoch of the batch before that; -1 when not known. */
  leaderEpoch = -1
  /** Bytes of the open batch beside the block: what it was decompressed to. */
  openBytes = 0

  constructor(init: ChunkInit, options: ChunkOptions) {
    this.state = init.state
    this.block = init.block
    this.bytes = init.bytes
    this.#epoch = init.state.epoch
    this.#init = init
    this.#options = options
  }

  /** Whether a seek or a rebalance has made it worthless. */
  get isStale(): boolean {
    return this.state.epoch !== this.#epoch
  }

  /** Whether nothing is left in it: no record, and nothing that cannot be read. */
  get isRead(): boolean {
    const { batches, brokenBy } = this.#init
    return this.#batch === undefined && this.#next === batches.length && brokenBy === undefined
  }

  /** Nothing before this offset is given. Counts before the first reading only. */
  startAt(offset: number): void {
    if (this.nextOffset < 0) this.nextOffset = offset
  }

  /**
   * The next record; undefined when none is left.
   *
   * @throws CorruptRecordError, UnsupportedCodecError naming the place; `nextOffset` stays before it
   */
  next(): ConsumerRecord | undefined {
    try {
      for (;;) {
        const cursor = this.#cursor
        if (cursor !== undefined) {
          while (this.#held || cursor.next()) {
            this.#held = false
            // A seek or a commit may point into the middle of a batch, and a broker sends whole batches.
            if (cursor.offset < this.nextOffset) continue
            const source = this.#source!
            const record = this.#options.copyRecords
              ? ConsumerRecord.copied(cursor, source)
              : new ConsumerRecord(cursor, source)
            this.nextOffset = cursor.offset + 1
            this.leaderEpoch = source.leaderEpoch
            return record
          }
          this.#leaveBatch()
        }
        this.#passHidden()
        if (!this.#openBatch()) return undefined
      }
    } catch (error) {
      throw this.#placed(error)
    }
  }

  /**
   * Passes what lies right behind the last record given and holds none for the application: so the offset to commit after
   * the last record of a transaction is behind its marker.
   */
  settle(): void {
    try {
      const cursor = this.#cursor
      if (cursor !== undefined) {
        this.#held ||= cursor.next()
        if (this.#held) return
        this.#leaveBatch()
      }
      this.#passHidden()
    } catch {
      // What cannot be read is told when it is asked for, and then it is met again: nothing has moved.
    }
  }

  /** Leaves batches behind until there is one with records to give, or none at all. */
  #passHidden(): void {
    const { batches, aborted } = this.#init
    for (let batch = batches[this.#next]; batch !== undefined; batch = batches[this.#next]) {
      this.#batch = batch
      if (batch.isControl) {
        if (this.#options.checkCrcs) batch.verifyChecksum()
        if (aborted !== undefined && endsTransaction(batch)) aborted.endOf(batch)
      } else {
        const isHidden = aborted !== undefined && aborted.hides(batch)
        if (!isHidden && batch.lastOffset >= this.nextOffset) return
        if (isHidden && this.#options.checkCrcs) batch.verifyChecksum()
      }
      this.#leaveBatch()
    }
  }

  /** Opens the next batch, which has records to give; false when there is none. */
  #openBatch(): boolean {
    const batch = this.#batch
    if (batch === undefined) {
      const { brokenBy } = this.#init
      if (brokenBy !== undefined) throw brokenBy
      return false
    }
    if (this.#options.checkCrcs) batch.verifyChecksum()
    const cursor = batch.cursor()
    if (batch.codecId !== 0) this.openBytes = cursor.block.length
    const { topic, partition } = this.state
    const { timestampType, partitionLeaderEpoch: leaderEpoch } = batch
    this.#cursor = cursor
    this.#source = { topic, partition, timestampType, leaderEpoch }
    return true
  }

  /** The whole batch is passed: its last records may have been removed by compaction, or be none of ours. */
  #leaveBatch(): void {
    const batch = this.#batch!
    if (batch.lastOffset >= this.nextOffset) {
      this.nextOffset = batch.lastOffset + 1
      this.leaderEpoch = batch.partitionLeaderEpoch
    }
    this.#next++
    this.#batch = undefined
    this.#cursor = undefined
    this.openBytes = 0
  }

  #placed(error: unknown): unknown {
    const { state } = this
    // It was told with its place when it was found.
    if (error === this.#init.brokenBy) return error
    const behind = this.#batch === undefined ? '' : `; seek to ${this.#batch.lastOffset + 1} to pass them`
    const message = `the records of ${String(state)} from offset ${this.nextOffset} on cannot be read${behind}`
    if (error instanceof CorruptRecordError)
      return new CorruptRecordError(`${message}: ${error.message}`, { cause: error })
    if (error instanceof UnsupportedCodecError) {
      return new UnsupportedCodecError(`${message}: ${error.message}`, { cause: error })
    }
    return error
  }
}

/** Whether a control batch ends an aborted transaction of its producer, should there be one. */
function endsTransaction(batch: RecordBatch): boolean {
  const cursor = batch.cursor()
  // Compaction may have left a marker without its record. Whichever it was: its producer's transaction was over there.
  return !cursor.next() || readControlRecord(cursor.key(), cursor.value()).type === 'abort'
}
