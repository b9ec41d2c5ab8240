/** Notices that the application has stopped asking for records: then others should have the partitions (KIP-62). A call
 *  that waits counts as asking. */

import { Loop } from '../async/loop.ts'
import { Signal } from '../async/signal.ts'
import type { Clock } from '../async/clock.ts'

export interface PollWatchOptions {
  readonly clock: Clock
  readonly maxPollIntervalMs: number
  /** Counts hand-out calls. */
  readonly calls: () => number
  readonly waiting: () => boolean
  /** Whether anybody depends on it: outside a group nobody does. */
  readonly matters: () => boolean
  readonly onExpired: () => void
  readonly onFailure: (error: unknown) => void
}

/** Looking is cheaper than noting the time of every call: the count is compared this often. */
const looksPerInterval = 20
const longestLookMs = 1_000

export class PollWatch {
  readonly #options: PollWatchOptions
  readonly #loop: Loop
  readonly #bell: Signal
  #lastPollAt = 0

  constructor(options: PollWatchOptions) {
    this.#options = options
    this.#bell = new Signal(options.clock)
    this.#loop = new Loop({ name: 'poll watch', run: (signal) => this.#watch(signal), onFailure: options.onFailure })
  }

  start(): void {
    this.reset()
    this.#loop.start()
  }

  /** The time counts from now. */
  reset(): void {
    this.#lastPollAt = this.#options.clock.now()
  }

  stop(): Promise<void> {
    return this.#loop.stop()
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { clock, maxPollIntervalMs, calls, waiting, matters, onExpired } = this.#options
    const lookMs = Math.min(longestLookMs, Math.max(1, maxPollIntervalMs / looksPerInterval))
    let seen = calls()
    while (!signal.aborted) {
      await this.#bell.wait(lookMs, signal)
      const now = calls()
      if (now !== seen || waiting() || !matters()) {
        seen = now
        this.reset()
      } else if (clock.now() - this.#lastPollAt >= maxPollIntervalMs) {
        onExpired()
        this.reset()
      }
    }
  }
}
