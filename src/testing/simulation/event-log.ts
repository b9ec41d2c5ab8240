/** What happened in a simulation, in order, each with its moment. Two runs are the same when their digests are: the digest
 *  covers everything, while only the last lines are kept. */

import { createHash, type Hash } from 'node:crypto'

export class EventLog {
  readonly #now: () => number
  readonly #keep: number
  readonly #hash: Hash = createHash('sha256')
  #lines: string[] = []
  #count = 0

  /** @param keep how many of the last lines are kept */
  constructor(now: () => number, keep: number) {
    this.#now = now
    this.#keep = keep
  }

  /** How many events there were. */
  get count(): number {
    return this.#count
  }

  /** The last events, oldest first, as `12.5 what happened`. */
  get lines(): readonly string[] {
    return this.#lines.slice(-this.#keep)
  }

  /** The same for two runs in which the same happened at the same moments in the same order. */
  get digest(): string {
    return this.#hash.copy().digest('hex')
  }

  add(what: string): void {
    const line = `${this.#now()} ${what}`
    this.#hash.update(line).update('\n')
    this.#count++
    this.#lines.push(line)
    // Dropped in blocks: to shift one line off an array of many costs as much as to copy it.
    if (this.#lines.length >= 2 * this.#keep + 1_024) this.#lines = this.#lines.slice(-this.#keep)
  }
}
