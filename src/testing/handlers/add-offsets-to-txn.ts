/** AddOffsetsToTxn: makes a group's offsets part of a transaction, that is the partition of the offsets topic where they go. */

import { AddOffsetsToTxn } from '../../wire/messages/add-offsets-to-txn.ts'
import { groupsTopic } from '../cluster-state.ts'
import { fencedAs } from './fenced-as.ts'
import { defineHandler, type AnyHandler } from './handler.ts'

export const addOffsetsToTxn: AnyHandler = defineHandler({
  api: AddOffsetsToTxn,
  minVersion: 0,
  maxVersion: 4,

  handle(request, { state, transactions, brokerId, version }) {
    const { transactionalId, groupId } = request
    const refused = transactionalId === '' ? 0 : transactions.refusal(transactionalId, brokerId)
    if (refused !== 0) return { errorCode: refused }
    const { index } = state.coordinatingPartition(groupsTopic, groupId)
    const partitions = [{ topic: groupsTopic, partition: index }]
    return { errorCode: fencedAs(transactions.add(transactionalId, request, partitions, false), version, 2) }
  },

  refuse: (_, errorCode) => ({ errorCode }),
})
