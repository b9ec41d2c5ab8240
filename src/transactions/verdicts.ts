/** What each error code of a coordinator means to each request of a transaction: tables, so that five handlers agree. */

import type { BrokerErrorCode } from '../errors/broker-error-codes.ts'
import { brokerErrorName, isRetriable } from '../errors/broker-error.ts'

/**
 * - `retry`: it passes; the same request is sent again, to the coordinator of then
 * - `abortable`: the transaction has failed; the producer has not
 * - `new-epoch`: the same, and whatever follows needs a new epoch
 * - `unmapped`: the coordinator knows our producer id no more; there is nothing to abort, and an id must be had anew
 * - `fenced`: another producer has our transactional id, or the coordinator aborted the transaction because of its age
 * - `refused`: the coordinator has no transaction that could be ended in this way
 * - `fatal`: the producer can do nothing more
 */
export type Verdict = 'retry' | 'abortable' | 'new-epoch' | 'unmapped' | 'fenced' | 'refused' | 'fatal'

export type TransactionRequestName =
  'InitProducerId' | 'AddPartitionsToTxn' | 'AddOffsetsToTxn' | 'TxnOffsetCommit' | 'EndTxn'

type Table = Readonly<Partial<Record<BrokerErrorCode, Verdict>>>

/** For all of them. Beside these, whatever Kafka calls passing is tried again. */
const common: Table = {
  // Coordinators before Kafka 2.7 say INVALID_PRODUCER_EPOCH (KIP-588).
  PRODUCER_FENCED: 'fenced',
  INVALID_PRODUCER_EPOCH: 'fenced',
  INVALID_PRODUCER_ID_MAPPING: 'unmapped',
  UNKNOWN_PRODUCER_ID: 'new-epoch',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'fatal',
  INVALID_TXN_STATE: 'fatal',
  TRANSACTION_ABORTABLE: 'abortable',
}

/** Where a request differs. A code that stands nowhere is `abortable`: whatever it was, an abort undoes it. */
const own: Readonly<Record<TransactionRequestName, Table>> = {
  // Nothing is open while it is asked, so nothing is worse after a refusal than before it: asking again is safe.
  InitProducerId: {
    INVALID_PRODUCER_ID_MAPPING: 'abortable',
    UNKNOWN_PRODUCER_ID: 'abortable',
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'abortable',
    INVALID_TXN_STATE: 'abortable',
  },
  AddPartitionsToTxn: {},
  AddOffsetsToTxn: {},
  // The group's coordinator says INVALID_TXN_STATE of a transaction that was aborted because of its age (KIP-890).
  TxnOffsetCommit: { INVALID_TXN_STATE: 'abortable' },
  EndTxn: {
    INVALID_TXN_STATE: 'refused',
    // An answer without a word about the outcome. The same request gets the outcome out of the coordinator.
    UNKNOWN_SERVER_ERROR: 'retry',
  },
}

export function verdictOf(request: TransactionRequestName, errorCode: number): Verdict {
  const name = brokerErrorName(errorCode) as BrokerErrorCode
  return own[request][name] ?? common[name] ?? (isRetriable(errorCode) ? 'retry' : 'abortable')
}

/** Codes that a coordinator gives before it does anything. After others it may have done what it was asked. */
const beforeDoing: ReadonlySet<string> = new Set<BrokerErrorCode>([
  'COORDINATOR_LOAD_IN_PROGRESS',
  'CONCURRENT_TRANSACTIONS',
  'PRODUCER_FENCED',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_TXN_STATE',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
  'TRANSACTION_ABORTABLE',
  'UNSUPPORTED_VERSION',
  'INVALID_REQUEST',
])

/** Whether a request that was answered with this code may have been carried out nevertheless. */
export function mayHaveHappened(errorCode: number): boolean {
  return !beforeDoing.has(brokerErrorName(errorCode))
}
