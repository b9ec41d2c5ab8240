/** Producers that write for as long as it takes, by every way there is to give a record to one, and note what they are told. */

import { setTimeout as sleep } from 'node:timers/promises'
import { KafkaError, Producer, SendBatchError, type Cluster, type ProducerMetrics, type ProducerOptions } from 'jackdaw'
import type { SeededRandom } from '#src/testing/index.js'
import type { History } from '../history/history.ts'
import type { ProducerHistory } from '../history/producer-history.ts'
import { writeTag } from '../history/record-tag.ts'

/** The options of a client that makes its own connections. */
export type OwnConnection<Options> = Exclude<Options, { cluster: Cluster }>

export interface WorkloadOptions {
  readonly history: History
  readonly random: SeededRandom
  readonly topic: string
  readonly partitions: number
  /** How many producers, and how many records in all. */
  readonly producers: number
  readonly records: number
  /** In all. A burst now and then, and nothing in between: batches of every size. */
  readonly recordsPerSecond: number
  /** Connection and all else of the producers. */
  readonly options: OwnConnection<ProducerOptions>
  readonly valueBytes?: number
  /** When sending stops early: what was sent by then is judged. */
  readonly signal?: AbortSignal
}

export interface WorkloadResult {
  /** Batches that were tried again. */
  readonly retries: number
  /** How many failed with which code; what is no KafkaError, or does not say what became of the record, has its own. */
  readonly failures: Record<string, number>
  readonly metrics: ProducerMetrics[]
}

/** So many records of one producer may be on their way. */
const mostUnsettled = 20_000

/** Resolves when every record is settled and the producers are closed. */
export async function produceAll(options: WorkloadOptions): Promise<WorkloadResult> {
  const failures: Record<string, number> = {}
  const writers = Array.from({ length: options.producers }, (_, i) => new Writer(i, options, failures))
  const metrics = await Promise.all(writers.map((writer) => writer.run()))
  return { metrics, failures, retries: metrics.reduce((sum, { retries }) => sum + retries, 0) }
}

type Way = 'send' | 'sendBatch' | 'enqueue'
const ways: readonly Way[] = ['send', 'sendBatch', 'enqueue']

class Writer {
  readonly #name: string
  readonly #notes: ProducerHistory
  readonly #random: SeededRandom
  readonly #options: WorkloadOptions
  readonly #failures: Record<string, number>
  readonly #producer: Producer
  /** The first three keep to one way, the fourth takes turns. */
  readonly #way: Way | undefined
  readonly #unsettled = new Set<Promise<unknown>>()
  /** Sequence numbers of enqueued records of which nothing was told. */
  #enqueued: number[] = []
  #enqueuedFailed = false
  readonly #total: number
  #sent = 0

