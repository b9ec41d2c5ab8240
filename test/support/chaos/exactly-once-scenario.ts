/** Exactly once: workers of a group copy a topic to another in transactions, are killed and halted at any moment, and their
 *  group rebalances while records are between reading and committing; every record is copied once, in order. */

import { setTimeout as sleep } from 'node:timers/promises'
import { Consumer } from 'jackdaw'
import { SeededRandom } from '#src/testing/index.js'
import { History } from '../history/history.ts'
import type { ProducerHistory } from '../history/producer-history.ts'
import { writeTag } from '../history/record-tag.ts'
import { uniqueName, type Kafka } from '../kafka/kafka.ts'
import type { BorrowedCluster } from '../kafka/kafka-cluster.ts'
import { Chaos, type ChaosOptions } from './chaos.ts'
import { markEnds, readWithJava } from './foreign-readers.ts'
import { describeWorkers, firstOf, noChaos, readWhenClosed, type WorkersReport } from './transactions-scenario.ts'
import { WorkerPool } from './worker-pool.ts'

export interface ExactlyOnceScenario {
  readonly cluster: BorrowedCluster
  readonly seed: number | string
  readonly records: number
  /** When to give up. */
  readonly limitMs: number
  readonly workers?: number
  readonly partitions?: number
  /** So many records at most in a transaction. */
  readonly largest?: number
  readonly killEveryMs?: readonly [number, number]
  /** How many workers are halted, for longer than their session lasts, in place of being killed. */
  readonly haltChance?: number
  readonly chaos?: Partial<Omit<ChaosOptions, 'topics' | 'seed'>>
  readonly readTwice?: boolean
}

const sessionTimeoutMs = 2_500
const transactionTimeoutMs = 10_000

export async function exactlyOnceScenario(scenario: ExactlyOnceScenario): Promise<WorkersReport> {
  const { cluster, seed, records, limitMs, workers = 3, partitions = 6, largest = 100, readTwice = false } = scenario
  const configs = { 'min.insync.replicas': 2 }
  const from = await cluster.createTopic({ partitions, replicationFactor: 3, configs })
  const to = await cluster.createTopic({ partitions, replicationFactor: 3, configs })
  const history = new History()
  await fill(cluster, from, partitions, records, history)
  const groupId = uniqueName('copiers')
  const chaos = await Chaos.start(cluster, { ...noChaos, ...scenario.chaos, topics: [to, from], seed })
  const { bootstrapServers, ports } = chaos.proxy
  const pool = new WorkerPool({
    program: 'copier',
    workers,
    history,
    random: new SeededRandom(seed).fork('copiers'),
    writesItsOwn: false,
    everyMs: scenario.killEveryMs ?? [1_500, 5_000],
    haltChance: scenario.haltChance ?? 0.3,
    haltMs: [sessionTimeoutMs + 500, sessionTimeoutMs * 2],
    orders: {
      ...{ connection: { bootstrapServers, ports }, groupId, from, to },
      ...{ largest, pauseMs: 40, transactionTimeoutMs, sessionTimeoutMs },
    },
  })
  const end = new AbortController()
  try {
    const running = pool.run(end.signal)
    const isOver = (): boolean => end.signal.aborted || pool.failures.length > 0
    const copied = committedUpTo({ kafka: cluster, groupId, topic: from, partitions, records, limitMs, isOver })
    await firstOf(copied, running)
    end.abort()
    await Promise.all([copied, running])
    const counts = await chaos.stop()
    await pool.close()
    await markEnds(cluster, to, partitions)
    const reading = await readWhenClosed(cluster, to, partitions, history)
    const verdict = history.verdict()
    if (readTwice) {
      const again = await readWithJava(cluster, to, { partitions })
      if (again.digest !== reading) throw new Error('kcat and Java have read different records')
    }
    return { verdict, chaos: counts, further: describeWorkers(pool), failures: pool.failures }
  } finally {
    end.abort()
    await pool.destroy()
    await chaos.close()
  }
}

/** Writes what is to be copied with kcat: a sender for each partition, so that the copies' order can be judged. */
async function fill(kafka: Kafka, topic: string, partitions: number, records: number, history: History): Promise<void> {
  for (let partition = 0; partition < partitions; partition++) {
    const name = `source-${partition}`
    const notes: ProducerHistory = history.producer(name)
    const count = Math.floor(records / partitions) + (partition < records % partitions ? 1 : 0)
    const lines: string[] = []
    for (let i = 0; i < count; i++) {
      // A promise: exactly once, at some offset of the same partition of the other topic.
      const sequence = notes.sent(partition)
      notes.acknowledged(sequence)
      lines.push(writeTag(name, sequence))
    }
    await kafka.kcat(['-P', '-t', topic, '-p', String(partition), '-X', 'acks=all'], lines.join('\n'), 60_000)
  }
}

interface Copying {
  readonly kafka: Kafka
  readonly groupId: string
  readonly topic: string
  readonly partitions: number
  readonly records: number
  readonly limitMs: number
  readonly isOver: () => boolean
}

/** Resolves when the group has committed everything, or it is over; rejects when that takes longer than it may. */
async function committedUpTo({ kafka, groupId, topic, partitions, records, limitMs, isOver }: Copying): Promise<void> {
  const { bootstrapServers } = kafka
  const all = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
  const observer = new Consumer({ bootstrapServers, groupId, autoCommit: false, apiTimeoutMs: 20_000 })
  const deadline = performance.now() + limitMs
  let committed = 0
  try {
    while (!isOver()) {
      // While a coordinator moves or a transaction holds offsets back, there is no answer.
      const offsets = await observer.committed(all).catch(() => undefined)
      committed = offsets?.reduce((sum, one) => sum + (one?.offset ?? 0), 0) ?? committed
      if (committed >= records) return
      if (performance.now() > deadline) {
        throw new Error(`only ${committed} of ${records} records were copied within ${limitMs} ms`)
      }
      await sleep(250)
    }
  } finally {
    observer.destroy()
  }
}
