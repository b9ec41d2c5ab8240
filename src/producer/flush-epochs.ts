/** Tells when everything accepted before some moment is settled, at the cost of one counter per moment: what is accepted
 *  is counted in the epoch of the day, a flush begins a new epoch and waits for the old ones to run empty. */

import { Deferred } from '../async/deferred.ts'

/** What was accepted between two flushes. Opaque to whoever holds one. */
export interface FlushEpoch {
  readonly number: number
  outstanding: number
  next: FlushEpoch | undefined
}

export class FlushEpochs {
  #current: FlushEpoch = { number: 0, outstanding: 0, next: undefined }
  #oldest: FlushEpoch = this.#current
  #waiting: { upTo: number; deferred: Deferred<void> }[] = []

  /** Counts something as accepted now. Give what comes back to `settled`, once. */
  accepted(): FlushEpoch {
    this.#current.outstanding++
    return this.#current
  }

  /** Counts something as accepted when `epoch` was: a part of what was accepted then goes its own way. */
  acceptedIn(epoch: FlushEpoch): FlushEpoch {
    epoch.outstanding++
    return epoch
  }

  settled(epoch: FlushEpoch): void {
    epoch.outstanding--
    while (this.#oldest.outstanding === 0 && this.#oldest.next !== undefined) this.#oldest = this.#oldest.next
    if (this.#waiting.length === 0) return
    const { number, outstanding } = this.#oldest
    const reached = outstanding === 0 ? number : number - 1
    while (this.#waiting.length > 0 && this.#waiting[0]!.upTo <= reached) this.#waiting.shift()!.deferred.resolve()
  }

  /** Whether anything accepted is not settled yet. */
  get idle(): boolean {
    return this.#oldest === this.#current && this.#current.outstanding === 0
  }

  /** Whether a flush waits for what was accepted in this epoch: then nothing of it should linger. */
  isFlushed(epoch: FlushEpoch): boolean {
    return epoch.number < this.#current.number
  }

  /** Resolves when everything accepted so far is settled. Never rejects. */
  flush(): Promise<void> {
    if (this.idle) return Promise.resolve()
    if (this.#current.outstanding > 0) {
      const next: FlushEpoch = { number: this.#current.number + 1, outstanding: 0, next: undefined }
      this.#current.next = next
      this.#current = next
    }
    const deferred = new Deferred<void>()
    this.#waiting.push({ upTo: this.#current.number - 1, deferred })
    return deferred.promise
  }
}
