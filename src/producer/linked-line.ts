/** A first-in, first-out line from whose middle anyone may leave at no cost: the neighbours' names are in the element.
 *  An element stands in one line at a time. Knows nothing of who waits, or for what. */

export abstract class Linked<T> {
  before: T | undefined = undefined
  after: T | undefined = undefined
}

export class LinkedLine<T extends Linked<T>> {
  #first: T | undefined = undefined
  #last: T | undefined = undefined
  #size = 0

  get first(): T | undefined {
    return this.#first
  }

  get size(): number {
    return this.#size
  }

  push(element: T): void {
    element.before = this.#last
    element.after = undefined
    if (this.#last === undefined) this.#first = element
    else this.#last.after = element
    this.#last = element
    this.#size++
  }

  /** Puts the element behind the last one that `goesFirst` says must stay ahead of it. */
  insert(element: T, goesFirst: (other: T, element: T) => boolean): void {
    let ahead = this.#last
    while (ahead !== undefined && !goesFirst(ahead, element)) ahead = ahead.before
    const behind = ahead === undefined ? this.#first : ahead.after
    element.before = ahead
    element.after = behind
    if (ahead === undefined) this.#first = element
    else ahead.after = element
    if (behind === undefined) this.#last = element
    else behind.before = element
    this.#size++
  }

  /** Takes out an element that stands in this line. */
  remove(element: T): void {
    if (element.before === undefined) this.#first = element.after
    else element.before.after = element.after
    if (element.after === undefined) this.#last = element.before
    else element.after.before = element.before
    element.before = undefined
    element.after = undefined
    this.#size--
  }

  *[Symbol.iterator](): IterableIterator<T> {
    let element = this.#first
    while (element !== undefined) {
      // Read first: the element may leave while it is being looked at.
      const next: T | undefined = element.after
      yield element
      element = next
    }
  }
}
