/** One call of an Admin while it runs: its deadline, its signal, and how it asks a broker once.
 *  Knows no subject: what is asked, and what the answers mean, is in the file of each subject. */

import { before, sleep } from '../async/wait.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { RequestInit } from '../cluster/send-options.ts'
import type { Target } from '../cluster/target.ts'
import { TimeoutError } from '../errors/errors.ts'
import { KafkaError } from '../errors/kafka-error.ts'
import type { Api } from '../wire/api.ts'

/** What every call of Admin takes besides its own options. */
export interface AdminCallOptions {
  /** How long the call may take, retries included, in ms. Default `apiTimeoutMs`. */
  timeoutMs?: number | undefined
  /** Cancels the wait: the call rejects with `signal.reason`. What a broker was already asked to do is not undone. */
  signal?: AbortSignal | undefined
}

export interface VersionBounds {
  minVersion?: number
  maxVersion?: number
}

export class AdminCall {
  readonly cluster: Cluster
  /** What the call is for, to complete "timed out …": `creating topics`. */
  readonly what: string
  readonly signal: AbortSignal
  readonly #timeoutMs: number
  readonly #deadline: number
  /** Why the last attempt failed. */
  #lastError: KafkaError | undefined
  /** The errors that say already that there was no time left. */
  readonly #outOfTime = new WeakSet<Error>()

  constructor(cluster: Cluster, what: string, { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal }) {
    this.cluster = cluster
    this.what = what
    this.signal = signal
    this.#timeoutMs = timeoutMs
    this.#deadline = cluster.clock.now() + timeoutMs
  }

  get remainingMs(): number {
    return this.#deadline - this.cluster.clock.now()
  }

  /**
   * How long a broker may take over a request that carries its own limit, in ms: a little less than we wait, so that
   * its answer that it took too long still reaches us.
   */
  get brokerTimeoutMs(): number {
    const oursMs = Math.min(this.remainingMs, this.cluster.options.requestTimeoutMs)
    return Math.max(1, Math.floor(oursMs - Math.min(1_000, oursMs / 10)))
  }

  /** Asks once. Rejects with what went wrong, at the deadline with `TimeoutError`, or with the signal's reason. */
  async ask<Request, Response>(
    target: Target,
    api: Api<Request, Response>,
    request: RequestInit<Request>,
    versions: VersionBounds = {},
  ): Promise<Response> {
    const { clock } = this.cluster
    const { signal } = this
    let waitedFor = `the bootstrap servers ${String(this.cluster.options.bootstrapServers)} have not answered`
    const attempt = async (): Promise<Response> => {
      await this.cluster.start({ signal })
      waitedFor = `${api.name} was not answered`
      const timeoutMs = Math.max(1, Math.min(this.remainingMs, this.cluster.options.requestTimeoutMs))
      return await this.cluster.send(target, api, request, { ...versions, signal, timeoutMs })
    }
    const outcome = attempt().then(
      (response) => ({ response }),
      (error: unknown) => ({ error }),
    )
    let result: { response: Response } | { error: unknown }
    try {
      result = await before(outcome, { clock, deadline: this.#deadline, what: this.what, signal })
    } catch (error) {
      // Only the deadline and the signal reject here. What went wrong before tells more than that time is up.
      if (signal.aborted) throw error
      throw this.outOfTime(this.#lastError ?? new TimeoutError(waitedFor))
    }
    if ('response' in result) return result.response
    if (result.error instanceof KafkaError) this.#lastError = result.error
    throw result.error
  }

  /** Waits before asking again; false at once when the deadline would pass meanwhile. */
  async pause(delayMs: number): Promise<boolean> {
    if (this.remainingMs <= delayMs) return false
    await sleep(this.cluster.clock, delayMs, { signal: this.signal })
    return true
  }

  /** The error of what was retried until there was no time left. */
  outOfTime(cause: KafkaError): TimeoutError {
    if (this.#outOfTime.has(cause)) return cause
    const error = new TimeoutError(`timed out after ${this.#timeoutMs} ms ${this.what}: ${cause.message}`, { cause })
    this.#outOfTime.add(error)
    return error
  }
}
