/** The options every client takes for its connections, as a table. Knows no client and opens nothing. */

import type { Duplex } from 'node:stream'

import type { TlsOptions } from '../async/transport.ts'
import { silentLogger, type Logger } from '../diagnostics/logger.ts'
import type { HostAndPort } from '../network/address.ts'
import { anyFunction, atLeast, having, nonEmptyString } from '../options/checks.ts'
import { readOptions, type Check, type OptionTable, type ResolvedOptions } from '../options/option-table.ts'
import { bootstrapServersComplaint } from './bootstrap-servers.ts'
import type { BrokerAddress } from './metadata.ts'

/** What a function given as `dial` is asked for. */
export interface DialTarget extends HostAndPort {
  /** Aborts when the connection is not wanted any more, or took too long. */
  readonly signal: AbortSignal
}

/** How to reach Kafka: the options that every client takes, and `Cluster` alone. */
export interface ClusterOptions {
  /**
   * Brokers to ask first, as `host:port,host:port` or an array; the port may be left out (9092), IPv6 addresses with a
   * port stand in brackets. One live broker is enough. Default `localhost:9092`.
   */
  bootstrapServers?: string | readonly string[]
  /** The name under which quotas, logs and metrics of the brokers know this client. Default `jackdaw`. */
  clientId?: string
  /** True, or settings for `node:tls` (`ca`, `cert`, `key`, `servername` …): connect by TLS. Default false. */
  tls?: boolean | TlsOptions
  /** How long the answer to a request may take, in ms; then its connection is closed. Default 40 000. */
  requestTimeoutMs?: number
  /** How long connecting may take, from the look-up of the name to the first answer, in ms. Default 10 000. */
  connectionSetupTimeoutMs?: number
  /** How long a call may take with all its retries, in ms, unless it says otherwise. Default 60 000. */
  apiTimeoutMs?: number
  /** The age at which metadata is fetched again though nothing asked for it, in ms. Default 300 000. */
  metadataMaxAgeMs?: number
  /** The first wait before a failed request is sent again, in ms; it doubles from there. Default 100. */
  retryBackoffMs?: number
  /** The longest wait before a failed request is sent again, in ms. Default 1 000. */
  retryBackoffMaxMs?: number
  /** The first wait before a broker that could not be reached is tried again, in ms (KIP-144). Default 50. */
  reconnectBackoffMs?: number
  /** The longest wait before a broker that could not be reached is tried again, in ms. Default 1 000. */
  reconnectBackoffMaxMs?: number
  /** A connection that had nothing to do for so long is closed, in ms. Default 540 000. */
  connectionsMaxIdleMs?: number
  /** How long `close()` waits for what is under way, in ms. Default 30 000. */
  closeTimeoutMs?: number
  /** The longest answer that is accepted, in bytes; must exceed what a fetch may return. Default 134 217 728. */
  maxResponseBytes?: number
  /** Opens the stream to a broker in place of a TCP socket: a proxy, a tunnel. With `tls`, TLS runs on top of it. */
  dial?: (target: DialTarget) => Duplex | Promise<Duplex>
  /** Where a broker is really reached, given the address it advertises: port-forwards, containers. */
  mapAddress?: (broker: BrokerAddress) => HostAndPort
  /** Hears what is worth telling to people: `console` and pino fit. Silent by default. */
  logger?: Logger
}

type Defaulted = Exclude<keyof ClusterOptions, 'dial' | 'mapAddress'>

/** The options with every default filled in. */
export type ResolvedClusterOptions = ResolvedOptions<ClusterOptions, Defaulted>

const bootstrapServers: Check = (value) => bootstrapServersComplaint(value)

const tlsSettings: Check = (value) =>
  typeof value === 'boolean' || (typeof value === 'object' && value !== null && !Array.isArray(value))
    ? undefined
    : 'must be true, false or an object of settings for node:tls'

export const clusterOptions: OptionTable<ClusterOptions> = {
  bootstrapServers: {
    kafka: 'bootstrap.servers',
    default: 'localhost:9092',
    check: bootstrapServers,
    about: 'Brokers to ask first, as a comma-separated list or an array of host:port.',
  },
  clientId: {
    kafka: 'client.id',
    default: 'jackdaw',
    check: nonEmptyString,
    about: 'The name under which the brokers know this client.',
  },
  tls: { kafka: null, default: false, check: tlsSettings, about: 'Connect by TLS; an object is given to node:tls.' },
  requestTimeoutMs: {
    kafka: 'request.timeout.ms',
    default: 40_000,
    check: atLeast(1),
    about: 'How long the answer to a request may take, in ms.',
  },
  connectionSetupTimeoutMs: {
    kafka: 'socket.connection.setup.timeout.ms',
    default: 10_000,
    check: atLeast(1),
    about: 'How long connecting to a broker may take, in ms.',
  },
  apiTimeoutMs: {
    kafka: 'default.api.timeout.ms',
    default: 60_000,
    check: atLeast(1),
    about: 'How long a call may take with all its retries, in ms.',
  },
  metadataMaxAgeMs: {
    kafka: 'metadata.max.age.ms',
    default: 300_000,
    check: atLeast(1),
    about: 'The age at which metadata is fetched again though nothing asked for it, in ms.',
  },
  retryBackoffMs: {
    kafka: 'retry.backoff.ms',
    default: 100,
    check: atLeast(0),
    about: 'The first wait before a failed request is sent again, in ms.',
  },
  retryBackoffMaxMs: {
    kafka: 'retry.backoff.max.ms',
    default: 1_000,
    check: atLeast(0),
    about: 'The longest wait before a failed request is sent again, in ms.',
  },
  reconnectBackoffMs: {
    kafka: 'reconnect.backoff.ms',
    default: 50,
    check: atLeast(0),
    about: 'The first wait before an unreachable broker is tried again, in ms.',
  },
  reconnectBackoffMaxMs: {
    kafka: 'reconnect.backoff.max.ms',
    default: 1_000,
    check: atLeast(0),
    about: 'The longest wait before an unreachable broker is tried again, in ms.',
  },
  connectionsMaxIdleMs: {
    kafka: 'connections.max.idle.ms',
    default: 540_000,
    check: atLeast(1),
    about: 'A connection that had nothing to do for so long is closed, in ms.',
  },
  closeTimeoutMs: {
    kafka: null,
    default: 30_000,
    check: atLeast(0),
    about: 'How long close() waits for what is under way, in ms.',
  },
  maxResponseBytes: {
    kafka: null,
    default: 134_217_728,
    check: atLeast(1_048_576, 2_147_483_647),
    about: 'The longest answer that is accepted, in bytes.',
  },
  dial: {
    kafka: null,
    default: undefined,
    check: anyFunction,
    about: 'Opens the stream to a broker in place of a TCP socket.',
  },
  mapAddress: {
    kafka: null,
    default: undefined,
    check: anyFunction,
    about: 'Where a broker is really reached, given the address it advertises.',
  },
  logger: {
    kafka: null,
    default: silentLogger,
    check: having('debug', 'info', 'warn', 'error'),
    about: 'Hears what is worth telling to people.',
  },
}

/**
 * The options with defaults filled in.
 *
 * @param owner the class they were given to, for messages
 * @throws InvalidOptionError for an unknown option or a wrong value
 */
export function readClusterOptions(owner: string, given: ClusterOptions): ResolvedClusterOptions {
  return readOptions<ClusterOptions, Defaulted>(owner, clusterOptions, given)
}
