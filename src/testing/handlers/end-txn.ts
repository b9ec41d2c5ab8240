/** EndTxn: commits or aborts. From version 5 on who ended it goes on with the epoch, or the id, of the answer (KIP-890). */

import { EndTxn } from '../../wire/messages/end-txn.ts'
import { fencedAs } from './fenced-as.ts'
import { defineHandler, type AnyHandler } from './handler.ts'

const bumpsEpochSince = 5

export const endTxn: AnyHandler = defineHandler({
  api: EndTxn,
  minVersion: 0,
  maxVersion: 5,

  handle(request, { transactions, brokerId, version }) {
    const { transactionalId, committed } = request
    const refused = transactionalId === '' ? 0 : transactions.refusal(transactionalId, brokerId)
    if (refused !== 0) return { errorCode: refused }
    const bumpsEpoch = version >= bumpsEpochSince
    const { errorCode, producerId, producerEpoch } = transactions.end(transactionalId, request, committed, bumpsEpoch)
    return {
      errorCode: fencedAs(errorCode, version, 2),
      ...(bumpsEpoch ? { producerId, producerEpoch } : {}),
    }
  },

  refuse: (_, errorCode) => ({ errorCode }),
})
