/** One client's connection to a broker: cuts its bytes into requests, has them handled strictly one after another, as Kafka
 *  does (a Fetch that waits holds up what is behind it), and writes the answers. Bytes that make no sense end it. Knows no
 *  API beyond the number in a header. */

import { ProtocolError } from '../errors/errors.ts'
import type { Logger } from '../diagnostics/logger.ts'
import { decodeRequestHeader, frameSizeBytes, type RequestHeader } from '../wire/frame.ts'
import { HangUp, type RequestConnection } from './handlers/handler.ts'
import type { ServerConnection } from './listener.ts'

/** A request's answer: chunks to write, nothing, half of the chunks and then the end, or silence from now on. */
export type Outcome =
  { readonly kind: 'write' | 'cut'; readonly chunks: readonly Uint8Array[] } | { readonly kind: 'nothing' | 'silence' }

export interface BrokerConnectionOptions {
  readonly id: number
  readonly stream: ServerConnection
  readonly logger: Logger
  /** For messages: `broker 1`. */
  readonly broker: string
  /** `socket.request.max.bytes` */
  readonly maxRequestBytes: number
  /** Handles a request. What it throws ends the connection. */
  readonly serve: (header: RequestHeader, connection: RequestConnection) => Promise<Outcome>
  readonly onClosed: (connection: BrokerConnection) => void
}

/** Requests that wait for their turn; a client that sends more of them, or more bytes, is not read from for a while. */
const maxQueuedFrames = 64
const maxQueuedBytes = 1024 * 1024
/** Answers that the client has not taken; beyond it no further request is handled. */
const maxUnwrittenBytes = 1024 * 1024
/** A frame gets its memory at once up to here, and beyond as its bytes arrive. */
const trustedFrameBytes = 1024 * 1024

export class BrokerConnection implements RequestConnection {
  readonly id: number
  readonly host: string
  readonly #options: BrokerConnectionOptions
  readonly #closeListeners = new Set<() => void>()
  readonly #sizeBytes = Buffer.alloc(frameSizeBytes)
  #sizeFilled = 0
  #frame: Buffer | undefined
  #frameSize = 0
  #frameFilled = 0
  readonly #queue: Buffer[] = []
  #queuedBytes = 0
  #isPaused = false
  #isServing = false
  #unwrittenBytes = 0
  #whenWritten: (() => void) | undefined
  #isClosed = false

  constructor(options: BrokerConnectionOptions) {
    this.#options = options
    const { stream } = options
    this.id = options.id
    this.host = stream.remote.slice(0, stream.remote.lastIndexOf(':'))
    stream.onData((chunk) => {
      this.#received(chunk)
    })
    stream.onClose(() => {
      this.#closed()
    })
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  onClosed(listener: () => void): () => void {
    this.#closeListeners.add(listener)
    return () => {
      this.#closeListeners.delete(listener)
    }
  }

  destroy(): void {
    this.#options.stream.destroy()
    this.#closed()
  }

  #received(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.length && !this.#isClosed) {
      if (this.#frame === undefined) {
        const taken = Math.min(frameSizeBytes - this.#sizeFilled, chunk.length - at)
        this.#sizeBytes.set(chunk.subarray(at, at + taken), this.#sizeFilled)
        this.#sizeFilled += taken
        at += taken
        if (this.#sizeFilled === frameSizeBytes) this.#beginFrame(this.#sizeBytes.readInt32BE(0))
      } else {
        const taken = Math.min(this.#frameSize - this.#frameFilled, chunk.length - at)
        this.#makeRoom(this.#frameFilled + taken)
        this.#frame.set(chunk.subarray(at, at + taken), this.#frameFilled)
        this.#frameFilled += taken
        at += taken
      }
      if (this.#frame !== undefined && this.#frameFilled === this.#frameSize) this.#endFrame(this.#frame)
    }
  }

  #beginFrame(size: number): void {
    const { maxRequestBytes } = this.#options
    if (size < 0 || size > maxRequestBytes) {
      this.#hangUp(`announced a request of ${size} bytes, and at most ${maxRequestBytes} are accepted`)
      return
    }
    this.#frameSize = size
    this.#frameFilled = 0
    // A log keeps what it is sent: a frame from the shared pool would keep strangers alive.
    this.#frame = Buffer.allocUnsafeSlow(Math.min(size, trustedFrameBytes))
  }

  #makeRoom(needed: number): void {
    const frame = this.#frame!
    if (needed <= frame.length) return
    const larger = Buffer.allocUnsafeSlow(Math.min(this.#frameSize, Math.max(needed, frame.length * 2)))
    larger.set(frame.subarray(0, this.#frameFilled))
    this.#frame = larger
  }

  #endFrame(frame: Buffer): void {
    this.#frame = undefined
    this.#sizeFilled = 0
    this.#queue.push(frame)
    this.#queuedBytes += frame.length
    if (!this.#isPaused && (this.#queue.length > maxQueuedFrames || this.#queuedBytes > maxQueuedBytes)) {
      this.#isPaused = true
      this.#options.stream.pause()
    }
    if (!this.#isServing) {
      this.#isServing = true
      // Never rejects: whatever goes wrong ends the connection.
      void this.#serveQueue()
    }
  }

  async #serveQueue(): Promise<void> {
    while (!this.#isClosed) {
      const frame = this.#queue.shift()
      if (frame === undefined) break
      this.#queuedBytes -= frame.length
      try {
        const outcome = await this.#options.serve(decodeRequestHeader(frame), this)
        if (outcome.kind === 'silence') return
        if (outcome.kind === 'cut') {
          // The end comes when the half is written: no other answer may follow it until then.
          this.#cut(outcome.chunks)
          return
        }
        if (outcome.kind === 'write') this.#write(outcome.chunks)
      } catch (error) {
        // What a client did wrong is for the log; a mistake of ours, or of a test's control, must be seen.
        const isTheirs = error instanceof HangUp || error instanceof ProtocolError
        this.#hangUp(error instanceof Error ? error.message : String(error), isTheirs ? 'warn' : 'error')
      }
      if (this.#unwrittenBytes > maxUnwrittenBytes && !this.#isClosed) {
        await new Promise<void>((resolve) => {
          this.#whenWritten = resolve
        })
      }
      if (this.#isPaused && this.#queue.length === 0) {
        this.#isPaused = false
        this.#options.stream.resume()
      }
    }
    this.#isServing = false
  }

  #write(chunks: readonly Uint8Array[]): void {
    if (this.#isClosed) return
    const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    this.#unwrittenBytes += size
    this.#options.stream.write(chunks, () => {
      this.#unwrittenBytes -= size
      if (this.#unwrittenBytes <= maxUnwrittenBytes) this.#wakeWriter()
    })
  }

  #cut(chunks: readonly Uint8Array[]): void {
    if (this.#isClosed) return
    const whole = Buffer.concat(chunks)
    this.#options.stream.write([whole.subarray(0, whole.length >>> 1)], () => {
      this.destroy()
    })
  }

  #hangUp(reason: string, level: 'warn' | 'error' = 'warn'): void {
    if (this.#isClosed) return
    const { logger, broker, stream } = this.#options
    logger[level](`${broker} ends the connection of ${stream.remote}: ${reason}`)
    this.destroy()
  }

  #wakeWriter(): void {
    const wake = this.#whenWritten
    this.#whenWritten = undefined
    wake?.()
  }

  #closed(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#queue.length = 0
    this.#wakeWriter()
    for (const listener of [...this.#closeListeners]) listener()
    this.#closeListeners.clear()
    this.#options.onClosed(this)
  }
}
