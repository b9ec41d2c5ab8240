/** How keys and values become bytes and come back: what an application gives a producer or a consumer for it. Only the
 *  shapes, which are those that Java's serializers, and the schema registry's classes for Node, have. */

/** What is written of a key or value: a string is UTF-8, null is nothing at all. */
export type SerializedBytes = string | Uint8Array | null

/** One value of a header as a serializer sees it. */
export type SerdeHeaderValue = string | Uint8Array | null

/**
 * A record's headers as an object, as serializers and deserializers get them: a name that repeats has an array. It is
 * made for the call and has no prototype. What a serializer writes into it is sent; what a deserializer writes is not
 * looked at.
 */
export interface SerdeHeaders {
  [name: string]: SerdeHeaderValue | SerdeHeaderValue[] | undefined
}

/**
 * Turns a key or value into bytes. It is never given null or undefined: a null value is a tombstone and a null key no
 * key, with or without a serializer.
 */
export type SerializeFunction<T> = (
  topic: string,
  data: T,
  headers: SerdeHeaders,
) => SerializedBytes | PromiseLike<SerializedBytes>

/**
 * The same as a method: what schema registries' classes are. Headers are always given,
 * though they may be declared as optional.
 */
export interface SerializerObject<T> {
  serialize(topic: string, data: T, headers?: SerdeHeaders): SerializedBytes | PromiseLike<SerializedBytes>
}

/** A function, or an object with the method `serialize`; its answer may be a promise. */
export type Serializer<T> = SerializeFunction<T> | SerializerObject<T>

/**
 * Turns the bytes of a key or value into what the application works with. It is never given null: a tombstone's value
 * and a missing key are null, with or without a deserializer.
 */
export type DeserializeFunction<T> = (topic: string, data: Buffer, headers: SerdeHeaders) => T | PromiseLike<T>

/**
 * The same as a method: what schema registries' classes are. Headers are always given,
 * though they may be declared as optional.
 */
export interface DeserializerObject<T> {
  deserialize(topic: string, data: Buffer, headers?: SerdeHeaders): T | PromiseLike<T>
}

/** A function, or an object with the method `deserialize`; its answer may be a promise. */
export type Deserializer<T> = DeserializeFunction<T> | DeserializerObject<T>

/** The serializer as a function, whichever way it was given. Its `this` is the object. */
export function serializeFunctionOf<T>(serializer: Serializer<T>): SerializeFunction<T> {
  if (typeof serializer === 'function') return serializer
  return (topic, data, headers) => serializer.serialize(topic, data, headers)
}

/** The deserializer as a function, whichever way it was given. Its `this` is the object. */
export function deserializeFunctionOf<T>(deserializer: Deserializer<T>): DeserializeFunction<T> {
  if (typeof deserializer === 'function') return deserializer
  return (topic, data, headers) => deserializer.deserialize(topic, data, headers)
}

/** An object for headers without a prototype: names come from outside, and `__proto__` is a name like any other. */
class NoPrototypeHeaders {
  [name: string]: SerdeHeaderValue | SerdeHeaderValue[] | undefined
}
Object.setPrototypeOf(NoPrototypeHeaders.prototype, null)
Reflect.deleteProperty(NoPrototypeHeaders.prototype, 'constructor')

/** The headers as serializers and deserializers get them. */
export function serdeHeadersOf(
  list: readonly { readonly key: string; readonly value: SerdeHeaderValue }[] | undefined,
): SerdeHeaders {
  // Made by a constructor: an `Object.create(null)` is a hash table, ten times as dear, and mostly there is no header.
  const headers: SerdeHeaders = new NoPrototypeHeaders()
  if (list === undefined) return headers
  for (const { key, value } of list) {
    const before = headers[key]
    if (before === undefined) headers[key] = value
    else if (Array.isArray(before)) before.push(value)
    else headers[key] = [before, value]
  }
  return headers
}

/** Whether what a serializer or deserializer answered must be waited for. */
export function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    'then' in value &&
    typeof (value as PromiseLike<unknown>).then === 'function'
  )
}
