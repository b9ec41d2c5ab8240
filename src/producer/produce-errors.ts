/** What a broker's code for one partition's batch means: what becomes of the batch, what is known of its records, and the
 *  error each of them gets. */

import { BrokerError, brokerErrorName, isRetriable } from '../errors/broker-error.ts'
import type { BrokerErrorCode } from '../errors/broker-error-codes.ts'
import type { KafkaErrorOptions } from '../errors/kafka-error.ts'
import type { PartitionProduceResponse } from '../wire/messages/produce.ts'
import type { ProducerBatch } from './producer-batch.ts'

/**
 * - `acknowledged`: it is in the log
 * - `retry`: the same bytes are sent again
 * - `renumber`: the number or epoch was refused. If that proves a gap it goes on with a new epoch, else it is sent again
 * - `divide`: its records are sent again in smaller batches, if there are several
 * - `fail`: sending it again has no sense
 */
export type Verdict = 'acknowledged' | 'retry' | 'renumber' | 'divide' | 'fail'

/** Who wrote the batch: the meaning of some codes depends on it. */
export type Writer = 'anonymous' | 'idempotent' | 'transactional'

/** The codes that do not simply mean what Kafka's own flag says of them, retriable or not. */
const verdicts: Readonly<Partial<Record<BrokerErrorCode, Readonly<Record<Writer, Verdict>>>>> = {
  MESSAGE_TOO_LARGE: { anonymous: 'divide', idempotent: 'divide', transactional: 'divide' },
  // Only old brokers say so, of a batch that came again and is not among the last five.
  DUPLICATE_SEQUENCE_NUMBER: { anonymous: 'fail', idempotent: 'acknowledged', transactional: 'acknowledged' },
  OUT_OF_ORDER_SEQUENCE_NUMBER: { anonymous: 'fail', idempotent: 'renumber', transactional: 'renumber' },
  UNKNOWN_PRODUCER_ID: { anonymous: 'fail', idempotent: 'renumber', transactional: 'renumber' },
  // Without transactions epochs are the producer's own to count; with them, another one has taken over, or the
  // coordinator has ended the transaction.
  INVALID_PRODUCER_EPOCH: { anonymous: 'fail', idempotent: 'renumber', transactional: 'fail' },
  PRODUCER_FENCED: { anonymous: 'fail', idempotent: 'fail', transactional: 'fail' },
  TRANSACTION_ABORTABLE: { anonymous: 'fail', idempotent: 'fail', transactional: 'fail' },
  INVALID_TXN_STATE: { anonymous: 'fail', idempotent: 'fail', transactional: 'fail' },
  INVALID_PRODUCER_ID_MAPPING: { anonymous: 'fail', idempotent: 'fail', transactional: 'fail' },
}

/** What becomes of a batch that was answered with this code. */
export function verdictOn(errorCode: number, writer: Writer): Verdict {
  if (errorCode === 0) return 'acknowledged'
  const verdict = verdicts[brokerErrorName(errorCode) as BrokerErrorCode]
  if (verdict !== undefined) return verdict[writer]
  return isRetriable(errorCode) ? 'retry' : 'fail'
}

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
  'INVALID_TXN_STATE',
  'INVALID_PRODUCER_ID_MAPPING',
  'CONCURRENT_TRANSACTIONS',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
  'UNKNOWN_PRODUCER_ID',
  'UNSUPPORTED_COMPRESSION_TYPE',
  'INVALID_RECORD',
  'PRODUCER_FENCED',
  'UNKNOWN_TOPIC_ID',
  'TRANSACTION_ABORTABLE',
])

/** Whether the code says that nothing of the batch is in the log. */
export function surelyNotPersisted(errorCode: number): boolean {
  return refusedBeforeAppend.has(brokerErrorName(errorCode) as BrokerErrorCode)
}

/** What whoever wrote with idempotence can do about a code that has to do with it. */
const advice: Readonly<Partial<Record<BrokerErrorCode, string>>> = {
  UNSUPPORTED_FOR_MESSAGE_FORMAT:
    'the topic has a message format older than idempotence (KIP-98): change its message.format.version, or turn idempotence off with idempotent: false',
  CLUSTER_AUTHORIZATION_FAILED:
    'grant the principal IDEMPOTENT_WRITE on the cluster, or turn idempotence off with idempotent: false',
}

/** The broker's words, and what can be done. */
function wordsOf({ errorCode, errorMessage }: PartitionProduceResponse, writer: Writer): string | null {
  const advised = writer === 'idempotent' ? advice[brokerErrorName(errorCode) as BrokerErrorCode] : undefined
  if (advised === undefined) return errorMessage
  return errorMessage === null || errorMessage === '' ? advised : `${errorMessage}; ${advised}`
}

/** The error that a batch's records fail with, by the record's place in it: brokers may blame single ones (KIP-467). */
export function errorsOf(
  batch: ProducerBatch,
  answer: PartitionProduceResponse,
  writer: Writer,
): (index: number) => BrokerError {
  const { topic, partition } = batch.queue
  const { errorCode, recordErrors } = answer
  const brokerMessage = wordsOf(answer, writer)
  const options: KafkaErrorOptions = { persistence: batch.possiblyPersisted ? 'possibly-persisted' : 'not-persisted' }
  const records = batch.count === 1 ? 'a record' : `a batch of ${batch.count} records`
  const place = `partition ${partition} of '${topic}'`
  const whole = new BrokerError(errorCode, `${place} did not take ${records}`, { ...options, brokerMessage })
  // A broker that blames records which were not there blames nobody.
  const accused = recordErrors.filter(({ batchIndex }) => batchIndex >= 0 && batchIndex < batch.count)
  if (accused.length === 0) return () => whole
  const blamed = new Map(
    accused.map(({ batchIndex, batchIndexErrorMessage }) => [
      batchIndex,
      new BrokerError(errorCode, `${place} did not take a record`, {
        ...options,
        brokerMessage: batchIndexErrorMessage ?? brokerMessage,
      }),
    ]),
  )
  const others = new BrokerError(errorCode, `${place} did not take a record because of others in its batch`, {
    ...options,
    brokerMessage,
  })
  return (index) => blamed.get(index) ?? others
}
