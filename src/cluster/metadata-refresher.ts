/** The loop that replaces the snapshot: periodically, when somebody marks it stale, and when somebody waits for a new one.
 *  All who wait share one request. Knows neither brokers nor topics: it is given `fetch`. */

import type { Backoff } from '../async/backoff.ts'
import type { Clock } from '../async/clock.ts'
import { Deferred } from '../async/deferred.ts'
import { Loop } from '../async/loop.ts'
import { Signal } from '../async/signal.ts'
import type { MetadataSnapshot } from './metadata.ts'

export interface MetadataRefresherSettings {
  readonly clock: Clock
  readonly backoff: Backoff
  readonly maxAgeMs: number
  /** Refreshes of the same topics begin at least so far apart, in ms. */
  readonly minIntervalMs: number
  /** Counts up when a topic comes into use. */
  readonly topicsVersion: () => number
  /** Asks the cluster, swaps the snapshot, and says whether it has all that was wanted of it. */
  readonly fetch: (signal: AbortSignal) => Promise<{ snapshot: MetadataSnapshot; complete: boolean }>
  /** Hears how each refresh ended, after it was noted. */
  readonly onOutcome: (error: unknown, failuresInARow: number) => void
}

export class MetadataRefresher {
  readonly #settings: MetadataRefresherSettings
  readonly #bell: Signal
  readonly #loop: Loop
  #stale = false
  #startedAt = -Infinity
  #finishedAt: number
  #topicsVersion: number
  #failuresInARow = 0
  #lastError: unknown
  /** After a failure, or when something was missing: when to ask again. */
  #retryAt: number | undefined
  #running: { readonly topicsVersion: number; readonly done: Deferred<MetadataSnapshot> } | undefined
  #next: Deferred<MetadataSnapshot> | undefined
  #stopped: Error | undefined

  /** Begins with a snapshot that was just made for the topics of now. */
  constructor(settings: MetadataRefresherSettings, topicsVersion: number) {
    this.#settings = settings
    this.#bell = new Signal(settings.clock)
    this.#finishedAt = settings.clock.now()
    this.#topicsVersion = topicsVersion
    this.#loop = new Loop({
      name: 'metadata refresher',
      run: (signal) => this.#run(signal),
      onFailure: (error) => {
        // Only a mistake of ours gets here; who waits must not wait for ever because of it.
        this.#stopped = error as Error
        this.#rejectWaiting(error)
      },
    })
  }

  /** Why the last refresh failed; undefined when it did not. */
  get lastError(): unknown {
    return this.#lastError
  }

  /** Whether there will be no more refreshes. */
  get hasStopped(): boolean {
    return this.#stopped !== undefined
  }

  start(): void {
    this.#loop.start()
  }

  /** Ends the loop; who waits for a refresh is rejected with `reason`. Never rejects; idempotent. */
  async stop(reason: Error): Promise<void> {
    this.#stopped ??= reason
    this.#rejectWaiting(reason)
    await this.#loop.stop(reason)
  }

  /** Something showed that the snapshot is out of date: refresh soon. */
  request(): void {
    this.#stale = true
    this.#bell.ring()
  }

  /** A topic came into use. */
  topicsChanged(): void {
    this.#bell.ring()
  }

  /**
   * Resolves with the next snapshot: that of the refresh under way, or, when a topic came into use since that began, of
   * the one after it. Rejects when that refresh fails: who wants to go on waiting asks again, for the next one, so that
   * those who gave up are not kept through an outage of hours.
   */
  refresh(): Promise<MetadataSnapshot> {
    if (this.#stopped !== undefined) return Promise.reject(this.#stopped)
    if (this.#running?.topicsVersion === this.#settings.topicsVersion()) return this.#running.done.promise
    this.#next ??= quiet(new Deferred())
    this.#bell.ring()
    return this.#next.promise
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const waitMs = this.#dueAt() - this.#settings.clock.now()
      if (waitMs > 0) await this.#bell.wait(waitMs, signal)
      else await this.#refresh(signal)
    }
  }

  #dueAt(): number {
    const { maxAgeMs, minIntervalMs, topicsVersion } = this.#settings
    const failing = this.#failuresInARow > 0
    if (failing && this.#retryAt !== undefined) return this.#retryAt
    if (topicsVersion() !== this.#topicsVersion) return -Infinity
    const ageAt = this.#finishedAt + maxAgeMs
    // Something is missing, perhaps for hours, and whoever misses it asks and asks: the interval grows all the same.
    if (this.#retryAt !== undefined) return Math.min(ageAt, this.#retryAt)
    // However many ask, the cluster is asked once per interval.
    return this.#stale || this.#next !== undefined ? Math.min(ageAt, this.#startedAt + minIntervalMs) : ageAt
  }

  async #refresh(signal: AbortSignal): Promise<void> {
    const { clock, backoff, fetch, onOutcome } = this.#settings
    const topicsVersion = this.#settings.topicsVersion()
    const done = this.#next ?? quiet(new Deferred<MetadataSnapshot>())
    this.#next = undefined
    this.#stale = false
    this.#running = { topicsVersion, done }
    this.#startedAt = clock.now()
    try {
      const { snapshot, complete } = await fetch(signal)
      this.#running = undefined
      this.#finishedAt = clock.now()
      this.#topicsVersion = topicsVersion
      this.#failuresInARow = 0
      this.#lastError = undefined
      if (complete) {
        backoff.reset()
        this.#retryAt = undefined
      } else {
        this.#retryAt = clock.now() + backoff.nextMs()
      }
      done.resolve(snapshot)
      onOutcome(undefined, 0)
    } catch (error) {
      this.#running = undefined
      if (signal.aborted) {
        done.reject(signal.reason)
        return
      }
      this.#failuresInARow++
      this.#lastError = error
      this.#retryAt = clock.now() + backoff.nextMs()
      done.reject(error)
      onOutcome(error, this.#failuresInARow)
    }
  }

  #rejectWaiting(reason: unknown): void {
    this.#running?.done.reject(reason)
    this.#next?.reject(reason)
    this.#next = undefined
  }
}

/** Everyone who waits for it may have given up before it is rejected. */
function quiet<T>(deferred: Deferred<T>): Deferred<T> {
  deferred.promise.catch(() => {})
  return deferred
}
