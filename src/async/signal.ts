/** A bell that a loop sleeps beside. Rung while nobody sleeps, it is remembered once. */

import type { Clock } from './clock.ts'

export class Signal {
  readonly #clock: Clock
  #rung = false
  #wake: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Wakes the sleeper, or makes the next `wait` return at once. */
  ring(): void {
    if (this.#wake !== undefined) this.#wake()
    else this.#rung = true
  }

  /**
   * Sleeps until rung, until `timeoutMs` passed (undefined: no limit), or until the signal aborts.
   * Never rejects: the caller looks at the state it cares for. At most one sleeper at a time.
   */
  wait(timeoutMs?: number, signal?: AbortSignal): Promise<void> {
    if (this.#rung || signal?.aborted) {
      this.#rung = false
      return Promise.resolve()
    }
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#wake = undefined
        this.#clock.clearTimer(timer)
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      const timer =
        timeoutMs === undefined || timeoutMs === Infinity ? undefined : this.#clock.setTimer(wake, timeoutMs)
      signal?.addEventListener('abort', wake, { once: true })
      this.#wake = wake
    })
  }
}
