/** Chance that repeats itself: the same seed gives the same numbers, on every machine and every version of Node. */

import type { Random } from '../../async/random.ts'

/** Inclusive at both ends. */
export type Range = readonly [lowest: number, highest: number]

export class SeededRandom implements Random {
  readonly seed: string
  readonly #state: Uint32Array<ArrayBuffer> = new Uint32Array(4)

  constructor(seed: number | string) {
    this.seed = String(seed)
    // FNV-1a takes in the seed, and its finalizer spreads it over the state.
    let hash = 0x811c9dc5
    for (const byte of Buffer.from(this.seed)) hash = Math.imul(hash ^ byte, 0x01000193)
    for (let i = 0; i < 4; i++) {
      hash = (hash + 0x9e3779b9) | 0
      this.#state[i] = mix(hash)
    }
    // All zeros is the one state that never changes.
    this.#state[0]! |= 1
  }

  /** An independent stream: what is drawn from it changes nothing here. */
  fork(name: string): SeededRandom {
    return new SeededRandom(`${this.seed}/${name}`)
  }

  next(): number {
    return (this.#uint32() * 0x200000 + (this.#uint32() >>> 11)) / 0x20000000000000
  }

  uuid(): string {
    const bytes = this.bytes(16)
    bytes[6] = (bytes[6]! & 0x0f) | 0x40
    bytes[8] = (bytes[8]! & 0x3f) | 0x80
    const hex = bytes.toString('hex')
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
  }

  /** A whole number of the range. */
  integer([lowest, highest]: Range): number {
    return lowest + Math.floor(this.next() * (highest - lowest + 1))
  }

  /** A number of the range; the two may be equal. */
  number([lowest, highest]: Range): number {
    return lowest === highest ? lowest : lowest + this.next() * (highest - lowest)
  }

  /** True with this probability. A probability of 0 draws nothing, so that what is off leaves no trace. */
  chance(probability: number): boolean {
    return probability > 0 && this.next() < probability
  }

  pick<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.next() * choices.length)]!
  }

  bytes(count: number): Buffer {
    const bytes = Buffer.alloc(count)
    for (let i = 0; i < count; i++) bytes[i] = this.#uint32() >>> 24
    return bytes
  }

  /** xoshiro128**. */
  #uint32(): number {
    const s = this.#state
    const times5 = Math.imul(s[1]!, 5)
    const result = Math.imul((times5 << 7) | (times5 >>> 25), 9) >>> 0
    const t = s[1]! << 9
    s[2]! ^= s[0]!
    s[3]! ^= s[1]!
    s[1]! ^= s[2]!
    s[0]! ^= s[3]!
    s[2]! ^= t
    s[3] = (s[3]! << 11) | (s[3]! >>> 21)
    return result
  }
}

function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
