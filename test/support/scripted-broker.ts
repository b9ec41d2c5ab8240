/**
 * A peer that plays a broker by a script: a real socket on 127.0.0.1, requests read with Jackdaw's own wire code, answers
 * from a table of handlers. It keeps no logs and coordinates nothing; what it shall say, the test says.
 *
 * ```ts
 * const broker = await ScriptedBroker.start({
 *   [FindCoordinator.name]: () => ({ errorCode: 15 }),
 * }, { topics: { orders: 3 } })
 * t.after(() => broker.close())
 * broker.once(Produce, () => 'drop').on(Produce, (request, { version }) => ({ responses: [] }))
 * ```
 *
 * ApiVersions, Metadata and InitProducerId are answered without being told to. `ScriptedCluster` has several brokers with one metadata.
 */

import { createServer, Socket, type AddressInfo, type Server } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'

import type { Api, Init } from '#src/wire/api.js'
import { decodeRequest, decodeRequestHeader, encodeResponse } from '#src/wire/frame.js'
import { ApiVersions, type ApiVersionsResponse } from '#src/wire/messages/api-versions.js'
import { InitProducerId } from '#src/wire/messages/init-producer-id.js'
import { apiByKey, apis } from '#src/wire/messages/index.js'
import { Metadata, type MetadataRequest, type MetadataResponse } from '#src/wire/messages/metadata.js'
import { zeroUuid } from '#src/wire/primitives/uuid.js'
import type { Listen, Listener } from '#src/testing/listener.js'
import { ServerStream } from './server-stream.ts'

/** What a handler says: an answer, bytes as they are, hang up, or never answer this one. */
export type Reply<Response> = Init<Response> | Uint8Array | 'drop' | 'silence'

export interface RequestContext {
  readonly broker: ScriptedBroker
  /** Of the request; the answer is written in the same. */
  readonly version: number
  readonly correlationId: number
  readonly clientId: string | null
  readonly socket: Socket
  /** Which of this broker's connections it came on, counted from 1. */
  readonly connection: number
}

export type Handler<Request, Response> = (
  request: Request,
  context: RequestContext,
) => Reply<Response> | Promise<Reply<Response>>

/** A table cannot tell which API an entry is for, so a handler that looks at its request says of what type it is; `on` and
 *  `once` know. */
export type HandlerTable = Readonly<Record<string, Handler<never, unknown>>>

export interface ReceivedRequest<Request = unknown> extends RequestContext {
  readonly api: Api<Request, unknown>
  readonly request: Request
}

/** Either how many partitions, led in turn by all brokers, or who leads each of them. */
export type ScriptedTopics = Record<string, number | readonly number[]>

export interface ScriptedBrokerOptions {
  /** Default 1. */
  readonly id?: number
  readonly topics?: ScriptedTopics
  /** Shares its metadata with other brokers. */
  readonly state?: ClusterState
  /** Speaks TLS. */
  readonly tls?: TlsOptions
  /** Default: a free one. */
  readonly port?: number
  /** Listens on another network than the machine's, for instance a simulated one, under the name `host`. */
  readonly listen?: Listen
  /** Default 127.0.0.1. */
  readonly host?: string
  /** Hangs up on a request that its handler throws at, as a broker does that cannot make sense of it. Without it the
   *  test fails: a handler that throws is a mistake of the test. */
  readonly hangsUpOnNonsense?: boolean
  /** By API name: the versions offered in place of all we know; null hides the API. */
  readonly versions?: Readonly<Record<string, readonly [number, number] | null>>
}

interface ScriptedPartition {
  leader: number
  leaderEpoch: number
  errorCode: number
}

interface ScriptedTopic {
  topicId: string
  errorCode: number
  partitions: ScriptedPartition[]
}

/** What all brokers of a scripted cluster say in Metadata. Change it at will. */
export class ClusterState {
  clusterId: string | null = 'scripted'
  controllerId = -1
  readonly brokers = new Map<number, { host: string; port: number }>()
  readonly topics = new Map<string, ScriptedTopic>()
  #topicIds = 0

