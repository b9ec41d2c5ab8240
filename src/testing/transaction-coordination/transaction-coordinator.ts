/** All transactional ids of the cluster, and what may be done with them: who gets which producer id and epoch, what is added to
 *  a transaction, how it ends, and when its time is over. Which broker may speak for an id is a question of who leads its
 *  partition of the transactions topic; the transactions live here, beside the brokers, and survive them as they survive in
 *  Kafka's log. Answers are Kafka 4.3's. Knows no messages. */

import type { Timer } from '../../async/clock.ts'
import { brokerErrorNumber } from '../../errors/broker-error.ts'
import type { BrokerErrorCode } from '../../errors/broker-error-codes.ts'
import { transactionsTopic, type ClusterState } from '../cluster-state.ts'
import type { GroupCoordinator } from '../groups/group-coordinator.ts'
import type { ProducerIdentity } from '../producer-states.ts'
import type { Partition } from '../topics.ts'
import { MarkerWriter } from './marker-writer.ts'
import { Transaction, type TransactionPartition } from './transaction.ts'

/** An error code, and the id and epoch to go on with, -1 where there are none. */
export interface IdentityAnswer extends ProducerIdentity {
  readonly errorCode: number
}

export interface TransactionCoordinatorOptions {
  readonly state: ClusterState
  readonly groups: GroupCoordinator
  /** The finalized `transaction.version`. */
  readonly transactionVersion: number
}

const noError = 0
/** How long after a transaction's time a coordinator that is missing is looked for again. */
const patienceMs = 100

export class TransactionCoordinator {
  readonly transactionVersion: number
  readonly markers: MarkerWriter
  readonly #state: ClusterState
  readonly #transactions = new Map<string, Transaction>()
  readonly #timers = new Map<string, Timer>()
  /** Partitions of the transactions topic whose new leader still reads them, until when on the clock. */
  readonly #loadingUntil = new Map<Partition, number>()

  constructor({ state, groups, transactionVersion }: TransactionCoordinatorOptions) {
    this.#state = state
    this.transactionVersion = transactionVersion
    this.markers = new MarkerWriter(state, groups)
  }

