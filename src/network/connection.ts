/**
 * One broker on one socket: writes requests one behind the other and gives each answer to the request it belongs to.
 *
 * Knows nothing of topics or of other brokers. A broker answers one connection strictly in order, so correlation ids only
 * confirm what the order already says; an answer out of order means that the stream can no longer be trusted.
 */

import type { Clock, Timer } from '../async/clock.ts'
import type { Dialer, TlsOptions, Transport } from '../async/transport.ts'
import { listenForAbort } from '../async/wait.ts'
import { ClosedError, ConnectionError, ProtocolError, TimeoutError, UnsupportedVersionError } from '../errors/errors.ts'
import type { Persistence } from '../errors/kafka-error.ts'
import type { Api, Init } from '../wire/api.ts'
import { decodeResponse, encodeRequest } from '../wire/frame.ts'
import { ApiVersions } from '../wire/messages/api-versions.ts'
import type { HostAndPort } from './address.ts'
import { negotiateVersions, unsupportedVersion, type BrokerVersions, type VersionWish } from './api-versions.ts'
import { explainDialFailure, explainEarlyEnd, explainFirstBytes } from './connect-errors.ts'
import { FrameSplitter } from './frame-splitter.ts'

/** Why a connection ended. */
export type CloseReason =
  'setup failed' | 'connection broken' | 'request timed out' | 'protocol violated' | 'idle' | 'closed'

export interface ConnectionSettings {
  /** Where to dial. */
  readonly address: HostAndPort
  /** Who is there, for messages: `broker 3 at kafka-3:9092`. */
  readonly peer: string
  readonly tls: TlsOptions | undefined
  readonly clientId: string
  readonly clock: Clock
  readonly dial: Dialer
  /** From the name's look-up to the answer of the first request, in ms. */
  readonly setupTimeoutMs: number
  /** From the write of a request to its answer, in ms, unless the request says otherwise. */
  readonly requestTimeoutMs: number
  /** With nothing to do for so long, in ms, the connection closes itself. */
  readonly maxIdleMs: number
  /** The longest answer that is accepted, in bytes. */
  readonly maxResponseBytes: number
  /** Told once, when an open connection ended. Not told of one whose `open` rejected. */
  readonly onClose: (reason: CloseReason, error: Error | undefined) => void
}

export interface ConnectionRequestOptions extends VersionWish {
  /** Cancels waiting, never what is already written. Rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined
  /** From the write to the answer, in ms. When it passes, the connection is closed. */
  readonly timeoutMs?: number | undefined
  /** False for a request that the broker does not answer: resolves to undefined when its bytes are written. */
  readonly expectResponse?: boolean | undefined
}

/** A request that waits for its turn, for its bytes to leave, or for its answer. */
interface Pending {
  readonly api: Api<unknown, unknown>
  /** The message, or the function that makes it. */
  readonly request: unknown
  readonly wish: ConnectionRequestOptions
  readonly timeoutMs: number
  resolve: (response: unknown) => void
  reject: (error: unknown) => void
  /** Its signal aborted: whatever becomes of it, nobody hears. */
  abandoned: boolean
  /** -1: to be picked when the request is written. */
  version: number
  /** -1 until it is written. */
  correlationId: number
  /** On the clock of `now()`; set when it begins to wait, and again when it is written. */
  dueAt: number
}

// Beyond these, requests wait on our side: a broker works on one at a time anyway.
const maxInFlight = 100
const maxUnsentBytes = 4_194_304
const maxWaiting = 10_000
// Until a peer has proven to be a broker it is not trusted with long answers.
const maxSetupResponseBytes = 1_048_576

type State = 'opening' | 'open' | 'closing' | 'closed'

export class Connection {
  readonly #settings: ConnectionSettings
  readonly #clock: Clock
  readonly #splitter: FrameSplitter
  /** Not written yet. */
  readonly #waiting: Pending[] = []
  /** Written, in the order in which their answers must come. */
  readonly #inFlight: Pending[] = []
  /** Handed to the transport, without an answer to come. */
  readonly #writing = new Set<Pending>()
  #transport: Transport | undefined
  #versions: BrokerVersions | undefined
  #state: State = 'opening'
  #closeReason: CloseReason | undefined
  #endedBy: Error | undefined
  #correlationId = 0
  #pumpScheduled = false
  #lastUsedAt: number
  #throttledUntil = 0
  // One timer for everything that can become due: requests, throttling, idleness. It is only ever moved forward; when it
  // fires too early it is set again, which costs less than moving it with every request.
  #timer: Timer | undefined
  #timerDueAt = Infinity
  #answered = false
  #drained: (() => void) | undefined
  #closing: Promise<void> | undefined

