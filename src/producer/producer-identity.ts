/** Who writes: the producer id and epoch by which a broker knows a batch that it has already seen (KIP-98). This states
 *  what the sender asks; without idempotence nobody is known, and the answers are fixed. */

import type { KafkaError } from '../errors/kafka-error.ts'

export interface ProducerIdAndEpoch {
  /** -1: not idempotent. */
  readonly producerId: number
  readonly producerEpoch: number
}

/** What is stamped on a batch when it is first drained. */
export interface BatchStamp extends ProducerIdAndEpoch {
  /** The first record's number; the others follow. -1 without idempotence. */
  readonly baseSequence: number
}

/** The versions of Produce that may be spoken, within what both sides know. */
export interface ProduceVersions {
  readonly min: number
  readonly max: number
}

export interface ProducerIdentity {
  /**
   * How many batches of one partition may be on their way at once. Without sequence numbers it is 1: a batch that is
   * tried again could otherwise land behind the one sent after it. With them it is 5: a broker remembers so many.
   */
  readonly maxInFlightPerPartition: number
  /** Batches carry the transactional bit, and requests the `transactionalId`. */
  readonly isTransactional: boolean
  readonly transactionalId: string | null
  /** Brokers take a batch for a part of the transaction by Produce's version (KIP-890). */
  readonly produceVersions: ProduceVersions
  /** The id to write with; undefined while there is none: nothing is drained until the producer is woken. */
  readonly current: ProducerIdAndEpoch | undefined
  /** Why there is none yet, as far as it is known, for records whose time is over before there is one. */
  readonly lastError?: KafkaError | undefined
  /** The sender wants to write, and `current` is undefined. May be called often; starts at most one attempt. */
  request(): void
  /**
   * With what a partition goes on whose sequence numbers have a proven gap. undefined: when there is no `current` now
   * either, the batch waits for it; else there is no way on, and the batch that ran into the gap fails (a transaction is
   * aborted, and the next one has another epoch).
   */
  successor(of: ProducerIdAndEpoch): ProducerIdAndEpoch | undefined
}

/** The oldest Produce that carries record batches of magic 2. */
export const anyProduceVersion: ProduceVersions = { min: 3, max: 0x7fff }

const nobody: ProducerIdAndEpoch = { producerId: -1, producerEpoch: -1 }

export const anonymous: ProducerIdentity = {
  maxInFlightPerPartition: 1,
  isTransactional: false,
  transactionalId: null,
  produceVersions: anyProduceVersion,
  current: nobody,
  request: () => {},
  successor: () => undefined,
}
