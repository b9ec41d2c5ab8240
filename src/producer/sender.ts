/** Takes ready batches to their leaders: one drain per broker, so that a slow one stalls no other, and per partition no
 *  more on its way than keeps the order. Knows neither records nor callers; what became of a batch it tells the batch. */

import { Deferred } from '../async/deferred.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { MetadataSnapshot } from '../cluster/metadata.ts'
import { ProtocolError, TimeoutError, UnsupportedVersionError } from '../errors/errors.ts'
import { brokerErrorNumber, BrokerError, isRetriable } from '../errors/broker-error.ts'
import { KafkaError } from '../errors/kafka-error.ts'
import type { Codec } from '../wire/compression/codec.ts'
import type { Init } from '../wire/api.ts'
import {
  Produce,
  type PartitionProduceData,
  type PartitionProduceResponse,
  type ProduceRequest,
  type ProduceResponse,
  type TopicProduceData,
} from '../wire/messages/produce.ts'
import { zeroUuid } from '../wire/primitives/uuid.ts'
import type { BufferPool } from '../wire/records/buffer-pool.ts'
import { splitRecordBatch } from '../wire/records/split-record-batch.ts'
import { BrokerSilence } from './broker-silence.ts'
import type { DrainGate } from './drain-gate.ts'
import { errorsOf, surelyNotPersisted } from './produce-errors.ts'
import type { BatchQueue, ProducerBatch } from './producer-batch.ts'
import type { BatchStamp, ProducerIdentity } from './producer-identity.ts'
import type { ProducerCounters } from './producer-metrics.ts'
import type { RecordAccumulator } from './record-accumulator.ts'

export interface SenderOptions {
  readonly cluster: Cluster
  readonly accumulator: RecordAccumulator
  readonly gate: DrainGate
  readonly identity: ProducerIdentity
  readonly acks: -1 | 0 | 1
  readonly maxRequestSize: number
  readonly maxInFlightRequests: number
  readonly batchSize: number
  readonly deliveryTimeoutMs: number
  readonly level: number | undefined
  /** Where the parts of a batch that was too large get their memory. */
  readonly pool: BufferPool
  readonly counters: ProducerCounters
  /** Told of a batch that failed and is settled: records of `enqueue` are the caller's to account for. */
  readonly batchFailed: (batch: ProducerBatch, error: Error) => void
}

/** What is on its way to one broker, and which partitions want to follow. */
interface BrokerDrain {
  readonly node: number
  queues: BatchQueue[]
  inFlight: number
}

/** The first Produce with each later thing. */
const firstWithZstd = 7
const firstWithTopicIds = 13

const leaderNotAvailable = brokerErrorNumber('LEADER_NOT_AVAILABLE')
const messageTooLarge = brokerErrorNumber('MESSAGE_TOO_LARGE')

export class Sender {
  readonly #options: SenderOptions
  readonly #cluster: Cluster
  readonly #accumulator: RecordAccumulator
  /** Loaded before anything is ready. */
  codec: Codec | undefined = undefined
  readonly #drains = new Map<number, BrokerDrain>()
  readonly #silence: BrokerSilence
  #ready: BatchQueue[] = []
  #woken = false
  #stopped = false
  #inFlight = 0
  /** Requests whose batches were not all dealt with yet. */
  #unfinished = 0
  #idle: Deferred<void> | undefined

  constructor(options: SenderOptions) {
    this.#options = options
    this.#cluster = options.cluster
    this.#accumulator = options.accumulator
    this.#silence = new BrokerSilence(options.cluster.clock)
  }

