/** One broker: listens, and answers each request by the registry's handler, unless a control comes first. Everything it knows
 *  of topics and groups it shares with the other brokers; its connections and its fetch sessions are its own. */

import { sleep } from '../async/wait.ts'
import { brokerErrorNumber } from '../errors/broker-error.ts'
import type { Api, Init } from '../wire/api.ts'
import { decodeRequest, encodeResponse, type RequestHeader } from '../wire/frame.ts'
import { ApiVersions, type ApiVersionsResponse } from '../wire/messages/api-versions.ts'
import { BrokerConnection, type Outcome } from './broker-connection.ts'
import type { BrokerEntry, ClusterState } from './cluster-state.ts'
import type { Controls, Handling } from './controls.ts'
import { FetchSessions } from './fetch-sessions.ts'
import type { GroupCoordinator } from './groups/group-coordinator.ts'
import {
  HangUp,
  noAnswer,
  type Answer,
  type AnyHandler,
  type RequestConnection,
  type RequestContext,
} from './handlers/handler.ts'
import { handlerOf } from './handlers/registry.ts'
import type { Listen, Listener } from './listener.ts'
import type { RequestLog } from './request-log.ts'
import type { TransactionCoordinator } from './transaction-coordination/transaction-coordinator.ts'

/** What the brokers of a cluster share. */
export interface SharedByBrokers {
  readonly state: ClusterState
  readonly groups: GroupCoordinator
  readonly transactions: TransactionCoordinator
  readonly controls: Controls
  readonly requests: RequestLog
  readonly listen: Listen
  readonly served: ReadonlyMap<number, readonly [number, number]>
  readonly nextConnectionId: () => number
}

export class Broker {
  readonly entry: BrokerEntry
  readonly #shared: SharedByBrokers
  readonly #connections = new Set<BrokerConnection>()
  readonly #fetchSessions: FetchSessions
  #listener: Listener | undefined

  constructor(entry: BrokerEntry, shared: SharedByBrokers) {
    this.entry = entry
    this.#shared = shared
    const { properties, random } = shared.state
    this.#fetchSessions = new FetchSessions(
      () => properties.number('max.incremental.fetch.session.cache.slots'),
      () => 1 + Math.floor(random.next() * (2 ** 31 - 2)),
    )
  }

  /** How many connections are open. */
  get connectionCount(): number {
    return this.#connections.size
  }

  /** Listens on its port, or on a free one, which is its own from then on. */
  async start(): Promise<void> {
    const { host, port } = this.entry
    const { state, listen, nextConnectionId } = this.#shared
    this.#listener = await listen(host, port, (stream) => {
      const connection = new BrokerConnection({
        id: nextConnectionId(),
        stream,
        logger: state.logger,
        broker: `broker ${this.entry.id}`,
        maxRequestBytes: state.properties.number('socket.request.max.bytes'),
        serve: (header, from) => this.#serve(header, from),
        onClosed: (closed) => {
          this.#connections.delete(closed)
        },
      })
      this.#connections.add(connection)
    })
    this.entry.port = this.#listener.port
  }

  /** Ends every connection and listens no more. Idempotent. */
  async stop(): Promise<void> {
    const listener = this.#listener
    this.#listener = undefined
    const closed = listener?.close()
    this.dropConnections()
    this.#fetchSessions.clear()
    await closed
  }

  dropConnections(): void {
    for (const connection of [...this.#connections]) connection.destroy()
  }

  async #serve(header: RequestHeader, connection: RequestConnection): Promise<Outcome> {
    const { state, controls, requests, served } = this.#shared
    const { apiKey, apiVersion: version, correlationId, clientId } = header
    const range = served.get(apiKey)
    const handler = handlerOf(apiKey)
    if (range === undefined || handler === undefined) throw new HangUp(`there is no API with the key ${apiKey}`)
    const { api } = handler
    if (version < range[0] || version > range[1] || version < handler.minVersion) {
      if (api.key === ApiVersions.key) return write(api, 0, correlationId, unsupportedApiVersions(range))
      throw new HangUp(`${api.name} has no version ${version} here`)
    }
    const request = decodeRequest(api, header)
    requests.add({
      api,
      request,
      brokerId: this.entry.id,
      version,
      clientId,
      correlationId,
      connectionId: connection.id,
    })
    const context: RequestContext = {
      state,
      groups: this.#shared.groups,
      transactions: this.#shared.transactions,
      fetchSessions: this.#fetchSessions,
      brokerId: this.entry.id,
      version,
      correlationId,
      clientId,
      connection,
      served,
    }
    let answer: Answer<unknown>
    let isCut = false
    if (controls.concerns(api)) {
      const handling: Handling = {
        handle: (given) => this.#handle(handler, given, context),
        refuse: (given, errorCode) => handler.refuse(given, errorCode, context),
      }
      const about = {
        brokerId: this.entry.id,
        version,
        correlationId,
        clientId,
        connectionId: connection.id,
        delay: (delayMs: number) => sleep(state.clock, delayMs),
      }
      const ruling = await controls.rule(api, request, about, handling)
      if (ruling?.kind === 'drop') throw new HangUp(`a control dropped ${api.name}`)
      if (ruling?.kind === 'silence') return { kind: 'silence' }
      isCut = ruling?.kind === 'cut'
      answer = ruling?.kind === 'answer' ? ruling.answer : await this.#handle(handler, request, context)
    } else {
      answer = await this.#handle(handler, request, context)
    }
    if (answer === noAnswer) return { kind: 'nothing' }
    const outcome = write(api, version, correlationId, answer)
    return isCut ? { kind: 'cut', chunks: outcome.chunks } : outcome
  }

  /** What a handler throws is a mistake of ours: the client is told what Kafka tells of its own, and the log the rest. */
  async #handle(handler: AnyHandler, request: unknown, context: RequestContext): Promise<Answer<unknown>> {
    try {
      return await handler.handle(request, context)
    } catch (error) {
      if (error instanceof HangUp) throw error
      const what = error instanceof Error ? (error.stack ?? error.message) : String(error)
      this.#shared.state.logger.error(`broker ${this.entry.id} failed to handle ${handler.api.name}: ${what}`)
      return handler.refuse(request, brokerErrorNumber('UNKNOWN_SERVER_ERROR'), context)
    }
  }
}

function write<Response>(
  api: Api<unknown, Response>,
  version: number,
  correlationId: number,
  answer: Init<Response>,
): { kind: 'write'; chunks: readonly Uint8Array[] } {
  return { kind: 'write', chunks: encodeResponse(api, version, correlationId, answer) }
}

/** Said in version 0, which every client reads: there is another version to ask in. */
function unsupportedApiVersions([minVersion, maxVersion]: readonly [number, number]): Init<ApiVersionsResponse> {
  return {
    errorCode: brokerErrorNumber('UNSUPPORTED_VERSION'),
    apiKeys: [{ apiKey: ApiVersions.key, minVersion, maxVersion }],
  }
}
