/** No transaction is torn: processes write transactions over several partitions and are killed at any moment, and each
 *  transaction is read whole or not at all, as it was reported. Brokers and the network may be in trouble too. */

import { setTimeout as sleep } from 'node:timers/promises'
import { SeededRandom } from '#src/testing/index.js'
import { History, type Verdict } from '../history/history.ts'
import type { BorrowedCluster } from '../kafka/kafka-cluster.ts'
import { Chaos, type ChaosCounts, type ChaosOptions } from './chaos.ts'
import { markEnds, readWithJava, readWithKcat } from './foreign-readers.ts'
import { WorkerPool } from './worker-pool.ts'

export interface TransactionsScenario {
  readonly cluster: BorrowedCluster
  readonly seed: number | string
  /** How long transactions are written. */
  readonly durationMs: number
  readonly writers?: number
  readonly partitions?: number
  /** How long until the next writer is killed, in ms. */
  readonly killEveryMs?: readonly [number, number]
  /** How many writers are halted in place of being killed, and for how long: longer than a transaction may be open. */
  readonly haltChance?: number
  readonly haltMs?: readonly [number, number]
  /** Trouble beside it; default none. */
  readonly chaos?: Partial<Omit<ChaosOptions, 'topics' | 'seed'>>
  readonly readTwice?: boolean
}

export interface WorkersReport {
  readonly verdict: Verdict
  readonly chaos: ChaosCounts
  /** How many workers were killed and halted, and how many transactions were aborted by an error, by its name. */
  readonly further: Record<string, number>
  /** Workers that ended as they should not. */
  readonly failures: readonly string[]
}

export const noChaos: Omit<ChaosOptions, 'topics' | 'seed'> = { kills: false, moves: false, faults: {} }

/** A transaction that nobody ends is aborted after this, in ms; brokers look every ten seconds. */
const transactionTimeoutMs = 5_000

export async function transactionsScenario(scenario: TransactionsScenario): Promise<WorkersReport> {
  const { cluster, seed, durationMs, writers = 3, partitions = 6, readTwice = false } = scenario
  const configs = { 'min.insync.replicas': 2 }
  const topic = await cluster.createTopic({ partitions, replicationFactor: 3, configs })
  const history = new History()
  const chaos = await Chaos.start(cluster, { ...noChaos, ...scenario.chaos, topics: [topic], seed })
  const { bootstrapServers, ports } = chaos.proxy
  const pool = new WorkerPool({
    program: 'transactional-writer',
    workers: writers,
    history,
    random: new SeededRandom(seed).fork('writers'),
    writesItsOwn: true,
    everyMs: scenario.killEveryMs ?? [300, 2_000],
    haltChance: scenario.haltChance ?? 0,
    haltMs: scenario.haltMs ?? [1_000, 20_000],
    orders: {
      connection: { bootstrapServers, ports },
      topic,
      partitions,
      largest: 40,
      pauseMs: 30,
      transactionTimeoutMs,
    },
  })
  const end = new AbortController()
  try {
    const running = pool.run(end.signal)
    await firstOf(
      sleep(durationMs, undefined, { signal: end.signal }).catch(() => {}),
      running,
    )
    end.abort()
    await running
    const counts = await chaos.stop()
    await pool.close()
    await markEnds(cluster, topic, partitions)
    // What a killed writer left open is aborted in time, and hides what is behind it until then.
    const reading = await readWhenClosed(cluster, topic, partitions, history)
    const verdict = history.verdict()
    if (readTwice) {
      const again = await readWithJava(cluster, topic, { partitions })
      if (again.digest !== reading) throw new Error('kcat and Java have read different records')
    }
    return { verdict, chaos: counts, further: describeWorkers(pool), failures: pool.failures }
  } finally {
    end.abort()
    await pool.destroy()
    await chaos.close()
  }
}

/** Waits for the first of two that both go on; whoever comes second is heard too, later. */
export async function firstOf(one: Promise<void>, other: Promise<void>): Promise<void> {
  for (const promise of [one, other]) promise.catch(() => {})
  await Promise.race([one, other])
}

export function describeWorkers(pool: WorkerPool): Record<string, number> {
  const aborts = Object.entries(pool.aborts).map(([kind, count]) => [`aborted by ${kind}`, count])
  return { 'workers killed': pool.kills, 'workers halted': pool.halts, ...Object.fromEntries(aborts) }
}

/** Reads a topic once its end marks can be read, which is when no transaction in it is open any more; its digest. */
export async function readWhenClosed(
  cluster: BorrowedCluster,
  topic: string,
  partitions: number,
  history: History,
): Promise<string> {
  const deadline = performance.now() + 40_000
  for (;;) {
    const records: [number, number, string][] = []
    try {
      const { digest } = await readWithKcat(cluster, topic, { partitions }, (partition, offset, value) => {
        records.push([partition, offset, value])
      })
      for (const [partition, offset, value] of records) history.read(partition, offset, value)
      return digest
    } catch (error) {
      if (performance.now() > deadline) throw error
      await sleep(1_000)
    }
  }
}
