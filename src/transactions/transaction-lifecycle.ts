/** The life of transactions, one after the other: begins them, hears what fails, ends them, and recovers from what went
 *  wrong. Knows the records only through the producer's core, and the wire only through the coordinator. */

import { abortable, before, type WaitOptions } from '../async/wait.ts'
import type { Cluster } from '../cluster/cluster.ts'
import {
  BufferFullError,
  ClosedError,
  FencedError,
  IllegalStateError,
  InvalidArgumentError,
  SerializationError,
  TimeoutError,
  TransactionAbortedError,
  TransactionOutcomeUnknownError,
} from '../errors/errors.ts'
import { KafkaError } from '../errors/kafka-error.ts'
import type { ConsumerGroupMetadata } from '../model/consumer-group-metadata.ts'
import type { TopicPartitionOffset } from '../model/offset-and-metadata.ts'
import type { TopicPartition } from '../model/topic-partition.ts'
import { DeliveryError } from '../producer/delivery-errors.ts'
import { ProducerCore } from '../producer/producer-core.ts'
import type { ResolvedProducerOptions } from '../producer/producer-options.ts'
import type { AskOptions, Outcome } from './ask-coordinator.ts'
import { OpenTransaction } from './open-transaction.ts'
import { recover, type Recovery } from './recovery.ts'
import { isFencing, TransactionCoordinator } from './transaction-coordinator.ts'
import { checkedGroup, checkedOffsets } from './transaction-offsets.ts'
import { TransactionPartitions } from './transaction-partitions.ts'
import { TransactionStateHolder, type TransactionCall, type TransactionState } from './transaction-state.ts'
import { TransactionalIdentity } from './transactional-identity.ts'

export interface LifecycleInit {
  readonly cluster: Cluster
  readonly ownsCluster: boolean
  readonly options: ResolvedProducerOptions
  readonly transactionalId: string
  readonly transactionTimeoutMs: number
}

/** How an abort ended. `error` outranks what the transaction failed with, unless the abort is just not confirmed. */
type AbortResult =
  { readonly kind: 'aborted' } | { readonly kind: 'was-aborted' | 'unconfirmed' | 'fatal'; readonly error: KafkaError }

/** With these errors a record never came to a batch: no sequence number is missing. */
const neverInBatch = [InvalidArgumentError, SerializationError, BufferFullError]

export class TransactionLifecycle {
  readonly core: ProducerCore
  committed = 0
  aborted = 0
  readonly #cluster: Cluster
  readonly #transactionalId: string
  readonly #transactionTimeoutMs: number
  readonly #maxBlockMs: number
  readonly #coordinator: TransactionCoordinator
  readonly #identity: TransactionalIdentity
  readonly #partitions: TransactionPartitions
  readonly #holder = new TransactionStateHolder()
  readonly #lifetime = new AbortController()
  #open: OpenTransaction | undefined
  /** Someone waits to begin: the place is taken. */
  #isBeginning = false
  /** Makes ready for the next transaction; all who wait for it share it. */
  #preparing: Promise<void> | undefined
  /** What must happen before the next transaction; undefined when nothing must. */
  #recovery: Recovery | undefined = { kind: 'take-over' }
  #fatal: KafkaError | undefined
  #closed: ClosedError | undefined

