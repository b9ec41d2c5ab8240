/** What every producer does, transactional or not: takes records, says what became of them, ends in order. Knows of
 *  identities and gates only what the sender asks them. What happens to a record after it is taken is told in
 *  ARCHITECTURE.md, "The walk of a produced record". */

import { abortable, before, type WaitOptions } from '../async/wait.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { PartitionMetadata } from '../cluster/metadata.ts'
import { ClosedError, TimeoutError } from '../errors/errors.ts'
import { KafkaError } from '../errors/kafka-error.ts'
import { checkCallOptions } from '../options/call-options.ts'
import { quote } from '../options/option-table.ts'
import type { Codec } from '../wire/compression/codec.ts'
import { BatchDelivery, type SendBatchResult } from './batch-delivery.ts'
import { BufferMemory } from './buffer-memory.ts'
import { DeliveryFailures, type DeliveryFailure } from './delivery-errors.ts'
import type { DrainGate } from './drain-gate.ts'
import { FlushEpochs } from './flush-epochs.ts'
import { PreparedCalls, type AnyRecord } from './prepared-calls.ts'
import type { DiscardError, ProducerBatch } from './producer-batch.ts'
import type { ProducerIdentity } from './producer-identity.ts'
import { ProducerInterceptors } from './producer-interceptors.ts'
import { ProducerCounters, type ProducerMetrics } from './producer-metrics.ts'
import type { ResolvedProducerOptions } from './producer-options.ts'
import {
  copied,
  refusal,
  requireTopic,
  requireTopicName,
  type BatchRecord,
  type ProducerRecord,
  type RecordMetadata,
  type WrittenHeader,
} from './producer-record.ts'
import { RecordAccumulator } from './record-accumulator.ts'
import { RecordChecks, requireRecord } from './record-checks.ts'
import { RecordIntake } from './record-intake.ts'
import { RecordSerialization } from './record-serialization.ts'
import {
  EnqueueWaiter,
  SendBatchWaiter,
  SendWaiter,
  type ProducedTopic,
  type RecordWaiterInit,
} from './record-waiter.ts'
import { Sender } from './sender.ts'
import type { PreparedRecord } from './waiting-room.ts'

const waitOptionNames: readonly string[] = ['signal']

/** What a record without headers takes in a batch beside its key and value, about. */
const usualOverheadBytes = 12

export interface ProducerCoreInit {
  /** How messages call it: `'producer'`, `'transactional producer'`. */
  readonly name: string
  readonly cluster: Cluster
  readonly ownsCluster: boolean
  readonly options: ResolvedProducerOptions
  readonly identity: ProducerIdentity
  readonly gate: DrainGate
  /**
   * Hears of every failure of anything given to the producer, once each: refused at once or after a wait, expired, failed
   * at the broker. Called before any promise of the caller's settles, for `send`, `sendBatch` and `enqueue` alike.
   */
  readonly onRecordsFailed?: (error: Error) => void
}

export class ProducerCore {
  readonly #name: string
  readonly #cluster: Cluster
  readonly #ownsCluster: boolean
  readonly #options: ResolvedProducerOptions
  readonly #memory: BufferMemory
  readonly #epochs = new FlushEpochs()
  readonly #accumulator: RecordAccumulator
  readonly #intake: RecordIntake
  readonly #sender: Sender
  readonly #counters = new ProducerCounters()
  readonly #failures = new DeliveryFailures()
  readonly #checks: RecordChecks
  readonly #identity: ProducerIdentity
  readonly #onRecordsFailed: ((error: Error) => void) | undefined
  /** Takes the calls' place where there are serializers or interceptors. */
  readonly #prepared: PreparedCalls | undefined
  #starting: Promise<void> | undefined
  #closing: Promise<void> | undefined
  /** Why no record is taken any more. */
  #ended: KafkaError | undefined
  /** Ends the waits for what may outlive the producer, a cluster that is shared. */
  readonly #lifetime = new AbortController()
  #stopListening: (() => void) | undefined