  /** Puts a topic in place of what had its name; a new one each time, by its id. */
  addTopic(name: string, spec: number | readonly number[]): ScriptedTopic {
    const ids = [...this.brokers.keys()]
    const leaders =
      typeof spec === 'number' ? Array.from({ length: spec }, (_, i) => ids[i % Math.max(1, ids.length)] ?? 1) : spec
    const topicId = Buffer.alloc(16, ++this.#topicIds).toString('base64url')
    const topic = {
      topicId,
      errorCode: 0,
      partitions: leaders.map((leader) => ({ leader, leaderEpoch: 1, errorCode: 0 })),
    }
    this.topics.set(name, topic)
    return topic
  }

  /** Moves a partition to another leader, in the next epoch. */
  moveLeader(topic: string, partition: number, leader: number): void {
    const entry = this.topics.get(topic)!.partitions[partition]!
    entry.leader = leader
    entry.leaderEpoch++
  }

  metadata(request: MetadataRequest, version: number): Init<MetadataResponse> {
    const all = request.topics === null || (version === 0 && request.topics.length === 0)
    const names = all ? [...this.topics.keys()] : request.topics!.map(({ name }) => name!)
    const nodes = [...this.brokers.keys()]
    return {
      clusterId: this.clusterId,
      controllerId: this.controllerId === -1 ? (nodes[0] ?? -1) : this.controllerId,
      brokers: Array.from(this.brokers, ([nodeId, { host, port }]) => ({ nodeId, host, port })),
      topics: names.map((name) => {
        const topic = this.topics.get(name)
        if (topic === undefined) return { name, errorCode: 3, topicId: zeroUuid, partitions: [] }
        return {
          name,
          errorCode: topic.errorCode,
          topicId: version >= 10 ? topic.topicId : zeroUuid,
          partitions: topic.partitions.map(({ leader, leaderEpoch, errorCode }, partitionIndex) => ({
            partitionIndex,
            errorCode,
            leaderId: leader,
            ...(version >= 7 ? { leaderEpoch } : {}),
            replicaNodes: nodes,
            isrNodes: nodes,
          })),
        }
      }),
    }
  }
}

export class ScriptedBroker {
  readonly id: number
  readonly state: ClusterState
  /** Every request that arrived, in order, ApiVersions and Metadata included. */
  readonly received: ReceivedRequest[] = []
  readonly #handlers = new Map<string, Handler<unknown, unknown>>()
  readonly #once = new Map<string, Handler<unknown, unknown>[]>()
  readonly #options: ScriptedBrokerOptions
  readonly #sockets = new Set<Socket>()
  readonly #waiters = new Set<() => void>()
  readonly #host: string
  #server: Server | undefined
  #listener: Listener | undefined
  #port = 0
  #connectionsAccepted = 0

  private constructor(handlers: HandlerTable, options: ScriptedBrokerOptions) {
    this.id = options.id ?? 1
    this.state = options.state ?? new ClusterState()
    this.#options = options
    this.#host = options.host ?? '127.0.0.1'
    for (const [name, handler] of Object.entries(handlers)) {
      this.#handlers.set(name, handler as Handler<unknown, unknown>)
    }
  }

  static async start(handlers: HandlerTable = {}, options: ScriptedBrokerOptions = {}): Promise<ScriptedBroker> {
    const broker = new ScriptedBroker(handlers, options)
    await broker.listen(options.port ?? 0)
    for (const [name, spec] of Object.entries(options.topics ?? {})) broker.state.addTopic(name, spec)
    return broker
  }

  get port(): number {
    return this.#port
  }

  /** For `bootstrapServers`. */
  get address(): string {
    return `${this.#host}:${this.#port}`
  }

  /** How many connections are open now. */
  get openConnections(): number {
    return this.#sockets.size
  }

  /** How many connections were ever accepted. */
  get connectionsAccepted(): number {
    return this.#connectionsAccepted
  }

  /** Answers an API from now on. */
  on<Request, Response>(api: Api<Request, Response>, handler: Handler<Request, Response>): this {
    this.#handlers.set(api.name, handler as Handler<unknown, unknown>)
    return this
  }

