/** Lets interceptors see records before they are sent, and what became of them (KIP-42). What they throw is logged and
 *  harms no record. Knows nothing of how records are sent. */

import type { Logger } from '../diagnostics/logger.ts'
import { isPromiseLike } from '../model/serde.ts'
import type { ProducerInterceptor } from '../model/interceptor.ts'
import { quote } from '../options/option-table.ts'
import type { ProducerRecord, RecordMetadata } from './producer-record.ts'
import type { RecordWatch } from './record-watch.ts'

/** A record before it is serialized. */
type AnyRecord = ProducerRecord<unknown, unknown>
type AnyInterceptor = ProducerInterceptor<unknown, unknown>

export class ProducerInterceptors {
  readonly #all: readonly AnyInterceptor[]
  readonly #logger: Logger
  readonly #anyoneListens: boolean

  private constructor(all: readonly AnyInterceptor[], logger: Logger) {
    this.#all = all
    this.#logger = logger
    this.#anyoneListens = all.some(listens)
  }

  /** undefined when none of them has anything to do with a producer. */
  static of(all: readonly AnyInterceptor[], logger: Logger): ProducerInterceptors | undefined {
    const concerned = all.some((one) => listens(one) || one.onSend !== undefined)
    // A list of its own: the caller may go on with his.
    return concerned ? new ProducerInterceptors([...all], logger) : undefined
  }

  /** The record as the interceptors leave it, asked one after the other. */
  onSend(record: AnyRecord): AnyRecord {
    let current = record
    for (const interceptor of this.#all) {
      if (interceptor.onSend === undefined) continue
      try {
        const given: unknown = interceptor.onSend(current)
        if (typeof given === 'object' && given !== null && !isPromiseLike(given)) {
          current = given as AnyRecord
        } else {
          this.#complain(
            'onSend',
            `gave ${isPromiseLike(given) ? 'a promise' : quote(given)} in place of a record`,
            given,
          )
        }
      } catch (thrown) {
        this.#complain('onSend', `threw ${described(thrown)}`)
      }
    }
    return current
  }

  /** Tells the interceptors what becomes of the record; undefined when none wants to hear it. */
  watch(record: AnyRecord): RecordWatch | undefined {
    if (!this.#anyoneListens) return undefined
    return {
      acknowledged: (metadata) => {
        this.#tell(metadata, null, record)
      },
      failed: (reason) => {
        this.#tell(null, reason instanceof Error ? reason : new Error(String(reason), { cause: reason }), record)
      },
    }
  }

  #tell(metadata: RecordMetadata | null, error: Error | null, record: AnyRecord): void {
    for (const interceptor of this.#all) {
      if (interceptor.onAcknowledged === undefined) continue
      try {
        const given: unknown = interceptor.onAcknowledged(metadata, error, record)
        this.#handleLate('onAcknowledged', given)
      } catch (thrown) {
        this.#complain('onAcknowledged', `threw ${described(thrown)}`)
      }
    }
  }

  #complain(method: string, what: string, given?: unknown): void {
    this.#logger.error(`${method} of an interceptor ${what}`)
    this.#handleLate(method, given)
  }

  /** Nobody waits for an interceptor; one that is asynchronous all the same must not end the process. */
  #handleLate(method: string, given: unknown): void {
    if (!isPromiseLike(given)) return
    given.then(undefined, (thrown: unknown) => {
      this.#complain(method, `threw ${described(thrown)}`)
    })
  }
}

function listens(interceptor: AnyInterceptor): boolean {
  return interceptor.onAcknowledged !== undefined
}

function described(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : quote(thrown)
}
