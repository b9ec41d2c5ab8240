/** Takes ready batches to their leaders: one drain per broker, so that a slow one stalls no other, and per partition no
 *  more on its way than keeps the order. Knows neither records nor callers, and leaves to others what becomes of a batch. */

import { Deferred } from '../async/deferred.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { MetadataSnapshot } from '../cluster/metadata.ts'
import type { KafkaError } from '../errors/kafka-error.ts'
import type { Codec } from '../wire/compression/codec.ts'
import type { Init } from '../wire/api.ts'
import {
  Produce,
  type PartitionProduceData,
  type ProduceRequest,
  type TopicProduceData,
} from '../wire/messages/produce.ts'
import { zeroUuid } from '../wire/primitives/uuid.ts'
import { BatchOutcomes, firstWithZstd, type BatchOutcomesOptions } from './batch-outcomes.ts'
import { BrokerSilence } from './broker-silence.ts'
import type { DrainGate } from './drain-gate.ts'
import { SequenceTable } from './partition-sequences.ts'
import type { BatchQueue, DiscardError, ProducerBatch } from './producer-batch.ts'
import type { BatchStamp } from './producer-identity.ts'
import type { RecordAccumulator } from './record-accumulator.ts'

export interface SenderOptions extends BatchOutcomesOptions {
  readonly gate: DrainGate
  readonly acks: -1 | 0 | 1
  readonly maxRequestSize: number
  readonly maxInFlightRequests: number
}

/** What is on its way to one broker, and which partitions want to follow. */
interface BrokerDrain {
  readonly node: number
  queues: BatchQueue[]
  inFlight: number
}

const noNumber: BatchStamp = { producerId: -1, producerEpoch: -1, baseSequence: -1 }
/** The first Produce that names topics by their ids. */
const firstWithTopicIds = 13

