/** `jackdaw broker`: the in-process cluster as a broker to develop against, until someone ends it. */

import type { TestCluster, TestClusterOptions } from 'jackdaw/testing'
import { command, type Command, type Invocation } from '../command.ts'
import { bootstrapVariable } from '../connection.ts'
import { CommandError, UsageError } from '../errors.ts'
import { alignColumns } from '../table.ts'
import type { Terminal } from '../terminal.ts'

const defaultPort = 9092
const largestPort = 65_535
const mebibyte = 1_048_576
const defaultPartitionBytes = 256 * mebibyte
/** More would be a slip of the finger, and cost memory and minutes. */
const mostPartitions = 10_000

const flags = {
  'port': {
    kind: 'number',
    short: 'p',
    placeholder: 'N',
    least: 0,
    about: `the first broker's port, the others have the next ones; 0: free ones; default ${defaultPort}`,
  },
  'host': {
    kind: 'text',
    placeholder: 'HOST',
    about: 'the address to listen at, which clients are told too; default 127.0.0.1',
  },
  'brokers': { kind: 'number', placeholder: 'N', least: 1, about: 'how many brokers; default 1' },
  'topic': {
    kind: 'texts',
    short: 't',
    placeholder: 'NAME[:PARTITIONS]',
    about: 'a topic that is there from the start; may be repeated',
  },
  'property': {
    kind: 'pairs',
    placeholder: 'NAME=VALUE',
    about: "a broker property by Kafka's name; may be repeated",
  },
  'partition-bytes': {
    kind: 'number',
    placeholder: 'BYTES',
    least: 1,
    about: `what a partition keeps, beyond which its oldest records go; default ${defaultPartitionBytes}`,
  },
} as const

type Given = Invocation<typeof flags>['flags']

export const broker: Command = command({
  name: 'broker',
  about: 'Run a broker for development, in memory',
  positional: { name: '', count: 'none' },
  flags,
  notes: `
It speaks Kafka's protocol to every client, and forgets everything when it ends. Ctrl-C ends it.
example: jackdaw broker --topic orders:6 --property auto.create.topics.enable=false`,
  run: serve,
})

async function serve({ flags: given, terminal }: Invocation<typeof flags>): Promise<void> {
  const options = clusterOptions(given, terminal)
  // From here on: whoever ends it while it starts means it just as much.
  const interrupted = new Promise<void>((resolve) => {
    terminal.onInterrupt(resolve)
  })
  // What nobody reads any more is no reason to end: the broker is there for others.
  terminal.stderr.on('error', () => {})
  const { TestCluster } = await import('jackdaw/testing')
  const cluster = await TestCluster.start(options).catch((error: unknown) => {
    throw explained(error, given)
  })
  try {
    terminal.stderr.write(banner(cluster, given, Math.round(performance.now())))
    await interrupted
  } finally {
    await cluster.close()
  }
  terminal.stderr.write('the broker has ended, and what it held is gone\n')
}

function clusterOptions(given: Given, terminal: Terminal): TestClusterOptions {
  const { port = defaultPort, brokers = 1, host = '127.0.0.1' } = given
  if (host === '') throw new UsageError('--host is empty')
  const last = port === 0 ? 0 : port + brokers - 1
  if (last > largestPort) {
    throw new UsageError(
      brokers === 1
        ? `--port must be at most ${largestPort}, not '${port}'`
        : `${brokers} brokers from port ${port} on would need port ${last}, and ${largestPort} is the last one`,
    )
  }
  const tell = (message: string): void => {
    terminal.stderr.write(`jackdaw: ${message}\n`)
  }
  return {
    host,
    port,
    brokers,
    topics: topicsOf(given.topic ?? []),
    properties: Object.fromEntries(given.property ?? []),
    maxLogBytes: given['partition-bytes'] ?? defaultPartitionBytes,
    // Nobody here can ask for them, and they would be memory.
    keepRequests: 0,
    logger: { debug: () => {}, info: () => {}, warn: tell, error: tell },
  }
}

function topicsOf(texts: readonly string[]): NonNullable<TestClusterOptions['topics']> {
  const topics = new Map<string, number | Record<string, never>>()
  for (const text of texts) {
    const { name, count } = /^(?<name>[^:]+)(?::(?<count>\d+))?$/.exec(text)?.groups ?? {}
    const partitions = count === undefined ? undefined : Number(count)
    if (name === undefined || partitions === 0) {
      throw new UsageError(`--topic must be NAME or NAME:PARTITIONS, not '${text}'`)
    }
    if (partitions !== undefined && partitions > mostPartitions) {
      throw new UsageError(`--topic takes at most ${mostPartitions} partitions, not ${partitions}`)
    }
    if (topics.has(name)) throw new UsageError(`--topic names '${name}' twice`)
    topics.set(name, partitions ?? {})
  }
  return Object.fromEntries(topics)
}

/** What keeps it from starting, in words that say what to do about it. */
function explained(error: unknown, { host = '127.0.0.1' }: Given): unknown {
  const { code, port, message } = error as NodeJS.ErrnoException & { port?: number }
  switch (code) {
    case 'EADDRINUSE':
      return new CommandError(
        `port ${port} of ${host} is in use: end what listens there, or choose another with --port`,
      )
    case 'EACCES':
      return new CommandError(`port ${port} of ${host} may not be used by you: choose another with --port`)
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new CommandError(`${host} is no address of this machine: choose another with --host`)
    case 'INVALID_ARGUMENT': // a topic that cannot be, before any port was touched
      return new UsageError(message)
    default:
      return error
  }
}

function banner(cluster: TestCluster, given: Given, startMs: number): string {
  const { bootstrapServers, topicNames, brokers } = cluster
  const count = brokers.length === 1 ? '1 broker' : `${brokers.length} brokers`
  const isDefault = bootstrapServers.split(',').includes(`127.0.0.1:${defaultPort}`)
  const flag = isDefault ? '' : ` -b ${bootstrapServers}`
  const topic = topicNames[0] ?? 'orders'
  const topics = topicNames.map((name) => {
    const partitions = cluster.topic(name)!.partitions.length
    return `${name} (${partitions} ${partitions === 1 ? 'partition' : 'partitions'})`
  })
  const kept = given['partition-bytes'] ?? defaultPartitionBytes
  const rows = [
    ['  connect', `bootstrap servers ${bootstrapServers}, no TLS, no password`],
    ['  try', `echo hello | jackdaw produce ${topic}${flag}`],
    ['', `jackdaw consume ${topic} --from-beginning${flag}`],
    ['', ...(isDefault ? [] : [`or say it once: export ${bootstrapVariable}=${bootstrapServers}`])],
    ['  topics', topics.length > 0 ? topics.join(', ') : 'none yet'],
    ['  data', `in memory only: gone when this ends; a partition keeps its latest ${sizeOf(kept)}`],
    ['  stop', 'Ctrl-C'],
  ].filter((row) => row.length > 1)
  return [
    `jackdaw broker: ${count} listening at ${bootstrapServers} (ready after ${startMs} ms)`,
    '',
    ...alignColumns(rows),
    '',
    '',
  ].join('\n')
}

function sizeOf(bytes: number): string {
  return bytes % mebibyte === 0 ? `${bytes / mebibyte} MiB` : `${bytes} bytes`
}
