/** Which topics' metadata is worth fetching: the union of what each owner said. Knows no metadata. */

export class TopicsInUse {
  readonly #byOwner = new Map<object, Set<string> | 'all'>()
  /** How many owners named each topic: a change then costs what changes, and not all that is in use. */
  readonly #owners = new Map<string, number>()
  #ownersOfAll = 0
  /** Made when it is asked for, and never changed afterwards. */
  #union: ReadonlySet<string> | 'all' | undefined
  #version = 0

  /** Counts up whenever a topic came into use that was not before. */
  get version(): number {
    return this.#version
  }

  /** Every topic in use, or `all` when somebody looks at all there are. */
  get union(): ReadonlySet<string> | 'all' {
    this.#union ??= this.#ownersOfAll > 0 ? 'all' : new Set(this.#owners.keys())
    return this.#union
  }

  has(topic: string): boolean {
    return this.#ownersOfAll > 0 || this.#owners.has(topic)
  }

  /** Replaces what the owner said before; empty means nothing. */
  set(owner: object, topics: Iterable<string> | 'all'): void {
    const wanted: Set<string> | 'all' = topics === 'all' ? 'all' : new Set(topics)
    const before = this.#byOwner.get(owner)
    const hadAll = this.#ownersOfAll > 0
    // First what comes, then what goes: what stays was never gone.
    const isNews = this.#add(wanted)
    if (before !== undefined) this.#remove(before)
    if (wanted !== 'all' && wanted.size === 0) this.#byOwner.delete(owner)
    else this.#byOwner.set(owner, wanted)
    this.#union = undefined
    if (isNews && !hadAll) this.#version++
  }

  /** One topic more, beside what the owner said before: an owner that comes to thousands says each of them once. */
  add(owner: object, topic: string): void {
    let before = this.#byOwner.get(owner)
    if (before === 'all' || before?.has(topic)) return
    if (before === undefined) this.#byOwner.set(owner, (before = new Set()))
    before.add(topic)
    this.#union = undefined
    if (this.#add([topic]) && this.#ownersOfAll === 0) this.#version++
  }

  /** Says whether any of it is new, as far as topics that are named go. */
  #add(topics: Iterable<string> | 'all'): boolean {
    if (topics === 'all') return ++this.#ownersOfAll === 1
    let isNews = false
    for (const topic of topics) {
      const owners = this.#owners.get(topic) ?? 0
      if (owners === 0) isNews = true
      this.#owners.set(topic, owners + 1)
    }
    return isNews
  }

  #remove(topics: ReadonlySet<string> | 'all'): void {
    if (topics === 'all') {
      this.#ownersOfAll--
      return
    }
    for (const topic of topics) {
      const owners = this.#owners.get(topic)! - 1
      if (owners === 0) this.#owners.delete(topic)
      else this.#owners.set(topic, owners)
    }
  }
}
