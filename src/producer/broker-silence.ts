/** Since when brokers that were sent something have not answered. Asked by whoever may choose another broker's partition
 *  meanwhile (KIP-794). Knows nodes and moments, no requests. */

import type { Clock } from '../async/clock.ts'

export class BrokerSilence {
  readonly #clock: Clock
  readonly #since = new Map<number, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** A request goes to the broker: its silence begins, unless it lasts already. */
  asked(node: number): void {
    if (!this.#since.has(node)) this.#since.set(node, this.#clock.now())
  }

  /** The broker answered, and so many other requests of ours are still under way to it. */
  answered(node: number, stillUnderWay: number): void {
    if (stillUnderWay > 0) this.#since.set(node, this.#clock.now())
    else this.#since.delete(node)
  }

  /** Nothing is wanted of the broker any more: whatever it did not answer is over. */
  forget(node: number): void {
    this.#since.delete(node)
  }

  /** Whether the broker owes an answer for longer than this. */
  isLongerThan(node: number, timeoutMs: number): boolean {
    const since = this.#since.get(node)
    return since !== undefined && this.#clock.now() - since > timeoutMs
  }
}