  constructor(index: number, options: WorkloadOptions, failures: Record<string, number>) {
    const { history, random, producers, records } = options
    this.#name = `producer-${index}`
    this.#notes = history.producer(this.#name)
    this.#random = random.fork(this.#name)
    this.#options = options
    this.#failures = failures
    this.#way = index % 4 < 3 ? ways[index % 4] : undefined
    this.#total = Math.floor(records / producers) + (index < records % producers ? 1 : 0)
    this.#producer = new Producer({
      ...options.options,
      clientId: this.#name,
      onDeliveryError: (error) => {
        this.#enqueuedFailed = true
        this.#count(error)
      },
    })
  }

  async run(): Promise<ProducerMetrics> {
    const { producers, recordsPerSecond, signal } = this.#options
    const random = this.#random
    const perMs = recordsPerSecond / producers / 1_000
    try {
      await this.#producer.start()
      const startedAt = performance.now()
      let burstsUntilFlush = 20
      while (this.#sent < this.#total && signal?.aborted !== true) {
        const dueBy = startedAt + (this.#sent + random.integer([1, Math.ceil(200 * perMs)])) / perMs
        await sleep(Math.max(1, dueBy - performance.now()))
        const due = Math.min(Math.ceil((dueBy - startedAt) * perMs), this.#total)
        while (this.#sent < due) await this.#some(due - this.#sent)
        if (--burstsUntilFlush === 0) {
          await this.#flush()
          burstsUntilFlush = random.integer([10, 30])
        }
      }
      await this.#flush()
      await Promise.all(this.#unsettled)
      const metrics = this.#producer.metrics()
      await this.#producer.close()
      return metrics
    } finally {
      this.#producer.destroy()
    }
  }

  /** Gives at most so many records to the producer. */
  async #some(most: number): Promise<void> {
    const way = this.#way ?? this.#random.pick(ways)
    if (way === 'sendBatch') await this.#sendBatch(Math.min(most, this.#random.integer([1, 50])))
    else if (way === 'enqueue') await this.#enqueue()
    else await this.#send()
  }

  async #send(): Promise<void> {
    const partition = this.#partition()
    const sequence = this.#notes.sent(partition)
    this.#sent++
    const { topic } = this.#options
    const sent = this.#producer.send({ topic, partition, value: this.#value(sequence) }).then(
      (metadata) => {
        this.#notes.acknowledged(sequence, metadata.offset, metadata.partition)
      },
      (error: unknown) => {
        this.#failed(sequence, error)
      },
    )
    await this.#bounded(sent)
  }

  async #sendBatch(count: number): Promise<void> {
    const records = Array.from({ length: count }, () => {
      const partition = this.#partition()
      const sequence = this.#notes.sent(partition)
      return { sequence, partition, value: this.#value(sequence) }
    })
    this.#sent += count
    const given = records.map(({ partition, value }) => ({ partition, value }))
    const sent = this.#producer.sendBatch(this.#options.topic, given).then(
      (result) => {
        records.forEach(({ sequence, partition }, i) => {
          this.#notes.acknowledged(sequence, result.offsetOf(i), partition)
        })
      },
      (error: unknown) => {
        const listed = error instanceof SendBatchError ? error.failures : undefined
        const failed = new Map(listed?.map((failure) => [failure.index, failure.error]))
        records.forEach(({ sequence }, i) => {
          if (listed === undefined) this.#failed(sequence, error)
          else if (failed.has(i)) this.#failed(sequence, failed.get(i))
          else this.#notes.acknowledged(sequence)
        })
      },
    )
    await this.#bounded(sent)
  }

  async #enqueue(): Promise<void> {
    const partition = this.#partition()
    const sequence = this.#notes.sent(partition)
    this.#sent++
    this.#enqueued.push(sequence)
    const record = { topic: this.#options.topic, partition, value: this.#value(sequence) }
    while (!this.#producer.enqueue(record)) await this.#producer.drained()
  }

  async #flush(): Promise<void> {
    const before = this.#enqueued
    this.#enqueued = []
    await this.#producer.flush().catch((error: unknown) => {
      if (!this.#enqueuedFailed) throw error
    })
    // Which of them failed was not told one by one, only that some did.
    for (const sequence of before) {
      if (this.#enqueuedFailed) this.#notes.failed(sequence, 'possibly-persisted')
      else this.#notes.acknowledged(sequence)
    }
    this.#enqueuedFailed = false
  }

  async #bounded(sent: Promise<void>): Promise<void> {
    this.#unsettled.add(sent)
    void sent.finally(() => this.#unsettled.delete(sent))
    if (this.#unsettled.size >= mostUnsettled) await Promise.race(this.#unsettled)
    // Who asks for memory in line while there is none is bounded too.
    if (this.#producer.metrics().waiting > 1_000) await sent
  }

  #failed(sequence: number, error: unknown): void {
    this.#count(error)
    this.#notes.failed(sequence, error instanceof KafkaError ? error.persistence : undefined)
  }

  #count(error: unknown): void {
    const code = !(error instanceof KafkaError)
      ? `no KafkaError: ${String(error)}`
      : error.persistence === undefined
        ? `${error.code} without persistence`
        : error.code
    this.#failures[code] = (this.#failures[code] ?? 0) + 1
  }

  #partition(): number {
    return this.#random.integer([0, this.#options.partitions - 1])
  }

  #value(sequence: number): string {
    return writeTag(this.#name, sequence, { paddedTo: this.#options.valueBytes ?? 100 })
  }
}