  /** Requests that are under way. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** Whether the broker was sent something, and has answered nothing for longer than this. */
  isSilent(node: number, timeoutMs: number): boolean {
    if (!this.#silence.isLongerThan(node, timeoutMs)) return false
    if ((this.#drains.get(node)?.inFlight ?? 0) > 0) return true
    for (const { queue } of this.#accumulator.incomplete) if (queue.failedNode === node) return true
    // Nothing waits for it any more, and so nothing will tell that it is well again.
    this.#silence.forget(node)
    return false
  }

  /** Looks at the partition at the end of this turn of the event loop, if it has something to send. */
  schedule(queue: BatchQueue): void {
    if (queue.scheduled || queue.retryAt > 0 || !queue.hasReady || this.#stopped) return
    if (queue.inFlight >= this.#options.identity.maxInFlightPerPartition) return
    queue.scheduled = true
    this.#ready.push(queue)
    this.#wake()
  }

  /** Looks at every partition that has something to send: what kept it from being sent may be gone. */
  wakeAll(): void {
    for (const { queue } of this.#accumulator.incomplete) this.schedule(queue)
  }

  /** New metadata: a partition that waits because of its leader need not, when it has another one now. */
  leadersChanged(snapshot: MetadataSnapshot): void {
    for (const queue of this.#accumulator.delayed) {
      const leader = snapshot.leader(queue.topic, queue.partition)
      if (leader >= 0 && leader !== queue.failedNode) this.#accumulator.undelay(queue)
    }
    for (const drain of this.#drains.values()) {
      // Nobody should stand in line before a broker that no longer leads it: it may be the one that hangs.
      const gone = drain.queues.filter((queue) => snapshot.leader(queue.topic, queue.partition) !== drain.node)
      if (gone.length === 0) continue
      drain.queues = drain.queues.filter((queue) => !gone.includes(queue))
      for (const queue of gone) {
        queue.scheduled = false
        this.schedule(queue)
      }
    }
  }

  /** Fails whatever is not settled yet, and sends no more. Requests under way end by themselves. */
  stop(errorOf: (batch: ProducerBatch) => Error): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#ready = []
    this.#drains.clear()
    // All at once: whoever hears of a failure may purge the others.
    for (const batch of [...this.#accumulator.incomplete]) {
      if (batch.settled) continue
      if (!batch.inFlight) this.#accumulator.drop(batch)
      this.#fail(batch, errorOf(batch))
    }
    this.#accumulator.stop()
  }

  /** Fails all that is not on its way, and what comes back to be tried again. Resolves when nothing is under way. */
  discard(error: KafkaError): Promise<void> {
    for (const batch of [...this.#accumulator.incomplete]) {
      // Whoever heard of the one before may have dealt with this one.
      if (batch.settled) continue
      if (batch.inFlight) batch.discardedWith = error
      else this.abandon(batch, error)
    }
    if (this.#unfinished === 0) return Promise.resolve()
    this.#idle ??= new Deferred()
    return this.#idle.promise
  }

  /** Fails a batch that is not on its way. */
  abandon(batch: ProducerBatch, error: Error): void {
    this.#accumulator.drop(batch)
    this.#fail(batch, error)
  }

  /** The batch was not acknowledged in time. */
  expire(batch: ProducerBatch): void {
    const { topic, partition } = batch.queue
    const { deliveryTimeoutMs } = this.#options
    const tried =
      batch.attempts === 0
        ? 'never came to be sent'
        : batch.inFlight
          ? 'has no answer yet'
          : `failed ${batch.attempts} ${batch.attempts === 1 ? 'time' : 'times'}`
    const { lastError } = batch
    const cause = lastError === undefined ? {} : { cause: lastError }
    const why = lastError === undefined ? '' : `, lastly: ${lastError.message}`
    this.#fail(
      batch,
      new TimeoutError(
        `${recordsOf(batch)} for partition ${partition} of '${topic}' ${batch.count === 1 ? 'was' : 'were'} not acknowledged within ${deliveryTimeoutMs} ms: the batch ${tried}${why}`,
        { ...cause, persistence: persistenceOf(batch) },
      ),
    )
  }

  #wake(): void {
    if (this.#woken) return
    this.#woken = true
    // At the end of the turn: the records of one burst travel together, and the first of them waits for no timer.
    this.#cluster.clock.nextTurn(() => {
      this.#woken = false
      this.#drainAll()
    })
  }

  #drainAll(): void {
    if (this.#stopped) return
    const ready = this.#ready
    this.#ready = []
    for (const queue of ready) this.#route(queue)
    for (const drain of this.#drains.values()) {
      this.#drain(drain)
      if (drain.inFlight === 0 && drain.queues.length === 0) this.#drains.delete(drain.node)
    }
  }

  /** Whether the partition's first batch may be sent now, by whom it is sent. */
  #isAllowed(queue: BatchQueue): boolean {
    const { gate, identity } = this.#options
    if (!gate.isOpen(queue)) return false
    if (identity.current !== undefined) return true
    identity.request()
    return false
  }

  /** Puts the partition at the end of its leader's queue. */
  #route(queue: BatchQueue): void {
    if (!queue.hasReady || queue.retryAt > 0 || !this.#isAllowed(queue)) {
      queue.scheduled = false
      return
    }
    const leader = this.#cluster.metadata.leader(queue.topic, queue.partition)
    if (leader < 0) {
      queue.scheduled = false
      this.#leaderless(queue)
      return
    }
    let drain = this.#drains.get(leader)
    if (drain === undefined) this.#drains.set(leader, (drain = { node: leader, queues: [], inFlight: 0 }))
    drain.queues.push(queue)
  }

  /** Asks for newer metadata and lets the partition wait for it; fails its batches if there is no hope in that. */
  #leaderless(queue: BatchQueue): void {
    const { topic, partition } = queue
    const known = this.#cluster.metadata.topics.get(topic)?.error ?? 'NONE'
    const code = known === 'NONE' ? leaderNotAvailable : brokerErrorNumber(known)
    const errorFor = (batch: ProducerBatch): BrokerError =>
      new BrokerError(code, `partition ${partition} of '${topic}' has no leader`, { persistence: persistenceOf(batch) })
    queue.failedNode = -1
    if (!isRetriable(code)) {
      for (const batch of [...queue.batches]) this.abandon(batch, errorFor(batch))
      return
    }
    this.#cluster.remedy({ kind: 'leader', of: queue }, code)
    const first = queue.batches[0]!
    first.lastError ??= errorFor(first)
    this.#backOff(queue)
  }

  /** Sends requests to one broker until it has enough of them, or there is nothing left for it. */
  #drain(drain: BrokerDrain): void {
    while (drain.inFlight < this.#options.maxInFlightRequests) {
      const batches = this.#collect(drain)
      if (batches.length === 0) return
      this.#send(drain, batches)
    }
  }

  /** The next request's batches: one of each partition in turn, as many as a request may hold, and at least one. */
  #collect(drain: BrokerDrain): ProducerBatch[] {
    const { maxRequestSize, identity } = this.#options
    const { metadata } = this.#cluster
    const batches: ProducerBatch[] = []
    let bytes = 0
    for (let left = drain.queues.length; left > 0; left--) {
      const queue = drain.queues[0]!
      // The leader may have moved while the partition stood in the queue of the old one.
      if (metadata.leader(queue.topic, queue.partition) !== drain.node || queue.retryAt > 0 || !queue.hasReady) {
        drain.queues.shift()
        queue.scheduled = false
        this.schedule(queue)
        continue
      }
      if (!this.#isAllowed(queue)) {
        drain.queues.shift()
        queue.scheduled = false
        continue
      }
      const size = queue.batches[0]!.builder.sizeInBytes
      if (batches.length > 0 && bytes + size > maxRequestSize) break
      drain.queues.shift()
      bytes += size
      batches.push(this.#accumulator.takeFirst(queue))
      // At the end of the queue again if it may send more: every partition has its turn before it.
      if (queue.hasReady && queue.inFlight < identity.maxInFlightPerPartition) drain.queues.push(queue)
      else queue.scheduled = false
    }
    return batches
  }

  #send(drain: BrokerDrain, taken: readonly ProducerBatch[]): void {
    const { acks, counters, identity } = this.#options
    const { min, max } = identity.produceVersions
    const batches: ProducerBatch[] = []
    const topics = new Map<string, Init<PartitionProduceData>[]>()
    for (const batch of taken) {
      const records = this.#seal(batch)
      if (records === undefined) continue
      const { topic, partition } = batch.queue
      let partitions = topics.get(topic)
      if (partitions === undefined) topics.set(topic, (partitions = []))
      partitions.push({ index: partition, records })
      batches.push(batch)
      counters.bytesSent += records.length
    }
    if (batches.length === 0) return
    const known = this.#cluster.metadata.topics
    const topicData: Init<TopicProduceData>[] = []
    const namesById = new Map<string, string>()
    for (const [name, partitionData] of topics) {
      const topicId = known.get(name)?.topicId ?? zeroUuid
      namesById.set(topicId, name)
      topicData.push({ name, topicId, partitionData })
    }
    const allIdsKnown = !namesById.has(zeroUuid)
    const request: Init<ProduceRequest> = {
      transactionalId: identity.transactionalId,
      acks,
      timeoutMs: this.#cluster.options.requestTimeoutMs,
      topicData,
    }
    drain.inFlight++
    this.#inFlight++
    this.#silence.asked(drain.node)
    this.#unfinished++
    counters.requestsSent++
    counters.batchesSent += batches.length
    const sentAt = this.#cluster.clock.now()
    this.#cluster
      .send({ kind: 'broker', id: drain.node }, Produce, request, {
        lane: 'produce',
        expectResponse: acks !== 0,
        minVersion: this.codec?.name === 'zstd' ? Math.max(min, firstWithZstd) : min,
        maxVersion: allIdsKnown ? max : Math.min(max, firstWithTopicIds - 1),
      })
      .then(
        (response) => {
          counters.requestLatencyMs = this.#cluster.clock.now() - sentAt
          this.#ended(drain)
          this.#silence.answered(drain.node, drain.inFlight)
          if (acks === 0) for (const batch of batches) this.#acknowledge(batch, null, -1)
          else this.#answered(drain.node, batches, response, namesById)
        },
        (error: unknown) => {
          this.#ended(drain)
          this.#requestFailed(drain.node, batches, error)
        },
      )
      .catch((error: unknown) => {
        // An answer that cannot be understood: whatever it left unsettled fails, and does not wait for its deadline.
        for (const batch of batches) {
          if (batch.inFlight) this.#accumulator.returned(batch)
          if (!batch.settled && !batch.queue.batches.includes(batch)) this.#broken(batch, error)
        }
      })
      .finally(() => {
        for (const batch of batches) this.schedule(batch.queue)
        if (drain.queues.length > 0) this.#wake()
        if (--this.#unfinished > 0) return
        this.#idle?.resolve()
        this.#idle = undefined
      })
  }

  #stamp(): BatchStamp {
    const { producerId, producerEpoch } = this.#options.identity.current!
    return { producerId, producerEpoch, baseSequence: -1 }
  }

  /** The batch's bytes; undefined when they cannot be made, and the batch has failed. */
  #seal(batch: ProducerBatch): Uint8Array | undefined {
    const { level, identity } = this.#options
    const { queue } = batch
    try {
      batch.stamp ??= this.#stamp()
      const { isTransactional } = identity
      return batch.builder.seal({ ...batch.stamp, isTransactional, codec: this.codec, level })
    } catch (cause) {
      this.#accumulator.returned(batch)
      this.#fail(
        batch,
        new KafkaError(
          'COMPRESSION_FAILED',
          `${recordsOf(batch)} for partition ${queue.partition} of '${queue.topic}' could not be made ready to send`,
          false,
          { cause, persistence: persistenceOf(batch) },
        ),
      )
      this.schedule(queue)
      return undefined
    }
  }

  /** The request has ended: the broker has room for another. Each of its batches comes back when it is dealt with, since
   *  whoever hears of one must find the others still under way: nothing else is known of them. */
  #ended(drain: BrokerDrain): void {
    drain.inFlight--
    this.#inFlight--
  }

  /** @param namesById what the topics of the request were called: one that was made anew meanwhile has another id now */
  #answered(
    node: number,
    batches: readonly ProducerBatch[],
    response: ProduceResponse,
    namesById: ReadonlyMap<string, string>,
  ): void {
    const answers = new Map<string, { topicId: string; partitions: Map<number, PartitionProduceResponse> }>()
    for (const { name, topicId, partitionResponses } of response.responses) {
      const topic = name === '' ? (namesById.get(topicId) ?? topicId) : name
      const partitions = new Map(partitionResponses.map((partition) => [partition.index, partition]))
      answers.set(topic, { topicId, partitions })
    }
    for (const batch of batches) {
      const { topic, partition } = batch.queue
      const { topicId = zeroUuid, partitions } = answers.get(topic) ?? {}
      const answer = partitions?.get(partition)
      if (answer === undefined) this.#notAnswered(batch, node)
      else if (answer.errorCode === 0) this.#acknowledge(batch, answer.baseOffset, answer.logAppendTimeMs)
      else this.#refused(node, batch, answer, response, topicId)
    }
  }

  #broken(batch: ProducerBatch, cause: unknown): void {
    const { topic, partition } = batch.queue
    const message = `the answer for ${recordsOf(batch)} for partition ${partition} of '${topic}' could not be handled`
    this.#fail(batch, new ProtocolError(message, { cause, persistence: 'possibly-persisted' }))
  }

  #notAnswered(batch: ProducerBatch, node: number): void {
    this.#accumulator.returned(batch)
    batch.possiblyPersisted = true
    const { topic, partition } = batch.queue
    this.#fail(
      batch,
      new ProtocolError(`broker ${node} said nothing of partition ${partition} of '${topic}' in its answer`, {
        persistence: persistenceOf(batch),
      }),
    )
  }

  #acknowledge(batch: ProducerBatch, baseOffset: number | null, logAppendTimeMs: number): void {
    const { queue } = batch
    this.#accumulator.returned(batch)
    queue.backoff?.reset()
    queue.failedNode = -1
    if (batch.settled) return
    this.#options.counters.recordsAcknowledged += batch.count
    batch.acknowledge(baseOffset, logAppendTimeMs)
    this.#accumulator.settled(batch)
  }

  #refused(
    node: number,
    batch: ProducerBatch,
    answer: PartitionProduceResponse,
    response: ProduceResponse,
    topicId: string,
  ): void {
    const { errorCode, currentLeader } = answer
    const { queue } = batch
    if (!surelyNotPersisted(errorCode)) batch.possiblyPersisted = true
    let isLeaderKnown = false
    if (currentLeader.leaderId >= 0 && currentLeader.leaderEpoch >= 0) {
      const endpoints = response.nodeEndpoints.map(({ nodeId, ...address }) => ({ id: nodeId, ...address }))
      isLeaderKnown = this.#cluster.learnLeader(queue, currentLeader, endpoints, topicId)
    }
    // KIP-951: who was asked wrongly says who is right, so that nobody needs to be asked.
    if (!isLeaderKnown) this.#cluster.remedy({ kind: 'leader', of: queue }, errorCode)
    // Not before: new metadata must not find the partition idle, and forget it with a batch that is to come back.
    this.#accumulator.returned(batch)
    if (batch.settled) return
    if (errorCode === messageTooLarge && batch.count > 1 && batch.discardedWith === undefined) {
      this.#divide(batch, errorsOf(batch, answer)(0))
      return
    }
    const errorOf = errorsOf(batch, answer)
    const error = errorOf(0)
    if (error.retriable) this.#tryAgain(batch, node, error)
    else this.#fail(batch, error, errorOf)
  }

  #requestFailed(node: number, batches: readonly ProducerBatch[], reason: unknown): void {
    const error =
      reason instanceof KafkaError
        ? reason
        : new KafkaError('REQUEST_FAILED', `a Produce request to broker ${node} failed`, false, { cause: reason })
    this.#cluster.remedy({ kind: 'broker', id: node }, error)
    for (const batch of batches) {
      if (error.persistence !== 'not-persisted') {
        batch.possiblyPersisted = true
        batch.isLent = true
      }
      this.#accumulator.returned(batch)
      if (batch.settled) continue
      if (error.retriable) {
        this.#tryAgain(batch, node, error)
        continue
      }
      this.#fail(batch, this.#failureOf(batch, error))
    }
  }

  #failureOf(batch: ProducerBatch, cause: KafkaError): KafkaError {
    const { topic, partition } = batch.queue
    const options = { cause, persistence: persistenceOf(batch) }
    const what = `${recordsOf(batch)} for partition ${partition} of '${topic}'`
    if (cause instanceof UnsupportedVersionError) {
      // Of what a record may be, only zstd needs more than the oldest brokers have (KIP-110, Kafka 2.1).
      const how = this.codec?.name === 'zstd' ? ` with zstd, which takes Produce version ${firstWithZstd}` : ''
      return new UnsupportedVersionError(`${what} cannot be sent${how}: ${cause.message}`, options)
    }
    return new KafkaError(cause.code, `${what} failed: ${cause.message}`, false, options)
  }

  /** The batch goes back to the front of its partition, or what was sent after it would overtake it. */
  #tryAgain(batch: ProducerBatch, node: number, error: KafkaError): void {
    const { queue } = batch
    batch.lastError = error
    if (this.#stopped || batch.discardedWith !== undefined) {
      this.#fail(batch, batch.discardedWith ?? error)
      return
    }
    this.#options.counters.retries++
    this.#accumulator.putBack(batch)
    const leader = this.#cluster.metadata.leader(queue.topic, queue.partition)
    queue.failedNode = node
    // Nothing to wait for when another broker leads already.
    if (leader >= 0 && leader !== node) return
    this.#backOff(queue)
  }

  #backOff(queue: BatchQueue): void {
    queue.backoff ??= this.#cluster.newBackoff()
    this.#accumulator.delay(queue, this.#cluster.clock.now() + queue.backoff.nextMs())
  }

  /** The broker takes no batch of this size: its records try again in halves or less (KIP-126). */
  #divide(batch: ProducerBatch, error: KafkaError): void {
    const { batchSize, level, pool, counters } = this.#options
    const { isTransactional } = this.#options.identity
    const sealed = batch.builder.seal({ ...batch.stamp, isTransactional, codec: this.codec, level })
    const sizeLimit = Math.min(Math.max(batchSize, 1), Math.ceil(sealed.length / 2))
    const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.length)
    const parts = splitRecordBatch(bytes, { sizeLimit, pool })
    batch.lastError = error
    counters.batchesDivided++
    this.#accumulator.putBackDivided(batch, parts)
  }

  #fail(batch: ProducerBatch, error: Error, errorOf: (index: number) => Error = () => error): void {
    if (batch.settled) return
    this.#options.counters.recordsFailed += batch.count
    batch.fail(errorOf)
    this.#accumulator.settled(batch)
    // The last thing: whoever hears of it may call purge() or destroy(), and must not meet this batch again.
    this.#options.batchFailed(batch, error)
  }
}

function recordsOf(batch: ProducerBatch): string {
  return batch.count === 1 ? 'a record' : `${batch.count} records`
}

function persistenceOf(batch: ProducerBatch): 'not-persisted' | 'possibly-persisted' {
  return batch.possiblyPersisted || batch.inFlight ? 'possibly-persisted' : 'not-persisted'
}
