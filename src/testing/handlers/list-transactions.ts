/** ListTransactions: the transactional ids that a broker coordinates, by state, producer, age and name (KIP-664, 994, 1152). */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import { ListTransactions } from '../../wire/messages/list-transactions.ts'
import { transactionStates as states } from '../transaction-coordination/transaction.ts'
import { defineHandler, type AnyHandler } from './handler.ts'

export const listTransactions: AnyHandler = defineHandler({
  api: ListTransactions,
  minVersion: 0,
  maxVersion: 2,

  handle(request, { state, transactions, brokerId }) {
    const { stateFilters, producerIdFilters, durationFilter, transactionalIdPattern } = request
    if (transactions.isLoading(brokerId)) return { errorCode: brokerErrorNumber('COORDINATOR_LOAD_IN_PROGRESS') }
    let pattern: RegExp | undefined
    try {
      if (transactionalIdPattern !== null && transactionalIdPattern !== '') {
        pattern = new RegExp(`^(?:${transactionalIdPattern})$`, 's')
      }
    } catch {
      // What is wrong with it is no concern of ours.
      return { errorCode: brokerErrorNumber('INVALID_REGULAR_EXPRESSION') }
    }
    const now = state.clock.wallTime()
    return {
      unknownStateFilters: stateFilters.filter((name) => !states.includes(name)),
      transactionStates: transactions.all
        .filter(
          (each) =>
            transactions.coordinates(each.transactionalId, brokerId) &&
            (producerIdFilters.length === 0 || producerIdFilters.includes(each.producerId)) &&
            (stateFilters.length === 0 || stateFilters.includes(each.state)) &&
            (durationFilter < 0 || now - each.startedAt > durationFilter) &&
            (pattern === undefined || pattern.test(each.transactionalId)),
        )
        .map((each) => ({
          transactionalId: each.transactionalId,
          producerId: each.producerId,
          transactionState: each.state,
        })),
    }
  },

  refuse: (_, errorCode) => ({ errorCode }),
})
