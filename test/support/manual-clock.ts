/** A clock that stands still until a test moves it: timers fire in order of their moments, one after the other. */

import type { Clock, Timer } from '#src/async/clock.js'

interface PendingTimer {
  readonly at: number
  readonly order: number
  readonly callback: () => void
}

export class ManualClock implements Clock {
  #now = 1_000
  #order = 0
  readonly #timers = new Set<PendingTimer>()

  now(): number {
    return this.#now
  }

  wallTime(): number {
    return 1_700_000_000_000 + this.#now
  }

  setTimer(callback: () => void, delayMs: number): Timer {
    const timer = { at: this.#now + Math.max(0, delayMs), order: this.#order++, callback }
    this.#timers.add(timer)
    return timer as unknown as Timer
  }

  clearTimer(timer: Timer | undefined): void {
    this.#timers.delete(timer as unknown as PendingTimer)
  }

  nextTurn(callback: () => void): void {
    setImmediate(callback)
  }

  /** How many timers are waiting: a leak shows here. */
  get pendingTimers(): number {
    return this.#timers.size
  }

  /** Moves the time on; between two timers the event loop gets its turn, so that promises settle as they would. */
  async advance(byMs: number): Promise<void> {
    const end = this.#now + byMs
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve))
      let next: PendingTimer | undefined
      for (const timer of this.#timers) {
        if (timer.at > end) continue
        if (next === undefined || timer.at < next.at || (timer.at === next.at && timer.order < next.order)) next = timer
      }
      if (next === undefined) break
      this.#timers.delete(next)
      this.#now = Math.max(this.#now, next.at)
      next.callback()
    }
    this.#now = end
    await new Promise((resolve) => setImmediate(resolve))
  }
}
