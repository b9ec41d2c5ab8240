/** What the programs of a run have in common: their orders come as JSON in the first argument, and what they report is written
 *  before they go on, so that a program that is killed has said all that it knew. */

import { writeSync } from 'node:fs'

/** What a worker reports: of a transaction, by its number; or what surprised it. */
export type WorkerReport =
  | { readonly kind: 'ready' }
  /** About to ask for commit; with the number of records. */
  | { readonly kind: 'asked'; readonly transaction: number; readonly count: number }
  | { readonly kind: 'committed'; readonly transaction: number }
  | { readonly kind: 'aborted'; readonly transaction: number; readonly count: number; readonly why: string }
  | { readonly kind: 'failed'; readonly why: string }

export interface WorkerConnection {
  readonly bootstrapServers: string
  /** Pairs of a broker's id and the port of 127.0.0.1 at which a proxy stands for it. */
  readonly ports?: readonly (readonly [number, number])[] | undefined
}

export function ordersOf<Orders>(): Orders {
  return JSON.parse(process.argv[2]!) as Orders
}

export function report(one: WorkerReport): void {
  writeSync(1, `${JSON.stringify(one)}\n`)
}

/** Connection options that leave a killed broker alone in time. */
export function connectionOf({ bootstrapServers, ports }: WorkerConnection) {
  const proxies = new Map(ports)
  return {
    bootstrapServers,
    ...(ports !== undefined && {
      mapAddress: ({ id }: { readonly id: number }) => ({ host: '127.0.0.1', port: proxies.get(id)! }),
    }),
    requestTimeoutMs: 5_000,
    connectionSetupTimeoutMs: 3_000,
    reconnectBackoffMs: 20,
    reconnectBackoffMaxMs: 500,
    retryBackoffMs: 20,
    retryBackoffMaxMs: 500,
  }
}

export function describeError(error: unknown): string {
  const { name, code, message } = error as Error & { code?: string }
  return `${name} ${code ?? ''}: ${message}`
}

/** Whether the program was asked to end, by SIGTERM. */
export function untilAsked(): AbortSignal {
  const end = new AbortController()
  process.once('SIGTERM', () => {
    end.abort()
  })
  return end.signal
}
