/** The acceptance of the producer: several of them write while brokers crash, connections are cut and leaders move, and
 *  every record is there once, in order. */

import type { ProducerOptions } from 'jackdaw'
import { SeededRandom } from '#src/testing/index.js'
import { History, type Verdict } from '../history/history.ts'
import type { BorrowedCluster } from '../kafka/kafka-cluster.ts'
import { Chaos, type ChaosCounts, type ChaosOptions } from './chaos.ts'
import { markEnds, readWithJava, readWithKcat } from './foreign-readers.ts'
import { produceAll, type OwnConnection, type WorkloadResult } from './workload.ts'

export interface ProducingScenario {
  readonly cluster: BorrowedCluster
  readonly seed: number | string
  readonly records: number
  readonly recordsPerSecond: number
  readonly producers?: number
  readonly partitions?: number
  /** Of the producers, over what suits the chaos. */
  readonly options?: OwnConnection<ProducerOptions>
  readonly chaos?: Partial<Omit<ChaosOptions, 'topics' | 'seed'>>
  /** Reads everything a second time with Java's consumer, which must find the same. */
  readonly readTwice?: boolean
}

export interface ProducingReport {
  readonly verdict: Verdict
  readonly chaos: ChaosCounts
  readonly workload: WorkloadResult
}

export async function producingScenario(scenario: ProducingScenario): Promise<ProducingReport> {
  const { cluster, seed, records, recordsPerSecond, producers = 4, partitions = 12, readTwice = false } = scenario
  const topic = await cluster.createTopic({
    partitions,
    replicationFactor: 3,
    configs: { 'min.insync.replicas': 2 },
  })
  const history = new History()
  const chaos = await Chaos.start(cluster, { ...scenario.chaos, topics: [topic], seed })
  try {
    const workload = await produceAll({
      history,
      random: new SeededRandom(seed).fork('workload'),
      topic,
      partitions,
      producers,
      records,
      recordsPerSecond,
      options: { ...chaos.connection, ...patience, ...scenario.options },
    })
    const counts = await chaos.stop()
    await markEnds(cluster, topic, partitions)
    const reading = await readWithKcat(cluster, topic, { partitions }, (partition, offset, value) => {
      history.read(partition, offset, value)
    })
    const verdict = history.verdict()
    if (readTwice) {
      const again = await readWithJava(cluster, topic, { partitions })
      if (again.digest !== reading.digest) {
        throw new Error(`kcat read ${reading.count} records, and Java ${again.count} or others`)
      }
    }
    return { verdict, chaos: counts, workload }
  } finally {
    await chaos.close()
  }
}

/** A swallowed answer is noticed by the cut behind it; a broker that was killed comes back in seconds. */
const patience: OwnConnection<ProducerOptions> = {
  requestTimeoutMs: 5_000,
  connectionSetupTimeoutMs: 3_000,
  reconnectBackoffMs: 20,
  reconnectBackoffMaxMs: 500,
  retryBackoffMs: 20,
  retryBackoffMaxMs: 500,
  deliveryTimeoutMs: 120_000,
}
