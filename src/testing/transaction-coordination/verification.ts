/** What the leader of a partition does before it appends the first batch of a transaction: it asks the coordinator whether the
 *  partition belongs to it, or, for clients that leave that to it, has it added (KIP-890). Errors are translated for clients of
 *  each age, as Kafka does it. Knows no batch and no log. */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import type { BrokerErrorCode } from '../../errors/broker-error-codes.ts'
import type { ProducerIdentity } from '../producer-states.ts'
import type { TransactionCoordinator } from './transaction-coordinator.ts'
import type { TransactionPartition } from './transaction.ts'

/** What the version of a request says of its client: whether partitions are added for it, and which errors it knows. */
export type TransactionSupport = 'adds partitions' | 'knows TRANSACTION_ABORTABLE' | 'knows neither'

export interface Questioner extends ProducerIdentity {
  readonly transactionalId: string
  readonly support: TransactionSupport
}

const number = brokerErrorNumber

/** @returns an error code for each partition */
export function addOrVerify(
  coordinator: TransactionCoordinator,
  partitions: readonly TransactionPartition[],
  { transactionalId, support, ...producer }: Questioner,
): readonly number[] {
  const refused = coordinator.refusal(transactionalId)
  if (refused !== 0) return partitions.map(() => refused)
  const codes =
    support === 'adds partitions'
      ? new Array<number>(partitions.length).fill(coordinator.add(transactionalId, producer, partitions, true))
      : coordinator.verify(transactionalId, producer, partitions)
  return codes.map((errorCode) => {
    if (errorCode === number('PRODUCER_FENCED')) return number('INVALID_PRODUCER_EPOCH')
    return errorCode === number('TRANSACTION_ABORTABLE') && support === 'knows neither'
      ? number('INVALID_TXN_STATE')
      : errorCode
  })
}

const unready: readonly BrokerErrorCode[] = [
  'COORDINATOR_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR',
]
const unreadyCodes: ReadonlySet<number> = new Set(unready.map(number))

/** The error as Produce says it: one that its clients try again. */
export function asProduceError(errorCode: number, support: TransactionSupport): number {
  const isConcurrent = errorCode === number('CONCURRENT_TRANSACTIONS') && support !== 'adds partitions'
  return unreadyCodes.has(errorCode) || isConcurrent ? number('NOT_ENOUGH_REPLICAS') : errorCode
}
