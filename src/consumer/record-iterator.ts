/** What `for await` walks: each step is a hand-out call. An object of its own and no async generator, which would cost
 *  three promises per record. */

import type { ConsumerRecord } from './consumer-record.ts'
import type { HandOut } from './hand-out.ts'

const done = { done: true, value: undefined } as const

export class RecordIterator implements AsyncIterableIterator<ConsumerRecord> {
  readonly #handOut: HandOut
  #returned = false

  constructor(handOut: HandOut) {
    this.#handOut = handOut
  }

  next(): Promise<IteratorResult<ConsumerRecord, undefined>> {
    return this.#returned ? Promise.resolve(done) : this.#handOut.next()
  }

  /** `break`, `return` and `throw` end the loop and finish nothing. */
  return(): Promise<IteratorResult<ConsumerRecord, undefined>> {
    this.#returned = true
    return Promise.resolve(done)
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