  /** All ids that are known. */
  get all(): Transaction[] {
    return [...this.#transactions.keys()].flatMap((id) => this.transaction(id) ?? [])
  }

  transaction(transactionalId: string): Transaction | undefined {
    const found = this.#transactions.get(transactionalId)
    if (found?.isOver !== true) return found
    const { clock, properties } = this.#state
    // Kafka looks for them from time to time; nobody sees the difference.
    if (clock.wallTime() - found.updatedAt < properties.number('transactional.id.expiration.ms')) return found
    this.#transactions.delete(transactionalId)
    return undefined
  }

  /** Why this broker cannot speak for the id now: an error code, or 0. @param brokerId undefined for whichever could */
  refusal(transactionalId: string, brokerId?: number): number {
    const partition = this.#partitionOf(transactionalId)
    if (brokerId === undefined && partition.leaderId === -1) return code('COORDINATOR_NOT_AVAILABLE')
    if (brokerId !== undefined && partition.leaderId !== brokerId) return code('NOT_COORDINATOR')
    return this.#isLoading(partition) ? code('COORDINATOR_LOAD_IN_PROGRESS') : noError
  }

  /** Whether this broker reads any of its partitions still. */
  isLoading(brokerId: number): boolean {
    return [...this.#loadingUntil.keys()].some(
      (partition) => partition.leaderId === brokerId && this.#isLoading(partition),
    )
  }

  /** Whether this broker speaks for the id. */
  coordinates(transactionalId: string, brokerId: number): boolean {
    return this.#partitionOf(transactionalId).leaderId === brokerId
  }

  /** Makes the coordinator of the id answer for a while that it is still loading. */
  load(transactionalId: string, durationMs: number): void {
    this.#loadingUntil.set(this.#partitionOf(transactionalId), this.#state.clock.now() + durationMs)
  }

  /** Gives a producer its id and epoch. @param expected what it has; undefined when it comes anew */
  initialize(transactionalId: string, timeoutMs: number, expected: ProducerIdentity | undefined): IdentityAnswer {
    const { clock, properties } = this.#state
    if (timeoutMs <= 0 || timeoutMs > properties.number('transaction.max.timeout.ms')) {
      return refused('INVALID_TRANSACTION_TIMEOUT')
    }
    const now = clock.wallTime()
    let transaction = this.transaction(transactionalId)
    if (transaction === undefined) {
      transaction = new Transaction(transactionalId, this.#state.nextProducerId(), timeoutMs, now)
      this.#transactions.set(transactionalId, transaction)
    }
    if (transaction.isEnding) return refused('CONCURRENT_TRANSACTIONS')
    if (expected !== undefined && !transaction.mayBe(expected)) return refused('PRODUCER_FENCED')
    if (!this.#canWrite(transactionalId)) return refused('COORDINATOR_NOT_AVAILABLE')
    if (transaction.state === 'Ongoing') {
      // Whoever left it open is fenced; who asks will be answered when it is aborted.
      this.#abortAndFence(transaction)
      return refused('CONCURRENT_TRANSACTIONS')
    }
    const newProducerId = (): number => this.#state.nextProducerId()
    if (!transaction.initialize(expected?.producerEpoch, { timeoutMs, now, newProducerId })) {
      return refused('PRODUCER_FENCED')
    }
    const { producerId, producerEpoch } = transaction
    return { errorCode: noError, producerId, producerEpoch }
  }

  /** Makes partitions part of the transaction, which begins if none is open. @returns an error code */
  add(
    transactionalId: string,
    producer: ProducerIdentity,
    partitions: readonly TransactionPartition[],
    bumpsEpoch: boolean,
  ): number {
    // Whose ever it is, while its markers are written nobody adds to it.
    if (this.transaction(transactionalId)?.isEnding === true) return code('CONCURRENT_TRANSACTIONS')
    const transaction = this.#check(transactionalId, producer)
    if (typeof transaction === 'number') return transaction
    if (transaction.state === 'Ongoing' && partitions.every((each) => transaction.has(each))) return noError
    if (!this.#canWrite(transactionalId)) return code('COORDINATOR_NOT_AVAILABLE')
    const { clock } = this.#state
    if (transaction.add(partitions, clock.wallTime(), bumpsEpoch)) {
      this.#expireIn(transactionalId, transaction.timeoutMs)
    }
    return noError
  }

  /** Asks whether partitions are part of the transaction. @returns an error code for each */
  verify(
    transactionalId: string,
    producer: ProducerIdentity,
    partitions: readonly TransactionPartition[],
  ): readonly number[] {
    const transaction = this.#check(transactionalId, producer)
    if (typeof transaction === 'number') return partitions.map(() => transaction)
    return partitions.map((each) => (transaction.has(each) ? noError : code('TRANSACTION_ABORTABLE')))
  }

  /** @param bumpsEpoch as KIP-890 has it */
  end(transactionalId: string, producer: ProducerIdentity, commits: boolean, bumpsEpoch: boolean): IdentityAnswer {
    if (transactionalId === '') return refused('INVALID_REQUEST')
    const transaction = this.transaction(transactionalId)
    if (transaction === undefined) return refused('INVALID_PRODUCER_ID_MAPPING')
    const decided = bumpsEpoch
      ? judgeEnd(transaction, producer, commits)
      : judgeEndWithoutBump(transaction, producer, commits)
    if (decided !== 'end') {
      if (decided !== 'NONE') return refused(decided)
      const { producerId, producerEpoch } = transaction
      return bumpsEpoch ? { errorCode: noError, producerId, producerEpoch } : refused('NONE')
    }
    if (!this.#canWrite(transactionalId)) return refused('COORDINATOR_NOT_AVAILABLE')
    this.#end(transaction, commits, { bumpsEpoch, fences: false })
    return bumpsEpoch ? { errorCode: noError, ...transaction.next } : refused('NONE')
  }

  /** The transaction's time is over: it is aborted, and who has it is fenced. @returns whether there was one */
  expire(transactionalId: string): boolean {
    const transaction = this.transaction(transactionalId)
    if (transaction?.state !== 'Ongoing') return false
    this.#abortAndFence(transaction)
    return true
  }

  close(): void {
    this.markers.close()
    for (const timer of this.#timers.values()) this.#state.clock.clearTimer(timer)
    this.#timers.clear()
  }

  #check(transactionalId: string, { producerId, producerEpoch }: ProducerIdentity): Transaction | number {
    if (transactionalId === '') return code('INVALID_REQUEST')
    const transaction = this.transaction(transactionalId)
    if (transaction?.producerId !== producerId) return code('INVALID_PRODUCER_ID_MAPPING')
    if (transaction.producerEpoch !== producerEpoch) return code('PRODUCER_FENCED')
    return transaction.isEnding ? code('CONCURRENT_TRANSACTIONS') : transaction
  }

  #expireIn(transactionalId: string, delayMs: number): void {
    const timer = this.#state.clock.setTimer(() => {
      // Without a coordinator nothing ends: the next one will see that the time is over.
      if (this.refusal(transactionalId) === noError && this.#canWrite(transactionalId)) this.expire(transactionalId)
      else this.#expireIn(transactionalId, patienceMs)
    }, delayMs)
    this.#timers.set(transactionalId, timer)
  }

  #abortAndFence(transaction: Transaction): void {
    this.#end(transaction, false, { bumpsEpoch: this.transactionVersion >= 2, fences: true })
  }

  #end(transaction: Transaction, commits: boolean, how: { bumpsEpoch: boolean; fences: boolean }): void {
    const { clock } = this.#state
    const { transactionalId } = transaction
    clock.clearTimer(this.#timers.get(transactionalId))
    this.#timers.delete(transactionalId)
    transaction.prepareEnd(commits, {
      ...how,
      now: clock.wallTime(),
      newProducerId: () => this.#state.nextProducerId(),
    })
    const { producerId, producerEpoch, partitions } = transaction
    this.markers.write({
      transactionalId,
      partitions,
      marker: {
        producerId,
        producerEpoch,
        coordinatorEpoch: this.#partitionOf(transactionalId).leaderEpoch,
        transactionVersion: how.bumpsEpoch ? 2 : 0,
        commits,
      },
      onWritten: () => {
        transaction.complete(clock.wallTime())
      },
    })
  }

  #partitionOf(transactionalId: string): Partition {
    return this.#state.coordinatingPartition(transactionsTopic, transactionalId)
  }

  #isLoading(partition: Partition): boolean {
    const until = this.#loadingUntil.get(partition)
    if (until === undefined) return false
    if (this.#state.clock.now() < until) return true
    this.#loadingUntil.delete(partition)
    return false
  }

  /** Whether enough replicas of the id's partition are in sync for its state to be written. */
  #canWrite(transactionalId: string): boolean {
    const { inSyncReplicas, replicas } = this.#partitionOf(transactionalId)
    const needed = this.#state.properties.number('transaction.state.log.min.isr')
    return inSyncReplicas.length >= Math.min(needed, replicas.length)
  }
}

