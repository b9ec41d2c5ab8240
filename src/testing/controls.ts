/** What a test put in front of the handlers: answers of its own, errors, delays, silence, ends of connections. Knows which
 *  request is for whom, and not how an answer is sent. */

import { brokerErrorNumber } from '../errors/broker-error.ts'
import type { BrokerErrorCode } from '../errors/broker-error-codes.ts'
import type { Api, Init } from '../wire/api.ts'
import { noAnswer, type Answer } from './handlers/handler.ts'

/**
 * What a control says to a request:
 *
 * - a response, which is sent as it is;
 * - `{ errorCode: 'NOT_LEADER_OR_FOLLOWER' }`, Kafka's name of a code: the response that says this error in every place where
 *   the request could be told one;
 * - `'drop'`: the connection ends, and the request was not handled;
 * - `'cut'`: the request is handled, and the connection ends in the middle of the answer;
 * - `'silence'`: nothing is ever answered on this connection again;
 * - `undefined`: this control has nothing to say, the next one or the real handler answers.
 *
 * What a control throws is an uncaught exception of the process, which fails the test that runs.
 */
export type ControlAnswer<Response> =
  Init<Response> | { readonly errorCode: BrokerErrorCode } | 'drop' | 'cut' | 'silence' | undefined

export interface ControlContext<Request, Response> {
  readonly brokerId: number
  /** Of the request; the answer is written in the same. */
  readonly version: number
  readonly correlationId: number
  readonly clientId: string | null
  /** Which of the cluster's connections it came on, counted from 1. */
  readonly connectionId: number
  /** Has the request, or another one in its place, handled as if there were no controls, and resolves to the answer, which may
   *  be changed and returned. For a Produce with acks 0, which has no answer, it resolves to undefined. */
  readonly handle: (request?: Request) => Promise<Init<Response> | undefined>
  /** Resolves after so many ms of the cluster's clock. */
  readonly delay: (delayMs: number) => Promise<void>
}

export type Control<Request, Response> = (
  request: Request,
  context: ControlContext<Request, Response>,
) => ControlAnswer<Response> | Promise<ControlAnswer<Response>>

export interface ControlOptions {
  /** Stay after the first answer. Default: a control answers one request, and is gone. */
  readonly keep?: boolean
  /** Only for requests to this broker. */
  readonly broker?: number
}

/** What shall happen to a request. */
export type Ruling =
  { readonly kind: 'answer'; readonly answer: Answer<unknown> } | { readonly kind: 'drop' | 'cut' | 'silence' }

interface Entry {
  readonly apiKey: number
  readonly control: Control<unknown, unknown>
  readonly keep: boolean
  readonly broker: number | undefined
  /** One that answers once is spoken for while it thinks. */
  isBusy: boolean
}

/** How the request is answered without controls. */
export interface Handling {
  handle(request: unknown): Promise<Answer<unknown>>
  refuse(request: unknown, errorCode: number): Answer<unknown>
}

export class Controls {
  readonly #entries = new Set<Entry>()

  /** Returns a function that takes the control away. */
  add<Request, Response>(
    api: Api<Request, Response>,
    control: Control<Request, Response>,
    { keep = false, broker }: ControlOptions = {},
  ): () => void {
    const entry: Entry = { apiKey: api.key, control: control as Control<unknown, unknown>, keep, broker, isBusy: false }
    this.#entries.add(entry)
    return () => {
      this.#entries.delete(entry)
    }
  }

  clear(): void {
    this.#entries.clear()
  }

  /** Asks the controls of an API in the order they were made; undefined when none of them has anything to say. */
  async rule(
    api: Api<unknown, unknown>,
    request: unknown,
    context: Omit<ControlContext<unknown, unknown>, 'handle'>,
    handling: Handling,
  ): Promise<Ruling | undefined> {
    for (const entry of [...this.#entries]) {
      const isMeant = entry.apiKey === api.key && (entry.broker === undefined || entry.broker === context.brokerId)
      if (!isMeant || entry.isBusy || !this.#entries.has(entry)) continue
      if (!entry.keep) entry.isBusy = true
      let said: ControlAnswer<unknown>
      try {
        said = (await entry.control(request, {
          ...context,
          handle: async (changed = request) => {
            const answer = await handling.handle(changed)
            return answer === noAnswer ? undefined : (answer as Init<unknown>)
          },
        })) as ControlAnswer<unknown>
      } catch (error) {
        // A mistake in a test must fail the test: as the end of a connection, clients would only try again.
        queueMicrotask(() => {
          throw error
        })
        return { kind: 'drop' }
      } finally {
        entry.isBusy = false
      }
      if (said === undefined) continue
      if (!entry.keep) this.#entries.delete(entry)
      if (said === 'drop' || said === 'cut' || said === 'silence') return { kind: said }
      const { errorCode } = said as { errorCode?: unknown }
      if (typeof errorCode !== 'string') return { kind: 'answer', answer: said as Init<unknown> }
      return { kind: 'answer', answer: handling.refuse(request, brokerErrorNumber(errorCode as BrokerErrorCode)) }
    }
    return undefined
  }

  /** Whether any control is for the API: a request without one takes the short way. */
  concerns(api: Api<unknown, unknown>): boolean {
    for (const { apiKey } of this.#entries) if (apiKey === api.key) return true
    return false
  }
}
