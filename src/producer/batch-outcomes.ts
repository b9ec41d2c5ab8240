/** What becomes of a batch once it was sent, or cannot be: it is acknowledged, tried again, divided, or fails. Tells the
 *  batch, its queue's order, and its partition's sequence numbers. Sends nothing: the sender looks at the queue again. */

import type { Cluster } from '../cluster/cluster.ts'
import { BrokerError, brokerErrorNumber, isRetriable } from '../errors/broker-error.ts'
import { ProtocolError, TimeoutError, UnsupportedVersionError } from '../errors/errors.ts'
import { KafkaError } from '../errors/kafka-error.ts'
import type { Codec } from '../wire/compression/codec.ts'
import type { PartitionProduceResponse, ProduceResponse } from '../wire/messages/produce.ts'
import { zeroUuid } from '../wire/primitives/uuid.ts'
import type { BufferPool } from '../wire/records/buffer-pool.ts'
import { splitRecordBatch } from '../wire/records/split-record-batch.ts'
import { sequenceAfter, type PartitionSequences, type SequenceTable } from './partition-sequences.ts'
import { errorsOf, surelyNotPersisted, verdictOn, type Writer } from './produce-errors.ts'
import type { BatchQueue, DiscardError, ProducerBatch } from './producer-batch.ts'
import type { ProducerIdentity } from './producer-identity.ts'
import type { ProducerCounters } from './producer-metrics.ts'
import type { RecordAccumulator } from './record-accumulator.ts'

export interface BatchOutcomesOptions {
  readonly cluster: Cluster
  readonly accumulator: RecordAccumulator
  readonly identity: ProducerIdentity
  readonly batchSize: number
  readonly deliveryTimeoutMs: number
  readonly level: number | undefined
  /** Where the parts of a batch that was too large get their memory. */
  readonly pool: BufferPool
  readonly counters: ProducerCounters
  /** Told of a batch that failed and is settled: records of `enqueue` are the caller's to account for. */
  readonly batchFailed: (batch: ProducerBatch, error: Error) => void
}

/** The first Produce that may carry zstd (KIP-110, Kafka 2.1). */
export const firstWithZstd = 7

const leaderNotAvailable = brokerErrorNumber('LEADER_NOT_AVAILABLE')

export class BatchOutcomes {
  readonly #options: BatchOutcomesOptions
  readonly #cluster: Cluster
  readonly #accumulator: RecordAccumulator
  readonly #sequences: SequenceTable
  codec: Codec | undefined = undefined
  /** Nothing is tried again any more. */
  isStopped = false

  constructor(options: BatchOutcomesOptions, sequences: SequenceTable) {
    this.#options = options
    this.#cluster = options.cluster
    this.#accumulator = options.accumulator
    this.#sequences = sequences
  }

