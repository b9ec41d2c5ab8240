/** The producer as users see it: takes records, says what became of them, ends in order. What happens to a record after
 *  it is taken is told in ARCHITECTURE.md, "The walk of a produced record". */

import { systemDoors, type Doors } from '../async/doors.ts'
import { abortable, before, type WaitOptions } from '../async/wait.ts'
import { clusterFor } from '../cluster/client.ts'
import type { ClusterOptions } from '../cluster/cluster-options.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { PartitionMetadata } from '../cluster/metadata.ts'
import { ClosedError, InvalidArgumentError, TimeoutError } from '../errors/errors.ts'
import { KafkaError } from '../errors/kafka-error.ts'
import { checkCallOptions } from '../options/call-options.ts'
import { quote } from '../options/option-table.ts'
import type { Codec } from '../wire/compression/codec.ts'
import { HEADER_BYTES } from '../wire/records/batch-layout.ts'
import { recordSizeUpperBound } from '../wire/records/record-batch-builder.ts'
import { BatchDelivery, type SendBatchResult } from './batch-delivery.ts'
import { BufferMemory } from './buffer-memory.ts'
import { DeliveryFailures, type DeliveryFailure } from './delivery-errors.ts'
import { openGate } from './drain-gate.ts'
import { FlushEpochs } from './flush-epochs.ts'
import type { ProducerBatch } from './producer-batch.ts'
import { anonymous } from './producer-identity.ts'
import { ProducerCounters, type ProducerMetrics } from './producer-metrics.ts'
import {
  producerOptions,
  readProducerOptions,
  type ProducerOptions,
  type ProducerOwnOptions,
  type ResolvedProducerOptions,
} from './producer-options.ts'
import {
  copied,
  readHeaders,
  refusal,
  requireBytes,
  requirePartition,
  requireTimestamp,
  requireTopic,
  type BatchRecord,
  type ProducerRecord,
  type RecordBytes,
  type RecordMetadata,
  type WrittenHeader,
} from './producer-record.ts'
import { RecordAccumulator } from './record-accumulator.ts'
import { RecordIntake } from './record-intake.ts'
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

/** How far a batch's header and the fields of a record may exceed the bytes of key and value, generously. */
const mostOverheadBytes = 128
/** What a record without headers takes in a batch beside its key and value, about. */
const usualOverheadBytes = 12

/**
 * Sends records to Kafka: batches them, sends each batch to its partition's leader, tries again what can be tried again.
 *
 * Records of one partition are written in the order of the calls. Whatever was accepted is settled within
 * `deliveryTimeoutMs`: acknowledged, or failed with an error whose `persistence` says what is known.
 *
 * @example
 * ```ts
 * const producer = new Producer({ bootstrapServers: 'localhost:9092' })
 * await producer.start()
 * const { partition, offset } = await producer.send({ topic: 'orders', key: '42', value: 'three apples' })
 * await producer.close()
 * ```
 */
export class Producer {
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
  /** The most bytes that one record may take as a batch of its own. */
  readonly #maxRecordBytes: number
  #starting: Promise<this> | undefined
  #closing: Promise<void> | undefined
  /** Why no record is taken any more. */
  #ended: ClosedError | undefined
  /** Ends the waits for what may outlive the producer, a cluster that is shared. */
  readonly #lifetime = new AbortController()
  #stopListening: (() => void) | undefined

