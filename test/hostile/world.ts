/**
 * One case of misbehaviour: a simulated network, a peer that behaves badly, a client of each kind that meets it, and what
 * became of the client. Everything a case could leave behind is looked for: timers, connections, rejections nobody hears.
 */

import assert from 'node:assert/strict'

import { Admin } from '#src/admin/admin.js'
import type { Doors } from '#src/async/doors.js'
import { Cluster } from '#src/cluster/cluster.js'
import type { ClusterOptions } from '#src/cluster/cluster-options.js'
import { Consumer } from '#src/consumer/consumer.js'
import type { Logger } from '#src/diagnostics/logger.js'
import { Producer } from '#src/producer/producer.js'
import { Simulation } from '#src/testing/simulation/index.js'

export type ClientKind = 'cluster' | 'producer' | 'consumer' | 'group' | 'admin'

export const clientKinds: readonly ClientKind[] = ['cluster', 'producer', 'consumer', 'group', 'admin']

/** What a call came to. */
export interface Outcome {
  readonly kind: ClientKind
  /** What it resolved to, or what it rejected with. */
  readonly value: unknown
  readonly error: Error | undefined
  /** In ms of simulated time. */
  readonly elapsedMs: number
  /** How many requests the peer could read in that time. */
  readonly requestCount: number
  readonly closeMs: number
  /** What the client told its logger, `level: message`. */
  readonly logged: readonly string[]
  /** Rejections and exceptions that nobody caught. */
  readonly unhandled: readonly unknown[]
  readonly timersLeft: number
  readonly connectionsLeft: number
  /** The most that the process grew by while the case ran, in bytes. */
  readonly grownBytes: number
}

/** Every deadline that a client has, in ms: a call ends within one of them. */
export const limits = {
  connectionSetupTimeoutMs: 2_000,
  requestTimeoutMs: 3_000,
  apiTimeoutMs: 8_000,
  maxBlockMs: 8_000,
  deliveryTimeoutMs: 12_000,
  getManyMs: 10_000,
} as const

/** The topic that everyone wants, and its only partition. */
export const topic = 'orders'

export interface Running {
  readonly call: Promise<unknown>
  readonly close: () => Promise<void>
}

/** Makes a client and has it do what its kind is for. */
export function begin(
  kind: ClientKind,
  connection: ClusterOptions,
  doors: Doors,
  { maxBlockMs, deliveryTimeoutMs }: { maxBlockMs: number; deliveryTimeoutMs: number } = limits,
): Running {
  switch (kind) {
    case 'cluster': {
      const cluster = new Cluster(connection, doors)
      return { call: cluster.start().then(() => 'started'), close: () => cluster.close() }
    }
    case 'producer': {
      const producer = new Producer({ ...connection, maxBlockMs, deliveryTimeoutMs }, doors)
      return { call: producer.send({ topic, partition: 0, value: 'x' }), close: () => producer.close() }
    }
    case 'consumer': {
      const consumer = new Consumer({ ...connection, autoOffsetReset: 'earliest' }, doors)
      consumer.assign([{ topic, partition: 0 }])
      return { call: readOnce(consumer), close: () => consumer.close() }
    }
    case 'group': {
      const consumer = new Consumer({ ...connection, groupId: 'billing', autoOffsetReset: 'earliest' }, doors)
      const call = consumer.subscribe([topic]).then(() => readOnce(consumer))
      return { call, close: () => consumer.close() }
    }
    case 'admin': {
      const admin = new Admin(connection, doors)
      return { call: admin.listTopics(), close: () => admin.close() }
    }
    default:
      return kind satisfies never
  }
}

async function readOnce(consumer: Consumer): Promise<unknown> {
  await consumer.start()
  const records = await consumer.getMany({ timeoutMs: limits.getManyMs })
  return Array.from(records, ({ offset, value }) => `${offset}=${String(value)}`)
}

/** Puts the bad peer into the network; resolves to the bootstrap servers, and to how many requests the peer got. */
export type Setting = (simulation: Simulation) => Promise<{ bootstrapServers: string; requests?: () => number }>

export async function meet(kind: ClientKind, setting: Setting, given: ClusterOptions = {}): Promise<Outcome> {
  const simulation = new Simulation({ seed: 1 })
  const unhandled: unknown[] = []
  const hear = (error: unknown): void => {
    unhandled.push(error)
  }
  process.on('unhandledRejection', hear)
  process.on('uncaughtException', hear)
  const logged: string[] = []
  const log = (level: string) => (message: string) => void logged.push(`${level}: ${message}`)
  const logger: Logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
  const rssBefore = process.memoryUsage().rss
  try {
    return await simulation.run(async () => {
      const { clock } = simulation
      const { bootstrapServers, requests } = await setting(simulation)
      const { connectionSetupTimeoutMs, requestTimeoutMs, apiTimeoutMs } = limits
      const options = { bootstrapServers, connectionSetupTimeoutMs, requestTimeoutMs, apiTimeoutMs, logger, ...given }
      const startedAt = clock.now()
      const { call, close } = begin(kind, options, simulation.doors())
      let value: unknown
      let error: Error | undefined
      try {
        value = await call
      } catch (reason) {
        error = reason as Error
      }
      const elapsedMs = clock.now() - startedAt
      const requestCount = requests?.() ?? 0
      const closedAt = clock.now()
      await close()
      const closeMs = clock.now() - closedAt
      // Whatever was left to itself shows by now.
      await simulation.sleep(1_000)
      const timersLeft = clock.pendingTimers
      await simulation.sleep(60_000)
      const grownBytes = process.memoryUsage().rss - rssBefore
      const connectionsLeft = simulation.network.connectionCount
      return {
        kind,
        value,
        error,
        elapsedMs,
        requestCount,
        closeMs,
        logged,
        unhandled,
        timersLeft,
        connectionsLeft,
        grownBytes,
      }
    })
  } finally {
    process.off('unhandledRejection', hear)
    process.off('uncaughtException', hear)
  }
}

/** No case needs more memory than this, and none of them may keep any. */
const mostGrowthBytes = 150_000_000

/** Nothing was left behind, and nothing went past those who should hear of it. */
export function assertCleanEnd(outcome: Outcome, leavesHalfOpen = false): void {
  const { closeMs, unhandled, timersLeft, connectionsLeft, grownBytes } = outcome
  assert.deepEqual(unhandled, [])
  assert.ok(closeMs <= 1_000, `close() took ${closeMs} ms`)
  assert.equal(timersLeft, 0, 'timers are left behind')
  if (!leavesHalfOpen) assert.equal(connectionsLeft, 0, 'connections are left behind')
  assert.ok(grownBytes < mostGrowthBytes, `grew by ${grownBytes} bytes`)
}
