/** The door to time: the only file that touches Node's clocks and timers. Everything else is given a `Clock`. */

declare const timer: unique symbol
/** What `setTimer` returns and `clearTimer` takes; means nothing to anyone else. */
export interface Timer {
  readonly [timer]?: never
}

export interface Clock {
  /** Milliseconds since some fixed moment, never going back. For durations and deadlines. */
  now(): number
  /** Milliseconds since 1970, as the wall says. For record timestamps only: it may jump. */
  wallTime(): number
  /** Calls `callback` once, `delayMs` from now (at once when negative). */
  setTimer(callback: () => void, delayMs: number): Timer
  clearTimer(timer: Timer | undefined): void
  /** Calls `callback` after what input is already here has been handled, before any timer. */
  nextTurn(callback: () => void): void
}

// setTimeout takes at most 2^31 - 1 ms and fires at once beyond it.
const longestDelayMs = 2_147_483_647

export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  setTimer: (callback, delayMs) =>
    setTimeout(callback, Math.min(Math.max(delayMs, 0), longestDelayMs)) as unknown as Timer,
  clearTimer: (timer) => {
    clearTimeout(timer as unknown as NodeJS.Timeout)
  },
  nextTurn: (callback) => {
    setImmediate(callback)
  },
}
