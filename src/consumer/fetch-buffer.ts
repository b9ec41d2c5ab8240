/** What was fetched and not yet handed out, in the order of arrival, and how much memory that takes. Its fullness is the
 *  back-pressure: the fetcher asks for no more than there is room for. */

import { KafkaError } from '../errors/kafka-error.ts'
import type { ConsumerRecord } from './consumer-record.ts'
import type { FetchedBlock, FetchedChunk } from './fetched-chunk.ts'
import type { PartitionFilter, SubscriptionState } from './subscription-state.ts'

export class FetchBuffer {
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

  /** The next record; undefined when there is none. What cannot be read becomes the partition's failure. */
  takeOne(filter: PartitionFilter | undefined): ConsumerRecord | undefined {
    // Read to its end or broken, a chunk is removed, and the one after it takes its place.
    for (let i = this.#seek(filter, 0); i >= 0; i = this.#seek(filter, i)) {
      const chunk = this.#chunks[i]!
      const record = this.#read(chunk)
      if (record !== undefined) return record
      this.#remove(i)
    }
    return undefined
  }

  /** At most `max` records, in the order of arrival. */
  take(filter: PartitionFilter | undefined, max: number): ConsumerRecord[] {
    const records: ConsumerRecord[] = []
    for (let i = this.#seek(filter, 0); i >= 0; i = this.#seek(filter, i)) {
      const chunk = this.#chunks[i]!
      while (records.length < max) {
        const record = this.#read(chunk)
        if (record === undefined) break
        records.push(record)
      }
      if (records.length === max) break
      this.#remove(i)
    }
    return records
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

  #read(chunk: FetchedChunk): ConsumerRecord | undefined {
    try {
      return chunk.next()
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error
      // It may have been broken on its way: what is behind this point is fetched again once the application was told.
      this.#subscription.fail(chunk.state, { error, lasting: false })
      chunk.state.refetch()
      return undefined
    }
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