  /** @param namesById what the topics of the request were called: one that was made anew meanwhile has another id now */
  answered(
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
      else if (answer.errorCode === 0) this.acknowledge(batch, answer.baseOffset, answer.logAppendTimeMs)
      else this.#refused(node, batch, answer, response, topicId)
    }
  }

  /** @param baseOffset null when the broker does not say */
  acknowledge(batch: ProducerBatch, baseOffset: number | null, logAppendTimeMs: number): void {
    const { queue } = batch
    this.#accumulator.returned(batch)
    this.#sequencesOf(batch)?.acknowledged(batch, this.#cluster.clock.now())
    queue.backoff?.reset()
    queue.failedNode = -1
    if (batch.settled) return
    this.#options.counters.recordsAcknowledged += batch.count
    batch.acknowledge(baseOffset, logAppendTimeMs)
    this.#accumulator.settled(batch)
  }

  /** The request that carried them has no answer. */
  requestFailed(node: number, batches: readonly ProducerBatch[], reason: unknown): void {
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
      this.#cameBack(batch)
      if (batch.settled) continue
      if (error.retriable) {
        this.#tryAgain(batch, node, error)
        continue
      }
      this.fail(batch, this.#failureOf(batch, error))
    }
  }

  /** An answer that cannot be understood: whatever it left unsettled fails, and does not wait for its deadline. */
  misunderstood(batches: readonly ProducerBatch[], cause: unknown): void {
    for (const batch of batches) {
      if (batch.inFlight) {
        batch.possiblyPersisted = true
        this.#cameBack(batch)
      }
      if (batch.settled || batch.queue.batches.includes(batch)) continue
      const { topic, partition } = batch.queue
      const message = `the answer for ${recordsOf(batch)} for partition ${partition} of '${topic}' could not be handled`
      this.fail(batch, new ProtocolError(message, { cause, persistence: 'possibly-persisted' }))
    }
  }

  /** The bytes of a batch that was taken to be sent cannot be made. */
  notSealed(batch: ProducerBatch, cause: unknown): void {
    const { topic, partition } = batch.queue
    this.#cameBack(batch)
    const message = `${recordsOf(batch)} for partition ${partition} of '${topic}' could not be made ready to send`
    this.fail(batch, new KafkaError('COMPRESSION_FAILED', message, false, { cause, persistence: persistenceOf(batch) }))
  }

  /** The batch was not acknowledged in time. */
  expire(batch: ProducerBatch): void {
    const { topic, partition } = batch.queue
    const { deliveryTimeoutMs, identity } = this.#options
    const tried =
      batch.attempts === 0
        ? identity.current === undefined
          ? 'waited for a producer id'
          : 'never came to be sent'
        : batch.inFlight
          ? 'has no answer yet'
          : `failed ${batch.attempts} ${batch.attempts === 1 ? 'time' : 'times'}`
    const lastError = batch.lastError ?? (identity.current === undefined ? identity.lastError : undefined)
    const cause = lastError === undefined ? {} : { cause: lastError }
    const why = lastError === undefined ? '' : `, lastly: ${lastError.message}`
    this.fail(
      batch,
      new TimeoutError(
        `${recordsOf(batch)} for partition ${partition} of '${topic}' ${batch.count === 1 ? 'was' : 'were'} not acknowledged within ${deliveryTimeoutMs} ms: the batch ${tried}${why}`,
        { ...cause, persistence: persistenceOf(batch) },
      ),
    )
  }

  /** Fails a batch that is not on its way. */
  abandon(batch: ProducerBatch, error: Error): void {
    this.#accumulator.drop(batch)
    this.fail(batch, error)
  }

  /** The same for one that is given up with all others. */
  discard(batch: ProducerBatch, errorOf: DiscardError): void {
    this.abandon(batch, errorOf(persistenceOf(batch)))
  }

  /** There is no id to write with, and asking again gives none. */
  refuseForId(batch: ProducerBatch, error: KafkaError): void {
    if (persistenceOf(batch) === error.persistence) {
      this.abandon(batch, error)
      return
    }
    const options = { cause: error, persistence: persistenceOf(batch) }
    this.abandon(batch, new KafkaError(error.code, error.message, error.retriable, options))
  }

  /** The partition's numbers have a gap, and there is no epoch to go on with. */
  abandonAtGap(batch: ProducerBatch): void {
    const { topic, partition } = batch.queue
    const message = `${recordsOf(batch)} for partition ${partition} of '${topic}' cannot be sent: it is not known whether the records before are in the log`
    const options = { ...(batch.lastError && { cause: batch.lastError }), persistence: persistenceOf(batch) }
    this.abandon(batch, batch.lastError ?? new KafkaError('UNRESOLVED_SEQUENCE', message, false, options))
  }

  /** Asks for newer metadata and lets the partition wait for it; fails its batches if there is no hope in that. */
  leaderless(queue: BatchQueue): void {
    const { topic, partition } = queue
    const known = this.#cluster.metadata.topics.get(topic)?.error ?? 'NONE'
    const code = known === 'NONE' ? leaderNotAvailable : brokerErrorNumber(known)
    const errorFor = (batch: ProducerBatch): BrokerError =>
      new BrokerError(code, `partition ${partition} of '${topic}' has no leader`, { persistence: persistenceOf(batch) })
    queue.failedNode = -1
    if (!isRetriable(code)) {
      for (const batch of [...queue.batches]) if (!batch.settled) this.abandon(batch, errorFor(batch))
      return
    }
    this.#cluster.remedy({ kind: 'leader', of: queue }, code)
    const first = queue.batches[0]!
    first.lastError ??= errorFor(first)
    this.#backOff(queue)
  }

  fail(batch: ProducerBatch, error: Error, errorOf: (index: number) => Error = () => error): void {
    if (batch.settled) return
    this.#options.counters.recordsFailed += batch.count
    // While it is under way its numbers may still come to be used.
    if (!batch.inFlight) this.#sequencesOf(batch)?.lost(batch)
    batch.fail(errorOf)
    this.#accumulator.settled(batch)
    // The last thing: whoever hears of it may call purge() or destroy(), and must not meet this batch again.
    this.#options.batchFailed(batch, error)
  }

  #notAnswered(batch: ProducerBatch, node: number): void {
    batch.possiblyPersisted = true
    this.#cameBack(batch)
    const { topic, partition } = batch.queue
    this.fail(
      batch,
      new ProtocolError(`broker ${node} said nothing of partition ${partition} of '${topic}' in its answer`, {
        persistence: persistenceOf(batch),
      }),
    )
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
    const writer = this.#writerOf(batch)
    const verdict = verdictOn(errorCode, writer)
    if (verdict === 'acknowledged' || (verdict === 'renumber' && this.#sequencesOf(batch)?.isSurelyThere(batch))) {
      this.acknowledge(batch, null, -1)
      return
    }
    if (!surelyNotPersisted(errorCode)) batch.possiblyPersisted = true
    let isLeaderKnown = false
    if (currentLeader.leaderId >= 0 && currentLeader.leaderEpoch >= 0) {
      const endpoints = response.nodeEndpoints.map(({ nodeId, ...address }) => ({ id: nodeId, ...address }))
      isLeaderKnown = this.#cluster.learnLeader(queue, currentLeader, endpoints, topicId)
    }
    // KIP-951: who was asked wrongly says who is right, so that nobody needs to be asked.
    if (!isLeaderKnown) this.#cluster.remedy({ kind: 'leader', of: queue }, errorCode)
    const wasAlone = batch.wentAlone && queue.inFlight === 1
    // Not before: new metadata must not find the partition idle, and forget it with a batch that is to come back.
    this.#cameBack(batch)
    if (batch.settled) return
    const errorOf = errorsOf(batch, answer, writer)
    const error = errorOf(0)
    const { discardedWith } = batch
    switch (verdict) {
      case 'retry':
        this.#tryAgain(batch, node, error)
        break
      case 'renumber':
        this.#refusedByNumber(batch, wasAlone, error)
        break
      case 'divide':
        if (batch.count > 1 && discardedWith === undefined) this.#divide(batch, error)
        else if (discardedWith === undefined) this.fail(batch, error, errorOf)
        else this.fail(batch, discardedWith(persistenceOf(batch)))
        break
      case 'fail':
        this.fail(batch, error, errorOf)
        break
      default:
        verdict satisfies never
    }
  }

  /** Either it came too early, since something before it failed, or something before it is missing in the log. */
  #refusedByNumber(batch: ProducerBatch, wasAlone: boolean, error: KafkaError): void {
    const { queue } = batch
    const isFinal = this.#sequences.of(queue).refused(batch, wasAlone)
    if (isFinal && batch.keepsNumbers) {
      this.fail(batch, error)
      return
    }
    if (!this.#comesAgain(batch, error)) return
    // A proven gap is got over at once; what came too early waits for what is before it.
    if (wasAlone && !isFinal) this.#backOff(queue)
  }

  #failureOf(batch: ProducerBatch, cause: KafkaError): KafkaError {
    const { topic, partition } = batch.queue
    const options = { cause, persistence: persistenceOf(batch) }
    const what = `${recordsOf(batch)} for partition ${partition} of '${topic}'`
    if (cause instanceof UnsupportedVersionError) {
      // Of what a record may be, only zstd needs more than the oldest brokers have.
      const how = this.codec?.name === 'zstd' ? ` with zstd, which takes Produce version ${firstWithZstd}` : ''
      return new UnsupportedVersionError(`${what} cannot be sent${how}: ${cause.message}`, options)
    }
    return new KafkaError(cause.code, `${what} failed: ${cause.message}`, false, options)
  }

  #tryAgain(batch: ProducerBatch, node: number, error: KafkaError): void {
    const { queue } = batch
    batch.lonelyRefusals = 0
    if (!this.#comesAgain(batch, error)) return
    const leader = this.#cluster.metadata.leader(queue.topic, queue.partition)
    queue.failedNode = node
    // Nothing to wait for when another broker leads already.
    if (leader >= 0 && leader !== node) return
    this.#backOff(queue)
  }

  /** The batch goes back to the front of its partition, or what was sent after it would overtake it. False: it failed. */
  #comesAgain(batch: ProducerBatch, error: KafkaError): boolean {
    const { discardedWith } = batch
    batch.lastError = error
    if (this.isStopped || discardedWith !== undefined) {
      this.fail(batch, discardedWith?.(persistenceOf(batch)) ?? error)
      return false
    }
    this.#options.counters.retries++
    this.#accumulator.putBack(batch)
    return true
  }

  #backOff(queue: BatchQueue): void {
    // Several batches that were under way together fail together: that is one failure.
    if (queue.retryAt > 0) return
    queue.backoff ??= this.#cluster.newBackoff()
    this.#accumulator.delay(queue, this.#cluster.clock.now() + queue.backoff.nextMs())
  }

  /** The broker takes no batch of this size: its records try again in halves or less (KIP-126), under the numbers that
   *  they have: whatever was sent after them keeps its own. */
  #divide(batch: ProducerBatch, error: KafkaError): void {
    const { batchSize, level, pool, counters, identity } = this.#options
    const { isTransactional } = identity
    const { stamp } = batch
    const sealed = batch.builder.seal({ ...stamp, isTransactional, codec: this.codec, level })
    const sizeLimit = Math.min(Math.max(batchSize, 1), Math.ceil(sealed.length / 2))
    const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.length)
    batch.lastError = error
    counters.batchesDivided++
    const parts = this.#accumulator.putBackDivided(batch, splitRecordBatch(bytes, { sizeLimit, pool }))
    if (stamp === undefined || stamp.producerId < 0) return
    let { baseSequence } = stamp
    for (const part of parts) {
      part.stamp = { ...stamp, baseSequence }
      part.keepsNumbers = batch.possiblyPersisted
      baseSequence = sequenceAfter(baseSequence, part.count)
    }
  }

  /** The request that carried the batch ended, and it was not acknowledged. */
  #cameBack(batch: ProducerBatch): void {
    const sequences = this.#sequencesOf(batch)
    this.#accumulator.returned(batch)
    if (sequences === undefined) return
    sequences.cameBack()
    if (batch.settled) sequences.lost(batch)
  }

  #sequencesOf({ stamp, queue }: ProducerBatch): PartitionSequences | undefined {
    return stamp === undefined || stamp.producerId < 0 ? undefined : this.#sequences.of(queue)
  }

  #writerOf({ stamp }: ProducerBatch): Writer {
    if (this.#options.identity.isTransactional) return 'transactional'
    return stamp !== undefined && stamp.producerId >= 0 ? 'idempotent' : 'anonymous'
  }
}

function recordsOf(batch: ProducerBatch): string {
  return batch.count === 1 ? 'a record' : `${batch.count} records`
}

function persistenceOf(batch: ProducerBatch): 'not-persisted' | 'possibly-persisted' {
  return batch.possiblyPersisted || batch.inFlight ? 'possibly-persisted' : 'not-persisted'
}
