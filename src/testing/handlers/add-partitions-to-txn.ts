/** AddPartitionsToTxn: makes partitions part of a transaction before anything is written to them. Clients do so up to version 3;
 *  from 4 on it is for brokers, about several transactions at once, and may only ask (KIP-890). */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import type { Init } from '../../wire/api.ts'
import {
  AddPartitionsToTxn,
  type AddPartitionsToTxnRequest,
  type AddPartitionsToTxnTopicResult,
  type AddPartitionsToTxnTransaction,
} from '../../wire/messages/add-partitions-to-txn.ts'
import type { TransactionPartition } from '../transaction-coordination/transaction.ts'
import { fencedAs } from './fenced-as.ts'
import { defineHandler, type AnyHandler, type RequestContext } from './handler.ts'

/** Brokers ask from this version on. */
const forBrokersSince = 4
const noError = 0

type Results = Init<AddPartitionsToTxnTopicResult>[]

export const addPartitionsToTxn: AnyHandler = defineHandler({
  api: AddPartitionsToTxn,
  minVersion: 0,
  maxVersion: 5,

  handle(request, context) {
    if (context.version < forBrokersSince) {
      return { resultsByTopicV3AndBelow: resultsOf(ofClient(request), context) }
    }
    return {
      resultsByTransaction: request.transactions.map((transaction) => ({
        transactionalId: transaction.transactionalId,
        topicResults: resultsOf(transaction, context),
      })),
    }
  },

  refuse(request, errorCode, { version }) {
    if (version >= forBrokersSince) return { errorCode }
    return { resultsByTopicV3AndBelow: told(ofClient(request), () => errorCode) }
  },
})

function ofClient(request: AddPartitionsToTxnRequest): AddPartitionsToTxnTransaction {
  return {
    transactionalId: request.v3AndBelowTransactionalId,
    producerId: request.v3AndBelowProducerId,
    producerEpoch: request.v3AndBelowProducerEpoch,
    verifyOnly: false,
    topics: request.v3AndBelowTopics,
  }
}

function resultsOf(transaction: AddPartitionsToTxnTransaction, context: RequestContext): Results {
  const { transactionalId, verifyOnly, topics } = transaction
  const { state, transactions, brokerId, version } = context
  const partitions = topics.flatMap(({ name, partitions: indexes }) =>
    indexes.map((partition): TransactionPartition => ({ topic: name, partition })),
  )
  const isKnown = ({ topic, partition }: TransactionPartition): boolean =>
    state.partition(topic, partition) !== undefined
  // All of them, or none.
  if (!partitions.every(isKnown)) {
    return told(transaction, (each) =>
      brokerErrorNumber(isKnown(each) ? 'OPERATION_NOT_ATTEMPTED' : 'UNKNOWN_TOPIC_OR_PARTITION'),
    )
  }
  const refused = transactionalId === '' ? noError : transactions.refusal(transactionalId, brokerId)
  if (refused !== noError) return told(transaction, () => refused)
  if (verifyOnly) {
    const codes = transactions.verify(transactionalId, transaction, partitions)
    return told(transaction, (_, i) => codes[i]!)
  }
  // Brokers add for clients that go on in another epoch afterwards; clients that add themselves do not.
  const bumpsEpoch = version > forBrokersSince
  const errorCode = fencedAs(transactions.add(transactionalId, transaction, partitions, bumpsEpoch), version, 2)
  return told(transaction, () => errorCode)
}

function told(
  { topics }: AddPartitionsToTxnTransaction,
  errorOf: (partition: TransactionPartition, index: number) => number,
): Results {
  let next = 0
  return topics.map(({ name, partitions }) => ({
    name,
    resultsByPartition: partitions.map((partition) => ({
      partitionIndex: partition,
      partitionErrorCode: errorOf({ topic: name, partition }, next++),
    })),
  }))
}
