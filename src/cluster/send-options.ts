/** How one request is sent: where it queues, how long it may take, which versions will do. */

import type { Init } from '../wire/api.ts'
import type { Lane } from './target.ts'

export interface SendOptions {
  /** The connection it travels on. Default `shared`. */
  lane?: Lane | undefined
  /** Cancels waiting, never what is already on its way. Rejects with `signal.reason`. */
  signal?: AbortSignal | undefined
  /** From the write to the answer, in ms. Default `requestTimeoutMs`. When it passes, the connection is closed. */
  timeoutMs?: number | undefined
  /** False for Produce with acks 0: resolves (to undefined, typed as the response) when the bytes are written. */
  expectResponse?: boolean | undefined
  /** The version used must be at least this; `UnsupportedVersionError` names both sides' ranges. */
  minVersion?: number | undefined
  /** The version used is at most this. */
  maxVersion?: number | undefined
}

export interface RetryOptions<Response> extends SendOptions {
  /** When to give up, on the clock of `clock.now()`. Default `apiTimeoutMs` from now. */
  deadline?: number | undefined
  /** Finds the error code in the response that the remedy table should look at; 0 means that all is well. */
  errorCode?: ((response: Response) => number) | undefined
}

/** A request, or how to make it once the version is known that this broker will get. */
export type RequestInit<Request> = Init<Request> | ((version: number) => Init<Request>)
