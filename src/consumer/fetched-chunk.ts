/** What one answer brought of one partition: batches, opened one after the other when records are asked for, and not
 *  before. Checks sums, hides what the isolation level hides, skips what lies before the position. */

import { CorruptRecordError, UnsupportedCodecError } from '../errors/errors.ts'
import type { KafkaError } from '../errors/kafka-error.ts'
import { readControlRecord } from '../wire/records/control-record.ts'
import type { RecordBatch } from '../wire/records/record-batch.ts'
import type { RecordCursor } from '../wire/records/record-cursor.ts'
import { ConsumerRecord, type RecordSource } from './consumer-record.ts'
import type { AbortedTransactions } from './isolation.ts'
import type { PartitionState } from './partition-state.ts'
import type { SubscriptionState } from './subscription-state.ts'

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
  readonly #subscription: SubscriptionState
  #next = 0
  #batch: RecordBatch | undefined
  #cursor: RecordCursor | undefined
  #source: RecordSource | undefined
  /** Bytes of the open batch beside the block: what it was decompressed to. */
  openBytes = 0

  constructor(init: ChunkInit, subscription: SubscriptionState, options: ChunkOptions) {
    this.state = init.state
    this.block = init.block
    this.bytes = init.bytes
    this.#epoch = init.state.epoch
    this.#init = init
    this.#subscription = subscription
    this.#options = options
  }

  /** Whether a seek or a rebalance has made it worthless. */
  get isStale(): boolean {
    return this.state.epoch !== this.#epoch
  }

  /**
   * Hands out the next record and moves the position behind it; undefined when none is left.
   *
   * @throws CorruptRecordError, UnsupportedCodecError naming the place; the position stays before it
   */
  next(): ConsumerRecord | undefined {
    try {
      for (;;) {
        const cursor = this.#cursor
        if (cursor !== undefined) {
          const { state } = this
          while (cursor.next()) {
            // A seek or a commit may point into the middle of a batch, and a broker sends whole batches.
            if (cursor.offset < state.position) continue
            const source = this.#source!
            const record = this.#options.copyRecords
              ? ConsumerRecord.copied(cursor, source)
              : new ConsumerRecord(cursor, source)
            this.#subscription.handedOut(state, cursor.offset + 1, source.leaderEpoch)
            return record
          }
          this.#leaveBatch()
        }
        if (!this.#openBatch()) return undefined
      }
    } catch (error) {
      throw this.#placed(error)
    }
  }

  #openBatch(): boolean {
    const { batches, aborted, state, brokenBy } = this.#init
    const batch = batches[this.#next]
    if (batch === undefined) {
      if (brokenBy !== undefined) throw brokenBy
      return false
    }
    this.#batch = batch
    const leaderEpoch = batch.partitionLeaderEpoch
    if (batch.lastOffset < state.position && !batch.isControl) {
      aborted?.hides(batch)
      this.#leaveBatch()
      return true
    }
    if (this.#options.checkCrcs) batch.verifyChecksum()
    if (batch.isControl) {
      if (aborted !== undefined && isAbort(batch)) aborted.endOf(batch)
      this.#leaveBatch()
      return true
    }
    if (aborted !== undefined && aborted.hides(batch)) {
      this.#leaveBatch()
      return true
    }
    const cursor = batch.cursor()
    if (batch.codecId !== 0) this.openBytes = cursor.block.length
    this.#cursor = cursor
    this.#source = {
      topic: state.topic,
      partition: state.partition,
      timestampType: batch.timestampType,
      leaderEpoch,
    }
    return true
  }

  /** The position passes the whole batch: its last records may have been removed by compaction, or be none of ours. */
  #leaveBatch(): void {
    const batch = this.#batch!
    this.state.pass(batch.lastOffset + 1, batch.partitionLeaderEpoch)
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
    const message = `the records of ${String(state)} from offset ${state.position} on cannot be read${behind}`
    if (error instanceof CorruptRecordError)
      return new CorruptRecordError(`${message}: ${error.message}`, { cause: error })
    if (error instanceof UnsupportedCodecError) {
      return new UnsupportedCodecError(`${message}: ${error.message}`, { cause: error })
    }
    return error
  }
}

function isAbort(batch: RecordBatch): boolean {
  const cursor = batch.cursor()
  // Compaction may have left a control batch without its record.
  return cursor.next() && readControlRecord(cursor.key(), cursor.value()).type === 'abort'
}
