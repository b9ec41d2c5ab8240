/** Serializers and deserializers that need no library: text, JSON, and the numbers as Java's clients write them (big
 *  endian). They are synchronous and know no topics. */

import { types } from 'node:util'

import type { DeserializeFunction, SerializeFunction } from './serde.ts'

/** A number of fixed size: how many bytes it has, and how a Buffer takes and gives it. */
interface FixedSize<T> {
  readonly name: string
  readonly bytes: number
  readonly write: (data: T, to: Buffer) => void
  readonly read: (from: Buffer) => T
}

const int16: FixedSize<number> = {
  name: 'int16',
  bytes: 2,
  write: (data, to) => to.writeInt16BE(whole(data)),
  read: (from) => from.readInt16BE(),
}
const int32: FixedSize<number> = {
  name: 'int32',
  bytes: 4,
  write: (data, to) => to.writeInt32BE(whole(data)),
  read: (from) => from.readInt32BE(),
}
const int64: FixedSize<bigint> = {
  name: 'int64',
  bytes: 8,
  write: (data, to) => to.writeBigInt64BE(data),
  read: (from) => from.readBigInt64BE(),
}
const float32: FixedSize<number> = {
  name: 'float32',
  bytes: 4,
  write: (data, to) => to.writeFloatBE(data),
  read: (from) => from.readFloatBE(),
}
const float64: FixedSize<number> = {
  name: 'float64',
  bytes: 8,
  write: (data, to) => to.writeDoubleBE(data),
  read: (from) => from.readDoubleBE(),
}

/** A Buffer would cut the fraction off. */
function whole(data: number): number {
  if (!Number.isInteger(data)) throw new RangeError(`an integer is needed, not ${String(data)}`)
  return data
}

function requireType(data: unknown, ...names: readonly string[]): void {
  if (names.includes(typeof data)) return
  throw new TypeError(
    `a ${names.join(' or ')} is needed, not ${data === null ? 'null' : `a value of type ${typeof data}`}`,
  )
}

function writerOf({ bytes, write }: FixedSize<number>): SerializeFunction<number> {
  return (_topic, data) => {
    requireType(data, 'number')
    const to = Buffer.allocUnsafe(bytes)
    write(data, to)
    return to
  }
}

function readerOf<T>({ name, bytes, read }: FixedSize<T>): DeserializeFunction<T> {
  return (_topic, data) => {
    if (data.length !== bytes)
      throw new RangeError(`${name.startsWith('int') ? 'an' : 'a'} ${name} has ${bytes} bytes, not ${data.length}`)
    return read(data)
  }
}

const uuidPattern = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i

function requireUuid(text: string): string {
  if (!uuidPattern.test(text)) throw new RangeError('a UUID is needed, such as 1b4e28ba-2fa1-11d2-883f-0016d3cca427')
  return text
}

/** Ready-made serializers, to be given as `keySerializer` or `valueSerializer`. */
export interface Serializers {
  /** A string as UTF-8: a key or value of any other type is an error. */
  readonly string: SerializeFunction<string>
  /** A `Uint8Array` as itself: any other type, strings too, is an error. */
  readonly bytes: SerializeFunction<Uint8Array>
  /** What `JSON.stringify` makes of it. What it makes nothing of, such as a function, is an error. */
  readonly json: SerializeFunction<unknown>
  /** Two bytes, as Java's ShortSerializer. */
  readonly int16: SerializeFunction<number>
  /** Four bytes, as Java's IntegerSerializer. */
  readonly int32: SerializeFunction<number>
  /** Eight bytes, as Java's LongSerializer; of a `number` only a safe integer. */
  readonly int64: SerializeFunction<bigint | number>
  /** Four bytes, as Java's FloatSerializer. */
  readonly float32: SerializeFunction<number>
  /** Eight bytes, as Java's DoubleSerializer. */
  readonly float64: SerializeFunction<number>
  /** One byte, 0 or 1, as Java's BooleanSerializer. */
  readonly boolean: SerializeFunction<boolean>
  /** Its 36 characters, as Java's UUIDSerializer. */
  readonly uuid: SerializeFunction<string>
}

/** Ready-made deserializers, to be given as `keyDeserializer` or `valueDeserializer`. */
export interface Deserializers {
  /** UTF-8 as a string; what is no UTF-8 becomes U+FFFD, as in Java. */
  readonly string: DeserializeFunction<string>
  /** The bytes as they are: a view into the block that was fetched, as without a deserializer. */
  readonly bytes: DeserializeFunction<Buffer>
  /** What `JSON.parse` makes of it; of which type that is, is for the application to know. */
  readonly json: <T = unknown>(topic: string, data: Buffer) => T
  readonly int16: DeserializeFunction<number>
  readonly int32: DeserializeFunction<number>
  readonly int64: DeserializeFunction<bigint>
  readonly float32: DeserializeFunction<number>
  readonly float64: DeserializeFunction<number>
  readonly boolean: DeserializeFunction<boolean>
  /** Lower case, as `crypto.randomUUID` writes them. */
  readonly uuid: DeserializeFunction<string>
}

/**
 * Ready-made serializers.
 *
 * @example
 * ```ts
 * import { Producer, serializers } from 'jackdaw'
 *
 * const producer = new Producer({ keySerializer: serializers.int32, valueSerializer: serializers.json })
 * await producer.send({ topic: 'orders', key: 42, value: { total: 10 } })
 * ```
 */
export const serializers: Serializers = Object.freeze({
  string: (_topic: string, data: string) => {
    requireType(data, 'string')
    return data
  },
  bytes: (_topic: string, data: Uint8Array) => {
    // Not instanceof alone: bytes may come from another realm.
    if (!types.isUint8Array(data)) throw new TypeError(`a Uint8Array is needed, not a value of type ${typeof data}`)
    return data
  },
  json: (_topic: string, data: unknown) => {
    const text = JSON.stringify(data) as string | undefined
    if (text === undefined) throw new TypeError(`JSON has nothing for a value of type ${typeof data}`)
    return text
  },
  int16: writerOf(int16),
  int32: writerOf(int32),
  int64: (_topic: string, data: bigint | number) => {
    requireType(data, 'bigint', 'number')
    if (typeof data === 'number' && !Number.isSafeInteger(data)) {
      throw new RangeError(`a bigint or a safe integer is needed, not ${data}`)
    }
    const to = Buffer.allocUnsafe(int64.bytes)
    int64.write(BigInt(data), to)
    return to
  },
  float32: writerOf(float32),
  float64: writerOf(float64),
  boolean: (_topic: string, data: boolean) => {
    requireType(data, 'boolean')
    return Buffer.of(data ? 1 : 0)
  },
  uuid: (_topic: string, data: string) => {
    requireType(data, 'string')
    return requireUuid(data)
  },
})

/** Ready-made deserializers: the counterparts of {@link serializers}. */
export const deserializers: Deserializers = Object.freeze({
  string: (_topic: string, data: Buffer) => data.toString('utf8'),
  bytes: (_topic: string, data: Buffer) => data,
  json: <T = unknown>(_topic: string, data: Buffer): T => JSON.parse(data.toString('utf8')) as T,
  int16: readerOf(int16),
  int32: readerOf(int32),
  int64: readerOf(int64),
  float32: readerOf(float32),
  float64: readerOf(float64),
  boolean: (_topic: string, data: Buffer) => {
    if (data.length !== 1 || data[0]! > 1) throw new RangeError('a boolean has one byte, 0 or 1')
    return data[0] === 1
  },
  uuid: (_topic: string, data: Buffer) => requireUuid(data.toString('utf8')).toLowerCase(),
})
