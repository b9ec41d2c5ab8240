/** What was fetched and not yet handed out, in the order of arrival, and how much memory that takes. Its fullness is the
 *  back-pressure: the fetcher asks for no more than there is room for. */

import { KafkaError } from '../errors/kafka-error.ts'
import type { ConsumerRecord } from './consumer-record.ts'
import type { FetchedChunk } from './fetched-chunk.ts'
import type { PartitionFilter, SubscriptionState } from './subscription-state.ts'

export class FetchBuffer {
  readonly #subscription: SubscriptionState
  readonly #onRoom: () => void
  #chunks: FetchedChunk[] = []
  #heldBytes = 0
  /** Bytes of the one batch per chunk that is open, beside its block. */
  #openBytes = 0

  /** @param onRoom called when memory became free */
  constructor(subscription: SubscriptionState, onRoom: () => void) {
    this.#subscription = subscription
    this.#onRoom = onRoom
  }

  /** Everything that is held, in bytes: blocks whole as long as any part of them is unread, and open batches. */
  get heldBytes(): number {
    return this.#heldBytes + this.#openBytes
  }

  add(chunk: FetchedChunk): void {
    if (chunk.block.chunks++ === 0) this.#heldBytes += chunk.block.bytes
    chunk.state.bufferedBytes += chunk.bytes
    chunk.state.bufferedChunks++
    this.#chunks.push(chunk)
  }

  /** The next record for anybody; undefined when there is none. What cannot be read becomes the partition's failure. */
  takeOne(filter: PartitionFilter | undefined): ConsumerRecord | undefined {
    // The chunk that is being read is nearly always the first one.
    for (let i = 0; i < this.#chunks.length; ) {
      const chunk = this.#chunks[i]!
      if (chunk.isStale) {
        this.#remove(i)
        continue
      }
      if (!chunk.state.canHandOut || (filter !== undefined && !filter.has(chunk.state))) {
        i++
        continue
      }
      const record = this.#read(chunk)
      if (record !== undefined) return record
      // Read to its end, or broken: then it is stale now.
      if (this.#chunks[i] === chunk) this.#remove(i)
    }
    return undefined
  }

  /** At most `max` records, in the order of arrival. */
  take(filter: PartitionFilter | undefined, max: number): ConsumerRecord[] {
    const records: ConsumerRecord[] = []
    while (records.length < max) {
      const record = this.takeOne(filter)
      if (record === undefined) break
      records.push(record)
    }
    return records
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
    const before = chunk.openBytes
    try {
      return chunk.next()
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error
      // It may have been broken on its way: what is behind this point is fetched again once the application was told.
      this.#subscription.fail(chunk.state, { error, lasting: false })
      chunk.state.refetch()
      return undefined
    } finally {
      this.#openBytes += chunk.openBytes - before
    }
  }

  #remove(index: number): void {
    const [chunk] = this.#chunks.splice(index, 1)
    if (chunk === undefined) return
    this.#openBytes -= chunk.openBytes
    if (--chunk.block.chunks === 0) this.#heldBytes -= chunk.block.bytes
    if (!chunk.isStale) {
      chunk.state.bufferedBytes -= chunk.bytes
      chunk.state.bufferedChunks--
    }
    this.#onRoom()
  }
}