  private constructor(settings: ConnectionSettings) {
    this.#settings = settings
    this.#clock = settings.clock
    this.#lastUsedAt = settings.clock.now()
    this.#splitter = new FrameSplitter(maxSetupResponseBytes, this.#onFrame)
  }

  /**
   * Connects and negotiates versions.
   *
   * Rejects with `ConnectionError`, `AuthenticationError` (a certificate), `TimeoutError`, `ProtocolError` or the
   * signal's reason; nothing is left behind then.
   */
  static async open(settings: ConnectionSettings, signal?: AbortSignal): Promise<Connection> {
    const connection = new Connection(settings)
    await connection.#setUp(signal)
    return connection
  }

  get isOpen(): boolean {
    return this.#state === 'open'
  }

  /** Whether the broker reads nothing of us now, because of its quotas (KIP-219): requests wait on our side. */
  get isHeldBack(): boolean {
    return this.#clock.now() < this.#throttledUntil
  }

  /** Why it ended, once it has. */
  get closeReason(): CloseReason | undefined {
    return this.#closeReason
  }

  /** Requests that have not been answered yet, written or not. */
  get pendingRequests(): number {
    return this.#inFlight.length + this.#waiting.length + this.#writing.size
  }

  /** What the broker offers. Known once the connection is open. */
  get versions(): BrokerVersions {
    return this.#versions!
  }

  get peer(): string {
    return this.#settings.peer
  }

