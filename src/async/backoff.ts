/** How long to wait before trying again: exponential, with jitter of ±20 %, capped (KIP-144, KIP-580). */

import type { Random } from './random.ts'

export interface BackoffOptions {
  /** The first wait, in ms. */
  initialMs: number
  /** The longest wait, in ms, before jitter. */
  maxMs: number
}

const jitter = 0.2

export class Backoff {
  readonly #options: BackoffOptions
  readonly #random: Random
  #attempts = 0

  constructor(options: BackoffOptions, random: Random) {
    this.#options = options
    this.#random = random
  }

  /** How often `nextMs` was called since the last `reset`. */
  get attempts(): number {
    return this.#attempts
  }

  /** The wait before the next attempt, in ms; each call doubles the one after it. */
  nextMs(): number {
    const { initialMs, maxMs } = this.#options
    const base = Math.min(maxMs, initialMs * 2 ** Math.min(this.#attempts, 30))
    this.#attempts++
    return base * (1 - jitter + 2 * jitter * this.#random.next())
  }

  reset(): void {
    this.#attempts = 0
  }
}
