/** Records as producers take them, and where they came to: plain data, and nothing of how they are sent. */

/** A string is sent as UTF-8, a `Uint8Array` (any `Buffer`) as itself, null as nothing at all. */
export type RecordBytes = string | Uint8Array | null

/**
 * Headers as they are given: an object whose values may be lists (the name is then repeated), or an iterable of pairs
 * such as a `Map`, which also keeps the order of repeated names.
 */
export type RecordHeadersInit =
  | { readonly [name: string]: RecordBytes | readonly RecordBytes[] }
  | Iterable<readonly [name: string, value: RecordBytes | readonly RecordBytes[]]>

/** A record as `sendBatch` takes it: the topic is said once for all. `Key` and `Value` are what the serializers take. */
export interface BatchRecord<Key = RecordBytes, Value = RecordBytes> {
  /** Records with the same key go to the same partition. Default null: no key. */
  readonly key?: Key | null | undefined
  /** null is a tombstone: in a compacted topic it deletes the key. */
  readonly value: Value | null
  readonly headers?: RecordHeadersInit | undefined
  /** The partition to write to. Default: the partitioner's choice. */
  readonly partition?: number | undefined
  /** Milliseconds since 1970. Default: the moment the record is taken. */
  readonly timestamp?: number | undefined
}

/** A record to send. `Key` and `Value` are what the serializers take; without serializers both are bytes. */
export interface ProducerRecord<Key = RecordBytes, Value = RecordBytes> extends BatchRecord<Key, Value> {
  readonly topic: string
}

/** Where an acknowledged record is. */
export interface RecordMetadata {
  readonly topic: string
  readonly partition: number
  /** null with `acks: 0`: the broker does not say. */
  readonly offset: number | null
  /** Milliseconds since 1970: the record's own, or the broker's where the topic uses LogAppendTime. */
  readonly timestamp: number
}