  /**
   * @throws InvalidOptionError when an option is unknown, has a value it cannot have, or contradicts another one
   */
  constructor(options: ProducerOptions = {}, doors: Doors = systemDoors) {
    const given = options as ProducerOwnOptions & { cluster?: Cluster } & ClusterOptions
    const { cluster, owned, own } = clusterFor<ProducerOwnOptions>('Producer', given, producerOptions, doors)
    const resolved = readProducerOptions(own, cluster.options)
    const { acks, batchSize, bufferMemory, compression, deliveryTimeoutMs, lingerMs } = resolved
    this.#cluster = cluster
    this.#ownsCluster = owned
    this.#options = resolved
    this.#maxRecordBytes = Math.min(resolved.maxRequestSize, bufferMemory)
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
      options: resolved,
      start: () => this.#start(),
    })
    this.#sender = new Sender({
      cluster,
      accumulator: this.#accumulator,
      gate: openGate,
      identity: anonymous,
      acks: acks === 'all' ? -1 : acks,
      maxRequestSize: resolved.maxRequestSize,
      maxInFlightRequests: resolved.maxInFlightRequests,
      batchSize,
      deliveryTimeoutMs,
      level: typeof compression === 'string' ? undefined : compression.level,
      pool: this.#memory,
      counters: this.#counters,
      batchFailed: (batch, error) => {
        const count = batch.unownedCount
        if (count === 0) return
        this.#deliveryFailed(error, { topic: batch.queue.topic, partition: batch.queue.partition, count })
      },
    })
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

  /**
   * Connects, and loads the codec. A producer that is used before starts by itself. A failed start can be repeated.
   *
   * @returns the producer
   * @throws ConnectionError when no bootstrap server could be reached
   * @throws ClosedError when the producer was closed
   */
  start(options: WaitOptions = {}): Promise<this> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended)
    return abortable(this.#start(), options)
  }

  /** Also while closing: what was accepted may still need it. */
  #start(): Promise<this> {
    this.#starting ??= this.#connect().catch((error: unknown) => {
      this.#starting = undefined
      throw error
    })
    return this.#starting
  }

  async #connect(): Promise<this> {
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
    return this
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

  /**
   * Sends one record, and resolves when it is acknowledged as `acks` says.
   *
   * The record is taken when the call returns: its buffers may be used again. When memory is full, or nothing is known
   * of the topic yet, it waits its turn for up to `maxBlockMs`; a signal ends that wait, and nothing after it.
   *
   * @throws InvalidArgumentError for a record that cannot be sent: its error says what to change
   * @throws BufferFullError when memory is full and as much waits already; worth trying again later
   * @throws TimeoutError when it was not acknowledged within `deliveryTimeoutMs`, or found no place within `maxBlockMs`
   * @throws BrokerError when the broker refuses it
   * @throws ClosedError when the producer is closed, or was before the record was acknowledged
   */
  send(record: ProducerRecord, options?: WaitOptions): Promise<RecordMetadata> {
    try {
      const topic = this.#topicOf(record)
      const { key = null, value } = record
      const { maxBlockMs } = this.#options
      const headers = this.#check(topic.name, key, value, record)
      const partition = record.partition ?? -1
      const timestamp = record.timestamp ?? this.#cluster.clock.wallTime()
      if (options !== undefined) checkCallOptions('send', options, waitOptionNames)
      const signal = options?.signal
      if (signal?.aborted) return Promise.reject(signal.reason as Error)
      const batch = this.#intake.tryPlace(topic, partition, timestamp, key, value, headers)
      if (batch !== undefined) return batch.promise(timestamp)
      const waiting = [{ partition, timestamp, key, value, headers }]
      const waiter = new SendWaiter(this.#waiterInit(topic, waiting, maxBlockMs, signal))
      this.#wait(waiter)
      return waiter.promise
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  /**
   * Takes a record and says nothing more of it, unless it fails: then `onDeliveryError` hears of it, and the next
   * `flush` or `close` rejects. Costs no promise.
   *
   * @returns true when it was accepted; false when there is no memory for it: await `drained()` and enqueue it again
   * @throws InvalidArgumentError for a record that cannot be sent
   * @throws ClosedError when the producer is closed
   */
  enqueue(record: ProducerRecord): boolean {
    const topic = this.#topicOf(record)
    const { key = null, value } = record
    const headers = this.#check(topic.name, key, value, record)
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

  /**
   * Resolves when there is room for what `enqueue` refused. Whoever waits with `send` goes first.
   *
   * @throws ClosedError when the producer is closed
   */
  drained(options: WaitOptions = {}): Promise<void> {
    if (options.signal?.aborted) return Promise.reject(options.signal.reason as Error)
    return this.#intake.drained(options)
  }

  /**
   * Sends many records to one topic, at the cost of one promise for all. All are checked before any is taken. They need
   * not go to one partition, and each may fail by itself.
   *
   * @throws InvalidArgumentError when any record cannot be sent: then none was taken
   * @throws SendBatchError when records failed; it lists them, and what it does not list was acknowledged
   */
  sendBatch(topic: string, records: readonly BatchRecord[], options?: WaitOptions): Promise<SendBatchResult> {
    try {
      if (options !== undefined) checkCallOptions('sendBatch', options, waitOptionNames)
      return this.#sendBatch(topic, records, options?.signal)
    } catch (error) {
      return Promise.reject(error as Error)
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
      const headers = this.#checkOf(i, name, key, value, record)
      if (headers !== undefined) (allHeaders ??= [])[i] = headers
      if (partition > highestPartition) highestPartition = partition
      bytes += usualOverheadBytes + (key === null ? 0 : key.length) + (value === null ? 0 : value.length)
    }
    if (signal?.aborted) return Promise.reject(signal.reason as Error)
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
      delivery.refused(0, this.#intake.bufferFull(name))
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
      delivery.refused(placed, error)
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
        delivery.refused(i, error)
        return records.length
      }
      if (batch === undefined) return i
      delivery.placed(i, batch.shareFor(delivery), batch.builder.count - 1)
    }
    return records.length
  }

  /**
   * Sends at once whatever waits for more records, and resolves when all that was accepted before the call is settled.
   * Records accepted later are not waited for.
   *
   * @throws DeliveryError when enqueued records failed since the last `flush`; each failure is reported once
   */
  async flush(options: WaitOptions = {}): Promise<void> {
    await abortable(this.#flush(), options)
    const error = this.#failures.take()
    if (error !== undefined) throw error
  }

  #flush(): Promise<void> {
    const flushed = this.#epochs.flush()
    this.#accumulator.expediteAll()
    return flushed
  }

  /**
   * Takes no more records, sends what was accepted, and ends. What is not acknowledged within `closeTimeoutMs` fails
   * with `ClosedError`. Called again, it gives the same promise.
   *
   * @throws DeliveryError when enqueued records failed since the last `flush`
   */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    const { clock, options } = this.#cluster
    this.#ended ??= new ClosedError('the producer is closed', { persistence: 'not-persisted' })
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
    this.#giveUp(`the producer was closed, and gave up after ${options.closeTimeoutMs} ms`, undefined)
    if (this.#ownsCluster) {
      const closed = flushed && (await inTime(this.#cluster.close(), 'closing the connections'))
      if (!closed) this.#cluster.destroy()
    }
    const error = this.#failures.take()
    if (error !== undefined) throw error
  }

  /**
   * Gives up at once: whatever is not acknowledged fails with `ClosedError`.
   *
   * @param reason becomes the cause of these errors
   */
  destroy(reason?: Error): void {
    this.#ended ??= new ClosedError('the producer was destroyed', { cause: reason, persistence: 'not-persisted' })
    this.#giveUp('the producer was destroyed', reason)
    if (this.#ownsCluster) this.#cluster.destroy(reason)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /**
   * The partitions of a topic, as they are known now; asks the cluster when nothing is known yet. Writing to a topic
   * that does not exist makes the broker create it where it is configured so, and so does this.
   *
   * @throws BrokerError when the topic does not exist, or may not be seen
   */
  async partitionsFor(topic: string, options: WaitOptions = {}): Promise<readonly PartitionMetadata[]> {
    requireTopic(topic)
    const { clock } = this.#cluster
    const { signal } = options
    const deadline = clock.now() + this.#options.maxBlockMs
    await before(this.start(), { clock, deadline, signal, what: `connecting, to ask about topic '${topic}'` })
    const asked = this.#cluster.topic(topic, { deadline, signal, allowAutoTopicCreation: true })
    const { partitions } = await abortable(asked, { signal: this.#lifetime.signal })
    return partitions
  }

  /**
   * Fails every record that is not on its way to a broker at this moment, with code `PURGED`. What is on its way is
   * settled as always.
   */
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

  /** What the producer has done so far and holds now: a snapshot, which does not change. */
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
    if (typeof record !== 'object' || record === null) {
      throw refusal(`a record must be an object with a topic and a value, not ${quote(record)}`)
    }
    requireTopic(record.topic)
    return this.#intake.topic(record.topic)
  }

  /** Checks all of a record but its topic, and gives its headers as they are written. */
  #check(topic: string, key: RecordBytes, value: RecordBytes, record: BatchRecord): WrittenHeader[] | undefined {
    requireBytes(value, 'value', topic)
    if (key !== null) requireBytes(key, 'key', topic)
    const { partition, timestamp } = record
    if (partition !== undefined) requirePartition(partition, topic)
    if (timestamp !== undefined) requireTimestamp(timestamp, topic)
    const headers = record.headers === undefined ? undefined : readHeaders(record.headers, topic)
    // At most three bytes a character: only what might be too large is measured.
    const characters = (key === null ? 0 : key.length) + (value === null ? 0 : value.length)
    if (headers === undefined && 3 * characters + mostOverheadBytes <= this.#maxRecordBytes) return undefined
    this.#requireSize(topic, key, value, headers)
    return headers
  }

  /** The same for a record of a batch, whose place in it the complaint names. */
  #checkOf(index: number, topic: string, key: RecordBytes, value: RecordBytes, record: BatchRecord) {
    try {
      return this.#check(topic, key, value, record)
    } catch (error) {
      throw error instanceof InvalidArgumentError ? refusal(`record ${index} of a batch: ${error.message}`) : error
    }
  }

  #requireSize(topic: string, key: RecordBytes, value: RecordBytes, headers: WrittenHeader[] | undefined): void {
    const bytes = HEADER_BYTES + recordSizeUpperBound(key, value, headers)
    if (bytes <= this.#maxRecordBytes) return
    const { maxRequestSize, bufferMemory } = this.#options
    const limit =
      maxRequestSize <= bufferMemory ? `maxRequestSize (${maxRequestSize})` : `bufferMemory (${bufferMemory})`
    throw refusal(`a record for '${topic}' takes ${bytes} bytes, which is more than ${limit} allows`)
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
