/** Real sockets: dials TCP or TLS and yields chunks. The only file that touches `node:net` and `node:tls`; knows no Kafka. */

import { lookup } from 'node:dns/promises'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls, type TLSSocket } from 'node:tls'

import type { Dialer, DialRequest, TlsOptions, Transport, TransportEvents } from '../async/transport.ts'
import { formatAddress } from './address.ts'
import { UnusableTlsSettings } from './connect-errors.ts'

// What one read takes from the kernel. The block is made once per socket and used for every read: what a frame needs is
// copied out of it, once, into memory of its own.
const readBlockBytes = 65_536
const keepAliveInitialDelayMs = 60_000
// RFC 8305: how long one address may take before the next one is tried beside it.
const nextAddressAfterMs = 250

/** Connects over all addresses the host resolves to, in the resolver's order; the first that answers wins. */
export const dialSocket: Dialer = async (request, events) => {
  const { signal } = request
  signal.throwIfAborted()
  const addresses = await untilAborted(resolve(request.host), signal)
  const receiver = new Receiver(events)
  const socket = await raceAddresses(addresses, request, receiver)
  return new StreamTransport(socket, formatAddress(request), receiver, false)
}

/** A dialer over streams that somebody else opens; with TLS settings, TLS runs on top of them. What is written is copied
 *  for them: unlike a socket, they may hold on to it for as long as they please. */
export function streamDialer(
  open: (target: { host: string; port: number; signal: AbortSignal }) => Duplex | Promise<Duplex>,
): Dialer {
  return async (request, events) => {
    const { host, port, signal } = request
    signal.throwIfAborted()
    const opening = Promise.resolve(open({ host, port, signal }))
    let stream: Duplex
    try {
      stream = await untilAborted(opening, signal)
    } catch (error) {
      // Nobody waits for it any more: when it comes after all, it must not stay open.
      opening.then(discard, () => {})
      throw error
    }
    if (typeof (stream as Partial<Duplex> | undefined)?.on !== 'function')
      throw new TypeError('its dial gave no stream')
    const receiver = new Receiver(events)
    if (request.tls !== undefined) {
      let secure: TLSSocket
      try {
        secure = startTls({ ...tlsOptionsFor(request.tls, host), socket: stream as Socket })
      } catch (error) {
        discard(stream)
        throw error
      }
      stream = await secured(secure, signal)
    }
    stream.on('data', (chunk: Uint8Array) => {
      receiver.receive(chunk)
    })
    stream.once('end', () => stream.destroy())
    // TLS encrypts what it is given into memory of its own.
    return new StreamTransport(stream, formatAddress(request), receiver, request.tls === undefined)
  }
}

/** Ends a stream that nobody wants, whatever it was that came in its place, and whatever it still has to say. */
function discard(stream: Partial<Duplex> | undefined): void {
  stream?.on?.('error', () => {})
  stream?.destroy?.()
}

/** Stands between a socket, which must be told at its making whom to call, and the owner of the transport. */
class Receiver {
  readonly #events: TransportEvents
  #closed = false

  constructor(events: TransportEvents) {
    this.#events = events
  }

  receive(chunk: Uint8Array): void {
    if (!this.#closed) this.#events.onData(chunk)
  }

  close(error: Error | undefined): void {
    if (this.#closed) return
    this.#closed = true
    this.#events.onClose(error)
  }
}

class StreamTransport implements Transport {
  readonly remote: string
  readonly #stream: Duplex
  readonly #copies: boolean

  /** @param copies gives the stream copies of what is written, since it may keep them longer than it says */
  constructor(stream: Duplex, remote: string, receiver: Receiver, copies: boolean) {
    this.remote = remote
    this.#stream = stream
    this.#copies = copies
    let failure: Error | undefined
    stream.on('error', (error) => {
      failure = error
    })
    stream.once('close', () => {
      receiver.close(failure)
    })
    if (stream.destroyed) {
      // It ended between its connecting and this line; its 'close' may already have been told to nobody.
      process.nextTick(() => {
        receiver.close(failure ?? stream.errored ?? undefined)
      })
    }
  }

  get pendingBytes(): number {
    return this.#stream.writableLength
  }

  write(chunks: readonly Uint8Array[], written: (error?: Error | null) => void): void {
    const stream = this.#stream
    const last = chunks.length - 1
    if (last < 0) {
      process.nextTick(written)
      return
    }
    try {
      if (this.#copies) {
        stream.write(Buffer.concat(chunks), written)
        return
      }
      // Corked, all chunks leave in one writev.
      stream.cork()
      for (let i = 0; i < last; i++) stream.write(chunks[i])
      stream.write(chunks[last], written)
      stream.uncork()
    } catch (error) {
      // A stream of somebody else may throw where it should have called back.
      stream.destroy(error as Error)
    }
  }

  pause(): void {
    this.#stream.pause()
  }

  resume(): void {
    this.#stream.resume()
  }

  destroy(error?: Error): void {
    this.#stream.destroy(error)
  }
}

async function resolve(host: string): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host]
  const found = await lookup(host, { all: true, verbatim: true })
  return found.map(({ address }) => address)
}

