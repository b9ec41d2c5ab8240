/** A connection of an in-process network as a Node stream, for peers that are written against sockets. */

import { Duplex } from 'node:stream'

import type { ServerConnection } from '#src/testing/listener.js'

export class ServerStream extends Duplex {
  readonly #connection: ServerConnection

  constructor(connection: ServerConnection) {
    super({ allowHalfOpen: false })
    this.#connection = connection
    connection.onData((chunk) => {
      // The view is only lent.
      if (!this.push(Buffer.from(chunk))) connection.pause()
    })
    connection.onClose(() => {
      this.push(null)
      this.destroy()
    })
  }

  override _read(): void {
    this.#connection.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#connection.write([chunk], () => {
      callback()
    })
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#connection.destroy()
    callback(error)
  }
}
