/**
 * One connection that speaks the protocol and nothing more: requests out, the answers in their order. For tests that look at
 * what a broker answers, to requests that our own clients would never send.
 */

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

import type { Api, Init } from '#src/wire/api.js'
import { decodeResponse, encodeRequest } from '#src/wire/frame.js'

const patienceMs = 10_000

export class RawClient {
  readonly #socket: Socket
  #received: Buffer = Buffer.alloc(0)
  #changed: () => void = () => {}
  #ended = false
  #correlationId = 0
  #last: Promise<unknown> = Promise.resolve()

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk])
      this.#changed()
    })
    socket.on('close', () => {
      this.#ended = true
      this.#changed()
    })
  }

  /** @param address `host:port` */
  static async connect(address: string): Promise<RawClient> {
    const colon = address.lastIndexOf(':')
    const socket = connect(Number(address.slice(colon + 1)), address.slice(0, colon))
    await once(socket, 'connect', { signal: AbortSignal.timeout(patienceMs) })
    return new RawClient(socket)
  }

  /** Whether the broker has ended the connection. */
  get ended(): boolean {
    return this.#ended
  }

  /** Sends a request and resolves to its answer; several may be under way. Rejects when the connection ends before. */
  send<Request, Response>(
    api: Api<Request, Response>,
    version: number,
    request: Init<Request>,
    { answerVersion = version, clientId = 'raw' }: { answerVersion?: number; clientId?: string } = {},
  ): Promise<Response> {
    const correlationId = ++this.#correlationId
    this.write(Buffer.concat(encodeRequest(api, version, correlationId, clientId, request)))
    const answered = this.#last.then(async () => {
      const { correlationId: of, message } = decodeResponse(api, answerVersion, await this.#frame())
      if (of !== correlationId) throw new Error(`the answer to request ${of} came in place of ${correlationId}`)
      return message
    })
    this.#last = answered.catch(() => {})
    return answered
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes)
  }

  /** Resolves when the broker has ended the connection, with what came of an answer until then. */
  async untilEnd(): Promise<Buffer> {
    await this.#until(() => this.#ended)
    return this.#received
  }

  close(): void {
    this.#socket.destroy()
  }

  async #frame(): Promise<Buffer> {
    const isWhole = (): boolean =>
      this.#received.length >= 4 && this.#received.length >= 4 + this.#received.readInt32BE(0)
    await this.#until(() => isWhole() || this.#ended)
    if (!isWhole()) throw new Error('the connection ended before the answer')
    const end = 4 + this.#received.readInt32BE(0)
    const frame = Buffer.from(this.#received.subarray(4, end))
    this.#received = this.#received.subarray(end)
    return frame
  }

  async #until(condition: () => boolean): Promise<void> {
    const deadline = AbortSignal.timeout(patienceMs)
    while (!condition()) {
      await new Promise<void>((resolve, reject) => {
        this.#changed = resolve
        deadline.addEventListener('abort', () => {
          reject(new Error(`a broker said nothing for ${patienceMs} ms`))
        })
      })
    }
  }
}
