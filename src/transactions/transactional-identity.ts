/** Who writes in transactions, as the sender asks it: the id and epoch of the transaction that is open. Everything else
 *  about them is decided by the lifecycle, which sets them. */

import type { ProduceVersions, ProducerIdAndEpoch, ProducerIdentity } from '../producer/producer-identity.ts'
import { anyProduceVersion } from '../producer/producer-identity.ts'
import { lastFirstProduceVersion, type TransactionVersion } from './transaction-coordinator.ts'

/** How many batches of a producer a broker remembers for each partition. */
const rememberedBatches = 5

const produceVersions: Readonly<Record<TransactionVersion, ProduceVersions>> = {
  1: { min: anyProduceVersion.min, max: lastFirstProduceVersion },
  2: { min: lastFirstProduceVersion + 1, max: anyProduceVersion.max },
}

export class TransactionalIdentity implements ProducerIdentity {
  readonly maxInFlightPerPartition: number = rememberedBatches
  readonly isTransactional: boolean = true
  readonly transactionalId: string
  current: ProducerIdAndEpoch | undefined = undefined
  version: TransactionVersion = 1

  constructor(transactionalId: string) {
    this.transactionalId = transactionalId
  }

  get produceVersions(): ProduceVersions {
    return produceVersions[this.version]
  }

  /** A transaction has its id before it begins. */
  request(): void {}

  /** Epochs are the coordinator's to give: the transaction fails, is aborted, and the next one has another epoch. */
  successor(): undefined {
    return undefined
  }
}