  /** Answers the next request of an API; several queue up, before what `on` said. */
  once<Request, Response>(api: Api<Request, Response>, handler: Handler<Request, Response>): this {
    const queue = this.#once.get(api.name) ?? []
    queue.push(handler as Handler<unknown, unknown>)
    this.#once.set(api.name, queue)
    return this
  }

  /** What arrived of an API. */
  requests<Request>(api: Api<Request, unknown>): ReceivedRequest<Request>[] {
    return this.received.filter((entry) => entry.api.key === api.key) as ReceivedRequest<Request>[]
  }

  /** Resolves when the condition holds; looked at whenever a request arrived or a connection came or went. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#waiters.add(resolve)
      })
    }
  }

  /** Resolves when so many requests of the API have arrived since the start. */
  async untilReceived(api: Api<unknown, unknown>, count = 1): Promise<void> {
    await this.until(() => this.requests(api).length >= count)
  }

  /** Hangs up on everybody. */
  dropConnections(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Listens (again). A port of 0 means a free one, which the metadata then names. */
  async listen(port: number = this.#port): Promise<void> {
    const { tls, listen } = this.#options
    if (listen !== undefined) {
      this.#listener = await listen(this.#host, port, (connection) => {
        // All that is asked of it, a stream has too.
        this.#accept(new ServerStream(connection) as unknown as Socket)
      })
      this.#port = this.#listener.port
      this.state.brokers.set(this.id, { host: this.#host, port: this.#port })
      return
    }
    const accept = (socket: Socket): void => {
      this.#accept(socket)
    }
    const server = tls === undefined ? createServer(accept) : createTlsServer(tls, accept)
    server.on('tlsClientError', () => {})
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, '127.0.0.1', resolve)
    })
    this.#server = server
    this.#port = (server.address() as AddressInfo).port
    this.state.brokers.set(this.id, { host: '127.0.0.1', port: this.#port })
  }

  /** Hangs up on everybody and listens no more; the metadata still names it. */
  async close(): Promise<void> {
    if (this.#listener !== undefined) {
      await this.#listener.close()
      this.dropConnections()
      return
    }
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const closed = new Promise((resolve) => server.close(resolve))
    this.dropConnections()
    await closed
  }

  #accept(socket: Socket): void {
    const connection = ++this.#connectionsAccepted
    this.#sockets.add(socket)
    if (socket instanceof Socket) socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.once('close', () => {
      this.#sockets.delete(socket)
      this.#changed()
    })
    let buffered: Buffer = Buffer.alloc(0)
    let answering: Promise<void> = Promise.resolve()
    socket.on('data', (chunk: Buffer) => {
      buffered = buffered.length === 0 ? chunk : Buffer.concat([buffered, chunk])
      while (buffered.length >= 4) {
        const end = 4 + buffered.readInt32BE(0)
        if (buffered.length < end) break
        const frame = Buffer.from(buffered.subarray(4, end))
        buffered = buffered.subarray(end)
        // One after the other, as a broker does.
        const received = this.#read(frame, socket, connection)
        answering = answering
          .then(() => this.#answer(received))
          .catch((error: unknown) => {
            socket.destroy()
            if (this.#options.hangsUpOnNonsense === true) return
            // A handler's mistake must fail the test, not hang it.
            queueMicrotask(() => {
              throw error
            })
          })
      }
    })
    this.#changed()
  }

  #read(frame: Buffer, socket: Socket, connection: number): ReceivedRequest {
    const header = decodeRequestHeader(frame)
    const api = apiByKey(header.apiKey)
    if (api === undefined) throw new Error(`there is no API with the key ${header.apiKey}`)
    const isTooNew = api.key === ApiVersions.key && header.apiVersion > this.#range(api)![1]
    const received: ReceivedRequest = {
      broker: this,
      api,
      request: isTooNew ? undefined : decodeRequest(api, header),
      version: header.apiVersion,
      correlationId: header.correlationId,
      clientId: header.clientId,
      socket,
      connection,
    }
    this.received.push(received)
    this.#changed()
    return received
  }

  async #answer(received: ReceivedRequest): Promise<void> {
    const { api, request, version, correlationId, socket } = received
    if (socket.destroyed) return
    const handler = this.#once.get(api.name)?.shift() ?? this.#handlers.get(api.name) ?? this.#default(api)
    const reply = await handler(request, received)
    // What a handler notes may be waited for.
    this.#changed()
    if (reply === 'silence' || socket.destroyed) return
    if (reply === 'drop') {
      socket.destroy()
      return
    }
    if (reply instanceof Uint8Array) {
      socket.write(reply)
      return
    }
    // A broker answers an ApiVersions request that it does not understand in version 0.
    const refusesVersion = api.key === ApiVersions.key && (reply as ApiVersionsResponse).errorCode === 35
    socket.write(Buffer.concat(encodeResponse(api, refusesVersion ? 0 : version, correlationId, reply as object)))
  }

