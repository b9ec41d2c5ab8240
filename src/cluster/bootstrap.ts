/** The way into a cluster of which only some addresses are known: asks the bootstrap servers in turn for metadata. */

import type { Clock } from '../async/clock.ts'
import { AuthenticationError, ConnectionError } from '../errors/errors.ts'
import { KafkaError } from '../errors/kafka-error.ts'
import { formatAddress, type HostAndPort } from '../network/address.ts'
import type { Connection } from '../network/connection.ts'
import type { MetadataResponse } from '../wire/messages/metadata.ts'

export interface BootstrapSettings {
  readonly clock: Clock
  readonly servers: readonly HostAndPort[]
  /** How long one server may take from the look-up of its name to its metadata, in ms. */
  readonly timeoutMs: number
  readonly open: (server: HostAndPort, signal: AbortSignal) => Promise<Connection>
  readonly askMetadata: (connection: Connection, timeoutMs: number, signal: AbortSignal) => Promise<MetadataResponse>
}

export class Bootstrap {
  readonly #settings: BootstrapSettings
  /** To a server that knew of no brokers yet: it is asked first the next time. */
  #kept: Connection | undefined

  constructor(settings: BootstrapSettings) {
    this.#settings = settings
  }

  /**
   * Metadata from the first server that connects *and* answers. When it names brokers, no connection is left open. When
   * no server knows of any broker yet, the answer says so and the connection is kept for the next call.
   *
   * Rejects with a `ConnectionError` that lists what happened with each server, or the signal's reason.
   */
  async ask(signal: AbortSignal): Promise<MetadataResponse> {
    const { servers } = this.#settings
    const failures: { server: string; error: unknown }[] = []
    let empty: MetadataResponse | undefined
    const kept = await this.#askKept(signal)
    if (kept !== undefined) {
      if (kept.brokers.length > 0) return kept
      empty = kept
    }
    for (const server of servers) {
      try {
        const response = await this.#askServer(server, signal)
        signal.throwIfAborted()
        if (response.brokers.length > 0) {
          this.close()
          return response
        }
        empty ??= response
      } catch (error) {
        if (signal.aborted) throw signal.reason
        failures.push({ server: formatAddress(server), error })
      }
    }
    if (empty !== undefined) return empty
    throw unreachable(failures)
  }

  /** Ends the connection that was kept, if any. */
  close(): void {
    this.#kept?.destroy()
    this.#kept = undefined
  }

  async #askKept(signal: AbortSignal): Promise<MetadataResponse | undefined> {
    const connection = this.#kept
    if (!connection?.isOpen) return undefined
    try {
      const response = await this.#settings.askMetadata(connection, this.#settings.timeoutMs, signal)
      if (response.brokers.length > 0) this.close()
      return response
    } catch {
      // Whatever it was, the server is asked again over a new connection, and its failure then is told.
      signal.throwIfAborted()
      this.close()
      return undefined
    }
  }

  async #askServer(server: HostAndPort, signal: AbortSignal): Promise<MetadataResponse> {
    const { clock, timeoutMs } = this.#settings
    const deadline = clock.now() + timeoutMs
    const connection = await this.#settings.open(server, signal)
    try {
      const response = await this.#settings.askMetadata(
        connection,
        Math.max(1, Math.ceil(deadline - clock.now())),
        signal,
      )
      // After the end nobody would close what is kept.
      if (response.brokers.length > 0 || this.#kept?.isOpen || signal.aborted) connection.destroy()
      else this.#kept = connection
      return response
    } catch (error) {
      connection.destroy()
      throw error
    }
  }
}

function unreachable(failures: readonly { server: string; error: unknown }[]): KafkaError {
  const errors = failures.map(({ error }) => error)
  const list = failures.map(describeFailure).join('; ')
  const message =
    failures.length === 1
      ? `the bootstrap server did not help: ${list}`
      : `none of ${failures.length} bootstrap servers helped: ${list}`
  const cause = errors.length === 1 ? errors[0] : new AggregateError(errors, message)
  if (errors.every((error) => error instanceof AuthenticationError)) return new AuthenticationError(message, { cause })
  const retriable = errors.some((error) => !(error instanceof KafkaError) || error.retriable)
  return new ConnectionError(message, { cause, retriable, persistence: 'not-persisted' })
}

function describeFailure({ server, error }: { server: string; error: unknown }): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.includes(server) ? message : `${server}: ${message}`
}
