/** Turns the options into connections: to a bootstrap server as it was written, to a broker where `mapAddress` says. */

import type { Doors } from '../async/doors.ts'
import type { Dialer, TlsOptions } from '../async/transport.ts'
import { ConnectionError } from '../errors/errors.ts'
import { formatAddress, type HostAndPort } from '../network/address.ts'
import { Connection, type ConnectionSettings } from '../network/connection.ts'
import { dialSocket, streamDialer } from '../network/socket.ts'
import type { BootstrapSettings } from './bootstrap.ts'
import type { OpenConnection } from './broker-pool.ts'
import type { ResolvedClusterOptions } from './cluster-options.ts'
import type { BrokerAddress } from './metadata.ts'

export interface ConnectionOpener {
  readonly openBroker: OpenConnection
  readonly openBootstrap: BootstrapSettings['open']
}

export function connectionOpener(options: ResolvedClusterOptions, doors: Doors): ConnectionOpener {
  const common: Omit<ConnectionSettings, 'address' | 'peer' | 'onClose'> = {
    tls: tlsSettings(options.tls),
    clientId: options.clientId,
    clock: doors.clock,
    dial: dialerOf(options, doors),
    setupTimeoutMs: options.connectionSetupTimeoutMs,
    requestTimeoutMs: options.requestTimeoutMs,
    maxIdleMs: options.connectionsMaxIdleMs,
    maxResponseBytes: options.maxResponseBytes,
  }
  return {
    openBroker: async (broker, onClose, signal) => {
      const address = mapped(broker, options.mapAddress)
      const peer = `broker ${broker.id} at ${formatAddress(address)}`
      return await Connection.open({ ...common, address, peer, onClose }, signal)
    },
    openBootstrap: async (address, signal) =>
      await Connection.open({ ...common, address, peer: formatAddress(address), onClose: () => {} }, signal),
  }
}

function tlsSettings(tls: boolean | TlsOptions): TlsOptions | undefined {
  if (typeof tls === 'object') return tls
  return tls ? {} : undefined
}

function dialerOf({ dial }: ResolvedClusterOptions, doors: Doors): Dialer {
  return dial === undefined ? (doors.dial ?? dialSocket) : streamDialer(dial)
}

function mapped(broker: BrokerAddress, mapAddress: ResolvedClusterOptions['mapAddress']): HostAndPort {
  if (mapAddress === undefined) return broker
  let address: HostAndPort
  try {
    address = mapAddress(broker)
  } catch (cause) {
    throw new ConnectionError(`mapAddress threw for broker ${broker.id} at ${formatAddress(broker)}`, {
      cause,
      persistence: 'not-persisted',
    })
  }
  const { host, port } = (address ?? {}) as Partial<HostAndPort>
  if (typeof host === 'string' && host !== '' && Number.isInteger(port) && port! > 0 && port! <= 65_535) return address
  throw new ConnectionError(`mapAddress gave no { host, port } for broker ${broker.id} at ${formatAddress(broker)}`, {
    retriable: false,
    persistence: 'not-persisted',
  })
}