  /**
   * Sends one request and resolves to its answer.
   *
   * Requests of one turn of the event loop leave in one write. A failure whose `persistence` is `not-persisted` means that
   * not one byte of the request was handed to the socket.
   *
   * Byte fields are sent from where they are. Once this resolves nobody reads them any more: the broker has them all, or,
   * without an answer, the transport has let go of them. When it rejects, the transport was destroyed and begins no further
   * write, but the system may still be at one that had begun (Windows writes out of our memory until it has cancelled),
   * and after the signal's reason the write simply goes on. So memory of a request that failed may be read again, for
   * instance to send it anew, or dropped, but must not be overwritten with anything else.
   *
   * Rejects with `ConnectionError`, `TimeoutError`, `ProtocolError`, `UnsupportedVersionError`, or the signal's reason.
   */
  send<Request, Response>(
    api: Api<Request, Response>,
    request: Init<Request> | ((version: number) => Init<Request>),
    options: ConnectionRequestOptions = {},
  ): Promise<Response> {
    if (options.signal?.aborted) return Promise.reject(options.signal.reason as Error)
    if (this.#state !== 'open') return Promise.reject(this.#refusal())
    if (this.#waiting.length >= maxWaiting) {
      return Promise.reject(
        new ConnectionError(`${this.peer} has ${maxWaiting} requests of ours waiting already`, {
          persistence: 'not-persisted',
        }),
      )
    }
    return this.#exchange(api, request, options, -1)
  }

  /** Takes no more requests and ends when those that somebody waits for are answered. Never rejects. */
  close(): Promise<void> {
    if (this.#closing !== undefined) return this.#closing
    if (this.#state === 'closed') return Promise.resolve()
    this.#state = 'closing'
    this.#closing = new Promise((resolve) => {
      this.#drained = resolve
    })
    this.#settle()
    return this.#closing
  }

  /** Ends now: whatever has not been answered rejects with `reason`. */
  destroy(reason?: Error): void {
    this.#end('closed', reason ?? new ClosedError(`the connection to ${this.peer} was closed`))
  }

  async #setUp(signal: AbortSignal | undefined): Promise<void> {
    const { address, peer, tls, setupTimeoutMs, maxResponseBytes } = this.#settings
    const abort = new AbortController()
    const onAbort = (): void => {
      abort.abort(signal!.reason)
    }
    if (signal?.aborted) throw signal.reason
    signal?.addEventListener('abort', onAbort, { once: true })
    const timer = this.#clock.setTimer(() => {
      abort.abort(
        new TimeoutError(`connecting to ${peer} took longer than ${setupTimeoutMs} ms`, {
          persistence: 'not-persisted',
        }),
      )
    }, setupTimeoutMs)
    try {
      const { host, port } = address
      this.#transport = await this.#settings.dial(
        { host, port, tls, signal: abort.signal },
        { onData: this.#onData, onClose: this.#onTransportClose },
      )
      abort.signal.throwIfAborted()
      this.#throwIfEnded()
      const onSetupAbort = (): void => {
        this.#end('setup failed', abort.signal.reason as Error)
      }
      abort.signal.addEventListener('abort', onSetupAbort, { once: true })
      this.#versions = await negotiateVersions(peer, (request, version) =>
        this.#exchange(ApiVersions, request, {}, version),
      )
      abort.signal.removeEventListener('abort', onSetupAbort)
      // Junk right behind the answer, or the stream's end, may have ended it before we were told of the answer.
      this.#throwIfEnded()
      this.#state = 'open'
      this.#splitter.maxFrameBytes = maxResponseBytes
      this.#lastUsedAt = this.#clock.now()
      this.#arm(this.#lastUsedAt + this.#settings.maxIdleMs)
    } catch (error) {
      const reason: unknown = abort.signal.aborted ? abort.signal.reason : error
      this.#end('setup failed', reason as Error)
      // Once more, for a transport that was handed to us when all was over already.
      this.#transport?.destroy()
      throw abort.signal.aborted ? reason : explainDialFailure(reason, peer, tls !== undefined)
    } finally {
      this.#clock.clearTimer(timer)
      signal?.removeEventListener('abort', onAbort)
    }
  }

  #throwIfEnded(): void {
    if (this.#state !== 'closed') return
    const { peer, tls } = this.#settings
    throw this.#endedBy ?? explainEarlyEnd(undefined, peer, tls !== undefined)
  }

  #exchange<Request, Response>(
    api: Api<Request, Response>,
    request: Init<Request> | ((version: number) => Init<Request>),
    wish: ConnectionRequestOptions,
    version: number,
  ): Promise<Response> {
    if (this.#state === 'closed') return Promise.reject(this.#refusal())
    return new Promise<Response>((resolve, reject) => {
      const timeoutMs = wish.timeoutMs ?? this.#settings.requestTimeoutMs
      const pending: Pending = {
        api: api as Api<unknown, unknown>,
        request,
        wish,
        timeoutMs,
        resolve: resolve as (response: unknown) => void,
        reject,
        abandoned: false,
        version,
        correlationId: -1,
        dueAt: this.#clock.now() + timeoutMs,
      }
      if (wish.signal !== undefined) this.#heed(wish.signal, pending)
      this.#waiting.push(pending)
      this.#arm(pending.dueAt)
      this.#schedulePump()
    })
  }

  /** Rejects the request when the signal aborts, and takes the listener off when it is settled in any other way. */
  #heed(signal: AbortSignal, pending: Pending): void {
    const { resolve, reject } = pending
    const onAbort = (): void => {
      pending.abandoned = true
      reject(signal.reason)
      this.#settle()
    }
    pending.resolve = (response) => {
      signal.removeEventListener('abort', onAbort)
      resolve(response)
    }
    pending.reject = (error) => {
      signal.removeEventListener('abort', onAbort)
      reject(error)
    }
    listenForAbort(signal, onAbort)
  }

  #schedulePump(): void {
    if (this.#pumpScheduled) return
    this.#pumpScheduled = true
    // After the promises of this turn: what they send as well leaves in the same write.
    process.nextTick(this.#pump)
  }

  readonly #pump = (): void => {
    this.#pumpScheduled = false
    if (this.#state === 'closed' || this.#transport === undefined) return
    const now = this.#clock.now()
    const chunks: Uint8Array[] = []
    let unsentBytes = this.#transport.pendingBytes
    let unanswered: Pending[] | undefined
    while (this.#waiting.length > 0 && this.#inFlight.length < maxInFlight && unsentBytes < maxUnsentBytes) {
      // A broker that throttles us answers first and stops reading then (KIP-219): it would not see the request earlier.
      if (now < this.#throttledUntil) break
      const pending = this.#waiting.shift()!
      const frame = this.#encode(pending)
      if (frame === undefined) continue
      for (const chunk of frame) {
        chunks.push(chunk)
        unsentBytes += chunk.byteLength
      }
      pending.dueAt = now + pending.timeoutMs
      if (pending.wish.expectResponse === false) (unanswered ??= []).push(pending)
      else this.#inFlight.push(pending)
    }
    if (this.#waiting.length > 0 && now < this.#throttledUntil) this.#arm(this.#throttledUntil)
    if (chunks.length === 0) {
      this.#settle()
      return
    }
    this.#lastUsedAt = now
    if (unanswered === undefined) {
      this.#transport.write(chunks, this.#onWritten)
      return
    }
    const written = unanswered
    for (const pending of written) this.#writing.add(pending)
    this.#transport.write(chunks, (error) => {
      for (const pending of written) {
        if (!this.#writing.delete(pending)) continue
        if (error) pending.reject(this.#broken(pending, error, 'possibly-persisted'))
        else pending.resolve(undefined)
      }
      this.#onWritten(error)
    })
  }

  /** The frame of a request, or undefined when it cannot be written and was rejected. */
  #encode(pending: Pending): Uint8Array[] | undefined {
    const { api, request, wish } = pending
    if (pending.abandoned) return undefined
    let version = pending.version
    try {
      if (version < 0) version = this.versions.pick(api, wish)
      const message: unknown =
        typeof request === 'function' ? (request as (version: number) => unknown)(version) : request
      // An int32 that wraps: only the requests in flight must differ.
      const correlationId = this.#correlationId
      const frame = encodeRequest(api, version, correlationId, this.#settings.clientId, message)
      this.#correlationId = (correlationId + 1) & 0x7fffffff
      pending.version = version
      pending.correlationId = correlationId
      return frame
    } catch (error) {
      // Set apart from a version that could not be picked, which says all this already.
      const isUnsaid = error instanceof UnsupportedVersionError && version >= 0 && pending.version < 0
      pending.reject(isUnsaid ? this.versions.cannotSay(api, error) : error)
      return undefined
    }
  }

  readonly #onWritten = (error?: Error | null): void => {
    // A failed write also ends the transport, which tells; here it only matters that there is room again.
    if (!error && this.#waiting.length > 0) this.#schedulePump()
    this.#settle()
  }

  readonly #onData = (chunk: Uint8Array): void => {
    if (this.#state === 'closed') return
    try {
      this.#splitter.push(chunk)
    } catch (error) {
      const cause = error as Error
      const { peer } = this.#settings
      this.#end(
        'protocol violated',
        this.#answered
          ? new ProtocolError(`${peer} broke the protocol: ${cause.message}`, { cause })
          : (explainFirstBytes(cause, this.#splitter.announcedLength, peer) as Error),
      )
    }
  }

  readonly #onFrame = (frame: Buffer): void => {
    const pending = this.#inFlight[0]
    const correlationId = frame.readInt32BE(0)
    const { peer } = this.#settings
    if (pending === undefined) {
      this.#violated(`${peer} answered request ${correlationId}, but none is in flight`)
      return
    }
    if (pending.correlationId !== correlationId) {
      this.#violated(
        `${peer} answered request ${correlationId} where the answer to request ${pending.correlationId} (${pending.api.name}) was due`,
      )
      return
    }
    let message: unknown
    try {
      message = decodeResponse(pending.api, versionOfAnswer(pending, frame), frame).message
    } catch (error) {
      this.#violated(
        `the answer of ${peer} to ${pending.api.name} version ${pending.version} cannot be read: ${(error as Error).message}`,
        error,
      )
      return
    }
    this.#inFlight.shift()
    this.#answered = true
    const now = this.#clock.now()
    this.#lastUsedAt = now
    const { throttleTimeMs = 0 } = message as { throttleTimeMs?: number }
    // Older brokers held the answer itself back (ApiVersions came to version 2 together with KIP-219): it is over.
    const answersFirst = (this.#versions?.range(ApiVersions)?.maxVersion ?? pending.version) >= 2
    if (throttleTimeMs > 0 && answersFirst)
      this.#throttledUntil = now + Math.min(throttleTimeMs, this.#settings.requestTimeoutMs)
    pending.resolve(message)
    if (this.#waiting.length > 0) this.#schedulePump()
    else this.#settle()
  }

  #violated(message: string, cause?: unknown): void {
    this.#end('protocol violated', new ProtocolError(message, cause === undefined ? {} : { cause }))
  }

  readonly #onTransportClose = (error: Error | undefined): void => {
    const { peer, tls } = this.#settings
    if (!this.#answered) {
      this.#end('setup failed', explainEarlyEnd(error, peer, tls !== undefined))
      return
    }
    this.#end('connection broken', error)
  }

  /** Makes sure that the timer fires no later than `dueAt`. */
  #arm(dueAt: number): void {
    if (dueAt >= this.#timerDueAt || this.#state === 'closed') return
    this.#clock.clearTimer(this.#timer)
    this.#timerDueAt = dueAt
    this.#timer = this.#clock.setTimer(this.#onTimer, Math.ceil(dueAt - this.#clock.now()))
  }

  readonly #onTimer = (): void => {
    this.#timer = undefined
    this.#timerDueAt = Infinity
    const now = this.#clock.now()
    let nextDueAt = Infinity
    let overdue: Pending | undefined
    for (const group of [this.#inFlight, this.#writing, this.#waiting]) {
      for (const pending of group) {
        const dueAt = this.#dueAt(pending)
        if (dueAt > now) nextDueAt = Math.min(nextDueAt, dueAt)
        else overdue ??= pending
      }
    }
    if (overdue !== undefined) {
      this.#timeOut(overdue)
      return
    }
    if (this.#waiting.length > 0) {
      if (now >= this.#throttledUntil) this.#schedulePump()
      else nextDueAt = Math.min(nextDueAt, this.#throttledUntil)
    }
    if (nextDueAt === Infinity) {
      const idleAt = this.#lastUsedAt + this.#settings.maxIdleMs
      if (now >= idleAt) {
        this.#end('idle', undefined)
        return
      }
      nextDueAt = idleAt
    }
    this.#arm(nextDueAt)
  }

  /** What waits counts from its arrival too, so that it cannot wait for ever behind a peer that does not read; but the
   *  time for which the broker holds us back does not count, for it does not read then what is in flight either. */
  #dueAt(pending: Pending): number {
    return Math.max(pending.dueAt, this.#throttledUntil + pending.timeoutMs)
  }

  /** The one that took too long gets the timeout; those beside it lose their connection and may be sent again. */
  #timeOut(overdue: Pending): void {
    const { peer } = this.#settings
    const now = this.#clock.now()
    for (const pending of [...this.#inFlight, ...this.#writing, ...this.#waiting]) {
      if (this.#dueAt(pending) > now) continue
      pending.reject(
        new TimeoutError(`${peer} did not answer ${pending.api.name} within ${Math.round(pending.timeoutMs)} ms`, {
          persistence: pending.correlationId < 0 ? 'not-persisted' : 'possibly-persisted',
        }),
      )
    }
    this.#end(
      'request timed out',
      new TimeoutError(`${peer} did not answer ${overdue.api.name} within ${Math.round(overdue.timeoutMs)} ms`),
    )
  }

  /** Ends a closing connection for whose answers nobody waits any more: a long poll must not hold up a client's end. */
  #settle(): void {
    if (this.#state !== 'closing') return
    for (const group of [this.#inFlight, this.#writing, this.#waiting]) {
      for (const { abandoned } of group) if (!abandoned) return
    }
    this.#end('closed', undefined)
  }

  #end(reason: CloseReason, error: Error | undefined): void {
    if (this.#state === 'closed') return
    const wasOpen = this.#state !== 'opening'
    this.#state = 'closed'
    this.#closeReason = reason
    this.#endedBy = error
    this.#clock.clearTimer(this.#timer)
    this.#timer = undefined
    this.#splitter.stop()
    this.#transport?.destroy()
    // Our own closing and a failed set-up have one reason for all; otherwise each request is told what became of it.
    const shared = reason === 'closed' || !wasOpen ? error : undefined
    // Only the request whose answer was due is to blame for a bad one: those beside it may be sent again.
    const blamed = reason === 'protocol violated' ? this.#inFlight[0] : undefined
    for (const pending of this.#waiting.splice(0)) {
      pending.reject(shared ?? this.#broken(pending, error, 'not-persisted'))
    }
    for (const pending of [...this.#inFlight.splice(0), ...this.#writing]) {
      const persistence = 'possibly-persisted'
      if (shared !== undefined) pending.reject(shared)
      else if (pending === blamed) pending.reject(new ProtocolError(error!.message, { cause: error, persistence }))
      else pending.reject(this.#broken(pending, error, persistence))
    }
    this.#writing.clear()
    this.#drained?.()
    if (wasOpen) this.#settings.onClose(reason, error)
  }

  #broken(pending: Pending, cause: Error | undefined, persistence: Persistence): Error {
    const { peer } = this.#settings
    const { name } = pending.api
    const why = cause === undefined ? '' : `: ${cause.message}`
    return new ConnectionError(`the connection to ${peer} ended before it answered ${name}${why}`, {
      ...(cause === undefined ? {} : { cause }),
      persistence,
    })
  }

  #refusal(): Error {
    const reason = this.#closeReason === undefined ? '' : ` (${this.#closeReason})`
    return new ConnectionError(`the connection to ${this.peer} is closed${reason}`, { persistence: 'not-persisted' })
  }
}

/** Version 0 is how a broker answers an ApiVersions request of a version that it does not know. */
function versionOfAnswer({ api, version }: Pending, frame: Buffer): number {
  if (api.key !== ApiVersions.key || frame.length < 6) return version
  return frame.readInt16BE(4) === unsupportedVersion ? 0 : version
}
