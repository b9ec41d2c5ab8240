/** Waiting with a way out: every wait in Jackdaw ends by its event, its deadline or its signal. */

import { setMaxListeners } from 'node:events'

import { TimeoutError } from '../errors/errors.ts'
import type { Clock } from './clock.ts'

export interface WaitOptions {
  /** Rejects the wait with `signal.reason`. */
  signal?: AbortSignal | undefined
}

/**
 * Resolves after `delayMs`, rejects with `signal.reason` when aborted first.
 */
export function sleep(clock: Clock, delayMs: number, { signal }: WaitOptions = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason)
      return
    }
    const timer = clock.setTimer(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, delayMs)
    const onAbort = (): void => {
      clock.clearTimer(timer)
      reject(signal!.reason)
    }
    if (signal !== undefined) listenForAbort(signal, onAbort)
  })
}

/**
 * Waits for `promise`, but not beyond the signal: the promise itself goes on, and its rejection counts as handled.
 */
export function abortable<T>(promise: Promise<T>, { signal }: WaitOptions): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      reject(signal.reason)
    }
    if (signal.aborted) onAbort()
    else listenForAbort(signal, onAbort)
    promise.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', onAbort)
    })
  })
}

/** One signal may end any number of waits at once: Node's warning of a leak beyond ten listeners would be a false alarm,
 *  since every wait takes its listener off again. */
export function listenForAbort(signal: AbortSignal, onAbort: () => void): void {
  setMaxListeners(0, signal)
  signal.addEventListener('abort', onAbort, { once: true })
}

export interface DeadlineOptions extends WaitOptions {
  clock: Clock
  /** On the clock of `clock.now()`. */
  deadline: number
  /** What was waited for, to complete "timed out after N ms …". */
  what: string
}

/**
 * Waits for `promise` until the deadline (then `TimeoutError`) or the signal (then its reason). The promise goes on.
 */
export function before<T>(promise: Promise<T>, { clock, deadline, what, signal }: DeadlineOptions): Promise<T> {
  const startedAt = clock.now()
  return new Promise((resolve, reject) => {
    const timer = clock.setTimer(() => {
      reject(new TimeoutError(`timed out after ${Math.round(clock.now() - startedAt)} ms ${what}`))
    }, deadline - startedAt)
    abortable(promise, { signal })
      .then(resolve, reject)
      .finally(() => {
        clock.clearTimer(timer)
      })
  })
}
