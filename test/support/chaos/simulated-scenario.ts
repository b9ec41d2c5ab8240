/** The producer in a simulated world: time, chance and network from one seed, so that a run takes milliseconds and a seed that
 *  finds something finds it again. What real brokers cannot be made to do is done here: errors after the append, answers that
 *  come late or never, for each request by the dice. Judged as the runs on real Kafka are. */

import { KafkaError } from '#src/errors/kafka-error.js'
import type { SendBatchError } from '#src/producer/delivery-errors.js'
import { Producer } from '#src/producer/producer.js'
import { Simulation, TestCluster, type SeededRandom } from '#src/testing/index.js'
import { History, type Verdict } from '../history/history.ts'
import { writeTag } from '../history/record-tag.ts'
import { SimulatedTrouble } from './simulated-trouble.ts'

export interface SimulatedScenario {
  readonly seed: number | string
  /** By each of three producers. */
  readonly records?: number
  /** Records have so little time that many fail. */
  readonly impatient?: boolean
}

export interface SimulatedReport {
  readonly verdict: Verdict
  /** Of all that happened, in order. */
  readonly digest: string
  readonly retries: number
  /** What was told in place of an offset, by code. */
  readonly failures: Readonly<Record<string, number>>
  readonly elapsedMs: number
}

const topic = 'orders'
const partitions = 5
const bufferMemory = 20_000
const bootstrapServers = 'kafka:9092,kafka:9093,kafka:9094'

export async function simulatedScenario(scenario: SimulatedScenario): Promise<SimulatedReport> {
  const { seed, records = 300, impatient = false } = scenario
  const simulation = new Simulation({ seed, faults: { latencyMs: [0.2, 12], segmentBytes: [50, 2_000] } })
  const { clock, random, listen } = simulation
  const history = new History()
  const failures: Record<string, number> = {}
  let retries = 0
  await simulation.run(
    async () => {
      const cluster = await TestCluster.start({
        brokers: 3,
        host: 'kafka',
        port: 9092,
        topics: { [topic]: { partitions, replicationFactor: 3 } },
        clock,
        random: random.fork('cluster'),
        listen,
      })
      const trouble = new SimulatedTrouble(simulation, cluster, { topic, partitions })
      const writers = [0, 1, 2].map(async (index) => {
        const name = `producer-${index}`
        const producer = new Producer(
          {
            ...{ bootstrapServers, clientId: name, batchSize: 400, lingerMs: index, bufferMemory },
            ...{ retryBackoffMs: 5, retryBackoffMaxMs: 50, reconnectBackoffMs: 5, reconnectBackoffMaxMs: 50 },
            ...(impatient
              ? { requestTimeoutMs: 200, deliveryTimeoutMs: 300, maxBlockMs: 300 }
              : { requestTimeoutMs: 500, deliveryTimeoutMs: 600_000, maxBlockMs: 600_000 }),
          },
          simulation.doors(name),
        )
        await write({ simulation, history, producer, name, records, random: random.fork(name), failures })
        retries += producer.metrics().retries
        await producer.close()
      })
      const troubled = trouble.run()
      await Promise.all(writers)
      await trouble.end()
      await troubled
      for (const { partition, ...found } of cluster.topic(topic)!.partitions) {
        for (const { offset, value } of await found.records()) history.read(partition, offset, value!.toString())
      }
      await cluster.close()
    },
    { limitMs: 3_600_000 },
  )
  const { digest } = simulation.log
  return { verdict: history.verdict(), digest, retries, failures, elapsedMs: clock.now() }
}

interface Writing {
  readonly simulation: Simulation
  readonly history: History
  readonly producer: Producer
  readonly name: string
  readonly records: number
  readonly random: SeededRandom
  readonly failures: Record<string, number>
}

async function write({ simulation, history, producer, name, records, random, failures }: Writing): Promise<void> {
  const notes = history.producer(name)
  const failed = (sequence: number, error: unknown): void => {
    const persistence = error instanceof KafkaError ? error.persistence : undefined
    const code = error instanceof KafkaError ? error.code : String(error)
    const kind = persistence === undefined ? `${code} without persistence` : code
    failures[kind] = (failures[kind] ?? 0) + 1
    notes.failed(sequence, persistence)
  }
  const next = () => {
    const partition = random.integer([0, partitions - 1])
    const sequence = notes.sent(partition)
    return { sequence, partition, value: writeTag(name, sequence, { paddedTo: random.integer([20, 120]) }) }
  }
  const unsettled: Promise<unknown>[] = []
  for (let sent = 0; sent < records;) {
    const count = random.chance(0.7) ? 1 : Math.min(random.integer([2, 12]), records - sent)
    sent += count
    if (count === 1) {
      const { sequence, partition, value } = next()
      const delivery = producer.send({ topic, partition, value }).then(
        ({ offset }) => {
          notes.acknowledged(sequence, offset, partition)
        },
        (error: unknown) => {
          failed(sequence, error)
        },
      )
      unsettled.push(delivery)
    } else {
      const batch = Array.from({ length: count }, next)
      const given = batch.map(({ partition, value }) => ({ partition, value }))
      const delivery = producer.sendBatch(topic, given).then(
        (result) => {
          batch.forEach(({ sequence, partition }, i) => {
            notes.acknowledged(sequence, result.offsetOf(i), partition)
          })
        },
        (error: unknown) => {
          const listed = new Map((error as SendBatchError).failures.map((one) => [one.index, one.error]))
          batch.forEach(({ sequence }, i) => {
            if (listed.has(i)) failed(sequence, listed.get(i))
            else notes.acknowledged(sequence)
          })
        },
      )
      unsettled.push(delivery)
    }
    // As many may stand in line as the producer allows; beyond that it refuses, rightly.
    while (producer.metrics().waitingBytes > bufferMemory / 2) await simulation.sleep(20)
    if (random.chance(0.3)) await simulation.sleep(random.number([0, 40]))
  }
  await producer.flush()
  await Promise.all(unsettled)
}
