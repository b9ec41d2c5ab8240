/** The requests that the brokers were sent, for tests to look at and to wait for. Bounded: the oldest go. Knows no answers. */

import { Deferred } from '../async/deferred.ts'
import { listenForAbort } from '../async/wait.ts'
import type { Api } from '../wire/api.ts'

/** A request as it arrived. */
export interface SeenRequest<Request = unknown> {
  readonly api: Api<Request, unknown>
  readonly request: Request
  readonly brokerId: number
  readonly version: number
  readonly clientId: string | null
  readonly correlationId: number
  /** Which of the cluster's connections it came on, counted from 1. */
  readonly connectionId: number
}

export class RequestLog {
  readonly #capacity: number
  #requests: SeenRequest[] = []
  readonly #counts = new Map<number, number>()
  readonly #waiters = new Set<() => void>()

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  add(request: SeenRequest): void {
    const { key } = request.api
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
    if (this.#capacity > 0) this.#requests.push(request)
    // Twice the bound, so that the list is not shifted at every request.
    if (this.#requests.length >= 2 * this.#capacity) this.#requests = this.#requests.slice(-this.#capacity)
    for (const wake of [...this.#waiters]) wake()
  }

  /** The latest requests, oldest first; all or of one API. */
  of<Request>(api?: Api<Request, unknown>): SeenRequest<Request>[] {
    const kept = this.#requests.slice(-Math.max(1, this.#capacity))
    return (api === undefined ? kept : kept.filter((seen) => seen.api.key === api.key)) as SeenRequest<Request>[]
  }

  /** How many requests of an API ever arrived. */
  count(apiKey: number): number {
    return this.#counts.get(apiKey) ?? 0
  }

  /** Resolves once so many have arrived. Rejects with `signal.reason`. */
  async untilCount(apiKey: number, count: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.count(apiKey) >= count) return
    signal?.throwIfAborted()
    const done = new Deferred<void>()
    const look = (): void => {
      if (this.count(apiKey) >= count) done.resolve()
    }
    const onAbort = (): void => {
      done.reject(signal!.reason)
    }
    this.#waiters.add(look)
    if (signal !== undefined) listenForAbort(signal, onAbort)
    try {
      await done.promise
    } finally {
      this.#waiters.delete(look)
      signal?.removeEventListener('abort', onAbort)
    }
  }
}
