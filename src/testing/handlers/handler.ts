/** What a handler of an API is, and what it is given: one file each in this folder, listed in `registry.ts`. Knows no
 *  connection and no frames: a request comes decoded, and what is returned is encoded by others. */

import type { Api, Init } from '../../wire/api.ts'
import type { ClusterState } from '../cluster-state.ts'
import type { GroupCoordinator } from '../groups/group-coordinator.ts'
import type { Partition } from '../topics.ts'
import type { TransactionCoordinator } from '../transaction-coordination/transaction-coordinator.ts'
import type { FetchSessions } from '../fetch-sessions.ts'

/** The connection that a request came on, as far as handlers may care. */
export interface RequestConnection {
  /** Counted from 1 over the whole cluster. */
  readonly id: number
  /** The client's address without its port. */
  readonly host: string
  readonly isClosed: boolean
  /** Calls back once at its end, unless the returned function was called before. */
  onClosed(listener: () => void): () => void
}

export interface RequestContext {
  readonly state: ClusterState
  readonly groups: GroupCoordinator
  readonly transactions: TransactionCoordinator
  readonly fetchSessions: FetchSessions
  readonly brokerId: number
  readonly version: number
  readonly correlationId: number
  readonly clientId: string | null
  readonly connection: RequestConnection
  /** The versions this broker serves of each API, by key. */
  readonly served: ReadonlyMap<number, readonly [number, number]>
}

/** Thrown by a handler that has no answer to give but the end of the connection, as Kafka does with what it cannot read. */
export class HangUp extends Error {}

/** No answer is sent: only a Produce that asked for none may say so. */
export const noAnswer: unique symbol = Symbol('no answer')

export type Answer<Response> = Init<Response> | typeof noAnswer

export interface ApiHandler<Request, Response> {
  readonly api: Api<Request, Response>
  /** The lowest version that is served, as Kafka 4.3 has it. */
  readonly minVersion: number
  readonly maxVersion: number
  handle(request: Request, context: RequestContext): Answer<Response> | Promise<Answer<Response>>
  /** The answer that says one error code wherever the request could be told one. */
  refuse(request: Request, errorCode: number, context: RequestContext): Answer<Response>
}

export type AnyHandler = ApiHandler<unknown, unknown>

/** A handler as the registry keeps it: the registry knows by the API's key which request it gets. */
export function defineHandler<Request, Response>(handler: ApiHandler<Request, Response>): AnyHandler {
  return handler as unknown as AnyHandler
}

/** Brokers that an answer names, so that the client need not ask where they are (KIP-951). */
export function endpointsOf(
  { state }: RequestContext,
  ids: Iterable<number>,
): { nodeId: number; host: string; port: number; rack: string | null }[] {
  return [...new Set(ids)].flatMap((id) => {
    const broker = state.brokers.get(id)
    return broker === undefined ? [] : [{ nodeId: id, host: broker.host, port: broker.port, rack: broker.rack }]
  })
}

/** Who leads instead, for an answer that refuses (KIP-951). */
export function currentLeaderOf({ leaderId, leaderEpoch }: Partition): { leaderId: number; leaderEpoch: number } {
  return { leaderId, leaderEpoch }
}
