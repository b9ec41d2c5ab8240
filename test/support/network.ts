/** What the tests of connections share: a connection to anything on 127.0.0.1, and peers that are no brokers. */

import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

import { systemClock } from '#src/async/clock.js'
import { Connection, type CloseReason, type ConnectionSettings } from '#src/network/connection.js'
import { dialSocket } from '#src/network/socket.js'

/** Settings for a connection to a port of 127.0.0.1, with every deadline far away. */
export function settingsFor(port: number, given: Partial<ConnectionSettings> = {}): ConnectionSettings {
  return {
    address: { host: '127.0.0.1', port },
    peer: 'broker 1 at test:9092',
    tls: undefined,
    clientId: 'test',
    clock: systemClock,
    dial: dialSocket,
    setupTimeoutMs: 10_000,
    requestTimeoutMs: 40_000,
    maxIdleMs: 540_000,
    maxResponseBytes: 134_217_728,
    onClose: () => {},
    ...given,
  }
}

export interface Closing {
  readonly reason: CloseReason
  readonly error: Error | undefined
}

export interface OpenConnection {
  readonly connection: Connection
  /** Resolves when the owner was told that the connection ended. */
  readonly closed: Promise<Closing>
}

/** Opens a connection, and ends it with the test. */
export async function open(
  t: TestContext,
  port: number,
  given: Partial<ConnectionSettings> = {},
): Promise<OpenConnection> {
  let told!: (closing: Closing) => void
  const closed = new Promise<Closing>((resolve) => {
    told = resolve
  })
  const onClose = (reason: CloseReason, error: Error | undefined): void => {
    told({ reason, error })
  }
  const connection = await Connection.open(settingsFor(port, { onClose, ...given }))
  t.after(() => {
    connection.destroy()
  })
  return { connection, closed }
}

/** A server of our own making on a free port of 127.0.0.1; ends with the test. */
export async function listen(t: TestContext, onSocket: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    onSocket(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** A port of 127.0.0.1 at which nothing listens. */
export async function closedPort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
