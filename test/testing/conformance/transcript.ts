/**
 * What a broker said in the course of a script, without what differs from run to run: ids, ports, times and words. Two brokers
 * that behave the same have equal transcripts.
 */

import { brokerErrorName } from '#src/errors/broker-error.js'

/** Left out: what people read, and what nobody can promise. */
const ignored = new Set([
  'unknownTaggedFields',
  'throttleTimeMs',
  'errorMessage',
  'batchIndexErrorMessage',
  'documentation',
  'clusterId',
  'controllerId',
  'host',
  'port',
  'nodeEndpoints',
  'rack',
])
/** A number beyond this is a time of day. */
const timeOfDay = 1_600_000_000_000

const byText = (a: unknown, b: unknown): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)

export class Transcript {
  readonly entries: Record<string, unknown> = {}
  readonly #names = new Map<string, string>()
  readonly #counts = new Map<string, number>()

  /** Writes down an answer, or anything else. */
  note(what: string, said: unknown): void {
    if (what in this.entries) throw new Error(`'${what}' is noted twice`)
    this.entries[what] = this.#plain(said, '')
  }

  /** Calls an id by a name from now on. */
  call(id: string, name: string): void {
    if (id !== '') this.#names.set(id, name)
  }

  /** Gives a producer's id its number, before answers list it in an order of their own. */
  meet(producerId: number): void {
    this.#numbered('producer', producerId)
  }

  #plain(value: unknown, key: string): unknown {
    if (typeof value === 'bigint') return String(value)
    if (typeof value === 'number') {
      if (/errorcode/i.test(key)) return brokerErrorName(value)
      if (/producerid$/i.test(key) && value >= 0) return this.#numbered('producer', value)
      return value > timeOfDay && value < Number.MAX_SAFE_INTEGER / 2 ? 'a time of day' : value
    }
    if (typeof value === 'string') return this.#named(value, key)
    if (Buffer.isBuffer(value)) return `${value.length} bytes`
    if (Array.isArray(value)) {
      // Brokers promise no order of what they list.
      const plain = value.map((item) => this.#plain(item, key))
      return plain.every((item) => typeof item === 'object') ? plain.sort(byText) : plain
    }
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(
      Object.entries(value)
        .filter(([name]) => !ignored.has(name))
        .map(([name, inner]) => [name, this.#plain(inner, name)]),
    )
  }

  #named(text: string, key: string): string {
    const known = this.#names.get(text)
    if (known !== undefined) return known
    if (text === '' || !/memberId|leader$/i.test(key)) return text
    return this.#numbered('member', text)
  }

  /** Ids by the order in which they are first seen. */
  #numbered(kind: 'member' | 'producer', id: string | number): string {
    const key = typeof id === 'string' ? id : `${kind} ${id}`
    const known = this.#names.get(key)
    if (known !== undefined) return known
    const count = (this.#counts.get(kind) ?? 0) + 1
    this.#counts.set(kind, count)
    this.#names.set(key, `${kind} ${count}`)
    return `${kind} ${count}`
  }
}
