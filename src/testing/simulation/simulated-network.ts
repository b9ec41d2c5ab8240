/**
 * Hosts, listeners and the links between them, in memory: gives clients a `Dialer` and brokers a `Listen`, and lets a test
 * or chance break what can break. Knows no protocol, and no TLS: a dial that asks for TLS rejects.
 *
 * A host is a name. Brokers get theirs from where they listen, clients from `dialer(host)`.
 */

import type { Dialer, DialRequest, Transport, TransportEvents } from '../../async/transport.ts'
import { listenForAbort } from '../../async/wait.ts'
import { crc32c } from '../../wire/records/crc32c.ts'
import type { Listen, Listener, ServerConnection } from '../listener.ts'
import type { EventLog } from './event-log.ts'
import { changedLink, perfectLink, type Link, type LinkFaults } from './link.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { SimulatedClock } from './simulated-clock.ts'
import { SimulatedConnection } from './simulated-connection.ts'

/** Some of the connections: all of them, those that touch a host, or those between two hosts. */
export interface ConnectionFilter {
  readonly host?: string
  readonly and?: string
}

export interface SimulatedNetworkSettings {
  readonly clock: SimulatedClock
  readonly random: SeededRandom
  readonly log: EventLog
  /** Of every link that nothing else is said of. */
  readonly faults?: LinkFaults
}

interface Listening {
  readonly host: string
  readonly port: number
  readonly accept: (connection: ServerConnection) => void
}

const firstFreePort = 40_000

export class SimulatedNetwork {
  readonly #clock: SimulatedClock
  readonly #random: SeededRandom
  readonly #log: EventLog
  readonly #listeners = new Map<string, Listening>()
  readonly #hosts = new Set<string>()
  readonly #connections = new Set<SimulatedConnection>()
  readonly #links = new Map<string, Link>()
  readonly #blocked = new Set<string>()
  readonly #refused = new Set<string>()
  /** Dials that hang because nothing passes. */
  readonly #hanging = new Set<() => void>()
  #defaultLink: Link
  #lastPort = firstFreePort
  #lastConnection = 0

  constructor({ clock, random, log, faults = {} }: SimulatedNetworkSettings) {
    this.#clock = clock
    this.#random = random
    this.#log = log
    this.#defaultLink = changedLink(perfectLink, faults)
  }

  /** How many connections are open at one end at least. */
  get connectionCount(): number {
    return this.#connections.size
  }

  /** What a client on `host` dials with. */
  dialer(host = 'client'): Dialer {
    return (request, events) => this.#dial(host, request, events)
  }

  /** What brokers listen with. A port of 0 is one that nobody had before. */
  readonly listen: Listen = (host, port, onConnection) => {
    const chosen = port === 0 ? ++this.#lastPort : port
    const key = addressOf(host, chosen)
    if (this.#listeners.has(key)) {
      return Promise.reject(
        Object.assign(new Error(`listen EADDRINUSE: address already in use ${key}`), { code: 'EADDRINUSE' }),
      )
    }
    const listening: Listening = { host, port: chosen, accept: onConnection }
    this.#hosts.add(host)
    this.#listeners.set(key, listening)
    this.#log.add(`listens ${key}`)
    const listener: Listener = {
      host,
      port: chosen,
      close: () => {
        if (this.#listeners.get(key) === listening) {
          this.#listeners.delete(key)
          this.#log.add(`listens no more ${key}`)
        }
        return Promise.resolve()
      },
    }
    return Promise.resolve(listener)
  }

  /** Changes how every link behaves that nothing else was said of. */
  setFaults(faults: LinkFaults): void {
    this.#defaultLink = changedLink(this.#defaultLink, faults)
    this.#log.add(`faults ${JSON.stringify(faults)}`)
  }

  /** Changes how one direction behaves, on top of what it is now; from then on `setFaults` does not touch it. */
  setLink(from: string, to: string, faults: LinkFaults): void {
    const key = linkKey(from, to)
    this.#links.set(key, changedLink(this.#links.get(key) ?? this.#defaultLink, faults))
    this.#log.add(`link ${key} ${JSON.stringify(faults)}`)
  }

  /**
   * Nothing passes between the two groups until `heal`, and nobody is told: bytes wait as TCP would send them again, dials
   * hang. Within a group all is well.
   *
   * @param direction `'both'`, or only from the first group to the second
   */
  partition(some: Iterable<string>, others: Iterable<string>, direction: 'both' | 'forth' = 'both'): void {
    const right = [...others]
    for (const from of some) {
      for (const to of right) {
        this.#blocked.add(linkKey(from, to))
        if (direction === 'both') this.#blocked.add(linkKey(to, from))
        this.#log.add(`partition ${from} ${direction === 'both' ? '|' : '>|'} ${to}`)
      }
    }
  }