  constructor({ name, cluster, ownsCluster, options, identity, gate, onRecordsFailed }: ProducerCoreInit) {
    const { acks, batchSize, bufferMemory, compression, deliveryTimeoutMs, lingerMs } = options
    const { partitionerAvailabilityTimeoutMs: silentAfterMs } = options
    this.#name = name
    this.#cluster = cluster
    this.#ownsCluster = ownsCluster
    this.#options = options
    this.#checks = new RecordChecks(options)
    this.#identity = identity
    this.#onRecordsFailed = onRecordsFailed
    this.#memory = new BufferMemory(bufferMemory, batchSize)
    this.#accumulator = new RecordAccumulator({
      clock: cluster.clock,
      memory: this.#memory,
      epochs: this.#epochs,
      batchSize,
      lingerMs,
      deliveryTimeoutMs,
    })
    this.#intake = new RecordIntake({
      cluster,
      accumulator: this.#accumulator,
      memory: this.#memory,
      epochs: this.#epochs,
      options,
      start: () => this.#start(),
      refused: (reason) => {
        this.#recordsFailed(reason)
      },
      isSilent: silentAfterMs === 0 ? undefined : (node) => this.#sender.isSilent(node, silentAfterMs),
    })
    this.#sender = new Sender({
      cluster,
      accumulator: this.#accumulator,
      gate,
      identity,
      acks: acks === 'all' ? -1 : acks,
      maxRequestSize: options.maxRequestSize,
      maxInFlightRequests: options.maxInFlightRequests,
      batchSize,
      deliveryTimeoutMs,
      level: typeof compression === 'string' ? undefined : compression.level,
      pool: this.#memory,
      counters: this.#counters,
      batchFailed: (batch, error) => {
        this.#recordsFailed(error)
        const count = batch.unownedCount
        if (count === 0) return
        this.#deliveryFailed(error, { topic: batch.queue.topic, partition: batch.queue.partition, count })
      },
    })
    this.#prepared = this.#preparedCalls()
    this.#accumulator.events = {
      ready: (queue) => {
        this.#sender.schedule(queue)
      },
      expired: (batch) => {
        this.#sender.expire(batch)
      },
      room: () => {
        this.#intake.serve()
      },
    }
  }

  #preparedCalls(): PreparedCalls | undefined {
    const { keySerializer, valueSerializer, interceptors = [], maxBlockMs } = this.#options
    const { clock, logger } = this.#cluster
    const serialization = RecordSerialization.of(keySerializer, valueSerializer)
    const intercepting = ProducerInterceptors.of(interceptors, logger)
    if (serialization === undefined && intercepting === undefined) return undefined
    return new PreparedCalls({
      clock,
      maxBlockMs,
      intake: this.#intake,
      accumulator: this.#accumulator,
      epochs: this.#epochs,
      checks: this.#checks,
      serialization,
      interceptors: intercepting,
      requireOpen: () => {
        this.#requireOpen()
      },
      recordsFailed: (reason) => {
        this.#recordsFailed(reason)
      },
      deliveryFailed: (error, place) => {
        this.#deliveryFailed(error, place)
      },
    })
  }

  async start(options: WaitOptions = {}): Promise<void> {
    checkCallOptions('start', options, waitOptionNames)
    if (this.#ended !== undefined) throw this.#ended
    await abortable(this.#start(), options)
  }

  /** Also while closing: what was accepted may still need it. */
  #start(): Promise<void> {
    this.#starting ??= this.#connect().catch((error: unknown) => {
      this.#starting = undefined
      throw error
    })
    return this.#starting
  }

  async #connect(): Promise<void> {
    const { signal } = this.#lifetime
    const started = Promise.all([this.#loadCodec(), this.#cluster.start()])
    const [codec] = await abortable(started, { signal })
    signal.throwIfAborted()
    this.#sender.codec = codec
    this.#stopListening = this.#cluster.onMetadata((snapshot) => {
      this.#intake.metadataChanged(snapshot)
      this.#sender.leadersChanged(snapshot)
    })
    this.#intake.started()
    // Not waited for: records wait for it, by their own deadlines.
    const identity = this.#identity
    if (!identity.isTransactional && identity.current === undefined) identity.request()
  }

  async #loadCodec(): Promise<Codec | undefined> {
    const { compression } = this.#options
    const { codec: name, level } = typeof compression === 'string' ? { codec: compression } : compression
    if (name === 'none') return undefined
    const { codecs } = await import('../wire/compression/codecs.ts')
    const codec = codecs.get(name)
    await codec.load()
    if (level !== undefined) codec.checkLevel?.(level)
    return codec
  }

  /** @param given of bytes, unless there are serializers */
  send(given: AnyRecord, options?: WaitOptions): Promise<RecordMetadata> {
    if (this.#prepared !== undefined) return this.#prepared.send(given, options)
    const record = given as ProducerRecord
    try {
      const topic = this.#topicOf(record)
      const { key = null, value } = record
      const { maxBlockMs } = this.#options
      const headers = this.#checks.check(topic.name, key, value, record)
      const partition = record.partition ?? -1
      const timestamp = record.timestamp ?? this.#cluster.clock.wallTime()
      if (options !== undefined) checkCallOptions('send', options, waitOptionNames)
      const signal = options?.signal
      signal?.throwIfAborted()
      const batch = this.#intake.tryPlace(topic, partition, timestamp, key, value, headers)
      if (batch !== undefined) return batch.promise(timestamp)
      const waiting = [{ partition, timestamp, key, value, headers }]
      const waiter = new SendWaiter(this.#waiterInit(topic, waiting, maxBlockMs, signal))
      this.#wait(waiter)
      return waiter.promise
    } catch (error) {
      return this.#rejected(error)
    }
  }

  enqueue(given: AnyRecord): boolean {
    if (this.#prepared !== undefined) return this.#prepared.enqueue(given)
    try {
      return this.#enqueue(given as ProducerRecord)
    } catch (error) {
      this.#recordsFailed(error)
      throw error
    }
  }

  #enqueue(record: ProducerRecord): boolean {
    const topic = this.#topicOf(record)
    const { key = null, value } = record
    const headers = this.#checks.check(topic.name, key, value, record)
    const partition = record.partition ?? -1
    const timestamp = record.timestamp ?? this.#cluster.clock.wallTime()
    if (this.#intake.tryPlace(topic, partition, timestamp, key, value, headers) !== undefined) return true
    if (!this.#intake.mayWaitForTopic(topic, partition, this.#intake.waitingBytesOf(key, value, headers))) {
      this.#intake.refusedMemory(this.#accumulator.bytesFor(key, value, headers))
      return false
    }
    const waiting = [{ partition, timestamp, key, value, headers }]
    const init = this.#waiterInit(topic, waiting, this.#options.maxBlockMs, undefined)
    this.#wait(
      new EnqueueWaiter(init, (error, place) => {
        this.#deliveryFailed(error, place)
      }),
    )
    return true
  }

  drained(options: WaitOptions = {}): Promise<void> {
    // No async function: some await this between any two records.
    try {
      checkCallOptions('drained', options, waitOptionNames)
      options.signal?.throwIfAborted()
    } catch (reason) {
      return Promise.reject(reason as Error)
    }
    if (this.#lifetime.signal.aborted) return Promise.reject(this.#ended!)
    return this.#intake.drained(options)
  }

  sendBatch(
    topic: string,
    given: readonly BatchRecord<unknown, unknown>[],
    options?: WaitOptions,
  ): Promise<SendBatchResult> {
    if (this.#prepared !== undefined) return this.#prepared.sendBatch(topic, given, options)
    try {
      if (options !== undefined) checkCallOptions('sendBatch', options, waitOptionNames)
      return this.#sendBatch(topic, given as readonly BatchRecord[], options?.signal)
    } catch (error) {
      return this.#rejected(error)
    }
  }

  #sendBatch(name: string, records: readonly BatchRecord[], signal?: AbortSignal): Promise<SendBatchResult> {
    if (!Array.isArray(records)) {
      throw refusal(`the records of a batch for ${quote(name)} must be an array, not ${quote(records)}`)
    }
    this.#requireOpen()
    requireTopic(name)
    const topic = this.#intake.topic(name)
    let allHeaders: (readonly WrittenHeader[] | undefined)[] | undefined
    let bytes = 0
    let highestPartition = -1
    for (let i = 0; i < records.length; i++) {
      const record = records[i]!
      if (typeof record !== 'object' || record === null) {
        throw refusal(`record ${i} of a batch for '${name}' must be an object, not ${quote(record)}`)
      }
      const { key = null, value, partition = -1 } = record
      const headers = this.#checks.checkAt(i, name, key, value, record)
      if (headers !== undefined) (allHeaders ??= [])[i] = headers
      if (partition > highestPartition) highestPartition = partition
      bytes += usualOverheadBytes + (key === null ? 0 : key.length) + (value === null ? 0 : value.length)
    }
    signal?.throwIfAborted()
    const delivery = new BatchDelivery(name, records.length)
    if (records.length === 0) {
      delivery.settled(0)
      return delivery.promise
    }
    const now = this.#cluster.clock.wallTime()
    const { promise } = delivery
    let placed = 0
    const waitingBytes = this.#intake.waitingBytesFor(records.length, bytes)
    if (!this.#intake.hasRoomFor(topic, bytes, waitingBytes)) {
      this.#refuse(delivery, 0, this.#intake.bufferFull(name))
      return promise
    }
    // A partition that is not known may not exist: then nothing of the batch is taken.
    if (highestPartition < topic.partitionCount) placed = this.#placeBatch(topic, records, allHeaders, now, delivery)
    if (placed === records.length) return promise
    const waiting: PreparedRecord[] = []
    for (let i = placed; i < records.length; i++) {
      const { key = null, value, partition = -1, timestamp = now } = records[i]!
      waiting.push({ partition, timestamp, key, value, headers: allHeaders?.[i] })
    }
    const init = this.#waiterInit(topic, waiting, this.#options.maxBlockMs, signal)
    const waiter = new SendBatchWaiter(init, delivery, placed)
    try {
      this.#wait(waiter)
    } catch (error) {
      if (placed === 0 && !(error instanceof KafkaError && error.retriable)) throw error
      this.#refuse(delivery, placed, error)
    }
    return promise
  }

  /** Appends records until one has to wait. Returns how many were appended. */
  #placeBatch(
    topic: ProducedTopic,
    records: readonly BatchRecord[],
    allHeaders: readonly (readonly WrittenHeader[] | undefined)[] | undefined,
    now: number,
    delivery: BatchDelivery,
  ): number {
    for (let i = 0; i < records.length; i++) {
      const { key = null, value, partition = -1, timestamp = now } = records[i]!
      let batch: ProducerBatch | undefined
      try {
        batch = this.#intake.tryPlace(topic, partition, timestamp, key, value, allHeaders?.[i])
      } catch (error) {
        // Only a partitioner of the user's own can still fail. What is in batches already is on its way.
        if (i === 0) throw error
        this.#refuse(delivery, i, error)
        return records.length
      }
      if (batch === undefined) return i
      delivery.placed(i, batch.shareFor(delivery), batch.builder.count - 1)
    }
    return records.length
  }

  async flush(options: WaitOptions = {}): Promise<void> {
    checkCallOptions('flush', options, waitOptionNames)
    await abortable(this.#flush(), options)
    const error = this.#failures.take()
    if (error !== undefined) throw error
  }

  #flush(): Promise<void> {
    const flushed = this.#epochs.flush()
    this.#accumulator.expediteAll()
    return flushed
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    const { clock, options } = this.#cluster
    this.#ended ??= new ClosedError(`the ${this.#name} is closed`, { persistence: 'not-persisted' })
    const deadline = clock.now() + options.closeTimeoutMs
    const inTime = async (ending: Promise<void>, what: string): Promise<boolean> => {
      try {
        await before(ending, { clock, deadline, what })
        return true
      } catch (error) {
        if (error instanceof TimeoutError) return false
        throw error
      }
    }
    const flushed = await inTime(this.#flush(), 'waiting for records to be acknowledged')
    // Whatever is left is told so, one by one.
    this.#giveUp(`the ${this.#name} was closed, and gave up after ${options.closeTimeoutMs} ms`, undefined)
    if (this.#ownsCluster) {
      const closed = flushed && (await inTime(this.#cluster.close(), 'closing the connections'))
      if (!closed) this.#cluster.destroy()
    }
    const error = this.#failures.take()
    if (error !== undefined) throw error
  }

  destroy(reason?: Error): void {
    this.#ended ??= new ClosedError(`the ${this.#name} was destroyed`, { cause: reason, persistence: 'not-persisted' })
    this.#giveUp(`the ${this.#name} was destroyed`, reason)
    if (this.#ownsCluster) this.#cluster.destroy(reason)
  }

  async partitionsFor(topic: string, options: WaitOptions = {}): Promise<readonly PartitionMetadata[]> {
    checkCallOptions('partitionsFor', options, waitOptionNames)
    requireTopicName(topic)
    const { clock } = this.#cluster
    const { signal } = options
    const deadline = clock.now() + this.#options.maxBlockMs
    await before(this.start(), { clock, deadline, signal, what: `connecting, to ask about topic '${topic}'` })
    const asked = this.#cluster.topic(topic, { deadline, signal, allowAutoTopicCreation: true })
    const { partitions } = await abortable(asked, { signal: this.#lifetime.signal })
    return partitions
  }

  purge(): void {
    const purged = (what: string, persistence: 'not-persisted' | 'possibly-persisted'): KafkaError =>
      new KafkaError('PURGED', `${what} removed by purge() before it was sent`, false, { persistence })
    this.#intake.refuseAll(purged('a record was', 'not-persisted'))
    for (const batch of [...this.#accumulator.incomplete]) {
      if (batch.inFlight || batch.settled) continue
      const what = `a record for partition ${batch.queue.partition} of '${batch.queue.topic}' was`
      this.#sender.abandon(batch, purged(what, batch.possiblyPersisted ? 'possibly-persisted' : 'not-persisted'))
    }
  }

  metrics(): ProducerMetrics {
    const { capacity, available } = this.#memory
    const counters = this.#counters.read()
    let open = 0
    for (const batch of this.#accumulator.incomplete) open += batch.count
    return {
      ...counters,
      recordsAppended: counters.recordsAcknowledged + counters.recordsFailed + open,
      requestsInFlight: this.#sender.inFlight,
      incompleteBatches: this.#accumulator.incompleteCount,
      bufferUsedBytes: capacity - available,
      bufferAvailableBytes: available,
      waiting: this.#intake.waitingCount,
      waitingBytes: this.#intake.waitingBytes,
    }
  }

  /** The identity or the gate may answer otherwise now: looks at every partition that has something to send. */
  wake(): void {
    this.#sender.wakeAll()
  }

  /** Fails what wants to be sent and is not on its way: there is no id to write with, and asking again gives none. */
  refuseForId(error: KafkaError): void {
    this.#sender.refuseForId(error)
  }

  /**
   * Fails everything that is not on its way, and what comes back to be tried again. Resolves when nothing is
   * on its way any more; never rejects.
   */
  discard(errorOf: DiscardError): Promise<void> {
    this.#intake.refuseAll(errorOf('not-persisted'))
    return this.#sender.discard(errorOf)
  }

  /** Fails everything, now and later, with this error: a producer that was fenced, an id that cannot be had. */
  fail(error: KafkaError): void {
    this.#ended ??= error
    this.#intake.stop(error)
    void this.#sender.discard(() => error)
  }

  #giveUp(why: string, cause: Error | undefined): void {
    const given = cause === undefined ? {} : { cause }
    this.#lifetime.abort(new ClosedError(`${why} before it was started`, given))
    this.#stopListening?.()
    this.#stopListening = undefined
    this.#intake.stop(new ClosedError(`a record was not sent: ${why}`, { ...given, persistence: 'not-persisted' }))
    this.#sender.stop((batch) => {
      const { topic, partition } = batch.queue
      const persistence = batch.inFlight || batch.possiblyPersisted ? 'possibly-persisted' : 'not-persisted'
      const message = `a record for partition ${partition} of '${topic}' was not acknowledged: ${why}`
      return new ClosedError(message, { ...given, ...(batch.lastError && { cause: batch.lastError }), persistence })
    })
  }

  #requireOpen(): void {
    if (this.#ended !== undefined) throw this.#ended
  }

  #topicOf(record: ProducerRecord): ProducedTopic {
    this.#requireOpen()
    requireRecord(record)
    requireTopic(record.topic)
    return this.#intake.topic(record.topic)
  }

  #waiterInit(
    topic: ProducedTopic,
    records: readonly PreparedRecord[],
    maxBlockMs: number,
    signal: AbortSignal | undefined,
  ): RecordWaiterInit {
    let bytes = 0
    const kept = records.map(({ key, value, headers, ...rest }): PreparedRecord => {
      bytes += this.#intake.waitingBytesOf(key, value, headers)
      // The caller may use its buffers again once the call returns, and the batch that copies them comes later.
      const own = headers?.map((header) => ({ key: header.key, value: copied(header.value) }))
      return { ...rest, key: copied(key), value: copied(value), headers: own }
    })
    const deadline = this.#cluster.clock.now() + maxBlockMs
    return { topic, records: kept, bytes, deadline, epoch: this.#epochs.accepted(), signal }
  }

  #wait(waiter: SendWaiter | EnqueueWaiter | SendBatchWaiter): void {
    try {
      this.#intake.wait(waiter)
    } catch (error) {
      this.#epochs.settled(waiter.epoch)
      throw error
    }
  }

  #rejected(reason: unknown): Promise<never> {
    this.#recordsFailed(reason)
    return Promise.reject(reason as Error)
  }

  /** The records of a `sendBatch` from `index` on are not taken. */
  #refuse(delivery: BatchDelivery, index: number, reason: unknown): void {
    this.#recordsFailed(reason)
    delivery.refused(index, reason)
  }

  /** @param reason mostly an error; what an aborted wait rejects with can be anything */
  #recordsFailed(reason: unknown): void {
    this.#onRecordsFailed?.(reason instanceof Error ? reason : new Error(String(reason)))
  }

  #deliveryFailed(error: Error, place: DeliveryFailure): void {
    this.#failures.add(error, place)
    const { onDeliveryError } = this.#options
    if (onDeliveryError === undefined) return
    // Whoever listens must not break the sending of the others, be it at once or later.
    const complain = (thrown: unknown): void => {
      this.#cluster.logger.error(`onDeliveryError threw ${thrown instanceof Error ? thrown.message : quote(thrown)}`)
    }
    try {
      const heard: unknown = onDeliveryError(error, place)
      if (heard instanceof Promise) heard.catch(complain)
    } catch (thrown) {
      complain(thrown)
    }
  }
}
