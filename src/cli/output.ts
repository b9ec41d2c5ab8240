/** Standard output, written at the reader's pace. That the reader goes away is no error: `jackdaw consume … | head`. */

import type { Writable } from 'node:stream'

export class Output {
  readonly #stream: Writable
  readonly #whenClosed: () => void
  #closed = false

  /** @param whenClosed called once, when nobody reads any more */
  constructor(stream: Writable, whenClosed: () => void = () => {}) {
    this.#stream = stream
    this.#whenClosed = whenClosed
    // Every write tells of its own failure; without a listener the stream's event would end the process.
    stream.on('error', (error) => {
      this.#noticeIfClosed(error)
    })
  }

  /** Whether the reader went away. What is written then is dropped. */
  get isClosed(): boolean {
    return this.#closed
  }

  /** Resolves when the reader took it. @throws what went wrong, except that the reader went away */
  async write(bytes: Uint8Array | string): Promise<void> {
    if (this.#closed || bytes.length === 0) return
    await new Promise<void>((resolve, reject) => {
      this.#stream.write(bytes, (error) => {
        if (error === null || error === undefined || this.#noticeIfClosed(error)) resolve()
        else reject(error)
      })
    })
  }

  #noticeIfClosed(error: Error): boolean {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EPIPE' && code !== 'ERR_STREAM_DESTROYED') return false
    if (!this.#closed) {
      this.#closed = true
      this.#whenClosed()
    }
    return true
  }
}
