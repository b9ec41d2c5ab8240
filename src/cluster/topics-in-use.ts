/** Which topics' metadata is worth fetching: the union of what each owner said. Knows no metadata. */

export class TopicsInUse {
  readonly #byOwner = new Map<object, ReadonlySet<string> | 'all'>()
  #union: ReadonlySet<string> | 'all' = new Set()
  #version = 0

  /** Counts up whenever a topic came into use that was not before. */
  get version(): number {
    return this.#version
  }

  /** Every topic in use, or `all` when somebody looks at all there are. */
  get union(): ReadonlySet<string> | 'all' {
    return this.#union
  }

  has(topic: string): boolean {
    return this.#union === 'all' || this.#union.has(topic)
  }

  /** Replaces what the owner said before; empty means nothing. */
  set(owner: object, topics: Iterable<string> | 'all'): void {
    const wanted: ReadonlySet<string> | 'all' = topics === 'all' ? 'all' : new Set(topics)
    if (wanted !== 'all' && wanted.size === 0) this.#byOwner.delete(owner)
    else this.#byOwner.set(owner, wanted)
    const before = this.#union
    const after = this.#unite()
    this.#union = after
    if (before === 'all') return
    if (after === 'all' || Array.from(after).some((topic) => !before.has(topic))) this.#version++
  }

  #unite(): ReadonlySet<string> | 'all' {
    const union = new Set<string>()
    for (const topics of this.#byOwner.values()) {
      if (topics === 'all') return 'all'
      for (const topic of topics) union.add(topic)
    }
    return union
  }
}