type Decision = BrokerErrorCode | 'end'

/**
 * KIP-890. Who asks again with the epoch that it had before is told what became of its transaction; who has the epoch of now
 * may abort whatever it has, even nothing, for it may not know whether something of it arrived.
 */
function judgeEnd(transaction: Transaction, producer: ProducerIdentity, commits: boolean): Decision {
  const { state, producerEpoch } = transaction
  if (state === 'PrepareCommit' || state === 'PrepareAbort') return 'CONCURRENT_TRANSACTIONS'
  if (!transaction.owns(producer)) return 'INVALID_PRODUCER_ID_MAPPING'
  const isRetry = transaction.isRetry(producer)
  const isCurrent = producer.producerEpoch === producerEpoch
  switch (state) {
    case 'Ongoing':
      return isCurrent ? 'end' : 'PRODUCER_FENCED'
    case 'Empty':
      if (!isCurrent) return 'PRODUCER_FENCED'
      return commits ? 'INVALID_TXN_STATE' : 'end'
    case 'CompleteCommit':
    case 'CompleteAbort':
      if (isRetry) return commits === (state === 'CompleteCommit') ? 'NONE' : 'INVALID_TXN_STATE'
      if (!isCurrent) return 'PRODUCER_FENCED'
      return commits ? 'INVALID_TXN_STATE' : 'end'
    default:
      return state satisfies never
  }
}

function judgeEndWithoutBump(transaction: Transaction, producer: ProducerIdentity, commits: boolean): Decision {
  const { state, producerId, producerEpoch } = transaction
  if (producerId !== producer.producerId) return 'INVALID_PRODUCER_ID_MAPPING'
  if (producerEpoch !== producer.producerEpoch) return 'PRODUCER_FENCED'
  switch (state) {
    case 'Ongoing':
      return 'end'
    case 'Empty':
      return 'INVALID_TXN_STATE'
    case 'PrepareCommit':
    case 'PrepareAbort':
      return 'CONCURRENT_TRANSACTIONS'
    case 'CompleteCommit':
    case 'CompleteAbort':
      return commits === (state === 'CompleteCommit') ? 'NONE' : 'INVALID_TXN_STATE'
    default:
      return state satisfies never
  }
}

function code(name: BrokerErrorCode): number {
  return brokerErrorNumber(name)
}

function refused(name: BrokerErrorCode): IdentityAnswer {
  return { errorCode: code(name), producerId: -1, producerEpoch: -1 }
}
