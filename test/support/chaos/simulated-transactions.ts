/** Transactions in a simulated world, in either version of their protocol: coordinators move, requests are lost, answered late
 *  or handled when nobody waits for them any more, writers die and are replaced. What a reader of committed records sees is
 *  judged as on real Kafka. */

import { Consumer } from '#src/consumer/consumer.js'
import { FencedError, TransactionOutcomeUnknownError } from '#src/errors/errors.js'
import { KafkaError } from '#src/errors/kafka-error.js'
import { Simulation, TestCluster, type SeededRandom } from '#src/testing/index.js'
import { TransactionalProducer } from '#src/transactions/transactional-producer.js'
import { History, type Verdict } from '../history/history.ts'
import { writeTag } from '../history/record-tag.ts'
import { SimulatedTrouble } from './simulated-trouble.ts'

export interface SimulatedTransactions {
  readonly seed: number | string
  readonly transactionVersion: 1 | 2
  /** By each of two writers. */
  readonly transactions?: number
}

export interface SimulatedTransactionsReport {
  readonly verdict: Verdict
  readonly digest: string
  /** What transactions were aborted with, beside on purpose, by code. */
  readonly aborts: Readonly<Record<string, number>>
  readonly deaths: number
  readonly elapsedMs: number
}

/** What a transaction may be aborted with in such trouble; all else would be a fault of the producer's. */
export const expectedAborts: readonly string[] = [
  'CLOSED',
  'TIMEOUT',
  'CONNECTION_FAILED',
  'TRANSACTION_ABORTED',
  'TRANSACTION_OUTCOME_UNKNOWN',
  'PRODUCER_FENCED',
  // The first sign of being fenced, where there was no time to find out by whom.
  'INVALID_PRODUCER_EPOCH',
  // In version 1 a stray Produce makes a leader wait for its sequence number, as Kafka's does while it verifies a transaction.
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
]

const topic = 'orders'
const partitions = 4
const bootstrapServers = 'kafka:9092,kafka:9093,kafka:9094'
const onPurpose = 'on purpose'

export async function simulatedTransactions(scenario: SimulatedTransactions): Promise<SimulatedTransactionsReport> {
  const { seed, transactionVersion, transactions = 40 } = scenario
  const simulation = new Simulation({ seed, faults: { latencyMs: [0.2, 12], segmentBytes: [50, 2_000] } })
  const { clock, random, listen } = simulation
  const history = new History()
  const writers = [0, 1].map(
    (index) => new Writer({ simulation, history, index, transactions, random: random.fork(`writer-${index}`) }),
  )
  await simulation.run(
    async () => {
      const cluster = await TestCluster.start({
        brokers: 3,
        host: 'kafka',
        port: 9092,
        topics: { [topic]: { partitions, replicationFactor: 3 } },
        transactionVersion,
        clock,
        random: random.fork('cluster'),
        listen,
      })
      const transactionalIds = writers.map(({ transactionalId }) => transactionalId)
      const trouble = new SimulatedTrouble(simulation, cluster, { topic, partitions, transactionalIds })
      const troubled = trouble.run()
      await Promise.all(writers.map((writer) => writer.run()))
      await trouble.end()
      await troubled
      await Promise.all(writers.map((writer) => writer.settle()))
      // Whatever is still under way of what nobody waits for any more.
      await simulation.sleep(30_000)
      await readCommitted(simulation, history)
      await cluster.close()
    },
    { limitMs: 3_600_000 },
  )
  const aborts: Record<string, number> = {}
  for (const writer of writers) {
    for (const [code, count] of Object.entries(writer.aborts)) aborts[code] = (aborts[code] ?? 0) + count
  }
  const deaths = writers.reduce((sum, writer) => sum + writer.deaths, 0)
  return { verdict: history.verdict(), digest: simulation.log.digest, aborts, deaths, elapsedMs: clock.now() }
}

interface WriterInit {
  readonly simulation: Simulation
  readonly history: History
  readonly index: number
  readonly transactions: number
  readonly random: SeededRandom
}

class Writer {
  readonly transactionalId: string
  readonly aborts: Record<string, number> = {}
  deaths = 0
  readonly #init: WriterInit
  readonly #name: string

