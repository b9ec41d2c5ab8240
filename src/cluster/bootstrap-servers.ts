/** Reads `bootstrapServers` as people write it: lists with commas, ports left out, IPv6 in brackets. Resolves nothing. */

import { InvalidOptionError } from '../errors/errors.ts'
import { formatAddress, type HostAndPort } from '../network/address.ts'
import { quote } from '../options/option-table.ts'

const defaultPort = 9092

/**
 * The servers in the order given, each once.
 *
 * @throws InvalidOptionError naming the entry that cannot be read
 */
export function parseBootstrapServers(servers: string | readonly string[]): readonly HostAndPort[] {
  const complaint = bootstrapServersComplaint(servers)
  if (complaint !== undefined)
    throw new InvalidOptionError('bootstrapServers', `option 'bootstrapServers' ${complaint}`)
  const parsed = new Map<string, HostAndPort>()
  for (const entry of entriesOf(servers)) {
    const server = parseServer(entry) as HostAndPort
    parsed.set(formatAddress(server), server)
  }
  return [...parsed.values()]
}

/** The end of the sentence "option 'bootstrapServers' …", or undefined when it can be read. */
export function bootstrapServersComplaint(value: unknown): string | undefined {
  const isList = Array.isArray(value)
  if (typeof value !== 'string' && !(isList && value.every((entry) => typeof entry === 'string'))) {
    return 'must be a string or an array of strings, each host:port'
  }
  const entries = entriesOf(value as string | readonly string[])
  if (entries.length === 0) return 'must name at least one server, as host:port'
  for (const entry of entries) {
    const parsed = parseServer(entry)
    if (typeof parsed === 'string') return `must be a list of host:port: ${quote(entry)} ${parsed}`
  }
  return undefined
}

function entriesOf(servers: string | readonly string[]): readonly string[] {
  const list = typeof servers === 'string' ? [servers] : servers
  return list
    .flatMap((entry) => entry.split(','))
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
}

/** The server, or what is wrong with it. */
function parseServer(entry: string): HostAndPort | string {
  // Kafka's own configuration may carry the listener's name in front: PLAINTEXT://host:port. Ours does not.
  if (entry.includes('://')) return 'must not have a protocol in front; use the option tls for TLS'
  if (/\s/.test(entry)) return 'has white space inside'
  let host: string
  let port: string | undefined
  if (entry.startsWith('[')) {
    const match = /^\[([^\]]+)\](?::(.*))?$/.exec(entry)
    if (match === null) return 'has a bracket that is not closed, or something other than a port behind it'
    host = match[1]!
    port = match[2]
  } else {
    const parts = entry.split(':')
    if (parts.length > 2) {
      // Several colons without brackets: an IPv6 address alone. Where its port would begin cannot be told.
      host = entry
    } else {
      host = parts[0]!
      port = parts[1]
    }
  }
  if (host === '') return 'has no host'
  if (port === undefined) return { host, port: defaultPort }
  const number = /^\d{1,5}$/.test(port) ? Number(port) : 0
  if (number < 1 || number > 65_535) return `has the port '${port}', which is not a number from 1 to 65535`
  return { host, port: number }
}