  #default(api: Api<unknown, unknown>): Handler<unknown, unknown> {
    if (api.key === ApiVersions.key) return (_, { version }) => this.#offer(version)
    if (api.key === Metadata.key) {
      return (request, { version }) => this.state.metadata(request as MetadataRequest, version)
    }
    // Every producer asks first thing; whoever cares gives ids of its own.
    if (api.key === InitProducerId.key) return () => ({ producerId: 1_000 + this.requests(InitProducerId).length })
    throw new Error(`the scripted broker has no handler for ${api.name}`)
  }

  #range(api: Api<unknown, unknown>): readonly [number, number] | null {
    const given = this.#options.versions?.[api.name]
    return given === undefined ? [api.minVersion, api.maxVersion] : given
  }

  #offer(version: number): Init<ApiVersionsResponse> {
    const [minVersion, maxVersion] = this.#range(ApiVersions as Api<unknown, unknown>)!
    if (version > maxVersion) {
      return { errorCode: 35, apiKeys: [{ apiKey: ApiVersions.key, minVersion, maxVersion }] }
    }
    const apiKeys = apis.flatMap((api) => {
      const range = this.#range(api)
      return range === null ? [] : [{ apiKey: api.key, minVersion: range[0], maxVersion: range[1] }]
    })
    return { apiKeys }
  }

  #changed(): void {
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    for (const wake of waiters) wake()
  }
}

/** Several scripted brokers, numbered from 1, that say the same in Metadata. */
export class ScriptedCluster {
  readonly state: ClusterState
  readonly brokers: readonly ScriptedBroker[]

  private constructor(state: ClusterState, brokers: readonly ScriptedBroker[]) {
    this.state = state
    this.brokers = brokers
  }

  static async start(
    handlers: HandlerTable = {},
    {
      brokers: count,
      topics = {},
      ...options
    }: { brokers: number; topics?: ScriptedTopics } & Omit<ScriptedBrokerOptions, 'id' | 'state' | 'topics' | 'port'>,
  ): Promise<ScriptedCluster> {
    const state = new ClusterState()
    const brokers: ScriptedBroker[] = []
    for (let id = 1; id <= count; id++) {
      // On a network of its own each broker is a host, so that the network can part them.
      const host = options.listen === undefined ? {} : { host: `broker-${id}` }
      brokers.push(await ScriptedBroker.start(handlers, { ...host, ...options, id, state }))
    }
    for (const [name, spec] of Object.entries(topics)) state.addTopic(name, spec)
    return new ScriptedCluster(state, brokers)
  }

  /** All of them, for `bootstrapServers`. */
  get address(): string {
    return this.brokers.map(({ address }) => address).join(',')
  }

  broker(id: number): ScriptedBroker {
    const broker = this.brokers.find((candidate) => candidate.id === id)
    if (broker === undefined) throw new Error(`the scripted cluster has no broker ${id}`)
    return broker
  }

  /** Answers an API on every broker from now on. */
  on<Request, Response>(api: Api<Request, Response>, handler: Handler<Request, Response>): this {
    for (const broker of this.brokers) broker.on(api, handler)
    return this
  }

  /** What arrived of an API at any broker, broker by broker. */
  requests<Request>(api: Api<Request, unknown>): ReceivedRequest<Request>[] {
    return this.brokers.flatMap((broker) => broker.requests(api))
  }

  async close(): Promise<void> {
    await Promise.all(this.brokers.map((broker) => broker.close()))
  }
}
