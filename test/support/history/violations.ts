/** What a history can be guilty of, counted, with a few examples of each. */

/** In the order in which they are told. */
export const violationKinds = {
  'lost': 'promised to be stored, and is not',
  'doubled': 'stored more than once',
  'reordered': 'stored behind a later one of its producer, in one partition',
  'aborted-but-read': 'read, though its transaction was aborted or never asked to commit',
  'torn': 'a transaction of which a part is there and a part is not',
  'stored-after-all': 'stored, though its error said that it is not',
  'misplaced': 'not stored where its acknowledgement said',
  'offset-not-monotonic': 'read at an offset that does not come after the one before it',
  'never-told': 'sent, and nobody said what became of it',
  'told-twice': 'its outcome was told more than once',
  'unknown': 'stored, and nobody sent it',
} as const

export type ViolationKind = keyof typeof violationKinds

const mostExamples = 5

export class Violations {
  readonly #found = new Map<ViolationKind, { count: number; examples: string[] }>()

  add(kind: ViolationKind, example: () => string): void {
    let found = this.#found.get(kind)
    if (found === undefined) this.#found.set(kind, (found = { count: 0, examples: [] }))
    found.count++
    if (found.examples.length < mostExamples) found.examples.push(example())
  }

  count(kind: ViolationKind): number {
    return this.#found.get(kind)?.count ?? 0
  }

  /** Only the kinds that occurred, in the order of the table. */
  counts(): Partial<Record<ViolationKind, number>> {
    return Object.fromEntries(
      (Object.keys(violationKinds) as ViolationKind[])
        .filter((kind) => this.#found.has(kind))
        .map((kind) => [kind, this.count(kind)]),
    )
  }

  /** A line for each kind, its examples below it; empty when there is none. */
  describe(): string {
    return (Object.keys(this.counts()) as ViolationKind[])
      .flatMap((kind) => {
        const { count, examples } = this.#found.get(kind)!
        return [`${count} ${kind} (${violationKinds[kind]}):`, ...examples.map((example) => `  ${example}`)]
      })
      .join('\n')
  }

  addAll(others: Violations): void {
    for (const [kind, { count, examples }] of others.#found) {
      const found = this.#found.get(kind) ?? { count: 0, examples: [] }
      this.#found.set(kind, found)
      found.count += count
      found.examples.push(...examples.slice(0, mostExamples - found.examples.length))
    }
  }
}
