/** Cuts a stream of bytes into lines without reading them as text: what is not UTF-8 stays what it is. */

import { CommandError } from './errors.ts'

const lineFeed = 0x0a

export class LineSplitter {
  readonly #longestBytes: number
  #begun: Buffer[] = []
  #begunBytes = 0
  #lines = 0

  /** @param longestBytes a longer line is an error: it is the bound of what is held of a line that does not end */
  constructor(longestBytes: number) {
    this.#longestBytes = longestBytes
  }

  /**
   * The lines that end in this chunk, without their line feeds: views into it, but for one that began before it. To be
   * walked to the end before the next chunk. Throws at a line that is too long, after those before it.
   */
  *push(chunk: Buffer): Generator<Buffer, void, undefined> {
    let start = 0
    for (;;) {
      const end = chunk.indexOf(lineFeed, start)
      if (end < 0) break
      yield this.#complete(chunk.subarray(start, end))
      start = end + 1
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start))
  }

  /** The last line, when no line feed ends it. */
  *end(): Generator<Buffer, void, undefined> {
    if (this.#begun.length > 0) yield this.#complete(Buffer.alloc(0))
  }

  #complete(rest: Buffer): Buffer {
    this.#check(this.#begunBytes + rest.length)
    this.#lines++
    if (this.#begun.length === 0) return rest
    const line = Buffer.concat([...this.#begun, rest])
    this.#begun = []
    this.#begunBytes = 0
    return line
  }

  #keep(part: Buffer): void {
    this.#begun.push(part)
    this.#begunBytes += part.length
    this.#check(this.#begunBytes)
  }

  #check(bytes: number): void {
    if (bytes <= this.#longestBytes) return
    throw new CommandError(`line ${this.#lines + 1} is longer than ${this.#longestBytes} bytes`)
  }
}
