/** The cluster's door to the network: what a broker needs of a byte stream that a client opened, and real sockets for it.
 *
 *  The only file of the in-process cluster that knows `node:net`. A simulation brings a `Listen` of its own, and the brokers
 *  cannot tell. Knows no protocol. */

import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** A byte stream that a client opened, as the broker sees it. */
export interface ServerConnection {
  /** The client, as `host:port`. */
  readonly remote: string
  /** Hands the chunks to the stream in order, as one write, and calls `written` once they have left: a broker takes no
   *  further request from a client that does not read. Whoever writes leaves their memory alone. After the stream's end it
   *  does nothing. */
  write(chunks: readonly Uint8Array[], written?: () => void): void
  /** Ends the stream now; what was written and has not left yet is lost. Idempotent. */
  destroy(error?: Error): void
  /** Hears of bytes; set once, before the first can arrive. The view is only valid during the call. */
  onData(listener: (chunk: Uint8Array) => void): void
  /** Hears once of the stream's end, by either side; nothing comes after it. */
  onClose(listener: () => void): void
  /** Stops and resumes reading: the client feels it as back-pressure. */
  pause(): void
  resume(): void
}

export interface Listener {
  readonly host: string
  readonly port: number
  /** Accepts nothing more; open connections live on, their owner ends them. Resolves once the port is free. Idempotent. */
  close(): Promise<void>
}

/**
 * Listens on a host and a port (0: a free one) and calls `onConnection` for every client that connects; the listeners of a
 * connection are set during that call.
 *
 * Rejects when the port cannot be had.
 */
export type Listen = (
  host: string,
  port: number,
  onConnection: (connection: ServerConnection) => void,
) => Promise<Listener>

/** Real sockets. */
export const listenOnSocket: Listen = async (host, port, onConnection) => {
  // A client that ends its side is done with us: Kafka's brokers answer nobody who has hung up, so halves are not kept open.
  const server = createServer({ noDelay: true, allowHalfOpen: false }, (socket) => {
    onConnection(new SocketConnection(socket))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  // An accept that fails (no file descriptor left) is the dialing client's trouble, and no reason to end the process.
  server.on('error', () => {})
  return new SocketListener(server)
}

class SocketListener implements Listener {
  readonly host: string
  readonly port: number
  readonly #server: Server

  constructor(server: Server) {
    const { address, port } = server.address() as AddressInfo
    this.host = address
    this.port = port
    this.#server = server
  }

  close(): Promise<void> {
    // Not its callback: Node calls that only when the last connection is gone, but the port is free at once.
    if (this.#server.listening) this.#server.close()
    return Promise.resolve()
  }
}

class SocketConnection implements ServerConnection {
  readonly remote: string
  readonly #socket: Socket

  constructor(socket: Socket) {
    this.#socket = socket
    this.remote = `${socket.remoteAddress ?? 'gone'}:${socket.remotePort ?? 0}`
    // A client that vanishes is an end like any other: 'close' follows and tells of it.
    socket.on('error', () => {})
  }

  write(chunks: readonly Uint8Array[], written?: () => void): void {
    const socket = this.#socket
    if (socket.destroyed || chunks.length === 0) return
    const last = chunks.length - 1
    socket.cork()
    for (let i = 0; i < last; i++) socket.write(chunks[i]!)
    socket.write(chunks[last]!, (error) => {
      if (!error) written?.()
    })
    socket.uncork()
  }

  destroy(error?: Error): void {
    this.#socket.destroy(error)
  }

  onData(listener: (chunk: Uint8Array) => void): void {
    this.#socket.on('data', listener)
  }

  onClose(listener: () => void): void {
    this.#socket.once('close', listener)
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }
}
