/** Where a checked record goes first: into a batch if its topic is known and there is memory, else into a line. Looks up
 *  topics, asks the partitioner, and serves the lines when what they wait for is there. Sends nothing. */

import { Deferred } from '../async/deferred.ts'
import { abortable, sleep, type WaitOptions } from '../async/wait.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { MetadataSnapshot } from '../cluster/metadata.ts'
import { brokerErrorNumber, BrokerError } from '../errors/broker-error.ts'
import { BufferFullError, ConnectionError, InvalidArgumentError, TimeoutError } from '../errors/errors.ts'
import { KafkaError } from '../errors/kafka-error.ts'
import { recordSizeUpperBound } from '../wire/records/record-batch-builder.ts'
import type { BufferMemory } from './buffer-memory.ts'
import { crc32 } from './crc32.ts'
import type { FlushEpochs } from './flush-epochs.ts'
import { LinkedLine } from './linked-line.ts'
import { murmur2, murmur2OfAscii } from './murmur2.ts'
import { askPartitioner, randomPartition, type StickyPolicy } from './partitioner.ts'
import type { ProducerBatch } from './producer-batch.ts'
import type { ResolvedProducerOptions } from './producer-options.ts'
import { requireTopicName, type RecordBytes, type WrittenHeader } from './producer-record.ts'
import type { RecordAccumulator } from './record-accumulator.ts'
import type { ProducedTopic, RecordWaiter } from './record-waiter.ts'
import { TopicQueues } from './topic-queues.ts'
import { WaitingRoom, type PreparedRecord } from './waiting-room.ts'

export interface IntakeOptions {
  readonly cluster: Cluster
  readonly accumulator: RecordAccumulator
  readonly memory: BufferMemory
  readonly epochs: FlushEpochs
  readonly options: ResolvedProducerOptions
  /** Connects, if that was not done yet. */
  readonly start: () => Promise<unknown>
  /** Hears of every call that waited and was refused, before the caller does. */
  readonly refused: (reason: unknown) => void
  /** Whether a broker owes an answer for so long that records without a key avoid it; undefined: that is not asked. */
  readonly isSilent: ((node: number) => boolean) | undefined
}

/** What a record costs while it waits, beside its bytes. */
const waitingOverheadBytes = 128
/** A partition that does not exist is looked for once in so long, however often it is asked for. */
const partitionCheckEveryMs = 1_000

const unknownTopic = brokerErrorNumber('UNKNOWN_TOPIC_OR_PARTITION')

export class RecordIntake {
  readonly #cluster: Cluster
  readonly #accumulator: RecordAccumulator
  readonly #memory: BufferMemory
  readonly #epochs: FlushEpochs
  readonly #options: ResolvedProducerOptions
  readonly #start: () => Promise<unknown>
  readonly #refused: (reason: unknown) => void
  readonly #topics = new Map<string, ProducedTopic>()
  /** How a partition is chosen for records without a key. */
  readonly #policy: StickyPolicy
  readonly #ignoresKeys: boolean
  readonly #hashesByCrc32: boolean
  readonly #room: WaitingRoom<RecordWaiter>
  /** Who waits for memory, in the order of the calls, whatever the topic. */
  readonly #memoryLine = new LinkedLine<RecordWaiter>()
  readonly #closing = new AbortController()
  /** What ends each look-up. Not one signal for all of them: thousands of topics may be looked up at once, and a signal with
   *  as many listeners takes as long for each as it has others. */
  readonly #lookUps = new Set<AbortController>()
  /** Why the last look-up of a topic failed, for whoever gives up on it. */
  readonly #lastErrors = new Map<ProducedTopic, KafkaError>()
  #isStarted = false
  #lastTopic: ProducedTopic | undefined
  #drained: Deferred<void> | undefined
  /** What an `enqueue` that was refused would have needed: of memory, and of the waiting room. */
  #refusedBytes = 0
  #refusedWaitingBytes = 0
  /** The same of one that would have had to wait for its serializer, about. */
  #refusedUnserializedBytes = 0

