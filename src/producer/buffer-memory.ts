/** The memory that batches live in: an account that bounds it (`bufferMemory`), and buffers of one batch's size kept for
 *  the next batch, since fresh pages cost several times the copying into them. Knows no batches and no waiting line. */

import type { BufferPool } from '../wire/records/buffer-pool.ts'

/** Idle buffers kept at most, in bytes: enough for what is under way at once on a fast connection. */
const mostIdleBytes = 4_194_304
/** What the promise of a `send` costs beside its record, with what its caller hangs on it. 230 bytes were measured; those that
 *  are settled already lie in the heap until it is collected, and that is several times as much. */
const promiseBytes = 1_024

export class BufferMemory implements BufferPool {
  readonly capacity: number
  /** The size of the buffers that are kept. */
  readonly unit: number
  /** Promises of `send` that are not settled. */
  promises = 0
  #available: number
  readonly #idle: Buffer[] = []
  readonly #mostIdle: number

  constructor(capacity: number, unit: number) {
    this.capacity = capacity
    this.unit = unit
    this.#available = capacity
    this.#mostIdle = unit === 0 ? 0 : Math.floor(Math.min(mostIdleBytes, capacity) / unit)
  }

  /** Bytes that are not reserved. */
  get available(): number {
    return this.#available
  }

  /** Bytes that are not reserved, less what unsettled promises take. The bound is on batches, yet of small records the
   *  promises take more than the bytes: whoever heeds back-pressure is told of both. */
  get headroom(): number {
    return this.#available - this.promises * promiseBytes
  }

  /** Takes bytes from the account, or says false and takes none. */
  reserve(bytes: number): boolean {
    if (bytes > this.#available) return false
    this.#available -= bytes
    return true
  }

  release(bytes: number): void {
    this.#available += bytes
  }

  take(size: number): Buffer {
    if (size === this.unit) {
      const kept = this.#idle.pop()
      if (kept !== undefined) return kept
    }
    return Buffer.allocUnsafeSlow(size)
  }

  /** Only for a buffer that nobody reads any more: its write is over, and its answer came. One whose connection ended
   *  instead is not given back: a stream that somebody else made may go on reading it. */
  give(buffer: Buffer): void {
    if (buffer.length === this.unit && this.#idle.length < this.#mostIdle) this.#idle.push(buffer)
  }
}
