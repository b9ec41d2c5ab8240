/**
 * A bad network in front of real brokers: one listener for each, and every connection through it is cut after a while, in the
 * middle of whatever it carries; some have their answers delayed or swallowed first. Knows bytes only.
 */

import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { SeededRandom } from '#src/testing/index.js'

type Range = readonly [lowest: number, highest: number]

export interface ProxyFaults {
  /** Each connection lives so long, in ms. Left out: it is not cut. */
  cutAfterMs?: Range
  /** How many of the cut connections carry no answers in the last part of their life: what is asked is done, unheard. */
  swallowChance?: number
  /** How many connections are slow, and how much later each piece of an answer arrives on them, in ms. */
  slowChance?: number
  delayMs?: Range
}

export interface ProxyTarget {
  readonly id: number
  readonly port: number
}

export interface ProxyCounts {
  connections: number
  cuts: number
  swallowing: number
}

export class ChaosProxy {
  readonly counts: ProxyCounts = { connections: 0, cuts: 0, swallowing: 0 }
  readonly #random: SeededRandom
  readonly #ports = new Map<number, number>()
  readonly #servers: Server[] = []
  readonly #ends = new Set<() => void>()
  #faults: ProxyFaults

  private constructor(random: SeededRandom, faults: ProxyFaults) {
    this.#random = random
    this.#faults = faults
  }

  static async start(
    targets: readonly ProxyTarget[],
    { random, faults = {} }: { random: SeededRandom; faults?: ProxyFaults },
  ): Promise<ChaosProxy> {
    const proxy = new ChaosProxy(random, faults)
    for (const { id, port } of targets) {
      const server = createServer((client) => {
        proxy.#carry(client, port)
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      proxy.#servers.push(server)
      proxy.#ports.set(id, (server.address() as AddressInfo).port)
    }
    return proxy
  }

  /** The way in for a client that also gets {@link mapAddress}. */
  get bootstrapServers(): string {
    return [...this.#ports.values()].map((port) => `127.0.0.1:${port}`).join(',')
  }

  /** For the option of that name. */
  readonly mapAddress = ({ id }: { readonly id: number }): { host: string; port: number } => {
    return { host: '127.0.0.1', port: this.#ports.get(id)! }
  }

  /** As pairs `[broker id, port]`, for another process. */
  get ports(): readonly (readonly [number, number])[] {
    return [...this.#ports]
  }

  /** From now on, for new connections. */
  setFaults(faults: ProxyFaults): void {
    this.#faults = faults
  }

  cutAll(): void {
    for (const end of [...this.#ends]) end()
  }

  async close(): Promise<void> {
    const closed = this.#servers.map((server) => new Promise((resolve) => server.close(resolve)))
    this.cutAll()
    await Promise.all(closed)
  }

  #carry(client: Socket, port: number): void {
    const { cutAfterMs, swallowChance = 0, slowChance = 0, delayMs } = this.#faults
    const random = this.#random
    this.counts.connections++
    const broker = connect(port, '127.0.0.1')
    let swallows = false
    const timers: NodeJS.Timeout[] = []
    let ended = false
    const end = (): void => {
      if (ended) return
      ended = true
      for (const timer of timers) clearTimeout(timer)
      this.#ends.delete(end)
      client.destroy()
      broker.destroy()
    }
    this.#ends.add(end)
    for (const socket of [client, broker]) {
      socket.setNoDelay(true)
      socket.on('error', end)
      socket.on('close', end)
    }
    if (cutAfterMs !== undefined) {
      const lifeMs = random.number(cutAfterMs)
      if (random.chance(swallowChance)) {
        const swallowFromMs = lifeMs * random.number([0.2, 0.9])
        timers.push(
          setTimeout(() => {
            swallows = true
            this.counts.swallowing++
          }, swallowFromMs),
        )
      }
      timers.push(
        setTimeout(() => {
          this.counts.cuts++
          // Sometimes as a crashed host is noticed, sometimes as an orderly end.
          if (random.chance(0.5)) client.resetAndDestroy()
          end()
        }, lifeMs),
      )
    }
    const pass = (from: Socket, to: Socket, chunk: Buffer): void => {
      if (!to.write(chunk)) {
        from.pause()
        to.once('drain', () => from.resume())
      }
    }
    client.on('data', (chunk) => {
      pass(client, broker, chunk)
    })
    const delay = delayMs !== undefined && random.chance(slowChance) ? delayMs : undefined
    // Each timer takes the first piece that waits, so that none overtakes another.
    const late: Buffer[] = []
    let due = 0
    broker.on('data', (chunk) => {
      if (swallows) return
      if (delay === undefined) {
        pass(broker, client, chunk)
        return
      }
      late.push(chunk)
      due = Math.max(due, performance.now() + random.number(delay))
      timers.push(
        setTimeout(() => {
          const piece = late.shift()!
          if (!swallows) pass(broker, client, piece)
        }, due - performance.now()),
      )
    })
  }
}