  constructor(init: WriterInit) {
    this.#init = init
    this.#name = `writer-${init.index}`
    this.transactionalId = `billing-${init.index}`
  }

  async run(): Promise<void> {
    const { simulation, transactions, random } = this.#init
    let producer = this.#open()
    for (let i = 0; i < transactions; i++) {
      // It dies at any moment of a transaction; the one that takes its place knows nothing of it.
      const dies = random.chance(0.1)
      const transaction = this.#transaction(producer)
      if (dies) {
        await simulation.sleep(random.number([0, 120]))
        this.deaths++
        producer.destroy(new Error('it died'))
        producer = this.#open()
      }
      const isFenced = await transaction
      // A request of one that died may still take over when it arrives late.
      if (isFenced && !dies) {
        await producer.close()
        producer = this.#open()
      }
      await simulation.sleep(random.number([0, 50]))
    }
    await producer.close()
  }

  /** When the trouble is over: a last producer ends what the ones before may have left open. */
  async settle(): Promise<void> {
    const last = this.#open()
    await last.start()
    await last.close()
  }

  #open(): TransactionalProducer {
    const { simulation, random } = this.#init
    return new TransactionalProducer(
      {
        ...{ bootstrapServers, clientId: this.#name, transactionalId: this.transactionalId, batchSize: 300 },
        ...{ retryBackoffMs: 5, retryBackoffMaxMs: 50, reconnectBackoffMs: 5, reconnectBackoffMaxMs: 50 },
        ...{ lingerMs: random.pick([0, 5]), requestTimeoutMs: 500, transactionTimeoutMs: 60_000 },
        // Some records do not make it, and their transactions with them.
        ...{ deliveryTimeoutMs: random.pick([700, 30_000]), maxBlockMs: random.pick([2_000, 60_000]) },
      },
      simulation.doors(this.#name),
    )
  }

  /** Never rejects: whatever happens is noted. Whether the producer is of no use any more. */
  async #transaction(producer: TransactionalProducer): Promise<boolean> {
    const { simulation, history, random } = this.#init
    const notes = history.producer(this.#name)
    const ledger = history.transactions(this.#name)
    const transaction = ledger.began()
    try {
      await producer.transaction(async (tx) => {
        for (let left = random.integer([1, 12]); left > 0; left--) {
          const partition = random.integer([0, partitions - 1])
          const sequence = notes.sent(partition, transaction)
          const value = writeTag(this.#name, sequence, { writer: this.#name, transaction, paddedTo: 80 })
          tx.send({ topic, partition, value }).then(
            ({ offset }) => {
              notes.acknowledged(sequence, offset, partition)
            },
            (error: unknown) => {
              notes.failed(sequence, error instanceof KafkaError ? error.persistence : undefined)
            },
          )
          if (random.chance(0.3)) await simulation.sleep(random.number([0, 30]))
        }
        if (random.chance(0.15)) throw new Error(onPurpose)
        ledger.commitAsked(transaction)
      })
      ledger.committed(transaction)
      return false
    } catch (error) {
      const isDeath = error instanceof KafkaError && error.code === 'CLOSED'
      const { code, message } = error as KafkaError
      if (message !== onPurpose) this.aborts[code] = (this.aborts[code] ?? 0) + 1
      // Of one that was closed in the middle of a commit nothing is promised, nor where the outcome is said to be unknown.
      if (!(error instanceof TransactionOutcomeUnknownError) && !isDeath) ledger.aborted(transaction)
      return error instanceof FencedError
    }
  }
}

async function readCommitted(simulation: Simulation, history: History): Promise<void> {
  const consumer = new Consumer(
    { bootstrapServers, isolationLevel: 'read_committed', autoOffsetReset: 'earliest' },
    simulation.doors('reader'),
  )
  const all = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
  consumer.assign(all)
  await consumer.start()
  const ends = await consumer.endOffsets(all)
  for (;;) {
    const records = await consumer.getMany({ timeoutMs: 500 })
    for (const { partition, offset, value } of records) history.read(partition, offset, value!.toString())
    const positions = await Promise.all(all.map((one) => consumer.position(one)))
    if (positions.every((position, i) => position >= ends[i]!)) break
  }
  await consumer.close()
}