/**
 * Starts with the first address; the next one begins when the one before failed or 250 ms passed. The first to connect
 * is kept and the others are dropped. For TLS the race is about TCP: a bad certificate is not cured by another address.
 */
async function raceAddresses(addresses: readonly string[], request: DialRequest, receiver: Receiver): Promise<Socket> {
  const { signal } = request
  const winner = await new Promise<Socket>((settle, fail) => {
    const racing = new Set<Socket>()
    const errors: Error[] = []
    let next = 0
    let timer: NodeJS.Timeout | undefined
    let isOver = false
    const finish = (kept: Socket | undefined): void => {
      isOver = true
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      for (const socket of racing) if (socket !== kept) socket.destroy()
    }
    const onAbort = (): void => {
      finish(undefined)
      fail(signal.reason as Error)
    }
    const attempt = (): void => {
      clearTimeout(timer)
      // One that failed in the turn in which another won must not send a third into a race that nobody watches.
      if (isOver) return
      const address = addresses[next++]
      if (address === undefined) return
      let socket: Socket
      try {
        socket = openSocket(address, request, receiver)
      } catch (error) {
        // Settings that node:tls cannot read, such as a key that does not fit its certificate, throw from here.
        finish(undefined)
        fail(error)
        return
      }
      racing.add(socket)
      const onError = (error: Error): void => {
        racing.delete(socket)
        errors.push(error)
        if (next < addresses.length) attempt()
        else if (racing.size === 0) {
          finish(undefined)
          fail(errors.length === 1 ? errors[0]! : new AggregateError(errors, errors.map(String).join('; ')))
        }
      }
      // A loser is destroyed without an error, but one that fails while it is being destroyed must find a listener.
      socket.on('error', onError)
      socket.once('connect', () => {
        racing.delete(socket)
        socket.off('error', onError)
        finish(socket)
        settle(socket)
      })
      if (next < addresses.length) timer = setTimeout(attempt, nextAddressAfterMs)
    }
    if (signal.aborted) {
      fail(signal.reason as Error)
      return
    }
    signal.addEventListener('abort', onAbort, { once: true })
    attempt()
  })
  return request.tls === undefined ? winner : await secured(winner as TLSSocket, signal)
}

function openSocket(address: string, { host, port, tls }: DialRequest, receiver: Receiver): Socket {
  const options = {
    host: address,
    port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: keepAliveInitialDelayMs,
    autoSelectFamily: false,
    onread: {
      buffer: Buffer.allocUnsafeSlow(readBlockBytes),
      callback: (byteCount: number, block: Uint8Array): boolean => {
        receiver.receive(block.subarray(0, byteCount))
        return true
      },
    },
  }
  return tls === undefined ? heard(connectTcp(options)) : startTls({ ...tlsOptionsFor(tls, host), ...options })
}

/** Between two owners a socket may fail with nobody listening, and an error that nobody hears ends the process. Who owns
 *  it next learns of the failure from its state. */
function heard<S extends Socket>(socket: S): S {
  return socket.on('error', () => {})
}

/** @throws UnusableTlsSettings for instance for a key that does not fit its certificate */
function startTls(options: TlsOptions): TLSSocket {
  try {
    return heard(connectTls(options))
  } catch (error) {
    throw new UnusableTlsSettings(error)
  }
}

/** The user's settings, and the name that SNI sends and the certificate is checked against: the host as it was given. */
function tlsOptionsFor(tls: TlsOptions, host: string): TlsOptions {
  const options: TlsOptions = { ...tls, host }
  // SNI has no place for addresses (RFC 6066); with `host` alone, the certificate is still checked against it.
  if (options.servername === undefined && isIP(host) === 0) options.servername = host
  return options
}

/** Resolves when the handshake is done and the peer's certificate was accepted. */
function secured(socket: TLSSocket, signal: AbortSignal): Promise<TLSSocket> {
  return new Promise((settle, fail) => {
    const finish = (): void => {
      signal.removeEventListener('abort', onAbort)
      socket.off('secureConnect', onSecure)
      socket.off('error', onError)
      socket.off('close', onClose)
    }
    const onSecure = (): void => {
      finish()
      settle(socket)
    }
    const onError = (error: Error): void => {
      finish()
      socket.destroy()
      fail(error)
    }
    const onClose = (): void => {
      onError(new Error('the connection ended during the TLS handshake'))
    }
    const onAbort = (): void => {
      onError(signal.reason as Error)
    }
    if (signal.aborted) {
      onAbort()
      return
    }
    if (socket.destroyed) {
      // Between its connecting and this line; its events may already have been told to nobody.
      onError(socket.errored ?? new Error('the connection ended during the TLS handshake'))
      return
    }
    signal.addEventListener('abort', onAbort, { once: true })
    socket.once('secureConnect', onSecure)
    socket.once('error', onError)
    socket.once('close', onClose)
  })
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((settle, fail) => {
    const onAbort = (): void => {
      fail(signal.reason as Error)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(settle, fail).finally(() => {
      signal.removeEventListener('abort', onAbort)
    })
  })
}
