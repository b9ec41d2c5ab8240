/** What every file in `messages/` exports: a request and its response, at all the versions Jackdaw can speak. */

import type { Reader } from './primitives/reader.ts'
import type { UnknownTaggedField } from './primitives/tagged-field.ts'
import type { Writer } from './primitives/writer.ts'

/** One message in both directions, at every version. */
export interface MessageCodec<T> {
  /**
   * Writes the message as `version` has it.
   *
   * @throws UnsupportedVersionError when a field is set that the version lacks, unless Kafka's definition lets it go
   * @throws InvalidArgumentError when a value does not fit its encoding
   */
  encode(writer: Writer, message: Init<T>, version: number): void
  /**
   * Reads a message of `version`. Fields that the version lacks get their defaults; byte fields are views.
   *
   * @throws ProtocolError when the bytes are not such a message
   */
  decode(reader: Reader, version: number): T
}

/** What other messages carry as bytes, for instance a group member's subscription inside JoinGroup. */
export interface DataSchema<T> extends MessageCodec<T> {
  /** Kafka's name. */
  readonly name: string
  readonly minVersion: number
  /** The highest version that is known. What is newer is read as this one: new versions only append. */
  readonly maxVersion: number
}

/** A request of the Kafka protocol and its response. */
export interface Api<Request, Response> {
  /** Kafka's name, for instance `Heartbeat`. */
  readonly name: string
  /** Kafka's number. */
  readonly key: number
  /** The lowest version that can be encoded and decoded. */
  readonly minVersion: number
  /** The highest stable version: what clients use. */
  readonly maxVersion: number
  /** The highest version that can be encoded and decoded; above `maxVersion` only where Kafka calls it unstable. */
  readonly latestVersion: number
  /** The first version with compact encodings and tagged fields (KIP-482); `Infinity` if there is none. */
  readonly flexibleSince: number
  readonly request: MessageCodec<Request>
  readonly response: MessageCodec<Response>
}

/**
 * What an encoder takes for a `T`: every field may be left out, at any depth, and then has its default; arrays may be
 * readonly; bytes may be any `Uint8Array`.
 */
export type Init<T> = T extends Uint8Array
  ? Uint8Array
  : T extends UnknownTaggedField
    ? UnknownTaggedField
    : T extends readonly (infer Element)[]
      ? readonly Init<Element>[]
      : T extends object
        ? { readonly [Field in keyof T]?: Init<T[Field]> | undefined }
        : T