  constructor({ cluster, accumulator, memory, epochs, options, start, refused, isSilent }: IntakeOptions) {
    this.#cluster = cluster
    this.#accumulator = accumulator
    this.#memory = memory
    this.#epochs = epochs
    this.#options = options
    this.#start = start
    this.#refused = refused
    this.#policy = {
      random: cluster.random,
      batchSize: options.batchSize,
      isAdaptive: options.partitionerAdaptivePartitioning,
      isSilent,
    }
    this.#ignoresKeys = options.partitionerIgnoreKeys
    this.#hashesByCrc32 = options.partitioner === 'consistent-random'
    this.#room = new WaitingRoom({
      clock: cluster.clock,
      capacity: options.bufferMemory,
      gaveUp: (waiter, reason) => {
        this.#refuse(waiter, reason === undefined ? this.#timeout(waiter) : reason.aborted)
        this.#advance(waiter.topic)
      },
    })
  }

  get waitingCount(): number {
    return this.#room.count
  }

  get waitingBytes(): number {
    return this.#room.bytes
  }

  /** The state of a topic, made when it is first asked for. Not to be kept: a topic that is not used is forgotten. */
  topic(name: string): ProducedTopic {
    const last = this.#lastTopic
    if (last !== undefined && last.name === name) return last
    const topic = this.#topics.get(name) ?? this.#newTopic(name)
    this.#lastTopic = topic
    return topic
  }

  #newTopic(name: string): ProducedTopic {
    requireTopicName(name)
    const topic: ProducedTopic = new TopicQueues(name, this.#cluster.clock.now(), this.#policy)
    if (this.#isStarted) topic.update(this.#cluster.metadata)
    this.#topics.set(name, topic)
    this.#cluster.useTopic(this, name)
    return topic
  }

  /** From now on batches can be sent, and so records may go into them. */
  started(): void {
    this.#isStarted = true
  }

  /** What a record costs while it waits. */
  waitingBytesOf(key: RecordBytes, value: RecordBytes, headers: readonly WrittenHeader[] | undefined): number {
    return this.waitingBytesFor(1, recordSizeUpperBound(key, value, headers))
  }

  /** What so many records of so many bytes cost while they wait. */
  waitingBytesFor(count: number, bytes: number): number {
    const all = bytes + count * waitingOverheadBytes
    // A record that fits into memory fits into an empty line: else it could never wait.
    return count === 1 ? Math.min(all, this.#options.bufferMemory) : all
  }

  /**
   * Appends the record to a batch, which it is then the last one of; undefined when it has to wait: for its topic, for
   * memory, or for those who do already.
   *
   * @param partition -1: the partitioner chooses
   */
  tryPlace(
    topic: ProducedTopic,
    partition: number,
    timestamp: number,
    key: RecordBytes,
    value: RecordBytes,
    headers: readonly WrittenHeader[] | undefined,
  ): ProducerBatch | undefined {
    if (partition >= topic.partitionCount || topic.partitionCount === 0) return undefined
    if (this.#memoryLine.size > 0 || topic.line.size > 0) return undefined
    return this.#place(topic, partition, timestamp, key, value, headers)
  }

  /**
   * Lets a call wait.
   *
   * @throws BufferFullError when too much waits already
   * @throws InvalidArgumentError when it names a partition that does not exist
   */
  wait(waiter: RecordWaiter): void {
    const { topic } = waiter
    const now = this.#cluster.clock.now()
    topic.usedAt = now
    if (!this.#room.hasRoomFor(waiter.bytes)) throw this.bufferFull(topic.name)
    const unknown = topic.partitionCount === 0 || waiter.highestPartition >= topic.partitionCount
    if (unknown && topic.partitionCount > 0 && now - topic.countCheckedAt < partitionCheckEveryMs) {
      throw outOfRange(waiter)
    }
    if (unknown || topic.line.size > 0 || waiter.isSerializing) {
      this.#room.enter(waiter, topic.line)
      this.#advance(topic)
    } else {
      this.#room.enter(waiter, this.#memoryLine)
      this.#accumulator.expediteAll()
    }
  }

  bufferFull(topic: string): BufferFullError {
    const { bufferMemory } = this.#options
    return new BufferFullError(
      `there is no room for a record for '${topic}': bufferMemory (${bufferMemory} bytes) is full, and as much waits already`,
    )
  }

  /**
   * Whether a call's records would find room, in batches or in line.
   *
   * @param bytes what they take in batches, about
   * @param waitingBytes what all of them would cost if they had to wait
   */
  hasRoomFor(topic: ProducedTopic, bytes: number, waitingBytes: number): boolean {
    if (this.#room.hasRoomFor(waitingBytes)) return true
    if (this.#memoryLine.size > 0 || topic.line.size > 0 || topic.partitionCount === 0) return false
    const waitingShare = Math.max(0, 1 - this.#memory.available / bytes)
    return this.#room.hasRoomFor(waitingShare * waitingBytes)
  }

  /**
   * Whether an `enqueue` may wait for a serializer: when what waits will find memory. Remembers a refusal for `drained`.
   *
   * @param waitingBytes what the record will cost while it waits, about
   */
  mayWaitForSerializer(waitingBytes: number): boolean {
    if (this.#willFindMemory(waitingBytes)) return true
    this.#refusedUnserializedBytes = Math.max(this.#refusedUnserializedBytes, waitingBytes)
    this.#accumulator.expediteAll()
    return false
  }

  #willFindMemory(waitingBytes: number): boolean {
    if (this.#memoryLine.size > 0 || !this.#room.hasRoomFor(waitingBytes)) return false
    return this.#memory.available >= this.#room.bytes + waitingBytes
  }

  /** The serializer has answered for a waiter: it goes on when those before it do. */
  serialized(waiter: RecordWaiter, record: PreparedRecord, bytes: number): void {
    waiter.isSerializing = false
    // It may have been too late.
    if (waiter.line === undefined) return
    waiter.records = [record]
    this.#room.recharge(waiter, bytes)
    this.#advance(waiter.topic)
    // What it costs was not known when it was taken in. Asked again of the line: it may be in a batch by now.
    if (waiter.line === undefined || this.#room.hasRoomFor(0)) return
    this.refuse(waiter, this.bufferFull(waiter.topic.name))
  }

  /** Refuses one waiter, if it still waits, and lets those behind it go on. */
  refuse(waiter: RecordWaiter, reason: unknown): void {
    // Whoever gave up on it has said so.
    if (waiter.line === undefined) return
    this.#room.leave(waiter)
    this.#refuse(waiter, reason)
    this.#advance(waiter.topic)
  }

  /** Whether an `enqueue` for the topic may wait: only metadata, never memory. Remembers a refusal for `drained`. */
  mayWaitForTopic(topic: ProducedTopic, partition: number, waitingBytes: number): boolean {
    const unknown = topic.partitionCount === 0 || partition >= topic.partitionCount || topic.line.size > 0
    if (unknown && this.#room.hasRoomFor(waitingBytes)) return true
    if (unknown) this.#refusedWaitingBytes = Math.max(this.#refusedWaitingBytes, waitingBytes)
    return false
  }

  /** Remembers that there was no memory for an `enqueue`, and hurries what could free some. */
  refusedMemory(bytes: number): void {
    this.#refusedBytes = Math.max(this.#refusedBytes, bytes)
    this.#accumulator.expediteAll()
  }

  /** Resolves when an `enqueue` that was refused would be accepted. Rejects with `signal.reason`, or when closed. */
  drained(options: WaitOptions): Promise<void> {
    if (this.#closing.signal.aborted) return Promise.reject(this.#closing.signal.reason as Error)
    if (this.#hasRoom()) return Promise.resolve()
    this.#accumulator.expediteAll()
    this.#drained ??= new Deferred()
    return abortable(this.#drained.promise, options)
  }

  /** A newer snapshot: partitions may have been added, and topics that nobody writes to are left alone. One that is not
   *  there is forgotten at once when nothing waits for it, or the cluster would be asked for it again and again. */
  metadataChanged(snapshot: MetadataSnapshot): void {
    const longAgo = this.#cluster.clock.now() - this.#options.metadataMaxIdleMs
    let forgot = false
    for (const topic of this.#topics.values()) {
      topic.update(snapshot)
      const isThere = snapshot.leaders(topic.name).length > 0
      if (topic.idle && !topic.lookedUp && (!isThere || topic.lastUsedAt < longAgo)) {
        this.#topics.delete(topic.name)
        this.#lastTopic = undefined
        forgot = true
      } else if (snapshot.topics.get(topic.name)?.error === 'UNKNOWN_TOPIC_OR_PARTITION') {
        this.#restore(topic)
      }
    }
    if (forgot) this.#cluster.useTopics(this, this.#topics.keys())
  }

  /** Serves who waits for memory, as far as it goes. */
  serve(): void {
    const line = this.#memoryLine
    for (let waiter = line.first; waiter !== undefined; waiter = line.first) {
      if (!this.#placeAll(waiter)) {
        if (waiter.line === line) {
          this.#accumulator.expediteAll()
          return
        }
        continue
      }
      this.#room.leave(waiter)
      this.#epochs.settled(waiter.epoch)
    }
    if (this.#drained === undefined || !this.#hasRoom()) return
    this.#refusedBytes = 0
    this.#refusedWaitingBytes = 0
    this.#refusedUnserializedBytes = 0
    this.#drained.resolve()
    this.#drained = undefined
  }

  /** Refuses whatever waits, and lets nothing wait any more. */
  stop(error: Error): void {
    if (this.#closing.signal.aborted) return
    this.#closing.abort(error)
    for (const lookUp of this.#lookUps) lookUp.abort(error)
    this.#drained?.promise.catch(() => {
      // Nobody may be waiting any more: then nobody needs to hear of it.
    })
    this.#drained?.reject(error)
    this.#drained = undefined
    this.refuseAll(error)
    this.#cluster.useTopics(this, [])
  }

  refuseAll(error: unknown): void {
    this.#refuseEach([...this.#room.all()], error)
  }

  #refuseEach(waiters: readonly RecordWaiter[], error: unknown): void {
    for (const waiter of waiters) {
      // Whoever heard of the one before may have emptied the room.
      if (waiter.line === undefined) continue
      this.#room.leave(waiter)
      this.#refuse(waiter, error)
    }
    // There may be room now for an `enqueue` that was refused.
    this.serve()
  }

  #hasRoom(): boolean {
    if (this.#memoryLine.size > 0) return false
    if (this.#memory.headroom < Math.max(this.#options.batchSize, this.#refusedBytes)) return false
    if (this.#refusedUnserializedBytes > 0 && !this.#willFindMemory(this.#refusedUnserializedBytes)) return false
    return this.#room.hasRoomFor(this.#refusedWaitingBytes)
  }

  /** False when the waiter must go on waiting, or has left by another way. */
  #placeAll(waiter: RecordWaiter): boolean {
    const { topic, records } = waiter
    if (waiter.highestPartition >= topic.partitionCount) {
      if (waiter.partitionsChecked) {
        this.#room.leave(waiter)
        this.#refuse(waiter, outOfRange(waiter))
      } else {
        this.#sendBack(topic)
      }
      return false
    }
    while (waiter.next < records.length) {
      const { partition, timestamp, key, value, headers, watch } = records[waiter.next]!
      let batch: ProducerBatch | undefined
      try {
        batch = this.#place(topic, partition, timestamp, key, value, headers)
      } catch (error) {
        this.#room.leave(waiter)
        this.#refuse(waiter, error)
        return false
      }
      if (batch === undefined) return false
      this.#accumulator.joined(batch, waiter.epoch)
      waiter.placed(batch)
      if (watch !== undefined) batch.watch(watch, timestamp)
      waiter.next++
    }
    return true
  }

  /** A partition is named that is not known: all who wait for the topic's memory wait for its metadata first, in order. */
  #sendBack(topic: ProducedTopic): void {
    for (const waiter of this.#memoryLine) {
      if (waiter.topic === topic) this.#room.move(waiter, topic.line)
    }
    this.#lookUp(topic)
  }

  #place(
    topic: ProducedTopic,
    partition: number,
    timestamp: number,
    key: RecordBytes,
    value: RecordBytes,
    headers: readonly WrittenHeader[] | undefined,
  ): ProducerBatch | undefined {
    if (partition >= 0) return this.#accumulator.append(topic.queue(partition), timestamp, key, value, headers)
    const { partitioner } = this.#options
    if (typeof partitioner === 'function') {
      const { name, partitionCount, availablePartitions } = topic
      const context = { topic: name, key, value, headers: headers ?? [], partitionCount, availablePartitions }
      const chosen = askPartitioner(partitioner, context)
      return this.#accumulator.append(topic.queue(chosen), timestamp, key, value, headers)
    }
    if (key !== null && !this.#ignoresKeys && !(this.#hashesByCrc32 && key.length === 0)) {
      let hash = typeof key !== 'string' ? this.#hash(key) : this.#hashesByCrc32 ? -1 : murmur2OfAscii(key)
      if (hash < 0) {
        // Encoded once: the batch takes the same bytes.
        key = Buffer.from(key as string)
        hash = this.#hash(key)
      }
      return this.#accumulator.append(topic.queue(hash % topic.partitionCount), timestamp, key, value, headers)
    }
    if (partitioner !== 'default') {
      const chosen = randomPartition(topic, this.#cluster.random)
      return this.#accumulator.append(topic.queue(chosen), timestamp, key, value, headers)
    }
    return this.#placeSticky(topic, timestamp, key, value, headers)
  }

  #hash(key: Uint8Array): number {
    return this.#hashesByCrc32 ? crc32(key) : murmur2(key)
  }

  #placeSticky(
    topic: ProducedTopic,
    timestamp: number,
    key: RecordBytes,
    value: RecordBytes,
    headers: readonly WrittenHeader[] | undefined,
  ): ProducerBatch | undefined {
    const { sticky } = topic
    const queue = topic.queue(sticky.partition(topic))
    const { open } = queue
    if (open !== undefined) {
      const before = open.builder.sizeInBytes
      if (open.builder.append(timestamp, key, value, headers)) {
        sticky.wrote(open.builder.sizeInBytes - before, topic)
        return open
      }
      this.#accumulator.close(queue)
    }
    const next = topic.queue(sticky.beginsBatch(recordSizeUpperBound(key, value, headers), topic))
    const before = next.open?.builder.sizeInBytes ?? 0
    const joined = next.open
    const batch = this.#accumulator.append(next, timestamp, key, value, headers)
    if (batch !== undefined) {
      const bytes = batch.builder.sizeInBytes - (batch === joined ? before : 0)
      sticky.wrote(bytes, topic)
    }
    return batch
  }

  /** Finds out about a topic that records wait for. Asked again while it does so, it does nothing. */
  #lookUp(topic: ProducedTopic): void {
    if (topic.lookedUp || this.#closing.signal.aborted) return
    const lookUp = this.#begin(topic)
    this.#findOut(topic, lookUp.signal)
      .catch((error: unknown) => {
        this.#refuseLine(topic, error)
      })
      .finally(() => {
        this.#lastErrors.delete(topic)
        this.#end(topic, lookUp)
      })
  }

  /** Records are queued for a topic that was deleted: brokers that create topics create it again, as for a first record. */
  #restore(topic: ProducedTopic): void {
    if (topic.lookedUp || topic.partitionCount === 0 || this.#closing.signal.aborted) return
    const lookUp = this.#begin(topic)
    const { clock, options } = this.#cluster
    const deadline = clock.now() + options.retryBackoffMaxMs
    this.#cluster
      .topic(topic.name, { deadline, signal: lookUp.signal, allowAutoTopicCreation: true })
      .catch(() => {
        // What is queued waits on, and expires by itself; the next metadata asks again.
      })
      .finally(() => {
        this.#end(topic, lookUp)
      })
  }

  #begin(topic: ProducedTopic): AbortController {
    topic.lookedUp = true
    const lookUp = new AbortController()
    this.#lookUps.add(lookUp)
    return lookUp
  }

  #end(topic: ProducedTopic, lookUp: AbortController): void {
    this.#lookUps.delete(lookUp)
    topic.lookedUp = false
    this.#advance(topic)
  }

  async #findOut(topic: ProducedTopic, signal: AbortSignal): Promise<void> {
    const backoff = this.#cluster.newBackoff()
    for (let first = topic.line.first; first !== undefined && !signal.aborted; first = topic.line.first) {
      // The topic is known, and the line waits for a serializer: who answers for it serves the line.
      if (first.isSerializing && topic.partitionCount > 0) return
      const { deadline } = first
      try {
        await abortable(this.#start(), { signal })
        if (topic.partitionCount === 0) {
          await this.#cluster.topic(topic.name, { deadline, signal, allowAutoTopicCreation: true })
        } else {
          await this.#cluster.refreshMetadata({ deadline, signal })
          topic.countCheckedAt = this.#cluster.clock.now()
        }
        topic.update(this.#cluster.metadata)
        if (topic.partitionCount > 0) {
          this.#serveLine(topic)
          continue
        }
      } catch (error) {
        if (signal.aborted) return
        if (!(error instanceof KafkaError) || !error.retriable) throw error
        this.#lastErrors.set(topic, error)
      }
      // Whoever has waited long enough is told by the waiting room.
      await sleep(this.#cluster.clock, backoff.nextMs(), { signal }).catch(() => {
        // Closed: the loop ends.
      })
    }
  }

  /** Lets go on who stands at the front of a topic's line and waits for nothing more but memory. */
  #advance(topic: ProducedTopic): void {
    for (const waiter of topic.line) {
      // Who finds out about the topic serves its line.
      if (topic.lookedUp) break
      const isKnown = topic.partitionCount > 0 && waiter.highestPartition < topic.partitionCount
      if (!isKnown && (topic.partitionCount === 0 || !waiter.isSerializing)) this.#lookUp(topic)
      if (!isKnown || waiter.isSerializing) break
      this.#room.move(waiter, this.#memoryLine)
    }
    this.serve()
  }

  #serveLine(topic: ProducedTopic): void {
    for (const waiter of topic.line) {
      if (waiter.isSerializing) break
      waiter.partitionsChecked = true
      this.#room.move(waiter, this.#memoryLine)
    }
    this.serve()
  }

  #refuseLine(topic: ProducedTopic, reason: unknown): void {
    const error =
      reason instanceof KafkaError && reason.persistence === undefined ? asNotPersisted(reason, topic.name) : reason
    this.#refuseEach([...topic.line], error)
  }

  #refuse(waiter: RecordWaiter, reason: unknown): void {
    this.#refused(reason)
    const { records, next } = waiter
    for (let i = next; i < records.length; i++) records[i]!.watch?.failed(reason)
    waiter.refused(reason)
    this.#epochs.settled(waiter.epoch)
  }

  #timeout({ topic, highestPartition, isSerializing }: RecordWaiter): KafkaError {
    const { maxBlockMs, bufferMemory } = this.#options
    const lastError = this.#lastErrors.get(topic)
    const options = { persistence: 'not-persisted', ...(lastError && { cause: lastError }) } as const
    if (isSerializing && topic.partitionCount > 0) {
      const message = `the serializer of a record for '${topic.name}' gave no answer within ${maxBlockMs} ms`
      return new TimeoutError(message, { persistence: 'not-persisted' })
    }
    if (topic.partitionCount > 0 && highestPartition >= topic.partitionCount) {
      return new TimeoutError(
        `no broker told within ${maxBlockMs} ms whether topic '${topic.name}' has a partition ${highestPartition}`,
        options,
      )
    }
    if (topic.partitionCount > 0) {
      return new TimeoutError(
        `a record for '${topic.name}' found no memory within ${maxBlockMs} ms: bufferMemory (${bufferMemory} bytes) is full`,
        options,
      )
    }
    if (this.#cluster.metadata.version === 0 || lastError instanceof ConnectionError) {
      const why = lastError === undefined ? '' : `: ${lastError.message}`
      return new TimeoutError(
        `no broker told the partitions of topic '${topic.name}' within ${maxBlockMs} ms${why}`,
        options,
      )
    }
    return new BrokerError(unknownTopic, `topic '${topic.name}' was not there within ${maxBlockMs} ms`, options)
  }
}

function outOfRange({ topic, highestPartition }: RecordWaiter): InvalidArgumentError {
  const range = topic.partitionCount === 1 ? 'only partition 0' : `partitions 0 to ${topic.partitionCount - 1}`
  return new InvalidArgumentError(
    `there is no partition ${highestPartition} of topic '${topic.name}': it has ${range}`,
    { persistence: 'not-persisted' },
  )
}

/** The same error with the news that the record is nowhere. */
function asNotPersisted(error: KafkaError, topic: string): KafkaError {
  const options = { cause: error, persistence: 'not-persisted' } as const
  if (error instanceof BrokerError)
    return new BrokerError(error.errorCode, `topic '${topic}' cannot be written to`, options)
  return new KafkaError(error.code, `a record for '${topic}' was not sent: ${error.message}`, error.retriable, options)
}
