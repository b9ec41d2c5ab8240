/** (node id, lane) to connection: made when first needed, one at a time, never handed out dead. Knows addresses, not topics. */

import type { Backoff } from '../async/backoff.ts'
import type { Clock } from '../async/clock.ts'
import type { Random } from '../async/random.ts'
import { sleep } from '../async/wait.ts'
import { ClosedError, ConnectionError } from '../errors/errors.ts'
import type { CloseReason, Connection } from '../network/connection.ts'
import type { BrokerAddress } from './metadata.ts'
import type { Lane } from './target.ts'

/** Connects to a broker and negotiates. `onClose` is told once, if the connection had been open. */
export type OpenConnection = (
  broker: BrokerAddress,
  onClose: (reason: CloseReason, error: Error | undefined) => void,
  signal: AbortSignal,
) => Promise<Connection>

export interface BrokerPoolSettings {
  readonly clock: Clock
  readonly random: Random
  readonly open: OpenConnection
  readonly newReconnectBackoff: () => Backoff
  /** A connection ended, or a broker could not be reached. Not told when we ended it ourselves. */
  readonly onLost: (broker: BrokerAddress, reason: CloseReason) => void
}

interface Slot {
  connection: Connection | undefined
  opening: Promise<Connection> | undefined
  readonly abort: AbortController
}

interface Node {
  broker: BrokerAddress
  readonly backoff: Backoff
  /** Not tried before, on the clock. */
  retryAt: number
  readonly lanes: Map<Lane, Slot>
}

export class BrokerPool {
  readonly #settings: BrokerPoolSettings
  readonly #nodes = new Map<number, Node>()
  /** Finishing what they have; not handed out any more. */
  readonly #retiring = new Set<Connection>()
  #closedError: Error | undefined

  constructor(settings: BrokerPoolSettings) {
    this.#settings = settings
  }

  /** How many connections are open, for all brokers and lanes. */
  get size(): number {
    let count = this.#retiring.size
    for (const { lanes } of this.#nodes.values()) {
      for (const { connection } of lanes.values()) if (connection?.isOpen) count++
    }
    return count
  }

  /** The brokers there are now. Connections to those that are gone, or have moved, finish what they have and close. */
  setBrokers(brokers: ReadonlyMap<number, BrokerAddress>): void {
    if (this.#closedError !== undefined) return
    for (const [id, node] of this.#nodes) {
      const broker = brokers.get(id)
      if (broker === undefined) {
        this.#nodes.delete(id)
        this.#retire(node, `broker ${id} is not part of the cluster any more`)
      } else if (broker.host !== node.broker.host || broker.port !== node.broker.port) {
        this.#retire(node, `broker ${id} has moved to another address`)
        node.broker = broker
        node.backoff.reset()
        node.retryAt = 0
      }
    }
    for (const [id, broker] of brokers) {
      if (this.#nodes.has(id)) continue
      this.#nodes.set(id, {
        broker,
        backoff: this.#settings.newReconnectBackoff(),
        retryAt: 0,
        lanes: new Map(),
      })
    }
  }

