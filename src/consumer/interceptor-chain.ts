/** Tells the application's interceptors what happens, one after the other, and lets none of them do harm (KIP-42). */

import type { Logger } from '../diagnostics/logger.ts'
import type { ConsumerInterceptor } from '../model/interceptor.ts'
import type { TopicPartitionOffset } from '../model/offset-and-metadata.ts'
import { isPromiseLike } from '../model/serde.ts'
import type { ConsumerRecord } from './consumer-record.ts'

export class InterceptorChain {
  readonly #interceptors: readonly ConsumerInterceptor[]
  readonly #logger: Logger

  constructor(interceptors: readonly ConsumerInterceptor[], logger: Logger) {
    this.#interceptors = interceptors
    this.#logger = logger
  }

  /** Undefined when nobody wants to see records, so that nothing need be done for it. */
  get onConsume(): ((records: readonly ConsumerRecord[]) => void) | undefined {
    if (!this.#interceptors.some((interceptor) => interceptor.onConsume !== undefined)) return undefined
    return (records) => {
      this.#tell('onConsume', (interceptor) => interceptor.onConsume?.(records))
    }
  }

  /** Undefined when nobody wants to hear of commits. */
  get onCommit(): ((offsets: readonly TopicPartitionOffset[]) => void) | undefined {
    if (!this.#interceptors.some((interceptor) => interceptor.onCommit !== undefined)) return undefined
    return (offsets) => {
      this.#tell('onCommit', (interceptor) => interceptor.onCommit?.(offsets))
    }
  }

  #tell(name: string, call: (interceptor: ConsumerInterceptor) => unknown): void {
    const failed = (error: unknown): void => {
      this.#logger.error(`${name} of an interceptor failed: ${String(error)}`)
    }
    for (const interceptor of this.#interceptors) {
      try {
        // One that is asynchronous against its type must not end the process with a rejection that nobody handles.
        const told = call(interceptor)
        if (isPromiseLike(told)) told.then(undefined, failed)
      } catch (error) {
        failed(error)
      }
    }
  }
}
