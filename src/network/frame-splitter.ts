/** Cuts a stream of chunks into frames: four bytes of length, then as many bytes. Knows nothing of what is inside them. */

import { ProtocolError } from '../errors/errors.ts'

// The first block for a frame that announces more: the system gives its pages only when they are written to, so whoever
// announces a long frame and sends little costs little. From there memory grows with what really arrived, by this factor.
// Moving a fetched MiB once more while it grows costs as much as checking its sum: 17 % of reading 1 KiB records.
const firstBlockBytes = 16_777_216
const growthFactor = 4

/**
 * Every frame gets a fresh block of its own that is exactly as long, and bytes are copied into it once, out of memory the
 * socket will use again. Blocks are never pooled: what was decoded keeps views into them. Frames beyond 16 MiB begin
 * with a smaller block and move while they grow, once up to 64 MiB.
 */
export class FrameSplitter {
  /** The longest frame that is accepted, in bytes, without its length. May change between frames. */
  maxFrameBytes: number
  readonly #onFrame: (frame: Buffer) => void
  /** The four bytes of length, and how many of them are here. */
  #length = 0
  #lengthBytes = 0
  #block: Buffer | undefined
  #filled = 0
  #stopped = false

  /**
   * @param maxFrameBytes the longest frame that is accepted, without its length
   * @param onFrame called for each frame, in order; may call `stop`
   */
  constructor(maxFrameBytes: number, onFrame: (frame: Buffer) => void) {
    this.maxFrameBytes = maxFrameBytes
    this.#onFrame = onFrame
  }

  /** What the last four bytes that were read as a length say. */
  get announcedLength(): number {
    return this.#length
  }

  /** Drops what is there and what will come. */
  stop(): void {
    this.#stopped = true
    this.#block = undefined
  }

  /**
   * Takes the next bytes of the stream; they may be overwritten once this returns.
   *
   * @throws ProtocolError when a length is impossible; the stream cannot be read on from there
   */
  push(chunk: Uint8Array): void {
    let offset = 0
    while (offset < chunk.length && !this.#stopped) {
      if (this.#lengthBytes < 4) {
        this.#length = (this.#length << 8) | chunk[offset++]!
        if (++this.#lengthBytes === 4) this.#begin()
        continue
      }
      const block = this.#block!
      const count = Math.min(block.length - this.#filled, chunk.length - offset)
      block.set(offset === 0 && count === chunk.length ? chunk : chunk.subarray(offset, offset + count), this.#filled)
      this.#filled += count
      offset += count
      if (this.#filled === this.#length) this.#end()
      else if (this.#filled === block.length) this.#grow()
    }
  }

  #begin(): void {
    const length = this.#length
    // The shortest answer is a correlation id alone.
    if (length < 4) throw new ProtocolError(`a frame cannot be ${length} bytes long`)
    if (length > this.maxFrameBytes) {
      throw new ProtocolError(`a frame of ${length} bytes is longer than the ${this.maxFrameBytes} allowed`)
    }
    this.#filled = 0
    this.#block = Buffer.allocUnsafeSlow(Math.min(length, firstBlockBytes))
  }

  #grow(): void {
    const larger = Buffer.allocUnsafeSlow(Math.min(this.#length, this.#block!.length * growthFactor))
    larger.set(this.#block!)
    this.#block = larger
  }

  #end(): void {
    const frame = this.#block!
    this.#block = undefined
    this.#length = 0
    this.#lengthBytes = 0
    this.#onFrame(frame)
  }
}
