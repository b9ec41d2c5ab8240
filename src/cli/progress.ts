/** How far a command is, for a person who watches standard error; for anyone else, silence until the last line. */

import type { Terminal } from './terminal.ts'

export interface ProgressOptions {
  /** What was done, for the last line: `produced`. */
  readonly did: string
  readonly topic: string
  /** How many bytes there are in all, when that is known. */
  readonly totalBytes?: number | undefined
  readonly isQuiet: boolean
}

const barWidth = 30
const recordsBetweenUpdates = 10_000

export class Progress {
  readonly #stderr: Terminal['stderr']
  readonly #options: ProgressOptions
  readonly #isWatched: boolean
  #records = 0
  #bytes = 0
  #nextAt = recordsBetweenUpdates

  constructor({ stderr, stdout }: Terminal, options: ProgressOptions, { writesOutput }: { writesOutput: boolean }) {
    this.#stderr = stderr
    this.#options = options
    // A bar among records on the same screen would help nobody.
    this.#isWatched = stderr.isTTY === true && !options.isQuiet && !(writesOutput && stdout.isTTY === true)
  }

  get records(): number {
    return this.#records
  }

  /** Counts records, and the bytes of input they took. */
  advance(records: number, bytes = 0): void {
    this.#records += records
    this.#bytes += bytes
    if (!this.#isWatched || this.#records < this.#nextAt) return
    this.#nextAt = this.#records + recordsBetweenUpdates
    this.#stderr.write(`\r\u001b[K${this.#line()}`)
  }

  /** The last line: what was done in all. */
  end(): void {
    if (this.#isWatched) this.#stderr.write('\r\u001b[K')
    if (this.#options.isQuiet) return
    this.#stderr.write(`${this.#options.did} ${countOfRecords(this.#records)} ${this.#where()}\n`)
  }

  /** Takes the bar off the screen, for an error's line to follow. */
  clear(): void {
    if (this.#isWatched) this.#stderr.write('\r\u001b[K')
  }

  #where(): string {
    return `${this.#options.did === 'consumed' ? 'from' : 'to'} '${this.#options.topic}'`
  }

  #line(): string {
    const { totalBytes } = this.#options
    if (totalBytes === undefined || totalBytes === 0) return countOfRecords(this.#records)
    const share = Math.min(1, this.#bytes / totalBytes)
    const bar = '█'.repeat(Math.round(share * barWidth)).padEnd(barWidth, '·')
    return `${bar} ${Math.floor(share * 100)} % ${countOfRecords(this.#records)}`
  }
}

export function countOfRecords(count: number): string {
  return `${count} record${count === 1 ? '' : 's'}`
}
