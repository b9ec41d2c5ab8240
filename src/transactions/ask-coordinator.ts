/** Asks a coordinator until it answers something that trying again does not change, the deadline passes, or nobody wants
 *  to know any more. Says what came of it, and whether the request may have been carried out unseen. */

import { abortable, before, listenForAbort, sleep } from '../async/wait.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Target } from '../cluster/target.ts'
import { BrokerError, brokerErrorNumber } from '../errors/broker-error.ts'
import { TimeoutError } from '../errors/errors.ts'
import { KafkaError } from '../errors/kafka-error.ts'
import { mayHaveHappened, verdictOf, type TransactionRequestName, type Verdict } from './verdicts.ts'

export interface AskOptions {
  /** On the clock of `clock.now()`. */
  readonly deadline: number
  /** Gives up at once, whatever is on its way: the producer is destroyed. Rejects with its reason. */
  readonly signal: AbortSignal
  /** Waits for the answer that is due, and asks no more: the transaction is being aborted. */
  readonly stop?: AbortSignal | undefined
}

export interface Answer<Value> {
  /** The worst error code, 0 for none. */
  readonly code: number
  /** What that code is about, to complete `what`. */
  readonly of?: string | undefined
  readonly value?: Value | undefined
}

export interface Question<Value> {
  /** Whose verdicts count. */
  readonly name: TransactionRequestName
  readonly target: Target
  /** The beginning of a sentence: `the coordinator of 'x' did not commit`. */
  readonly what: string
  /** All that is asked for, to complete `what` where the code of an answer is about a part of it. */
  readonly ofAll?: string
  /** Asks once. Calls `written` when the request may reach the coordinator from then on, and sends nothing after the abort. */
  readonly attempt: (signal: AbortSignal, written: () => void) => Promise<Answer<Value>>
  /** In place of the table's verdict. */
  readonly verdict?: ((errorCode: number) => Verdict | undefined) | undefined
  /** How long to wait before trying again because of this code, in ms, where it is not the usual backoff. */
  readonly waitMs?: ((errorCode: number) => number | undefined) | undefined
}

/**
 * What came of it. `isUncertain`: an attempt was sent whose answer is not known, or told nothing, so that the coordinator
 * may have done what it was asked.
 */
export type Outcome<Value> =
  | { readonly kind: 'done'; readonly value: Value; readonly isUncertain: boolean }
  | {
      readonly kind: Exclude<Verdict, 'retry'> | 'timed-out' | 'stopped'
      readonly error: KafkaError
      readonly isUncertain: boolean
    }

/** Rejects only with the reason of `signal`, and with what is no error of Kafka's. */
export async function ask<Value>(
  cluster: Cluster,
  question: Question<Value>,
  { deadline, signal, stop }: AskOptions,
): Promise<Outcome<Value>> {
  const { name, target, what } = question
  const { clock } = cluster
  const backoff = cluster.newBackoff()
  let isUncertain = false
  let lastError: KafkaError | undefined
  for (;;) {
    let isWritten = false
    // What still waits for a connection when time is up must not be sent behind our back.
    const attempt = new AbortController()
    const abandon = (): void => {
      attempt.abort(signal.reason)
    }
    listenForAbort(signal, abandon)
    let error: KafkaError
    let verdict: Verdict
    let code: number | undefined
    try {
      signal.throwIfAborted()
      const asked = question.attempt(attempt.signal, () => {
        isWritten = true
      })
      const answer = await before(asked, { clock, deadline, signal, what: 'waiting for the answer' })
      if (answer.code === 0) return { kind: 'done', value: answer.value as Value, isUncertain }
      code = answer.code
      error = new BrokerError(code, answer.of === undefined ? what : `${what} ${answer.of}`)
      isUncertain ||= mayHaveHappened(code)
      verdict = question.verdict?.(code) ?? verdictOf(name, code)
    } catch (thrown) {
      if (signal.aborted || !(thrown instanceof KafkaError)) throw thrown
      isUncertain ||= isWritten && thrown.persistence !== 'not-persisted'
      if (thrown instanceof TimeoutError && clock.now() >= deadline) {
        return timedOut(question, lastError ?? thrown, isUncertain)
      }
      error = thrown
      // The coordinator could not be found, and the broker that was asked for it says why.
      code = thrown instanceof BrokerError ? thrown.errorCode : undefined
      if (code === undefined) verdict = thrown.retriable ? 'retry' : 'abortable'
      else verdict = question.verdict?.(code) ?? verdictOf(name, code)
    } finally {
      signal.removeEventListener('abort', abandon)
      attempt.abort(new TimeoutError('nobody waits for it any more'))
    }
    if (verdict !== 'retry') return { kind: verdict, error, isUncertain }
    lastError = error
    // UNKNOWN_SERVER_ERROR has no remedy of its own: perhaps another broker coordinates by now.
    if (cluster.remedy(target, error) === 'none') cluster.remedy(target, coordinatorNotAvailable)
    const waitMs = (code === undefined ? undefined : question.waitMs?.(code)) ?? backoff.nextMs()
    if (stop?.aborted) return { kind: 'stopped', error, isUncertain }
    if (clock.now() + waitMs >= deadline) return timedOut(question, error, isUncertain)
    await pause(cluster, waitMs, signal, stop)
    if (stop?.aborted) return { kind: 'stopped', error, isUncertain }
  }
}

const coordinatorNotAvailable = brokerErrorNumber('COORDINATOR_NOT_AVAILABLE')

function timedOut<Value>({ what, ofAll }: Question<Value>, cause: KafkaError, isUncertain: boolean): Outcome<never> {
  const all = ofAll === undefined ? what : `${what} ${ofAll}`
  // What the coordinator said last begins with the same words.
  const why = cause.message.startsWith(what) ? cause.message.slice(what.length).replace(/^:? /, '') : cause.message
  return { kind: 'timed-out', error: new TimeoutError(`${all} in time: ${why}`, { cause }), isUncertain }
}

/** Sleeps, but not longer than anyone wants to go on. */
async function pause(cluster: Cluster, waitMs: number, signal: AbortSignal, stop: AbortSignal | undefined) {
  try {
    await abortable(sleep(cluster.clock, waitMs, { signal }), { signal: stop })
  } catch (reason) {
    if (signal.aborted || !stop?.aborted) throw reason
  }
}
