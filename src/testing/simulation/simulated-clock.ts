/**
 * A clock whose time is a number: it stands still until whoever drives it lets the next thing happen, and jumps there.
 *
 * Timers fire one by one in the order of their moments, those of one moment in the order in which they were set; turns go
 * before timers. It knows nothing of the event loop: `simulation.ts` decides when the next step may be taken.
 */

import type { Clock, Timer } from '../../async/clock.ts'

interface PendingTimer {
  readonly at: number
  readonly order: number
  /** Undefined once it was cleared. */
  callback: (() => void) | undefined
}

/** Below so many, cleared timers are left where they are until their moment comes. */
const tidyBeyond = 1_024

export class SimulatedClock implements Clock {
  readonly #wallOffsetMs: number
  #now = 0
  #order = 0
  /** A binary heap by moment and order; cleared timers stay in it until they are at its top, or are too many. */
  #heap: PendingTimer[] = []
  #clearedTimers = 0
  #turns: (() => void)[] = []

  /** @param wallTimeMs what `wallTime` says in the beginning, in ms since 1970; `now` begins at 0 */
  constructor(wallTimeMs: number) {
    this.#wallOffsetMs = wallTimeMs
  }

  now(): number {
    return this.#now
  }

  wallTime(): number {
    return this.#wallOffsetMs + Math.floor(this.#now)
  }

  setTimer(callback: () => void, delayMs: number): Timer {
    const timer: PendingTimer = { at: this.#now + Math.max(0, delayMs || 0), order: this.#order++, callback }
    this.#push(timer)
    return timer as unknown as Timer
  }

  clearTimer(timer: Timer | undefined): void {
    const pending = timer as unknown as PendingTimer | undefined
    if (pending?.callback === undefined) return
    pending.callback = undefined
    this.#clearedTimers++
    if (this.#clearedTimers > tidyBeyond && this.#clearedTimers * 2 > this.#heap.length) this.#tidy()
  }

  nextTurn(callback: () => void): void {
    this.#turns.push(callback)
  }

  /** How many timers are set: what a test leaves behind shows here. */
  get pendingTimers(): number {
    return this.#heap.length - this.#clearedTimers
  }

  /** The moment of the next thing that can happen; undefined when nothing is left. */
  get nextAt(): number | undefined {
    if (this.#turns.length > 0) return this.#now
    this.#dropCleared()
    return this.#heap[0]?.at
  }

  /** Lets one thing happen, a turn or else the earliest timer, and says whether there was one. */
  step(): boolean {
    const turn = this.#turns.shift()
    if (turn !== undefined) {
      turn()
      return true
    }
    this.#dropCleared()
    const timer = this.#pop()
    if (timer === undefined) return false
    this.#now = Math.max(this.#now, timer.at)
    const callback = timer.callback!
    // What has fired cannot be cleared any more.
    timer.callback = undefined
    callback()
    return true
  }

  #dropCleared(): void {
    while (this.#heap.length > 0 && this.#heap[0]!.callback === undefined) {
      this.#pop()
      this.#clearedTimers--
    }
  }

  #tidy(): void {
    const kept = this.#heap.filter(({ callback }) => callback !== undefined)
    this.#heap = []
    this.#clearedTimers = 0
    for (const timer of kept) this.#push(timer)
  }

  #push(timer: PendingTimer): void {
    const heap = this.#heap
    let index = heap.length
    heap.push(timer)
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!isBefore(timer, heap[parent]!)) break
      heap[index] = heap[parent]!
      index = parent
    }
    heap[index] = timer
  }

  #pop(): PendingTimer | undefined {
    const heap = this.#heap
    const top = heap[0]
    const last = heap.pop()
    if (heap.length === 0 || last === undefined) return top
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[index] = heap[child]!
      index = child
    }
    heap[index] = last
    return top
  }
}

function isBefore(a: PendingTimer, b: PendingTimer): boolean {
  return a.at === b.at ? a.order < b.order : a.at < b.at
}
