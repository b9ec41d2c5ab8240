/** What an application can hang into the way of every record (KIP-42): shapes only. */

import type { TopicPartitionOffset } from './offset-and-metadata.ts'
import type { ProducerRecord, RecordBytes, RecordMetadata } from './produced-record.ts'
import type { RecordHeader, TimestampType } from './record-header.ts'

/** The part of an interceptor that producers call. */
export interface ProducerInterceptor<Key = RecordBytes, Value = RecordBytes> {
  /**
   * Sees every record before it is checked, serialized and partitioned, synchronously in the call that sends it, and
   * gives the record to send: the same, or another one made from it. Several interceptors are asked one after the other.
   * What throws is logged, and the record goes on as it was.
   */
  onSend?(record: ProducerRecord<Key, Value>): ProducerRecord<Key, Value>
  /**
   * Hears once what became of a record that `onSend` was called with, before the sender does: acknowledged (`metadata`,
   * and null) or failed (null, and the error). `record` is the one that the last interceptor's `onSend` gave. What throws
   * is logged. It runs in the middle of the producer's work and has to be quick.
   */
  onAcknowledged?(metadata: RecordMetadata | null, error: Error | null, record: ProducerRecord<Key, Value>): void
}

/** A record that was read, as interceptors of consumers see it. */
export interface InterceptedRecord<Key = Buffer, Value = Buffer> {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly timestampType: TimestampType
  readonly leaderEpoch: number
  readonly key: Key | null
  readonly value: Value | null
  readonly headers: readonly RecordHeader[]
  header(name: string): Buffer | null | undefined
}

/** The part of an interceptor that consumers call. */
export interface ConsumerInterceptor<Key = Buffer, Value = Buffer> {
  /** Sees records right before they are handed out, deserialized. What throws is logged. */
  onConsume?(records: readonly InterceptedRecord<Key, Value>[]): void
  /** Hears which offsets were committed, when the coordinator has said so. What throws is logged. */
  onCommit?(offsets: readonly TopicPartitionOffset[]): void
}

/** What goes through a producer or a consumer can be looked at, and before it is sent changed; one object may serve both. */
export interface Interceptor<Key = RecordBytes, Value = RecordBytes>
  extends ProducerInterceptor<Key, Value>, ConsumerInterceptor<Key, Value> {}
