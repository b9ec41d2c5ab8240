/** What was fetched and not yet handed out, in the order of arrival, and how much memory that takes. Its fullness is the
 *  back-pressure: the fetcher asks for no more than there is room for. */

import { KafkaError } from '../errors/kafka-error.ts'
import { ConsumerRecord } from './consumer-record.ts'
import type { FetchedBlock, FetchedChunk } from './fetched-chunk.ts'
import type { PartitionState } from './partition-state.ts'
import type { RecordSupply } from './record-supply.ts'
import type { PartitionFilter, SubscriptionState } from './subscription-state.ts'

/** Records that were taken out and count as handed out only when somebody gets them. */
export interface TakenRun {
  readonly state: PartitionState
  readonly records: ConsumerRecord[]
  /** The offset behind them, and behind what follows them that holds no record of ours. */
  readonly nextOffset: number
  /** The leader epoch of the batch before that. */
  readonly leaderEpoch: number
  /** Why nothing can be read behind them. */
  readonly brokenBy: KafkaError | undefined
}

export class FetchBuffer implements RecordSupply {
  readonly #subscription: SubscriptionState
  readonly #onRoom: () => void
  #chunks: FetchedChunk[] = []
  #blockBytes = 0
  readonly #bytesOfBroker = new Map<number, number>()

  /** @param onRoom called when memory became free */
  constructor(subscription: SubscriptionState, onRoom: () => void) {
    this.#subscription = subscription
    this.#onRoom = onRoom
  }

  /** Everything that is held, in bytes: blocks whole as long as any part of them is unread, and open batches. */
  get heldBytes(): number {
    let openBytes = 0
    for (const chunk of this.#chunks) openBytes += chunk.openBytes
    return this.#blockBytes + openBytes
  }

  /** What a broker sent of that. */
  heldBytesOf(broker: number): number {
    return this.#bytesOfBroker.get(broker) ?? 0
  }

  add(chunk: FetchedChunk): void {
    if (chunk.block.chunks++ === 0) this.#hold(chunk.block, 1)
    chunk.state.bufferedBytes += chunk.bytes
    chunk.state.bufferedChunks++
    this.#chunks.push(chunk)
  }

  takeOne(filter: PartitionFilter | undefined): ConsumerRecord | undefined {
    for (let i = this.#seek(filter, 0); i >= 0; i = this.#seek(filter, i)) {
      const chunk = this.#chunks[i]!
      const { state } = chunk
      chunk.startAt(state.readOffset)
      const record = this.#readOne(chunk)
      state.readOffset = chunk.nextOffset
      if (record instanceof ConsumerRecord) {
        this.#subscription.handedOut(state, chunk.nextOffset, chunk.leaderEpoch)
        if (chunk.isRead) this.#remove(i)
        return record
      }
      state.pass(chunk.nextOffset, chunk.leaderEpoch)
      if (record !== undefined) this.fail(state, record)
      this.#remove(i)
    }
    return undefined
  }

  take(filter: PartitionFilter | undefined, max: number, states: Set<PartitionState>): ConsumerRecord[] {
    const records: ConsumerRecord[] = []
    // Read to its end or broken, a chunk is removed, and the one after it takes its place.
    for (let i = this.#seek(filter, 0); i >= 0; i = this.#seek(filter, i)) {
      const chunk = this.#chunks[i]!
      const { state } = chunk
      const before = records.length
      const error = this.#read(chunk, max, records)
      if (records.length > before) {
        this.#subscription.handedOut(state, chunk.nextOffset, chunk.leaderEpoch)
        states.add(state)
      } else {
        state.pass(chunk.nextOffset, chunk.leaderEpoch)
      }
      if (error !== undefined) this.fail(state, error)
      if (error !== undefined || chunk.isRead) this.#remove(i)
      if (records.length === max) break
    }
    return records
  }

  /**
   * Records of one partition that are not handed out yet: neither its position nor what is finished moves. Undefined when
   * there are none to be had. One that is broken stays so, until its partition is failed.
   */
  takeRun(filter: PartitionFilter, max: number): TakenRun | undefined {
    const i = this.#seek(filter, 0)
    if (i < 0) return undefined
    const chunk = this.#chunks[i]!
    const { state } = chunk
    const records: ConsumerRecord[] = []
    const brokenBy = this.#read(chunk, max, records)
    const { nextOffset, leaderEpoch } = chunk
    if (chunk.isRead) this.#remove(i)
    return { state, records, nextOffset, leaderEpoch, brokenBy }
  }

  /** What is behind the position cannot be had: that is told once, and then fetched again. It may have been broken on its way. */
  fail(state: PartitionState, error: KafkaError): void {
    this.#subscription.fail(state, { error, lasting: false })
    state.refetch()
  }

  /** The first chunk from `start` on that may be read, or -1. */
  #seek(filter: PartitionFilter | undefined, start: number): number {
    for (let i = start; i < this.#chunks.length;) {
      const chunk = this.#chunks[i]!
      if (chunk.isStale) this.#remove(i)
      else if (chunk.state.canHandOut && (filter === undefined || filter.has(chunk.state))) return i
      else i++
    }
    return -1
  }

  /** Throws away what nobody who waits can take, to be fetched again later: others need the memory. */
  dropAll(): void {
    for (const chunk of this.#chunks) if (!chunk.isStale) chunk.state.refetch()
    this.dropStale()
  }

  /** Frees the memory of what seeks and rebalances have made worthless. */
  dropStale(): void {
    for (let i = this.#chunks.length - 1; i >= 0; i--) if (this.#chunks[i]!.isStale) this.#remove(i)
  }

  /** The next record of a chunk, undefined when it has none, or why it cannot be read. */
  #readOne(chunk: FetchedChunk): ConsumerRecord | KafkaError | undefined {
    try {
      const record = chunk.next()
      chunk.settle()
      return record
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error
      return error
    }
  }

  /** Reads on in a chunk until there are `max` records or it gives no more; says why it cannot be read on. */
  #read(chunk: FetchedChunk, max: number, records: ConsumerRecord[]): KafkaError | undefined {
    const { state } = chunk
    chunk.startAt(state.readOffset)
    try {
      while (records.length < max) {
        const record = chunk.next()
        if (record === undefined) break
        records.push(record)
      }
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error
      state.readOffset = chunk.nextOffset
      return error
    }
    chunk.settle()
    state.readOffset = chunk.nextOffset
    return undefined
  }

  #hold({ bytes, broker }: FetchedBlock, sign: 1 | -1): void {
    this.#blockBytes += sign * bytes
    const held = this.heldBytesOf(broker) + sign * bytes
    if (held === 0) this.#bytesOfBroker.delete(broker)
    else this.#bytesOfBroker.set(broker, held)
  }

  #remove(index: number): void {
    const [chunk] = this.#chunks.splice(index, 1)
    if (chunk === undefined) return
    if (--chunk.block.chunks === 0) this.#hold(chunk.block, -1)
    if (!chunk.isStale) {
      chunk.state.bufferedBytes -= chunk.bytes
      chunk.state.bufferedChunks--
    }
    this.#onRoom()
  }
}