export class Sender {
  readonly #options: SenderOptions
  readonly #cluster: Cluster
  readonly #accumulator: RecordAccumulator
  readonly #sequences = new SequenceTable()
  readonly #outcomes: BatchOutcomes
  /** How many batches of a partition may be under way. */
  readonly #limit: number
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
    this.#outcomes = new BatchOutcomes(options, this.#sequences)
    this.#limit = Math.min(options.identity.maxInFlightPerPartition, options.maxInFlightRequests)
  }

  /** Loaded before anything is ready. */
  set codec(codec: Codec | undefined) {
    this.#outcomes.codec = codec
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
    // What is tried again goes alone.
    if (queue.inFlight >= (queue.batches[0]!.stamp === undefined ? this.#limit : 1)) return
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
    this.#outcomes.isStopped = true
    this.#ready = []
    this.#drains.clear()
    // All at once: whoever hears of a failure may purge the others.
    for (const batch of [...this.#accumulator.incomplete]) {
      if (batch.settled) continue
      if (!batch.inFlight) this.#accumulator.drop(batch)
      this.#outcomes.fail(batch, errorOf(batch))
    }
    this.#accumulator.stop()
  }

  /** Fails all that is not on its way, and what comes back to be tried again. Resolves when nothing is under way. */
  discard(errorOf: DiscardError): Promise<void> {
    for (const batch of [...this.#accumulator.incomplete]) {
      // Whoever heard of the one before may have dealt with this one.
      if (batch.settled) continue
      if (batch.inFlight) batch.discardedWith = errorOf
      else this.#outcomes.discard(batch, errorOf)
    }
    if (this.#unfinished === 0) return Promise.resolve()
    this.#idle ??= new Deferred()
    return this.#idle.promise
  }

  /** Fails a batch that is not on its way. */
  abandon(batch: ProducerBatch, error: Error): void {
    this.#outcomes.abandon(batch, error)
  }

  /** There is no id to write with, and asking again gives none: fails what wants to be sent, and is not on its way. */
  refuseForId(error: KafkaError): void {
    for (const batch of [...this.#accumulator.incomplete]) {
      if (batch.ready && !batch.settled && !batch.inFlight) this.#outcomes.refuseForId(batch, error)
    }
  }

  /** The batch was not acknowledged in time. */
  expire(batch: ProducerBatch): void {
    this.#outcomes.expire(batch)
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

  /** Whether the partition may send at all, whatever became of its batches. */
  #isOpen(queue: BatchQueue): boolean {
    const { gate, identity } = this.#options
    if (!gate.isOpen(queue)) return false
    if (identity.current !== undefined) return true
    identity.request()
    return false
  }

  /** Puts the partition at the end of its leader's queue. */
  #route(queue: BatchQueue): void {
    if (!queue.hasReady || queue.retryAt > 0 || !this.#isOpen(queue)) {
      queue.scheduled = false
      return
    }
    const leader = this.#cluster.metadata.leader(queue.topic, queue.partition)
    if (leader < 0) {
      queue.scheduled = false
      this.#outcomes.leaderless(queue)
      return
    }
    let drain = this.#drains.get(leader)
    if (drain === undefined) this.#drains.set(leader, (drain = { node: leader, queues: [], inFlight: 0 }))
    drain.queues.push(queue)
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
    const { maxRequestSize } = this.#options
    const { metadata, clock } = this.#cluster
    const now = clock.now()
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
      const first = queue.batches[0]!
      const size = first.builder.sizeInBytes
      if (batches.length > 0 && bytes + size > maxRequestSize) break
      drain.queues.shift()
      queue.scheduled = false
      if (!this.#prepare(queue, first, drain.node, metadata, now)) continue
      bytes += size
      batches.push(this.#accumulator.takeFirst(queue))
      // At the end of the queue again if it may send more: every partition has its turn before it.
      if (!queue.hasReady || queue.inFlight >= this.#limit) continue
      queue.scheduled = true
      drain.queues.push(queue)
    }
    return batches
  }

  /** Numbers the partition's first batch. False when it has to wait, or has failed. */
  #prepare(queue: BatchQueue, first: ProducerBatch, node: number, metadata: MetadataSnapshot, now: number): boolean {
    if (!this.#isOpen(queue)) return false
    const { identity } = this.#options
    const current = identity.current!
    first.wentAlone = queue.inFlight === 0
    if (current.producerId < 0) {
      if (queue.inFlight >= this.#limit) return false
      first.stamp ??= noNumber
      return true
    }
    const sequences = this.#sequences.of(queue)
    if (!sequences.maySend(queue, this.#limit, node, metadata, current)) return false
    const numbering = sequences.number(first, identity)
    if (numbering === 'numbered') {
      sequences.sending(queue, node, metadata, now)
      return true
    }
    if (numbering === 'gap') {
      this.#outcomes.abandonAtGap(first)
      this.schedule(queue)
    }
    return false
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
        minVersion: this.#outcomes.codec?.name === 'zstd' ? Math.max(min, firstWithZstd) : min,
        maxVersion: allIdsKnown ? max : Math.min(max, firstWithTopicIds - 1),
      })
      .then(
        (response) => {
          counters.requestLatencyMs = this.#cluster.clock.now() - sentAt
          this.#ended(drain)
          this.#silence.answered(drain.node, drain.inFlight)
          if (acks === 0) for (const batch of batches) this.#outcomes.acknowledge(batch, null, -1)
          else this.#outcomes.answered(drain.node, batches, response, namesById)
        },
        (error: unknown) => {
          this.#ended(drain)
          this.#outcomes.requestFailed(drain.node, batches, error)
        },
      )
      .catch((error: unknown) => {
        this.#outcomes.misunderstood(batches, error)
      })
      .finally(() => {
        for (const batch of batches) this.schedule(batch.queue)
        if (drain.queues.length > 0) this.#wake()
        if (--this.#unfinished > 0) return
        this.#idle?.resolve()
        this.#idle = undefined
      })
  }

  /** The batch's bytes; undefined when they cannot be made, and the batch has failed. */
  #seal(batch: ProducerBatch): Uint8Array | undefined {
    const { level, identity } = this.#options
    try {
      const { isTransactional } = identity
      return batch.builder.seal({ ...batch.stamp, isTransactional, codec: this.#outcomes.codec, level })
    } catch (cause) {
      this.#outcomes.notSealed(batch, cause)
      this.schedule(batch.queue)
      return undefined
    }
  }

  /** The request has ended: the broker has room for another. Each of its batches comes back when it is dealt with, since
   *  whoever hears of one must find the others still under way: nothing else is known of them. */
  #ended(drain: BrokerDrain): void {
    drain.inFlight--
    this.#inFlight--
  }
}
