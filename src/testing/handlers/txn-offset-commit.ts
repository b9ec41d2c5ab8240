/** TxnOffsetCommit: offsets that are committed if the transaction is (KIP-98, 447). */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import type { Init } from '../../wire/api.ts'
import {
  TxnOffsetCommit,
  type TxnOffsetCommitRequest,
  type TxnOffsetCommitRequestPartition,
  type TxnOffsetCommitResponse,
} from '../../wire/messages/txn-offset-commit.ts'
import { groupsTopic } from '../cluster-state.ts'
import { addOrVerify, type TransactionSupport } from '../transaction-coordination/verification.ts'
import { defineHandler, type AnyHandler, type RequestContext } from './handler.ts'

const noError = 0

export const txnOffsetCommit: AnyHandler = defineHandler({
  api: TxnOffsetCommit,
  minVersion: 0,
  maxVersion: 5,

  handle(request, context) {
    const { groupId, producerId } = request
    const { groups, state } = context
    const isKnown = (topic: string, { partitionIndex }: TxnOffsetCommitRequestPartition): boolean =>
      state.partition(topic, partitionIndex) !== undefined
    const isAnyKnown = request.topics.some(({ name, partitions }) => partitions.some((each) => isKnown(name, each)))
    const errorCode = isAnyKnown ? check(request, context) : noError
    let isWritten = false
    const response = answer(request, (topic, partition) => {
      if (!isKnown(topic, partition)) return brokerErrorNumber('UNKNOWN_TOPIC_OR_PARTITION')
      if (errorCode !== noError) return errorCode
      const metadata = partition.committedMetadata ?? ''
      if (metadata.length > state.properties.number('offset.metadata.max.bytes')) {
        return brokerErrorNumber('OFFSET_METADATA_TOO_LARGE')
      }
      const { partitionIndex, committedOffset, committedLeaderEpoch } = partition
      const committed = {
        topic,
        partition: partitionIndex,
        offset: committedOffset,
        leaderEpoch: committedLeaderEpoch,
        metadata,
      }
      groups.commit(groupId, committed, producerId)
      isWritten = true
      return noError
    })
    if (isWritten) {
      const { producers, log } = state.coordinatingPartition(groupsTopic, groupId)
      producers.wrote(request, log.logEndOffset, state.clock.wallTime())
    }
    return response
  },

  refuse: (request, errorCode) => answer(request, () => errorCode),
})

/** @returns an error code */
function check(request: TxnOffsetCommitRequest, context: RequestContext): number {
  const { groupId, memberId, groupInstanceId, generationId } = request
  const { groups, brokerId, version } = context
  if (groupId === '') return brokerErrorNumber('INVALID_GROUP_ID')
  const refused = groups.refusal(groupId, brokerId)
  if (refused !== noError) {
    // Clients of that age do not know that a coordinator may be loading.
    const isLoading = refused === brokerErrorNumber('COORDINATOR_LOAD_IN_PROGRESS')
    return isLoading && version < 2 ? brokerErrorNumber('COORDINATOR_NOT_AVAILABLE') : refused
  }
  const unverified = verify(request, context)
  if (unverified !== noError) return unverified
  const group = groups.group(groupId)
  if (group === undefined) return generationId < 0 ? noError : brokerErrorNumber('ILLEGAL_GENERATION')
  return group.classic.checkCommit(memberId, groupInstanceId, generationId, { isTransactional: true })
}

/** Whether the group's partition of the offsets topic belongs to the transaction. @returns an error code */
function verify(request: TxnOffsetCommitRequest, { state, transactions, version }: RequestContext): number {
  const { groupId, transactionalId, producerId, producerEpoch } = request
  const { index, producers } = state.coordinatingPartition(groupsTopic, groupId)
  const support: TransactionSupport =
    version >= 5 ? 'adds partitions' : version === 4 ? 'knows TRANSACTION_ABORTABLE' : 'knows neither'
  const verification = producers.verify({ producerId, producerEpoch, baseSequence: -1 }, support === 'adds partitions')
  if (verification === undefined) return noError
  if ('kind' in verification) return verification.errorCode
  const partitions = [{ topic: groupsTopic, partition: index }]
  return addOrVerify(transactions, partitions, { transactionalId, producerId, producerEpoch, support })[0]!
}

function answer(
  { topics }: TxnOffsetCommitRequest,
  errorOf: (topic: string, partition: TxnOffsetCommitRequestPartition) => number,
): Init<TxnOffsetCommitResponse> {
  return {
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map((partition) => ({
        partitionIndex: partition.partitionIndex,
        errorCode: errorOf(name, partition),
      })),
    })),
  }
}
