/** Readers that know the shape of a message because the generated decoder asks them for it: one invents the values, so that
 *  any API at any version gives a full, valid message; the other notes where each field lies. */

import { Reader, type ReadElement, type ReadTaggedField } from '#src/wire/primitives/reader.js'
import type { WithUnknownTaggedFields } from '#src/wire/primitives/tagged-field.js'
import type { SeededRandom } from '#src/testing/simulation/index.js'

const edges = [0, 1, -1, 2, 127, 128, 255, 256, 32_767, 65_535, 65_536, 2_147_483_647]
/** Beyond so many values a message is large enough: what is left is empty. */
const mostValues = 400
const mostTags = 12

export class InventingReader extends Reader {
  readonly #random: SeededRandom
  #values = 0

  constructor(random: SeededRandom) {
    super(Buffer.alloc(0))
    this.#random = random
  }

  override bool(): boolean {
    return this.#random.chance(0.5)
  }

  override int8(): number {
    return this.#integer(-128, 127)
  }

  override int16(): number {
    // Often an error code, and often none.
    return this.#random.chance(0.4) ? 0 : this.#integer(-32_768, 32_767)
  }

  override uint16(): number {
    return this.#integer(0, 65_535)
  }

  override int32(): number {
    return this.#integer(-2_147_483_648, 2_147_483_647)
  }

  override int64(): number {
    return this.#integer(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
  }

  override bigint64(): bigint {
    return BigInt.asIntN(64, BigInt(this.int64()) * 1_025n)
  }

  override float64(): number {
    return this.#random.next() * 1e6
  }

  override uuid(): string {
    return this.#random.bytes(16).toString('base64url')
  }

  override string(): string {
    this.#values++
    return this.#random.pick(['', 'orders', 'ä🐦', 'x'.repeat(200), this.#random.bytes(6).toString('hex')])
  }

  override nullableString(): string | null {
    return this.#random.chance(0.2) ? null : this.string()
  }

  override bytes(): Buffer {
    this.#values++
    return this.#random.bytes(this.#random.integer([0, 80]))
  }

  override nullableBytes(): Buffer | null {
    return this.#random.chance(0.2) ? null : this.bytes()
  }

  override nullableArray<T>(flexible: boolean, _: number, read: ReadElement<T>, version: number): T[] | null {
    if (this.#random.chance(0.1)) return null
    return this.array(flexible, 0, read, version)
  }

  override array<T>(flexible: boolean, _: number, read: ReadElement<T>, version: number): T[] {
    const values: T[] = []
    const count = this.#values > mostValues ? 0 : this.#random.pick([0, 1, 1, 2, 3])
    for (let i = 0; i < count; i++) values.push(read(this, version, flexible))
    return values
  }

  override nullableStruct<T>(read: ReadElement<T>, version: number, flexible: boolean): T | null {
    return this.#random.chance(0.3) ? null : read(this, version, flexible)
  }

  override taggedFields<T extends WithUnknownTaggedFields>(
    target: T,
    version: number,
    read?: ReadTaggedField<T>,
  ): void {
    for (let tag = 0; read !== undefined && tag < mostTags; tag++) {
      if (this.#random.chance(0.5)) read(this, target, tag, version)
    }
    if (this.#random.chance(0.05)) target.unknownTaggedFields = [{ tag: 1_000, data: this.bytes() }]
  }

  #integer(lowest: number, highest: number): number {
    this.#values++
    if (this.#random.chance(0.5)) return Math.min(highest, Math.max(lowest, this.#random.pick(edges)))
    return this.#random.integer([lowest, highest])
  }
}

export interface FieldMark {
  readonly kind: 'number' | 'length' | 'text' | 'tags'
  readonly start: number
  readonly end: number
}

/** Reads as usual and keeps where each field was. */
export class MarkingReader extends Reader {
  readonly marks: FieldMark[] = []

  override int8(): number {
    return this.#mark('number', () => super.int8())
  }

  override int16(): number {
    return this.#mark('number', () => super.int16())
  }

  override int32(): number {
    return this.#mark('number', () => super.int32())
  }

  override int64(): number {
    return this.#mark('number', () => super.int64())
  }

  override nullableString(flexible = false): string | null {
    return this.#mark('text', () => super.nullableString(flexible))
  }

  override nullableBytes(flexible = false): Buffer | null {
    return this.#mark('text', () => super.nullableBytes(flexible))
  }

  override arrayLength(flexible: boolean, minimumBytes: number): number {
    return this.#mark('length', () => super.arrayLength(flexible, minimumBytes))
  }

  override taggedFields<T extends WithUnknownTaggedFields>(
    target: T,
    version: number,
    read?: ReadTaggedField<T>,
  ): void {
    this.#mark('tags', () => {
      super.taggedFields(target, version, read)
    })
  }

  #mark<T>(kind: FieldMark['kind'], read: () => T): T {
    const start = this.offset
    const value = read()
    this.marks.push({ kind, start, end: this.offset })
    return value
  }
}
