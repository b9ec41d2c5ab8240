/** The kinds of error, one class each. What a broker answered with a code is `BrokerError`, in its own file. */

import type { RecordHeader } from '../model/record-header.ts'
import { KafkaError, type KafkaErrorOptions } from './kafka-error.ts'

/** The connection to a broker could not be made, or ended before the answer came. */
export class ConnectionError extends KafkaError {
  constructor(message: string, options: KafkaErrorOptions & { retriable?: boolean } = {}) {
    super('CONNECTION_FAILED', message, options.retriable ?? true, options)
  }
}

/** The broker refused who we say we are, or we refused the broker. Trying again changes nothing. */
export class AuthenticationError extends KafkaError {
  constructor(message: string, options?: KafkaErrorOptions) {
    super('AUTHENTICATION_FAILED', message, false, options)
  }
}

/** A deadline passed before the thing waited for happened. */
export class TimeoutError extends KafkaError {
  constructor(message: string, options?: KafkaErrorOptions) {
    super('TIMEOUT', message, true, options)
  }
}

/** An option is unknown, has a value it cannot have, or contradicts another one. Thrown by constructors. */
export class InvalidOptionError extends KafkaError {
  /** The option's name, as the caller writes it. */
  readonly option: string

  constructor(option: string, message: string, options?: KafkaErrorOptions) {
    super('INVALID_OPTION', message, false, options)
    this.option = option
  }
}

/** A call was given something it cannot work with. Nothing was done. */
export class InvalidArgumentError extends KafkaError {
  constructor(message: string, options?: KafkaErrorOptions) {
    super('INVALID_ARGUMENT', message, false, options)
  }
}

/** A call that is not legal in the state the object is in, for instance `assign` while subscribed. */
export class IllegalStateError extends KafkaError {
  constructor(message: string, options?: KafkaErrorOptions) {
    super('ILLEGAL_STATE', message, false, options)
  }
}

/** The object was closed or destroyed before or during the call. */
export class ClosedError extends KafkaError {
  constructor(message: string, options?: KafkaErrorOptions) {
    super('CLOSED', message, false, options)
  }
}

/** Bytes that are not what the protocol says they should be: a peer that is broken, hostile, or no Kafka broker. */
export class ProtocolError extends KafkaError {
  constructor(message: string, options?: KafkaErrorOptions) {
    super('MALFORMED_MESSAGE', message, false, options)
  }
}

/** What was asked for is beyond the versions that the broker and Jackdaw both speak. */
export class UnsupportedVersionError extends KafkaError {
  constructor(message: string, options?: KafkaErrorOptions) {
    super('UNSUPPORTED_VERSION', message, false, options)
  }
}

/** A compression codec that cannot be loaded or is not known. */
export class UnsupportedCodecError extends KafkaError {
  constructor(message: string, options?: KafkaErrorOptions) {
    super('UNSUPPORTED_CODEC', message, false, options)
  }
}

/** A record batch whose bytes do not match its checksum or its own structure. */
export class CorruptRecordError extends KafkaError {
  constructor(message: string, options?: KafkaErrorOptions) {
    super('CORRUPT_RECORD', message, false, options)
  }
}

/** The producer's memory and its waiting line are both full: the record was not accepted. */
export class BufferFullError extends KafkaError {
  constructor(message: string, options?: KafkaErrorOptions) {
    super('BUFFER_FULL', message, true, { persistence: 'not-persisted', ...options })
  }
}

/** A serializer failed, or gave something that is no bytes: the record was not sent. What it threw is the `cause`. */
export class SerializationError extends KafkaError {
  constructor(message: string, options?: KafkaErrorOptions) {
    super('SERIALIZATION_FAILED', message, false, { persistence: 'not-persisted', ...options })
  }
}

/** A record as it was read, without what its deserializers should have made of it. */
export interface UndeserializedRecord {
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
}

/**
 * A deserializer failed: what it threw is the `cause`. The partition goes on at this record, unless the application seeks
 * behind it.
 */
export class DeserializationError extends KafkaError {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Whose deserializer failed. */
  readonly part: 'key' | 'value'
  readonly #record: UndeserializedRecord

  constructor(
    place: { readonly topic: string; readonly partition: number; readonly offset: number },
    part: 'key' | 'value',
    record: UndeserializedRecord,
    options?: KafkaErrorOptions,
  ) {
    const { topic, partition, offset } = place
    const where = `the record at offset ${offset} of partition ${partition} of '${topic}'`
    super('DESERIALIZATION_FAILED', `the ${part} of ${where} cannot be deserialized`, false, options)
    this.topic = topic
    this.partition = partition
    this.offset = offset
    this.part = part
    this.#record = record
  }

  /** The bytes of the record, for a topic of dead letters. Not part of what is logged of the error. */
  get record(): UndeserializedRecord {
    return this.#record
  }
}

/** A partition has no committed offset to start from, and nothing says where else to start. */
export class NoOffsetError extends KafkaError {
  constructor(message: string, options?: KafkaErrorOptions) {
    super('NO_OFFSET', message, false, options)
  }
}

/**
 * Another producer took over the transactional id: it started later under the same id. Final: this one can do nothing
 * more but be closed.
 */
export class FencedError extends KafkaError {
  constructor(message: string, options?: KafkaErrorOptions) {
    super('PRODUCER_FENCED', message, false, options)
  }
}

/** The transaction was aborted, or has failed and can only be aborted: nothing of it counts. The next one may succeed. */
export class TransactionAbortedError extends KafkaError {
  constructor(message: string, options?: KafkaErrorOptions) {
    super('TRANSACTION_ABORTED', message, false, options)
  }
}

/**
 * A commit was sent, and no answer told what became of it: the transaction is committed or aborted as a whole, and
 * nobody here knows which.
 */
export class TransactionOutcomeUnknownError extends KafkaError {
  constructor(message: string, options?: KafkaErrorOptions) {
    super('TRANSACTION_OUTCOME_UNKNOWN', message, false, options)
  }
}
