/** One transaction as users hold it. The only place from which a transactional producer sends, so that sending outside of a
 *  transaction does not compile. */

import { abortable, type WaitOptions } from '../async/wait.ts'
import type { ConsumerGroupMetadata } from '../model/consumer-group-metadata.ts'
import type { TopicPartitionOffset } from '../model/offset-and-metadata.ts'
import { checkCallOptions } from '../options/call-options.ts'
import type { SendBatchResult } from '../producer/batch-delivery.ts'
import type { ProducerCore } from '../producer/producer-core.ts'
import type { BatchRecord, ProducerRecord, RecordBytes, RecordMetadata } from '../producer/producer-record.ts'
import type { OpenTransaction } from './open-transaction.ts'
import type { TransactionLifecycle } from './transaction-lifecycle.ts'

const waitOptionNames: readonly string[] = ['signal']

/** What becomes of a failure that nobody waits for: `commit` tells it. */
const toldAtTheEnd = (): void => {}

/**
 * A transaction that was begun: records and offsets that count all together, or not at all.
 *
 * Once anything of it has failed, whether it was awaited or not, it can only be aborted: later calls reject with
 * `TransactionAbortedError`, and `commit` aborts and rejects with what failed first. After `commit` or `abort` was called,
 * every call rejects with `IllegalStateError`. Calls may be made from many tasks at once.
 *
 * A promise of `send`, `sendBatch`, `flush` or `sendOffsets` that nobody awaits may reject without ending the process: it is
 * `commit` that tells. Only what comes when the transaction has ended, which no end tells, must be heard there.
 */
export class Transaction<Key = RecordBytes, Value = RecordBytes> {
  readonly #lifecycle: TransactionLifecycle
  readonly #core: ProducerCore
  readonly #open: OpenTransaction

  /** @internal `TransactionalProducer.begin` makes them. */
  constructor(lifecycle: TransactionLifecycle, open: OpenTransaction) {
    this.#lifecycle = lifecycle
    this.#core = lifecycle.core
    this.#open = open
  }

  /** Whether it takes records and offsets: it was not ended, and nothing of it has failed. */
  get isOpen(): boolean {
    return this.#open.isTaking
  }

  /**
   * Sends one record as a part of the transaction, like `Producer.send`. Readers that ask for `read_committed` see it once
   * the transaction is committed.
   *
   * @throws TransactionAbortedError when something else of the transaction failed, or it was aborted
   * @throws IllegalStateError when the transaction has ended
   */
  send(record: ProducerRecord<Key, Value>, options?: WaitOptions): Promise<RecordMetadata> {
    return this.#toldAtTheEnd(this.#open.isTaking ? this.#core.send(record, options) : this.#refused())
  }

  /** Sends many records to one topic as a part of the transaction, like `Producer.sendBatch`. */
  sendBatch(
    topic: string,
    records: readonly BatchRecord<Key, Value>[],
    options?: WaitOptions,
  ): Promise<SendBatchResult> {
    return this.#toldAtTheEnd(this.#open.isTaking ? this.#core.sendBatch(topic, records, options) : this.#refused())
  }

  /**
   * Takes a record without a promise, like `Producer.enqueue`. If it fails, so does the transaction: `commit` tells.
   *
   * @returns true when it was accepted; false when there is no memory for it: await `drained()` and enqueue it again
   */
  enqueue(record: ProducerRecord<Key, Value>): boolean {
    if (this.#open.isTaking) return this.#core.enqueue(record)
    throw this.#lifecycle.refusal(this.#open, 'send')!
  }

  /** Resolves when there is room for what `enqueue` refused. */
  drained(options?: WaitOptions): Promise<void> {
    return this.#open.isTaking ? this.#core.drained(options) : this.#refused()
  }

  /**
   * Sends at once whatever waits for more records, and resolves when all that was accepted before is settled. `commit` does
   * so by itself.
   *
   * @throws DeliveryError when enqueued records failed
   */
  flush(options?: WaitOptions): Promise<void> {
    return this.#toldAtTheEnd(this.#open.isTaking ? this.#core.flush(options) : this.#refused())
  }

  /**
   * Commits a consumer's offsets as a part of the transaction: they count if and only if it does (KIP-98, KIP-447). Of
   * several calls for one partition the last one counts; one transaction may have offsets of several groups.
   *
   * @param offsets for each partition the next offset to read, as `records.nextOffsets()` gives them
   * @param groupMetadata who the consumer was when the records were handed out: `records.groupMetadata`. A member that the
   *   group has parted with meanwhile is refused, and the transaction has failed
   * @throws InvalidArgumentError for what cannot be committed, and for a consumer that commits by itself
   * @throws BrokerError ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, STALE_MEMBER_EPOCH: the partitions are
   *   somebody else's by now
   * @throws TimeoutError when the group's coordinator did not take them within `maxBlockMs`
   */
  sendOffsets(
    offsets: readonly TopicPartitionOffset[],
    groupMetadata: ConsumerGroupMetadata,
    options?: WaitOptions,
  ): Promise<void> {
    return this.#toldAtTheEnd(
      this.#waited('sendOffsets', options, () => this.#lifecycle.sendOffsets(this.#open, offsets, groupMetadata)),
    )
  }

  /**
   * Makes the transaction count: waits until all its records are acknowledged and its offsets are taken, then tells the
   * coordinator. If anything failed, it aborts instead, and rejects with what failed first.
   *
   * Records have `deliveryTimeoutMs`; after them the coordinator has `maxBlockMs`. A signal ends the wait, and nothing
   * else: the commit goes on.
   *
   * @throws TransactionOutcomeUnknownError when the commit was sent, and no answer told what became of it
   * @throws TransactionAbortedError when the coordinator had aborted it, since it was open for too long
   * @throws FencedError when another producer took over the transactional id; nothing was committed
   */
  commit(options?: WaitOptions): Promise<void> {
    return this.#waited('commit', options, () => this.#lifecycle.commit(this.#open))
  }

  /**
   * Makes the transaction count for nothing. What is not on its way is not sent; what waits rejects with
   * `TransactionAbortedError`. A signal ends the wait, and nothing else.
   *
   * @throws TimeoutError when the coordinator did not confirm it within `maxBlockMs`. It is aborted nevertheless: before
   *   the next one begins, or when its time is over
   * @throws FencedError when another producer took over the transactional id, and thereby has aborted it
   */
  abort(options?: WaitOptions): Promise<void> {
    return this.#waited('abort', options, () => this.#lifecycle.abort(this.#open))
  }

  /** A call whose work goes on when nobody waits for it any more. */
  async #waited(call: string, options: WaitOptions | undefined, work: () => Promise<void>): Promise<void> {
    if (options !== undefined) checkCallOptions(call, options, waitOptionNames)
    options?.signal?.throwIfAborted()
    await abortable(work(), options ?? {})
  }

  /** While the transaction is open its end tells what failed, so that nobody need listen here: an aborted transaction whose
   *  records were not awaited would end the process. 40 ns a record, of about a microsecond. */
  #toldAtTheEnd<T>(promise: Promise<T>): Promise<T> {
    if (!this.#open.isEnded && this.#open.ending === undefined) promise.catch(toldAtTheEnd)
    return promise
  }

  #refused(): Promise<never> {
    return Promise.reject(this.#lifecycle.refusal(this.#open, 'send')!)
  }
}
