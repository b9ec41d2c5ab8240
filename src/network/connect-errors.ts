/** Turns what went wrong while connecting into a sentence that names the address and, as far as it can be told, the cause. */

import { AuthenticationError, ConnectionError, ProtocolError } from '../errors/errors.ts'
import { KafkaError } from '../errors/kafka-error.ts'

const notPersisted = 'not-persisted'

const causes: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there (connection refused)',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was reset',
  ENOTFOUND: 'the host name has no address',
  EAI_AGAIN: 'the host name cannot be resolved now',
  ETIMEDOUT: 'it does not answer',
  EHOSTUNREACH: 'there is no route to the host',
  ENETUNREACH: 'there is no route to its network',
  EACCES: 'the operating system forbids it',
  EPERM: 'the operating system forbids it',
  EMFILE: 'this process has too many open files',
  ENFILE: 'the machine has too many open files',
  EADDRNOTAVAIL: 'no local port is free',
}

const certificateCodes = new Set([
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_REJECTED',
  'CERT_REVOKED',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'CERT_CHAIN_TOO_LONG',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'PATH_LENGTH_EXCEEDED',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

/** Settings that `node:tls` cannot use: they will not do the next time either. */
export class UnusableTlsSettings extends Error {
  constructor(cause: unknown) {
    const { code, message } = cause as NodeJS.ErrnoException
    // These messages end in the value that was given, which may be a secret: neither it nor its error is passed on.
    const quotesValue = code === 'ERR_INVALID_ARG_TYPE' || code === 'ERR_INVALID_ARG_VALUE'
    const why = quotesValue ? message.replace(/[.:]? Received [^]*$/, '') : message
    super(`the settings for TLS cannot be used: ${why}`, quotesValue ? {} : { cause })
  }
}

/** The error for a dial that failed. What already is ours is left as it is. */
export function explainDialFailure(error: unknown, peer: string, tls: boolean): KafkaError {
  if (error instanceof KafkaError) return error
  if (!(error instanceof Error)) {
    const why = typeof error === 'string' ? error : 'its dial failed without an error'
    return new ConnectionError(`could not connect to ${peer}: ${why}`, { cause: error, persistence: notPersisted })
  }
  if (error instanceof UnusableTlsSettings) {
    return new ConnectionError(`could not connect to ${peer}: ${error.message}`, {
      cause: error,
      retriable: false,
      persistence: notPersisted,
    })
  }
  const code = codeOf(error)
  if (certificateCodes.has(code)) {
    return new AuthenticationError(`the certificate of ${peer} was not accepted: ${error.message}`, {
      cause: error,
      persistence: notPersisted,
    })
  }
  if (tls && alertOf(error) !== undefined) {
    return new AuthenticationError(`${peer} refused the TLS handshake: ${alertOf(error)}`, {
      cause: error,
      persistence: notPersisted,
    })
  }
  const tlsHint = tls && endedInHandshake(error, code) ? '; perhaps it does not speak TLS there (option tls)' : ''
  const cause = causes[code] ?? error.message
  return new ConnectionError(`could not connect to ${peer}: ${cause}${tlsHint}`, {
    cause: error,
    persistence: notPersisted,
  })
}

/** The error for a peer whose first bytes are no Kafka answer. `length` is what they say as a frame's length. */
export function explainFirstBytes(error: unknown, length: number, peer: string): unknown {
  if (!(error instanceof ProtocolError)) return error
  const options = { cause: error, persistence: notPersisted } as const
  // 'HTTP' in ASCII.
  if (length === 0x48545450) {
    return new ProtocolError(`${peer} answered as an HTTP server does: that is not a port of a Kafka broker`, options)
  }
  // A TLS record: an alert or a handshake, major version 3.
  if (length >>> 16 === 0x1503 || length >>> 16 === 0x1603) {
    return new ConnectionError(`${peer} answered in TLS, and plain text was spoken to it: set the option tls`, {
      ...options,
      retriable: false,
    })
  }
  return new ProtocolError(`${peer} does not answer as a Kafka broker does: ${error.message}`, options)
}

/** The error for a peer that hung up before it had answered the first request. */
export function explainEarlyEnd(cause: Error | undefined, peer: string, tls: boolean): KafkaError {
  // With TLS 1.3 our side of the handshake is done before the peer has looked at our certificate.
  const alert = cause === undefined ? undefined : alertOf(cause)
  if (alert !== undefined) {
    return new AuthenticationError(`${peer} refused the TLS handshake: ${alert}`, { cause, persistence: notPersisted })
  }
  const guess = tls ? 'it may want another TLS set-up, or SASL' : 'it may want TLS (option tls) or SASL'
  return new ConnectionError(
    `${peer} closed the connection before it answered the first request: ${guess}, or be no Kafka broker`,
    { ...(cause === undefined ? {} : { cause }), persistence: notPersisted },
  )
}

function codeOf(error: Error): string {
  if (error instanceof AggregateError) return codeOf(error.errors.at(-1) as Error)
  const { code } = error as NodeJS.ErrnoException
  return typeof code === 'string' ? code : ''
}

/** What the peer's TLS alert says, for instance "certificate required". */
function alertOf(error: Error): string | undefined {
  const { reason } = error as Error & { reason?: unknown }
  if (typeof reason !== 'string') return undefined
  return /^(?:ssl|tls)v\d+ alert (.+)$/.exec(reason)?.[1]
}

function endedInHandshake(error: Error, code: string): boolean {
  return (
    code === 'ECONNRESET' ||
    code === 'EPROTO' ||
    code.startsWith('ERR_SSL_') ||
    error.message.includes('TLS') ||
    error.message.includes('secure')
  )
}