  constructor({ cluster, ownsCluster, options, transactionalId, transactionTimeoutMs }: LifecycleInit) {
    this.#cluster = cluster
    this.#transactionalId = transactionalId
    this.#transactionTimeoutMs = transactionTimeoutMs
    this.#maxBlockMs = options.maxBlockMs
    this.#coordinator = new TransactionCoordinator(cluster, transactionalId, transactionTimeoutMs)
    this.#identity = new TransactionalIdentity(transactionalId)
    this.#partitions = new TransactionPartitions({
      clock: cluster.clock,
      addsImplicitly: () => (this.#sends ? this.#open!.version === 2 : undefined),
      touched: () => {
        this.#open!.isTouched = true
      },
      add: (partitions, isFirst) => this.#addPartitions(partitions, isFirst),
      opened: () => {
        this.core.wake()
      },
    })
    this.core = new ProducerCore({
      name: 'transactional producer',
      cluster,
      ownsCluster,
      options,
      identity: this.#identity,
      gate: this.#partitions,
      onRecordsFailed: (error) => {
        this.#recordsFailed(error)
      },
    })
  }

  get state(): TransactionState {
    return this.#holder.state
  }

  /** Makes ready for a transaction, which takes the transactional id over the first time. */
  async start({ signal }: WaitOptions): Promise<void> {
    this.#requireUsable()
    await abortable(this.#readyInTime(), { signal })
  }

  async begin({ signal }: WaitOptions): Promise<OpenTransaction> {
    this.#requireUsable()
    if (this.#isBeginning || this.#holder.rule('begin') === 'busy') {
      const message = `a transaction of ${this.#name} is open already: commit or abort it before the next`
      throw new IllegalStateError(message)
    }
    signal?.throwIfAborted()
    this.#isBeginning = true
    try {
      // Someone who starts the producer at the same moment may have begun to make it ready once more.
      do await abortable(this.#readyInTime(), { signal })
      while (this.#preparing !== undefined)
      this.#requireUsable()
      this.#holder.moveTo('in-transaction')
      const transaction: OpenTransaction = new OpenTransaction(this.#identity.version, {
        addGroup: (groupId) => this.#addGroup(transaction, groupId),
        commit: (group, offsets) => this.#commitOffsets(transaction, group, offsets),
      })
      this.#open = transaction
      return transaction
    } finally {
      this.#isBeginning = false
    }
  }

  /** Why the transaction does not do what it is asked, if it does not. */
  refusal(transaction: OpenTransaction, call: TransactionCall): KafkaError | undefined {
    if (this.#closed !== undefined) return this.#closed
    if (transaction.isEnded) return new IllegalStateError(`this transaction of ${this.#name} has ended`)
    if (this.#fatal !== undefined) return this.#fatal
    const rule = transaction.ending === undefined ? this.#holder.rule(call) : 'ending'
    switch (rule) {
      case 'go':
      case 'initialize':
        return undefined
      case 'failed':
        return new TransactionAbortedError(
          `the transaction of ${this.#name} has failed, and takes nothing more: ${transaction.failure!.message}`,
          { cause: transaction.failure, persistence: 'not-persisted' },
        )
      case 'ending':
      case 'busy':
      case 'none':
      case 'fatal':
        return new IllegalStateError(`this transaction of ${this.#name} is being ended`)
      default:
        return rule satisfies never
    }
  }

  async sendOffsets(
    transaction: OpenTransaction,
    offsets: readonly TopicPartitionOffset[],
    group: ConsumerGroupMetadata,
  ): Promise<void> {
    const refusal = this.refusal(transaction, 'send')
    if (refusal !== undefined) throw refusal
    try {
      const checked = checkedOffsets(offsets)
      return transaction.offsets.send(checked, checkedGroup(group))
    } catch (error) {
      this.#fail(transaction, error as Error)
      throw error
    }
  }

  /** The work goes on whatever becomes of who waits for it. */
  commit(transaction: OpenTransaction): Promise<void> {
    const refusal = this.refusal(transaction, 'commit')
    if (refusal !== undefined) return Promise.reject(refusal)
    transaction.isTaking = false
    if (this.state === 'in-transaction') this.#holder.moveTo('committing')
    return this.#ending(transaction, this.#commit(transaction))
  }

  abort(transaction: OpenTransaction): Promise<void> {
    const refusal = this.refusal(transaction, 'abort')
    if (refusal !== undefined) return Promise.reject(refusal)
    return this.#ending(transaction, this.#abortAsAsked(transaction))
  }

  async close(): Promise<void> {
    this.#closed ??= new ClosedError('the transactional producer is closed', { persistence: 'not-persisted' })
    const open = this.#open
    if (open !== undefined && this.#fatal === undefined) {
      open.isTaking = false
      const ending = open.ending ?? this.#ending(open, this.#abortAsAsked(open))
      const { clock, options } = this.#cluster
      const deadline = clock.now() + options.closeTimeoutMs
      try {
        await before(ending, { clock, deadline, what: 'waiting for the end of the transaction' })
      } catch (error) {
        // Whoever called commit or abort hears it. What is still open, its coordinator aborts when its time is over.
        this.#cluster.logger.warn(`the open transaction of ${this.#name}: ${(error as Error).message}`)
        if (clock.now() >= deadline) {
          this.destroy(error as Error)
          return
        }
      }
    }
    this.#terminate(this.#closed)
    await this.core.close()
  }

  destroy(reason: Error | undefined): void {
    const message = 'the transactional producer was destroyed'
    this.#closed ??= new ClosedError(message, { cause: reason, persistence: 'not-persisted' })
    this.#terminate(this.#closed)
    this.core.destroy(reason)
  }

  /** Nothing is waited for any more. */
  #terminate(reason: ClosedError): void {
    if (this.#fatal === undefined) {
      this.#fatal = reason
      this.#holder.moveTo('fatal-error')
    }
    if (this.#open !== undefined) {
      this.#open.isTaking = false
      this.#open.stop.abort()
    }
    this.#lifetime.abort(reason)
  }

  /** Batches may be sent: the transaction is open, and nothing of it has failed. */
  get #sends(): boolean {
    return this.state === 'in-transaction' || this.state === 'committing'
  }

  get #name(): string {
    return `transactional id '${this.#transactionalId}'`
  }

  #requireUsable(): void {
    const error = this.#closed ?? this.#fatal
    if (error !== undefined) throw error
  }

  /** @throws what has ended the producer, also while it is closing in order */
  #requireLife(): void {
    if (this.#fatal !== undefined) throw this.#fatal
  }

  #options(stop?: AbortSignal): AskOptions {
    return { deadline: this.#cluster.clock.now() + this.#maxBlockMs, signal: this.#lifetime.signal, stop }
  }

  /** Within the time of whoever asks: an attempt that is under way already may end before. */
  async #readyInTime(): Promise<void> {
    const { clock } = this.#cluster
    const deadline = clock.now() + this.#maxBlockMs
    for (;;) {
      const isShared = this.#preparing !== undefined
      try {
        await this.#ready()
        return
      } catch (error) {
        if (!isShared || !(error instanceof TimeoutError) || clock.now() >= deadline) throw error
      }
    }
  }

  #ready(): Promise<void> {
    if (this.#preparing === undefined) {
      this.#preparing = this.#prepare().finally(() => {
        this.#preparing = undefined
      })
      // Everyone who waits for it may have been cancelled meanwhile.
      this.#preparing.catch(() => {})
    }
    return this.#preparing
  }

  async #prepare(): Promise<void> {
    const options = this.#options()
    const { deadline, signal } = options
    const { clock } = this.#cluster
    await before(this.core.start(), { clock, deadline, signal, what: `connecting, for ${this.#name}` })
    const chosen = await this.#coordinator.chooseVersion(options)
    this.#requireLife()
    if (chosen.kind !== 'done') throw chosen.error
    // Who starts a producer in the middle of a transaction changes nothing of it.
    if (this.#open !== undefined) return
    if (this.#recovery === undefined) {
      // Brokers that verify transactions by their epoch must not take a late batch of the old kind for one of the new.
      const isUpgrade = this.#identity.version === 1 && chosen.value === 2
      if (!isUpgrade) {
        this.#identity.version = chosen.value
        return
      }
      this.#holder.moveTo('uninitialized')
      this.#recovery = { kind: 'continue', isOurs: false }
    }
    this.#holder.moveTo('initializing')
    try {
      await this.#recover(this.#recovery, options)
      this.#requireLife()
      this.#identity.version = chosen.value
      this.#holder.moveTo('ready')
    } catch (error) {
      if (this.#fatal === undefined) this.#holder.moveTo('uninitialized')
      throw error
    }
  }

  async #recover(recovery: Recovery, options: AskOptions): Promise<void> {
    const result = await recover(this.#coordinator, recovery, this.#identity.current, options)
    switch (result.kind) {
      case 'ready':
        this.#identity.current = result.identity
        this.#recovery = undefined
        return
      case 'failed':
        this.#recovery = result.recovery
        if (result.identity !== undefined) this.#identity.current = result.identity
        throw result.error
      case 'fenced':
        throw this.#die(this.#fenced(result.error))
      case 'fatal':
        throw this.#die(result.error)
      default:
        result satisfies never
    }
  }

  /** A record was refused, expired, or failed at the broker. */
  #recordsFailed(error: Error): void {
    const transaction = this.#open
    if (transaction === undefined) return
    if (!neverInBatch.some((kind) => error instanceof kind)) transaction.needsEpoch = true
    this.#fail(transaction, error)
  }

  /** Something of the transaction has failed: it can only be aborted, and nothing more of it is sent. */
  #fail(transaction: OpenTransaction, error: Error): void {
    if (transaction !== this.#open || transaction.failure !== undefined) return
    if (!this.#sends) return
    transaction.failure = error
    transaction.isTaking = false
    this.#holder.moveTo('abortable-error')
    transaction.stop.abort()
    // Not at once: the core is in the middle of telling others.
    this.#cluster.clock.nextTurn(() => {
      if (transaction !== this.#open || this.#fatal !== undefined) return
      const message = `a record was given up: the transaction of ${this.#name} has failed: ${error.message}`
      void this.core.discard((persistence) => new TransactionAbortedError(message, { cause: error, persistence }))
    })
  }

  /** The producer can do nothing more. Gives the error, to be thrown. */
  #die(error: KafkaError): KafkaError {
    if (this.#fatal !== undefined) return this.#fatal
    this.#fatal = error
    this.#holder.moveTo('fatal-error')
    this.#identity.current = undefined
    const open = this.#open
    if (open !== undefined) {
      open.failure ??= error
      open.isTaking = false
      open.stop.abort()
    }
    this.#cluster.logger.error(`the producer of ${this.#name} has ended: ${error.message}`)
    this.core.fail(error)
    return error
  }

  #fenced(cause: KafkaError): FencedError {
    return new FencedError(`${this.#name} belongs to another producer now, which started later`, { cause })
  }

  /** What a request on behalf of the open transaction came to. Gives the error to reject with; undefined for success. */
  #judge(transaction: OpenTransaction, outcome: Outcome<void>): KafkaError | undefined {
    switch (outcome.kind) {
      case 'done':
        return undefined
      case 'fatal':
        return this.#die(outcome.error)
      case 'stopped':
        return new TransactionAbortedError(`the transaction of ${this.#name} was aborted`, { cause: outcome.error })
      case 'unmapped':
        transaction.isUnmapped = true
        break
      case 'new-epoch':
        transaction.needsEpoch = true
        break
      case 'abortable':
      case 'fenced':
      case 'refused':
      case 'timed-out':
        break
      default:
        return outcome satisfies never
    }
    this.#fail(transaction, outcome.error)
    return outcome.error
  }

  async #addPartitions(partitions: readonly TopicPartition[], isFirst: boolean): Promise<boolean> {
    const transaction = this.#open
    if (transaction === undefined || !this.#sends) return false
    try {
      transaction.isTouched = true
      const options = this.#options(transaction.stop.signal)
      const identity = this.#identity.current!
      const outcome = await this.#coordinator.addPartitions(
        identity,
        partitions,
        isFirst && !transaction.isKnown,
        options,
      )
      transaction.hasStrays ||= outcome.isUncertain
      if (outcome.kind === 'done') transaction.isKnown = true
      return this.#judge(transaction, outcome) === undefined && this.#sends
    } catch (error) {
      // The producer is being destroyed, and tells everyone.
      this.#fail(transaction, error as Error)
      return false
    }
  }

  async #addGroup(transaction: OpenTransaction, groupId: string): Promise<void> {
    this.#requireSending(transaction)
    if (transaction.version === 2) return
    transaction.isTouched = true
    const options = this.#options(transaction.stop.signal)
    const outcome = await this.#coordinator.addOffsets(this.#identity.current!, groupId, options)
    transaction.hasStrays ||= outcome.isUncertain
    if (outcome.kind === 'done') transaction.isKnown = true
    const error = this.#judge(transaction, outcome)
    if (error !== undefined) throw error
  }

  async #commitOffsets(
    transaction: OpenTransaction,
    group: ConsumerGroupMetadata,
    offsets: readonly TopicPartitionOffset[],
  ): Promise<void> {
    this.#requireSending(transaction)
    transaction.isTouched = true
    const options = this.#options(transaction.stop.signal)
    const identity = this.#identity.current!
    const outcome = await this.#coordinator.commitOffsets(identity, transaction.version, group, offsets, options)
    transaction.hasStrays ||= outcome.isUncertain
    const error = this.#judge(transaction, outcome)
    if (error !== undefined) throw error
  }

  #requireSending(transaction: OpenTransaction): void {
    // Also while the producer is being closed: that waits for a commit that is under way, and for all that belongs to it.
    if (transaction === this.#open && this.#sends) return
    const cause = transaction.failure
    throw new TransactionAbortedError(`the transaction of ${this.#name} was aborted`, cause && { cause })
  }

  #ending(transaction: OpenTransaction, work: Promise<void>): Promise<void> {
    transaction.ending = work
    // The caller gets it too; close() may be the only one who waits for it.
    work.catch(() => {})
    return work
  }

  async #commit(transaction: OpenTransaction): Promise<void> {
    await this.#takenIn()
    await Promise.all([transaction.offsets.settled(), this.#flush()])
    await this.#partitions.settled()
    this.#requireAlive(transaction)
    if (transaction.failure !== undefined) throw await this.#abortBecause(transaction, transaction.failure)
    if (!transaction.isTouched) {
      this.#over(transaction, undefined)
      this.committed++
      return
    }
    const { version } = transaction
    const outcome = await this.#end(transaction, true)
    transaction.hasStrays ||= outcome.isUncertain
    if (outcome.kind === 'done') {
      if (outcome.value !== undefined) this.#identity.current = outcome.value
      this.#over(transaction, this.#keepingStraysOut(transaction))
      this.committed++
      return
    }
    const { kind, error, isUncertain } = outcome
    // Refused because of its state: it was not committed. In version 1, where transactions share an epoch, that is sure only
    // if no answer was lost: it may have been committed, and a late InitProducerId of ours have made its coordinator forget.
    const isRefusedForSure = kind === 'refused' && (version === 2 || !isUncertain)
    if (kind === 'timed-out' || (isUncertain && !isRefusedForSure)) {
      const recovery: Recovery = { kind: 'resolve', version, isReclaimable: transaction.isKnown && !isUncertain }
      if (kind === 'fenced') this.#die(this.#fenced(error))
      else if (kind === 'fatal') this.#die(error)
      this.#over(transaction, recovery)
      if (!isUncertain) throw error
      const message = `nobody knows whether the transaction of ${this.#name} was committed: ${error.message}`
      this.#cluster.logger.warn(message)
      throw new TransactionOutcomeUnknownError(message, { cause: error })
    }
    // Surely not committed, and not ended either.
    const failure = this.#judge(transaction, outcome)!
    this.#requireAlive(transaction)
    throw await this.#abortBecause(transaction, failure)
  }

  async #end(transaction: OpenTransaction, committed: boolean): ReturnType<TransactionCoordinator['end']> {
    try {
      return await this.#coordinator.end(this.#identity.current!, transaction.version, committed, this.#options())
    } catch (cause) {
      // Destroyed in the middle of it.
      this.#over(transaction, { kind: 'take-over' })
      if (!committed) throw cause
      const message = `nobody knows whether the transaction of ${this.#name} was committed: the producer was destroyed`
      throw new TransactionOutcomeUnknownError(message, { cause })
    }
  }

  /** Gives the error that a commit rejects with. */
  async #abortBecause(transaction: OpenTransaction, failure: Error): Promise<Error> {
    this.#holder.moveTo('aborting')
    const result = await this.#abort(transaction)
    return result.kind === 'aborted' || result.kind === 'unconfirmed' ? failure : result.error
  }

  async #abortAsAsked(transaction: OpenTransaction): Promise<void> {
    transaction.isTaking = false
    this.#holder.moveTo('aborting')
    const result = await this.#abort(transaction)
    if (result.kind === 'unconfirmed' || result.kind === 'fatal') throw result.error
  }

  async #abort(transaction: OpenTransaction): Promise<AbortResult> {
    transaction.stop.abort()
    await this.#takenIn()
    const cause = transaction.failure
    const message = `a record was given up: the transaction of ${this.#name} was aborted`
    await Promise.all([
      this.core.discard(
        (persistence) => new TransactionAbortedError(message, { ...(cause && { cause }), persistence }),
      ),
      transaction.offsets.settled(),
      this.#partitions.settled(),
    ])
    // What was enqueued is told: it failed with the transaction.
    await this.#flush()
    this.#requireAlive(transaction)
    const { version, isKnown } = transaction
    if (!transaction.isTouched) return this.#wasAborted(transaction, undefined)
    if (transaction.isUnmapped) return this.#wasAborted(transaction, { kind: 'continue', isOurs: false })
    const outcome = await this.#end(transaction, false)
    transaction.hasStrays ||= outcome.isUncertain || transaction.needsEpoch
    switch (outcome.kind) {
      case 'done':
        if (outcome.value !== undefined) this.#identity.current = outcome.value
        return this.#wasAborted(transaction, this.#keepingStraysOut(transaction))
      case 'unmapped':
      case 'new-epoch':
        return this.#wasAborted(transaction, { kind: 'continue', isOurs: false })
      case 'refused':
        // The request that would have opened it was lost, or has not come yet: then the next epoch keeps it out.
        // And where an answer was lost, it was aborted then, and a late InitProducerId of ours came before the repetition.
        if (version === 1 && (!isKnown || outcome.isUncertain)) {
          return this.#wasAborted(transaction, { kind: 'continue', isOurs: true })
        }
        return this.#fatalEnd(transaction, outcome.error)
      case 'fenced':
        if (version === 1 && isKnown && !outcome.isUncertain) return this.#reclaim(transaction)
        return this.#fatalEnd(transaction, this.#fenced(outcome.error))
      case 'fatal':
        return this.#fatalEnd(transaction, outcome.error)
      case 'abortable':
      case 'timed-out':
      case 'stopped': {
        this.#over(transaction, { kind: 'resolve', version, isReclaimable: isKnown && !outcome.isUncertain })
        this.aborted++
        return { kind: 'unconfirmed', error: outcome.error }
      }
      default:
        return outcome satisfies never
    }
  }

  /** Its coordinator refuses our epoch: somebody has taken over, or the transaction was open for too long. */
  async #reclaim(transaction: OpenTransaction): Promise<AbortResult> {
    this.#over(transaction, { kind: 'reclaim' })
    this.aborted++
    try {
      await this.#ready()
    } catch (error) {
      if (this.#fatal !== undefined) return { kind: 'fatal', error: this.#fatal }
      if (!(error instanceof KafkaError)) throw error
      return { kind: 'unconfirmed', error }
    }
    return { kind: 'was-aborted', error: this.#tooLong(transaction) }
  }

  #wasAborted(transaction: OpenTransaction, recovery: Recovery | undefined): AbortResult {
    this.#over(transaction, recovery)
    this.aborted++
    const { failure } = transaction
    const isOutdated =
      failure instanceof KafkaError && (isFencing(failure.code) || failure.code === 'INVALID_TXN_STATE')
    return isOutdated ? { kind: 'was-aborted', error: this.#tooLong(transaction) } : { kind: 'aborted' }
  }

  /**
   * A request whose connection was given up may reach its broker later than its repetition: an EndTxn would end the next
   * transaction, an AddPartitionsToTxn open one that nobody ends, a TxnOffsetCommit set offsets back. In version 1, where
   * transactions share an epoch, only the next epoch keeps them out.
   */
  #keepingStraysOut({ version, hasStrays }: OpenTransaction): Recovery | undefined {
    return version === 1 && hasStrays ? { kind: 'continue', isOurs: true } : undefined
  }

  /** Our epoch was refused, and yet nobody else has the transactional id. */
  #tooLong(transaction: OpenTransaction): TransactionAbortedError {
    const { failure } = transaction
    const message = `the transaction of ${this.#name} was aborted by its coordinator, most likely because it was open for longer than transactionTimeoutMs (${this.#transactionTimeoutMs} ms)`
    const error = new TransactionAbortedError(message, failure && { cause: failure })
    transaction.verdict = error
    return error
  }

  #fatalEnd(transaction: OpenTransaction, error: KafkaError): AbortResult {
    const fatal = this.#die(error)
    this.#over(transaction, { kind: 'take-over' })
    this.aborted++
    return { kind: 'fatal', error: fatal }
  }

  /** The transaction has ended, one way or the other. */
  #over(transaction: OpenTransaction, recovery: Recovery | undefined): void {
    transaction.isEnded = true
    transaction.isTaking = false
    transaction.stop.abort()
    this.#partitions.clear()
    this.#open = undefined
    if (this.#fatal !== undefined) return
    this.#recovery = recovery
    this.#holder.moveTo(recovery === undefined ? 'ready' : 'uninitialized')
    // At once, and not when the next one begins: readers may wait for what becomes of this one.
    if (recovery !== undefined && this.#closed === undefined) void this.#ready().catch(() => {})
  }

  /** @throws what ended the producer meanwhile */
  #requireAlive(transaction: OpenTransaction): void {
    if (this.#fatal === undefined) return
    if (!transaction.isEnded) this.#over(transaction, { kind: 'take-over' })
    throw this.#fatal
  }

  /** Whoever ends a transaction may do so from within a `send` of it: a serializer, an interceptor, a partitioner. What that
   *  call brings is in the accumulator when it has returned. */
  async #takenIn(): Promise<void> {
    await Promise.resolve()
  }

  /** Everything that was given to the producer is settled. What failed is known: the transaction heard of it. */
  async #flush(): Promise<void> {
    try {
      await this.core.flush()
    } catch (error) {
      if (!(error instanceof DeliveryError)) throw error
    }
  }
}
