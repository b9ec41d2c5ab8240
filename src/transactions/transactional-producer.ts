/** The producer of transactions as users see it: the words of its calls. What happens behind them is the lifecycle's. */

import { systemDoors, type Doors } from '../async/doors.ts'
import type { WaitOptions } from '../async/wait.ts'
import { clusterFor } from '../cluster/client.ts'
import type { ClusterOptions } from '../cluster/cluster-options.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { PartitionMetadata } from '../cluster/metadata.ts'
import { FencedError, InvalidArgumentError, TransactionAbortedError } from '../errors/errors.ts'
import { KafkaError } from '../errors/kafka-error.ts'
import type { RecordBytes } from '../model/produced-record.ts'
import { checkCallOptions } from '../options/call-options.ts'
import { quote } from '../options/option-table.ts'
import type { ProducerMetrics } from '../producer/producer-metrics.ts'
import type { OpenTransaction } from './open-transaction.ts'
import { TransactionLifecycle } from './transaction-lifecycle.ts'
import { Transaction } from './transaction.ts'
import {
  readTransactionalOptions,
  transactionalProducerOptions,
  type AnyTransactionalProducerOptions,
  type TransactionalProducerOptions,
} from './transactional-producer-options.ts'

const waitOptionNames: readonly string[] = ['signal']

/** What a transactional producer has done and holds, at one moment. */
export interface TransactionalProducerMetrics extends ProducerMetrics {
  readonly transactionsCommitted: number
  readonly transactionsAborted: number
}

/**
 * Writes records to any number of partitions, and commits offsets of any number of groups, all together or not at all
 * (KIP-98). With a consumer that reads `read_committed` this is exactly-once processing.
 *
 * There is one open transaction at a time; more at once take more producers, each with a `transactionalId` of its own.
 *
 * @example
 * ```ts
 * const producer = new TransactionalProducer({ bootstrapServers: 'localhost:9092', transactionalId: 'billing-0' })
 * await producer.transaction(async (tx) => {
 *   await tx.send({ topic: 'invoices', value: 'three apples' })
 *   await tx.send({ topic: 'shipments', value: 'three apples' })
 * })
 * await producer.close()
 * ```
 */
export class TransactionalProducer<Key = RecordBytes, Value = RecordBytes> {
  readonly #lifecycle: TransactionLifecycle
  readonly #cluster: Cluster
  #closing: Promise<void> | undefined

  /**
   * @throws InvalidOptionError when an option is unknown, has a value it cannot have, or contradicts another one
   */
  constructor(options: TransactionalProducerOptions<Key, Value>, doors: Doors = systemDoors) {
    const { cluster, owned, own } = clusterFor<AnyTransactionalProducerOptions>(
      'TransactionalProducer',
      options as AnyTransactionalProducerOptions & { cluster?: Cluster } & ClusterOptions,
      transactionalProducerOptions,
      doors,
    )
    const { producer, transactions } = readTransactionalOptions(own, cluster.options)
    this.#cluster = cluster
    this.#lifecycle = new TransactionLifecycle({ cluster, ownsCluster: owned, options: producer, ...transactions })
  }

  /**
   * Connects, and takes the transactional id over: whoever had it is fenced, and its open transaction is aborted. A
   * producer that is used before starts by itself. A failed start can be repeated.
   *
   * @returns the producer
   * @throws ConnectionError when no bootstrap server could be reached
   * @throws InvalidOptionError when `transactionTimeoutMs` is more than the broker allows
   * @throws BrokerError TRANSACTIONAL_ID_AUTHORIZATION_FAILED when the id is not ours to use
   * @throws TimeoutError when the id was not had within `maxBlockMs`
   * @throws ClosedError when the producer was closed
   */
  async start(options: WaitOptions = {}): Promise<this> {
    checkCallOptions('start', options, waitOptionNames)
    await this.#lifecycle.start(options)
    return this
  }

  /**
   * Runs a function in a transaction of its own: commits when it has resolved, aborts when it throws.
   *
   * @param work may end the transaction by itself; then nothing more is done with it
   * @param options `signal` ends the wait for the transaction to begin
   * @returns what the function resolved to
   * @throws what the function threw, once the transaction is aborted; or what `begin` or `commit` reject with. Where the
   *   function failed because the producer is fenced, it is a `FencedError`
   */
  async transaction<Result>(
    work: (transaction: Transaction<Key, Value>) => Result | Promise<Result>,
    options: WaitOptions = {},
  ): Promise<Result> {
    if (typeof work !== 'function') {
      throw new InvalidArgumentError(`transaction needs a function that is given the transaction, not ${quote(work)}`)
    }
    checkCallOptions('transaction', options, waitOptionNames)
    const open = await this.#lifecycle.begin(options)
    const transaction = new Transaction<Key, Value>(this.#lifecycle, open)
    let result: Result
    try {
      result = await work(transaction)
    } catch (error) {
      if (open.ending !== undefined) throw error
      throw await this.#abortBecause(transaction, open, error)
    }
    if (open.ending === undefined) await transaction.commit()
    return result
  }

  /** Gives what `transaction` rejects with. */
  async #abortBecause(transaction: Transaction<Key, Value>, open: OpenTransaction, error: unknown): Promise<unknown> {
    // What the application threw by itself is its own. A record that was refused is only a sign of something.
    const isOurs = error instanceof KafkaError
    try {
      await transaction.abort()
    } catch (abortError) {
      if (isOurs && abortError instanceof FencedError) return abortError
      this.#cluster.logger.warn(`a transaction was not aborted as it should be: ${(abortError as Error).message}`)
    }
    if (isOurs && open.verdict !== undefined) return open.verdict
    // Given up because something else had failed before.
    return error instanceof TransactionAbortedError && error.cause === open.failure ? (open.failure ?? error) : error
  }

  /**
   * Begins a transaction. End it with `commit` or `abort`: until then no other can begin.
   *
   * @param options `signal` ends the wait
   * @throws IllegalStateError at once, when a transaction is open or about to begin
   * @throws FencedError when another producer took over the transactional id
   * @throws TimeoutError when the coordinator could not be asked within `maxBlockMs`
   * @throws ClosedError when the producer is closed
   */
  async begin(options: WaitOptions = {}): Promise<Transaction<Key, Value>> {
    checkCallOptions('begin', options, waitOptionNames)
    return new Transaction(this.#lifecycle, await this.#lifecycle.begin(options))
  }

  /**
   * The partitions of a topic, as they are known now; asks the cluster when nothing is known yet.
   *
   * @throws BrokerError when the topic does not exist, or may not be seen
   */
  partitionsFor(topic: string, options: WaitOptions = {}): Promise<readonly PartitionMetadata[]> {
    return this.#lifecycle.core.partitionsFor(topic, options)
  }

  /** What the producer has done so far and holds now: a snapshot, which does not change. */
  metrics(): TransactionalProducerMetrics {
    const { committed, aborted, core } = this.#lifecycle
    return { ...core.metrics(), transactionsCommitted: committed, transactionsAborted: aborted }
  }

  /**
   * Aborts the transaction that is open, or waits for the one that is being ended, within `closeTimeoutMs`; then ends.
   * Called again, it gives the same promise.
   */
  close(): Promise<void> {
    return (this.#closing ??= this.#lifecycle.close())
  }

  /**
   * Gives up at once. An open transaction is aborted by the cluster when its time is over, or by the next producer with
   * the same transactional id.
   *
   * @param reason becomes the cause of the errors
   */
  destroy(reason?: Error): void {
    this.#lifecycle.destroy(reason)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
