/** Who writes: the producer id, epoch and sequence numbers by which a broker knows a batch that it has already seen
 *  (KIP-98). This states what the sender asks; without idempotence nobody is known, and the answers are fixed. */

import type { TopicPartition } from '../model/topic-partition.ts'

/** What is stamped on a batch when it is first drained, and stays with it through every retry. */
export interface BatchStamp {
  /** -1: not idempotent. */
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
}

export interface ProducerIdentity {
  /**
   * How many batches of one partition may be on their way at once. Without sequence numbers it is 1: a batch that is
   * tried again could otherwise land behind the one sent after it.
   */
  readonly maxInFlightPerPartition: number
  /** Called once for each batch, in the order in which a partition's batches are first drained. */
  stamp(partition: TopicPartition, recordCount: number): BatchStamp
}

const nobody: BatchStamp = { producerId: -1, producerEpoch: -1, baseSequence: -1 }

export const anonymous: ProducerIdentity = { maxInFlightPerPartition: 1, stamp: () => nobody }
