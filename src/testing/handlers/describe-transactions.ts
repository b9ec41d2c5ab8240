/** DescribeTransactions: what the coordinator knows of transactional ids (KIP-664). */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import type { Init } from '../../wire/api.ts'
import { DescribeTransactions, type TransactionState } from '../../wire/messages/describe-transactions.ts'
import { defineHandler, type AnyHandler, type RequestContext } from './handler.ts'

export const describeTransactions: AnyHandler = defineHandler({
  api: DescribeTransactions,
  minVersion: 0,
  maxVersion: 0,

  handle: ({ transactionalIds }, context) => ({
    transactionStates: transactionalIds.map((id) => describe(id, context)),
  }),

  refuse: ({ transactionalIds }, errorCode) => ({
    transactionStates: transactionalIds.map((transactionalId) => ({ transactionalId, errorCode })),
  }),
})

function describe(transactionalId: string, { transactions, brokerId }: RequestContext): Init<TransactionState> {
  if (transactionalId === '') return { transactionalId, errorCode: brokerErrorNumber('INVALID_REQUEST') }
  const refused = transactions.refusal(transactionalId, brokerId)
  if (refused !== 0) return { transactionalId, errorCode: refused }
  const transaction = transactions.transaction(transactionalId)
  if (transaction === undefined) {
    return { transactionalId, errorCode: brokerErrorNumber('TRANSACTIONAL_ID_NOT_FOUND') }
  }
  const partitions = new Map<string, number[]>()
  for (const { topic, partition } of transaction.partitions) {
    const indexes = partitions.get(topic)
    if (indexes === undefined) partitions.set(topic, [partition])
    else indexes.push(partition)
  }
  return {
    transactionalId,
    transactionState: transaction.state,
    transactionTimeoutMs: transaction.timeoutMs,
    transactionStartTimeMs: transaction.startedAt,
    producerId: transaction.producerId,
    producerEpoch: transaction.producerEpoch,
    topics: Array.from(partitions, ([topic, indexes]) => ({ topic, partitions: indexes })),
  }
}
