/** InitProducerId: hands out the ids by which idempotent producers are told apart (KIP-98). Transactional ones are refused:
 *  the cluster has no transaction coordinator. */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import { InitProducerId } from '../../wire/messages/init-producer-id.ts'
import { defineHandler, type AnyHandler } from './handler.ts'

export const initProducerId: AnyHandler = defineHandler({
  api: InitProducerId,
  minVersion: 0,
  maxVersion: 5,

  handle({ transactionalId }, { state }) {
    const none = { producerId: -1, producerEpoch: -1 }
    if (transactionalId === '') return { ...none, errorCode: brokerErrorNumber('INVALID_REQUEST') }
    if (transactionalId !== null) {
      state.logger.warn(`the in-process cluster serves no transactions: '${transactionalId}' was refused`)
      return { ...none, errorCode: brokerErrorNumber('TRANSACTIONAL_ID_AUTHORIZATION_FAILED') }
    }
    // Whatever id and epoch it had: one without transactions gets a new id and begins at epoch 0.
    return { producerId: state.nextProducerId(), producerEpoch: 0 }
  },

  refuse: (_, errorCode) => ({ errorCode, producerId: -1, producerEpoch: -1 }),
})