  /** Ends every partition: what waited arrives, what hung connects. */
  heal(): void {
    this.#log.add('heals')
    this.#blocked.clear()
    for (const connection of this.#connections) connection.poke()
    for (const retry of [...this.#hanging]) retry()
  }

  /** Dials to the address are refused though somebody listens there, or are not any more. */
  refuse(host: string, port: number, refused = true): void {
    if (refused) this.#refused.add(addressOf(host, port))
    else this.#refused.delete(addressOf(host, port))
    this.#log.add(`${refused ? 'refuses' : 'accepts'} ${addressOf(host, port)}`)
  }

  /** Resets connections: both sides hear of it. Returns how many. */
  reset(filter: ConnectionFilter = {}): number {
    return this.#each(filter, (connection) => {
      connection.reset()
    })
  }

  /** Makes connections half-open: whatever is sent on them vanishes, and nobody is told. Returns how many. */
  silence(filter: ConnectionFilter = {}): number {
    return this.#each(filter, (connection) => {
      connection.silence()
    })
  }

  #each(filter: ConnectionFilter, act: (connection: SimulatedConnection) => void): number {
    const chosen = [...this.#connections].filter(({ settings: { client, server } }) => {
      const hosts = [client.host, server.host]
      return [filter.host, filter.and].every((host) => host === undefined || hosts.includes(host))
    })
    for (const connection of chosen) act(connection)
    return chosen.length
  }

  #link(from: string, to: string): Link {
    return this.#links.get(linkKey(from, to)) ?? this.#defaultLink
  }

  #isBlocked(from: string, to: string): boolean {
    return this.#blocked.has(linkKey(from, to))
  }

  #dial(from: string, { host, port, tls, signal }: DialRequest, events: TransportEvents): Promise<Transport> {
    const address = addressOf(host, port)
    this.#log.add(`dial ${from} > ${address}`)
    return new Promise((resolve, reject) => {
      let connection: SimulatedConnection | undefined
      let settled = false
      const settle = (act: () => void): void => {
        if (settled) return
        settled = true
        signal.removeEventListener('abort', onAbort)
        this.#hanging.delete(knock)
        act()
      }
      const onAbort = (): void => {
        settle(() => {
          connection?.client.destroy()
          reject(signal.reason as Error)
        })
      }
      const refuse = (code: string, message: string): void => {
        settle(() => {
          this.#log.add(`dial ${from} > ${address} ${code}`)
          reject(Object.assign(new Error(message), { code }))
        })
      }
      const travel = (there: string, back: string, arrive: () => void): void => {
        this.#clock.setTimer(
          () => {
            if (!settled) arrive()
          },
          this.#random.number(this.#link(there, back).latencyMs),
        )
      }
      // The way there, the way back, and then the bytes: as SYN and SYN-ACK would go, for ever when nothing passes.
      const knock = (): void => {
        if (this.#isBlocked(from, host) || this.#isBlocked(host, from)) {
          this.#hanging.add(knock)
          return
        }
        this.#hanging.delete(knock)
        travel(from, host, () => {
          if (this.#isBlocked(from, host)) {
            knock()
            return
          }
          const listening = this.#listeners.get(address)
          const unlucky = this.#random.chance(this.#link(from, host).refuseChance)
          if (listening === undefined || unlucky || this.#refused.has(address)) {
            travel(host, from, () => {
              refuse('ECONNREFUSED', `connect ECONNREFUSED ${address}`)
            })
            return
          }
          const answeredAt = this.#clock.now() + this.#random.number(this.#link(host, from).latencyMs)
          connection = this.#connect(from, listening, events, answeredAt)
          const { client } = connection
          this.#clock.setTimer(() => {
            settle(() => {
              resolve(client)
            })
          }, answeredAt - this.#clock.now())
          listening.accept(connection.server)
        })
      }
      if (signal.aborted) {
        onAbort()
        return
      }
      listenForAbort(signal, onAbort)
      if (tls !== undefined) refuse('ERR_NOT_SUPPORTED', 'the simulated network speaks no TLS')
      else if (!this.#hosts.has(host)) refuse('ENOTFOUND', `getaddrinfo ENOTFOUND ${host}`)
      else knock()
    })
  }

  #connect(from: string, { host, port }: Listening, events: TransportEvents, earliestMs: number): SimulatedConnection {
    const id = ++this.#lastConnection
    const connection: SimulatedConnection = new SimulatedConnection(
      {
        id,
        clock: this.#clock,
        random: this.#random,
        client: { host: from, address: addressOf(from, ++this.#lastPort) },
        server: { host, address: addressOf(host, port) },
        link: (one, other) => this.#link(one, other),
        blocked: (one, other) => this.#isBlocked(one, other),
        log: (what, bytes) => {
          const content = bytes === undefined ? '' : ` ${bytes.length} bytes ${crc32c(bytes).toString(16)}`
          this.#log.add(`#${id} ${what}${content}`)
        },
        onClosed: () => {
          this.#connections.delete(connection)
          this.#log.add(`#${id} closed`)
        },
        earliestMs,
      },
      events,
    )
    this.#connections.add(connection)
    this.#log.add(`#${id} ${from} > ${addressOf(host, port)}`)
    return connection
  }
}

function addressOf(host: string, port: number): string {
  return `${host}:${port}`
}

function linkKey(from: string, to: string): string {
  return `${from}>${to}`
}
