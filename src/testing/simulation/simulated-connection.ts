/** A byte stream between two simulated hosts: two directions and the two ends that their owners hold. Knows neither
 *  listeners nor the rest of the network. */

import type { Transport, TransportEvents } from '../../async/transport.ts'
import type { ServerConnection } from '../listener.ts'
import type { Link } from './link.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { SimulatedClock } from './simulated-clock.ts'
import { StreamDirection } from './stream-direction.ts'

export interface SimulatedConnectionSettings {
  readonly id: number
  readonly clock: SimulatedClock
  readonly random: SeededRandom
  /** The hosts, and the addresses as people read them. */
  readonly client: { readonly host: string; readonly address: string }
  readonly server: { readonly host: string; readonly address: string }
  readonly link: (from: string, to: string) => Link
  readonly blocked: (from: string, to: string) => boolean
  readonly log: (what: string, bytes?: Uint8Array) => void
  /** Told once both ends are closed, or are known to stay as they are. */
  readonly onClosed: () => void
  /** Nothing arrives before this moment. */
  readonly earliestMs: number
}

export class SimulatedConnection {
  readonly settings: SimulatedConnectionSettings
  readonly client: ClientEnd
  readonly server: ServerEnd
  readonly #toServer: StreamDirection
  readonly #toClient: StreamDirection

  constructor(settings: SimulatedConnectionSettings, clientEvents: TransportEvents) {
    this.settings = settings
    this.#toServer = this.#direction(true)
    this.#toClient = this.#direction(false)
    const parts = { clock: settings.clock, onClosed: () => this.#closedOne() }
    this.client = new ClientEnd(
      { ...parts, output: this.#toServer, input: this.#toClient },
      settings.server.address,
      clientEvents,
    )
    this.server = new ServerEnd({ ...parts, output: this.#toClient, input: this.#toServer }, settings.client.address)
  }

  /** Both sides hear of it at once. */
  reset(): void {
    this.settings.log('is reset')
    this.client.close(connectionReset())
    this.server.close(connectionReset())
  }

  /** Nothing passes any more in either direction, and nobody is told: a host that vanished, a cable that was pulled. */
  silence(): void {
    this.settings.log('falls silent')
    this.#toServer.silence()
    this.#toClient.silence()
  }

  /** Bytes that the network held back may pass again. */
  poke(): void {
    this.#toServer.poke()
    this.#toClient.poke()
  }

  #closedOne(): void {
    if (this.client.closed && this.server.closed) this.settings.onClosed()
  }

  #direction(towardsServer: boolean): StreamDirection {
    const { clock, random, client, server, link, blocked, log, earliestMs } = this.settings
    const [from, to] = towardsServer ? [client.host, server.host] : [server.host, client.host]
    const arrow = towardsServer ? '>' : '<'
    const reader = (): End => (towardsServer ? this.server : this.client)
    return new StreamDirection(
      {
        clock,
        random,
        link: () => link(from, to),
        blocked: () => blocked(from, to),
        onSegment: (bytes) => {
          log(arrow, bytes)
          reader().receive(bytes)
        },
        onEnd: () => {
          log(`${arrow} ends`)
          reader().close(undefined)
        },
        onReset: () => {
          this.reset()
        },
        onSilence: () => {
          log(`${arrow} falls silent`)
        },
      },
      earliestMs,
    )
  }
}

interface EndParts {
  readonly clock: SimulatedClock
  readonly output: StreamDirection
  readonly input: StreamDirection
  readonly onClosed: () => void
}

abstract class End {
  protected readonly parts: EndParts
  closed = false

  constructor(parts: EndParts) {
    this.parts = parts
  }

  receive(bytes: Uint8Array): void {
    if (!this.closed) this.tellData(bytes)
  }

  /** Ends this side; what it had sent still arrives, unless the connection failed. */
  close(error: Error | undefined): void {
    if (this.closed) return
    this.closed = true
    const { clock, output, input, onClosed } = this.parts
    const failed = error !== undefined && (error as NodeJS.ErrnoException).code === 'ECONNRESET'
    if (failed) output.close(error)
    else output.end()
    input.close(connectionReset())
    clock.nextTurn(() => {
      this.tellClose(error)
      onClosed()
    })
  }

  pause(): void {
    this.parts.input.pause()
  }

  resume(): void {
    if (!this.closed) this.parts.input.resume()
  }

  destroy(error?: Error): void {
    this.close(error)
  }

  protected abstract tellData(bytes: Uint8Array): void
  protected abstract tellClose(error: Error | undefined): void
}

class ClientEnd extends End implements Transport {
  readonly remote: string
  readonly #events: TransportEvents

  constructor(parts: EndParts, remote: string, events: TransportEvents) {
    super(parts)
    this.remote = remote
    this.#events = events
  }

  get pendingBytes(): number {
    return this.parts.output.pendingBytes
  }

  write(chunks: readonly Uint8Array[], written: (error?: Error | null) => void): void {
    this.parts.output.write(chunks, written)
  }

  protected tellData(bytes: Uint8Array): void {
    this.#events.onData(bytes)
  }

  protected tellClose(error: Error | undefined): void {
    this.#events.onClose(error)
  }
}

class ServerEnd extends End implements ServerConnection {
  readonly remote: string
  #onData: (chunk: Uint8Array) => void = () => {}
  #onClose: () => void = () => {}

  constructor(parts: EndParts, remote: string) {
    super(parts)
    this.remote = remote
  }

  write(chunks: readonly Uint8Array[], written?: () => void): void {
    if (this.closed || chunks.length === 0) return
    this.parts.output.write(chunks, (error) => {
      if (!error) written?.()
    })
  }

  onData(listener: (chunk: Uint8Array) => void): void {
    this.#onData = listener
  }

  onClose(listener: () => void): void {
    this.#onClose = listener
  }

  protected tellData(bytes: Uint8Array): void {
    this.#onData(bytes)
  }

  protected tellClose(): void {
    this.#onClose()
  }
}

function connectionReset(): Error {
  return Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
}
