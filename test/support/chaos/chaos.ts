/** All that can go wrong with a cluster at once: brokers that crash, connections that are cut, leaders that move. */

import { setTimeout as sleep } from 'node:timers/promises'
import { SeededRandom } from '#src/testing/index.js'
import type { BorrowedCluster } from '../kafka/kafka-cluster.ts'
import { BrokerKills, pause, replicasInSync } from './broker-kills.ts'
import { ChaosProxy, type ProxyFaults } from './chaos-proxy.ts'
import { LeaderMoves } from './leader-moves.ts'

export interface ChaosOptions {
  readonly topics: readonly string[]
  readonly seed: number | string
  /** Default: brokers are killed and started again. */
  readonly kills?: boolean
  /** Default: every connection through the proxy is cut after 0.5 to 1.5 s, some after a time without answers. */
  readonly faults?: ProxyFaults
  /** Default: leaders of the first topic are moved, some every 0.3 to 1.5 s. */
  readonly moves?: boolean
}

export interface ChaosCounts {
  readonly kills: number
  readonly cuts: number
  readonly swallowing: number
  readonly moves: number
}

/** What the acceptance asks for, and some connections that answer late. */
const defaultFaults: ProxyFaults = {
  cutAfterMs: [500, 1_500],
  swallowChance: 0.25,
  slowChance: 0.2,
  delayMs: [0, 60],
}

export class Chaos {
  readonly proxy: ChaosProxy
  readonly #cluster: BorrowedCluster
  readonly #topics: readonly string[]
  readonly #kills: BrokerKills
  readonly #moves: LeaderMoves
  readonly #end = new AbortController()
  readonly #running: Promise<void>[] = []
  #stopped: Promise<ChaosCounts> | undefined

  private constructor(cluster: BorrowedCluster, proxy: ChaosProxy, options: ChaosOptions) {
    const { topics, seed, kills = true, moves = true } = options
    const random = new SeededRandom(seed)
    this.proxy = proxy
    this.#cluster = cluster
    this.#topics = topics
    this.#kills = new BrokerKills(cluster, { topics, random: random.fork('kills') })
    this.#moves = new LeaderMoves(cluster.bootstrapServers, topics[0]!, random.fork('moves'))
    if (kills) this.#running.push(this.#kills.run(this.#end.signal))
    if (moves) this.#running.push(this.#moveLeaders(random.fork('pauses')))
    // Told by stop().
    for (const one of this.#running) one.catch(() => {})
  }

  static async start(cluster: BorrowedCluster, options: ChaosOptions): Promise<Chaos> {
    const random = new SeededRandom(options.seed).fork('network')
    const proxy = await ChaosProxy.start(cluster.nodes, { random, faults: options.faults ?? defaultFaults })
    return new Chaos(cluster, proxy, options)
  }

  /** The connection options of a client that shall suffer. */
  get connection(): { bootstrapServers: string; mapAddress: ChaosProxy['mapAddress'] } {
    return { bootstrapServers: this.proxy.bootstrapServers, mapAddress: this.proxy.mapAddress }
  }

  get counts(): ChaosCounts {
    const { cuts, swallowing } = this.proxy.counts
    return { kills: this.#kills.count, cuts, swallowing, moves: this.#moves.count }
  }

  /** Ends the trouble and resolves when the cluster is whole again; the proxy goes on, as a good network. Idempotent. */
  stop(): Promise<ChaosCounts> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  /** Ends the proxy too. */
  async close(): Promise<void> {
    await this.stop().catch(() => {})
    await this.proxy.close()
  }

  async #stop(): Promise<ChaosCounts> {
    this.#end.abort()
    const failures = (await Promise.allSettled(this.#running)).filter(({ status }) => status === 'rejected')
    await this.#moves.close()
    this.proxy.setFaults({})
    if (failures.length > 0) throw (failures[0] as PromiseRejectedResult).reason
    await replicasInSync(this.#cluster, this.#topics)
    await sleep(0)
    return this.counts
  }

  async #moveLeaders(random: SeededRandom): Promise<void> {
    while (await pause(random.number([300, 1_500]), this.#end.signal)) {
      // While a broker is away or the controller changes, some moves fail: there is enough trouble then.
      await this.#moves.moveSome(random.integer([1, 4])).catch(() => {})
    }
  }
}
