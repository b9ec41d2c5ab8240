/**
 * A three-node cluster for a test that crashes brokers or moves leaders: a real one, or with
 * JACKDAW_TEST_TARGET=in-process an in-process one of the test's own. `npm test` keeps one real cluster for the whole run
 * and lends it to one test file at a time; a file run alone starts its own. After the loan dead nodes are started again.
 */

import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { TestCluster } from 'jackdaw/testing'
import { askMetadata, defaultVersion, startKafka } from '#scripts/kafka.mjs'
import { Kafka } from './kafka.ts'

/** One broker of the cluster, as far as a test may handle it. */
export interface ClusterNode {
  readonly id: number
  readonly port: number
  /** SIGKILL (default) is a crash, and is waited for; SIGSTOP a broker that hangs, SIGCONT ends that. */
  kill(signal?: NodeJS.Signals): Promise<void>
  /** Ends it in order. */
  stop(options?: { graceMs?: number }): Promise<void>
  /** Starts it again on the same port; resolves once it answers and sees `nodes` brokers (default 1). */
  restart(options?: { nodes?: number; timeoutMs?: number }): Promise<void>
  log(): Promise<string>
}

/** The cluster, and what tests ask of it. */
export class BorrowedCluster extends Kafka {
  readonly nodes: readonly ClusterNode[]
  readonly #healthy: () => Promise<void>

  constructor(version: string, bootstrapServers: string, nodes: readonly ClusterNode[], healthy: () => Promise<void>) {
    super(version, bootstrapServers)
    this.nodes = nodes
    this.#healthy = healthy
  }

  /** Resolves once every node answers and sees all others. */
  healthy(): Promise<void> {
    return this.#healthy()
  }

  /** The node that leads a partition now, according to any node that answers; undefined while there is none. */
  async leaderOf(topic: string, partition: number): Promise<ClusterNode | undefined> {
    for (const address of this.bootstrapServers.split(',')) {
      // A node that is down cannot say: the next one can.
      const answer = await askMetadata(address, { topics: [topic] }).catch(() => undefined)
      const found = answer?.topics[0]?.partitions.find((one) => one.partition === partition)
      if (found !== undefined) return this.nodes.find(({ id }) => id === found.leader)
    }
    return undefined
  }
}

/** What has `after`: a test's context, or node:test itself. */
export interface Ending {
  after(hook: () => Promise<void> | void): void
}

/** Borrows the cluster until the test (or, given `{ after }` of node:test, the file) has ended. */
export async function kafkaCluster(t: Ending): Promise<BorrowedCluster> {
  if (process.env['JACKDAW_TEST_TARGET'] === 'in-process') return await startInProcess(t)
  const keeper = process.env['JACKDAW_TEST_KEEPER']
  if (keeper !== undefined) return borrow(keeper, t)
  return await startCluster(t, process.env['JACKDAW_TEST_KAFKA_VERSION'] ?? defaultVersion)
}

/** Starts a real cluster of this version for the test alone. */
export async function startCluster(t: Ending, version: string): Promise<BorrowedCluster> {
  const cluster = await startKafka({ version, nodes: 3 })
  t.after(() => cluster.stop())
  const nodes = cluster.nodes.map((node): ClusterNode => ({
    id: node.id,
    port: node.port,
    kill: (signal) => node.kill(signal),
    stop: (options) => node.stop(options),
    restart: (options) => node.restart(options),
    log: () => Promise.resolve(node.log()),
  }))
  return new BorrowedCluster(cluster.version, cluster.bootstrapServers, nodes, () => cluster.healthy())
}

/** With what scripts/kafka/cluster.mjs sets for real ones. */
async function startInProcess(t: Ending): Promise<BorrowedCluster> {
  const cluster = await TestCluster.start({
    brokers: 3,
    properties: {
      'auto.create.topics.enable': false,
      'num.partitions': 3,
      'offsets.topic.num.partitions': 5,
      'group.min.session.timeout.ms': 1_000,
    },
  })
  t.after(() => cluster.close())
  const nodes = cluster.brokers.map(({ id, address }): ClusterNode => ({
    id,
    port: Number(address.slice(address.lastIndexOf(':') + 1)),
    kill: async (signal = 'SIGKILL') => {
      if (signal !== 'SIGKILL') throw new Error(`a broker of the in-process cluster cannot be sent ${signal}`)
      await cluster.kill(id)
    },
    stop: () => cluster.kill(id),
    restart: () => cluster.restart(id),
    log: () => Promise.resolve(''),
  }))
  const healthy = (): Promise<void> => {
    const down = cluster.brokers.filter(({ isUp }) => !isUp).map(({ id }) => id)
    return down.length === 0 ? Promise.resolve() : Promise.reject(new Error(`down: broker ${down.join(', ')}`))
  }
  return new BorrowedCluster(
    process.env['JACKDAW_TEST_KAFKA_VERSION'] ?? defaultVersion,
    cluster.bootstrapServers,
    nodes,
    healthy,
  )
}

interface Loan {
  version: string
  bootstrapServers: string
  nodes: { id: number; port: number }[]
}

/** The launcher's side is scripts/test/keeper.mjs. */
async function borrow(address: string, t: Ending): Promise<BorrowedCluster> {
  const colon = address.lastIndexOf(':')
  const socket = connect(Number(address.slice(colon + 1)), address.slice(0, colon))
  t.after(() => {
    socket.destroy()
  })
  const keeper = new Keeper(socket)
  const loan = (await keeper.answer(0)) as Loan
  const nodes = loan.nodes.map(({ id, port }): ClusterNode => ({
    id,
    port,
    kill: async (signal) => {
      await keeper.ask('kill', { node: id, options: { signal } })
    },
    stop: async (options) => {
      await keeper.ask('stop', { node: id, options })
    },
    restart: async (options) => {
      await keeper.ask('restart', { node: id, options })
    },
    log: async () => (await keeper.ask('log', { node: id })) as string,
  }))
  return new BorrowedCluster(loan.version, loan.bootstrapServers, nodes, async () => {
    await keeper.ask('healthy', {})
  })
}

/** Questions and answers over the loan's connection, matched by number. */
class Keeper {
  readonly #socket: Socket
  readonly #waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>()
  #last = 0
  #ended: Error | undefined

  constructor(socket: Socket) {
    this.#socket = socket
    createInterface({ input: socket }).on('line', (line) => {
      const { id, result, error } = JSON.parse(line) as { id: number; result?: unknown; error?: string }
      const waiting = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (error === undefined) waiting?.resolve(result)
      else waiting?.reject(new Error(error))
    })
    const end = (error?: Error): void => {
      this.#ended ??= error ?? new Error('the keeper of the test cluster closed the connection')
      for (const { reject } of this.#waiting.values()) reject(this.#ended)
      this.#waiting.clear()
    }
    socket.on('error', end)
    socket.on('close', () => {
      end()
    })
  }

  answer(id: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) reject(this.#ended)
      else this.#waiting.set(id, { resolve, reject })
    })
  }

  ask(op: string, question: object): Promise<unknown> {
    const id = ++this.#last
    const answer = this.answer(id)
    this.#socket.write(`${JSON.stringify({ id, op, ...question })}\n`)
    return answer
  }
}
