/** InitProducerId: hands out the ids by which idempotent producers are told apart, and to transactional ones the next epoch of
 *  theirs (KIP-98, 360). */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import { InitProducerId } from '../../wire/messages/init-producer-id.ts'
import { fencedAs } from './fenced-as.ts'
import { defineHandler, type AnyHandler } from './handler.ts'

export const initProducerId: AnyHandler = defineHandler({
  api: InitProducerId,
  minVersion: 0,
  maxVersion: 5,

  handle(request, { state, transactions, brokerId, version }) {
    const { transactionalId, transactionTimeoutMs, producerId, producerEpoch } = request
    const none = { producerId: -1, producerEpoch: -1 }
    const invalid = { ...none, errorCode: brokerErrorNumber('INVALID_REQUEST') }
    if ((producerId === -1) !== (producerEpoch === -1)) return invalid
    // Whatever id and epoch it had: one without transactions gets a new id and begins at epoch 0.
    if (transactionalId === null) return { producerId: state.nextProducerId(), producerEpoch: 0 }
    if (transactionalId === '') return invalid
    const refused = transactions.refusal(transactionalId, brokerId)
    if (refused !== 0) return { ...none, errorCode: refused }
    const expected = producerId === -1 ? undefined : { producerId, producerEpoch }
    const answer = transactions.initialize(transactionalId, transactionTimeoutMs, expected)
    return { ...answer, errorCode: fencedAs(answer.errorCode, version, 4) }
  },

  refuse: (_, errorCode) => ({ errorCode, producerId: -1, producerEpoch: -1 }),
})
