/** The door to the network: what a byte stream to a broker is, without saying how it is made.
 *  `network/socket.ts` makes real ones; an in-memory one replaces it in simulation. */

import type { ConnectionOptions } from 'node:tls'

/** Settings for `node:tls`. */
export type TlsOptions = ConnectionOptions

export interface DialRequest {
  readonly host: string
  readonly port: number
  /** TLS settings, or undefined for plain text. */
  readonly tls: TlsOptions | undefined
  /** Gives up dialing when aborted. */
  readonly signal: AbortSignal
}

/** What a transport tells its owner. Calls never overlap; `onClose` is the last one and comes exactly once. */
export interface TransportEvents {
  /** Bytes arrived. The view is only valid during the call: its memory is used again afterwards. */
  onData(chunk: Uint8Array): void
  /** The stream ended: by the peer (no error), by a failure, or by `destroy`. */
  onClose(error: Error | undefined): void
}

export interface Transport {
  /** The peer, as `host:port`. */
  readonly remote: string
  /** Bytes written and not yet taken by the operating system. */
  readonly pendingBytes: number
  /** Hands the chunks to the stream in order, as one write. `written` is called when their memory is free again,
   *  with an error when they will not (all) be sent. */
  write(chunks: readonly Uint8Array[], written: (error?: Error | null) => void): void
  /** Stops and resumes reading: the peer feels it as back-pressure. */
  pause(): void
  resume(): void
  /** Ends the stream now. Idempotent. */
  destroy(error?: Error): void
}

/** Connects and resolves once bytes can flow (for TLS: after the handshake and the checks on the certificate). */
export type Dialer = (request: DialRequest, events: TransportEvents) => Promise<Transport>
