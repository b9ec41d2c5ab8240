/** Reads what a broker said of one partition's batch: what is known of its records, and the error each of them gets. */

import { BrokerError, brokerErrorName } from '../errors/broker-error.ts'
import type { BrokerErrorCode } from '../errors/broker-error-codes.ts'
import type { KafkaErrorOptions } from '../errors/kafka-error.ts'
import type { PartitionProduceResponse } from '../wire/messages/produce.ts'
import type { ProducerBatch } from './producer-batch.ts'

/** Codes that a broker answers before it appends anything. All others may come after: a leader that steps down while it
 *  waits for its replicas answers NOT_LEADER_OR_FOLLOWER for records that are in its log. */
const refusedBeforeAppend: ReadonlySet<BrokerErrorCode> = new Set<BrokerErrorCode>([
  'CORRUPT_MESSAGE',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'MESSAGE_TOO_LARGE',
  'INVALID_TOPIC_EXCEPTION',
  'RECORD_LIST_TOO_LARGE',
  'NOT_ENOUGH_REPLICAS',
  'INVALID_REQUIRED_ACKS',
  'TOPIC_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'INVALID_TIMESTAMP',
  'UNSUPPORTED_FOR_MESSAGE_FORMAT',
  'POLICY_VIOLATION',
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'INVALID_PRODUCER_EPOCH',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
  'UNSUPPORTED_COMPRESSION_TYPE',
  'INVALID_RECORD',
  'PRODUCER_FENCED',
  'UNKNOWN_TOPIC_ID',
])

/** Whether the code says that nothing of the batch is in the log. */
export function surelyNotPersisted(errorCode: number): boolean {
  return refusedBeforeAppend.has(brokerErrorName(errorCode) as BrokerErrorCode)
}

/** The error that a batch's records fail with, by the record's place in it: brokers may blame single ones (KIP-467). */
export function errorsOf(batch: ProducerBatch, answer: PartitionProduceResponse): (index: number) => BrokerError {
  const { topic, partition } = batch.queue
  const { errorCode, errorMessage, recordErrors } = answer
  const options: KafkaErrorOptions = { persistence: batch.possiblyPersisted ? 'possibly-persisted' : 'not-persisted' }
  const records = batch.count === 1 ? 'a record' : `a batch of ${batch.count} records`
  const place = `partition ${partition} of '${topic}'`
  const whole = new BrokerError(errorCode, `${place} did not take ${records}`, {
    ...options,
    brokerMessage: errorMessage,
  })
  // A broker that blames records which were not there blames nobody.
  const accused = recordErrors.filter(({ batchIndex }) => batchIndex >= 0 && batchIndex < batch.count)
  if (accused.length === 0) return () => whole
  const blamed = new Map(
    accused.map(({ batchIndex, batchIndexErrorMessage }) => [
      batchIndex,
      new BrokerError(errorCode, `${place} did not take a record`, {
        ...options,
        brokerMessage: batchIndexErrorMessage ?? errorMessage,
      }),
    ]),
  )
  const others = new BrokerError(errorCode, `${place} did not take a record because of others in its batch`, {
    ...options,
    brokerMessage: errorMessage,
  })
  return (index) => blamed.get(index) ?? others
}