  /**
   * The connection of a broker's lane; a promise only while there is none.
   *
   * All who ask while it is being made share one attempt. After a failure the broker is left alone for a while: who asks
   * then waits that out. The promise rejects with what `Connection.open` rejects with.
   */
  connection(id: number, lane: Lane): Connection | Promise<Connection> {
    if (this.#closedError !== undefined) return Promise.reject(this.#closedError)
    const node = this.#nodes.get(id)
    if (node === undefined) {
      return Promise.reject(
        new ConnectionError(`broker ${id} is not in the metadata of the cluster`, { persistence: 'not-persisted' }),
      )
    }
    const slot = node.lanes.get(lane)
    if (slot?.connection?.isOpen) return slot.connection
    return slot?.opening ?? this.#open(node, lane)
  }

  /**
   * A broker for a request that any can answer: of those connected on this lane the one with least to do, else one by
   * chance, else one that holds us back, else (`evenIfFailing`) the one that may be tried again soonest. Undefined when
   * none is left.
   */
  anyBroker(
    lane: Lane,
    { except, evenIfFailing }: { except?: ReadonlySet<number>; evenIfFailing: boolean },
  ): number | undefined {
    const now = this.#settings.clock.now()
    let connected: number[] = []
    let leastPending = Infinity
    const ready: number[] = []
    let heldBack: number | undefined
    let soonest: Node | undefined
    for (const [id, node] of this.#nodes) {
      if (except?.has(id)) continue
      const connection = node.lanes.get(lane)?.connection
      if (connection?.isOpen && connection.isHeldBack) {
        heldBack = id
      } else if (connection?.isOpen) {
        const pending = connection.pendingRequests
        if (pending < leastPending) connected = []
        if (pending <= leastPending) connected.push(id)
        leastPending = Math.min(leastPending, pending)
      } else if (node.retryAt <= now) ready.push(id)
      else if (soonest === undefined || node.retryAt < soonest.retryAt) soonest = node
    }
    const choice = connected.length > 0 ? connected : ready
    if (choice.length > 0) return choice[Math.floor(this.#settings.random.next() * choice.length)]
    return heldBack ?? (evenIfFailing ? soonest?.broker.id : undefined)
  }

  /** Opens no more connections; resolves when all have finished what they had. Never rejects. */
  async close(): Promise<void> {
    this.#closedError ??= new ClosedError('the cluster is closed', { persistence: 'not-persisted' })
    for (const node of this.#nodes.values()) this.#retire(node, 'the cluster is closed', this.#closedError)
    this.#nodes.clear()
    await Promise.all(Array.from(this.#retiring, (connection) => connection.close()))
  }

  /** Ends every connection now; what is in flight rejects with `reason`. */
  destroy(reason: Error): void {
    this.#closedError ??= reason
    for (const { lanes } of this.#nodes.values()) {
      for (const { connection, abort } of lanes.values()) {
        abort.abort(reason)
        connection?.destroy(reason)
      }
    }
    this.#nodes.clear()
    for (const connection of this.#retiring) connection.destroy(reason)
    this.#retiring.clear()
  }

  #open(node: Node, lane: Lane): Promise<Connection> {
    const slot: Slot = { connection: undefined, opening: undefined, abort: new AbortController() }
    node.lanes.set(lane, slot)
    slot.opening = this.#connect(node, lane, slot)
    // Everyone who waits for it may have been cancelled meanwhile.
    slot.opening.catch(() => {})
    return slot.opening
  }

  async #connect(node: Node, lane: Lane, slot: Slot): Promise<Connection> {
    const { clock, open, onLost } = this.#settings
    const { signal } = slot.abort
    const { broker } = node
    const forget = (): void => {
      if (node.lanes.get(lane) === slot) node.lanes.delete(lane)
    }
    try {
      if (node.retryAt > clock.now()) await sleep(clock, node.retryAt - clock.now(), { signal })
      const connection = await open(
        broker,
        (reason) => {
          if (slot.connection !== undefined) this.#retiring.delete(slot.connection)
          forget()
          if (reason !== 'closed' && reason !== 'idle') onLost(broker, reason)
        },
        signal,
      )
      if (signal.aborted) {
        connection.destroy(signal.reason as Error)
        throw signal.reason
      }
      if (!connection.isOpen) {
        throw new ConnectionError(`the connection to ${connection.peer} ended at once (${connection.closeReason})`, {
          persistence: 'not-persisted',
        })
      }
      slot.connection = connection
      slot.opening = undefined
      node.backoff.reset()
      node.retryAt = 0
      return connection
    } catch (error) {
      forget()
      if (!signal.aborted) {
        // Lanes that fail together count once.
        if (node.retryAt <= clock.now()) node.retryAt = clock.now() + node.backoff.nextMs()
        onLost(broker, 'setup failed')
      }
      throw error
    }
  }

  #retire(node: Node, why: string, reason?: Error): void {
    for (const { connection, abort } of node.lanes.values()) {
      if (connection === undefined) {
        abort.abort(reason ?? new ConnectionError(why, { persistence: 'not-persisted' }))
      } else if (connection.isOpen) {
        this.#retiring.add(connection)
        // Never rejects, and ends at the latest when its oldest request times out.
        void connection.close()
      }
    }
    node.lanes.clear()
  }
}
