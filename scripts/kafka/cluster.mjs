/** A real Kafka cluster of one or more nodes on 127.0.0.1, for tests and for trying things. */

import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defaultVersion, fetchKafka, quorumOf } from './distribution.mjs'
import { javaCommand, javaTool } from './java.mjs'
import { KafkaNode } from './node.mjs'
import { freePorts } from './ports.mjs'
import { planZooKeeper } from './zookeeper.mjs'

/**
 * Starts a cluster and resolves once every node answers and sees all others.
 *
 * - `version` (default 4.3.1); `nodes` (default 1), each both broker and controller; the brokers of 2.8 and 1.1 have a
 *   ZooKeeper beside them
 * - `properties`: broker settings, over the defaults below
 * - `listeners`: further listeners by name, `{ SECURE: 'SASL_SSL' }`; their ports are in `node.ports`, their bootstrap
 *   string in `bootstrapServersOf('SECURE')`; a listener's name is at most letters and digits
 * - `formatArguments`: for StorageTool (not with ZooKeeper), such as `['--add-scram', 'SCRAM-SHA-256=[name=a,password=b]']`
 * - `heapMb` per node (default 512)
 * - `watched` (default true): the nodes die, and their data goes, when this process ends, even by a crash
 */
export async function startKafka(options = {}) {
  // Someone may take a port between our look and the broker's: then all is tried again, on other ports.
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(options)
    } catch (error) {
      if (attempt === 3 || !/Address already in use/.test(error.message)) throw error
    }
  }
}

async function startOnce({
  version = defaultVersion,
  nodes: count = 1,
  properties = {},
  listeners = {},
  formatArguments = [],
  heapMb = 512,
  watched = true,
}) {
  await fetchKafka(version)
  const withZooKeeper = quorumOf(version) === 'zookeeper'
  if (withZooKeeper && formatArguments.length > 0) {
    throw new Error(`Kafka ${version} has no StorageTool to take ${formatArguments.join(' ')}`)
  }
  const names = Object.keys(listeners)
  const [zooKeeperPort, ...ports] = await freePorts(1 + count * (2 + names.length))
  const dataFolder = mkdtempSync(join(tmpdir(), 'jackdaw-kafka-'))
  const clusterId = randomBytes(16).toString('base64url').replace(/^-/, 'A')
  const places = Array.from({ length: count }, (_, i) => {
    const own = ports.slice(i * (2 + names.length), (i + 1) * (2 + names.length))
    const extra = Object.fromEntries(names.map((name, j) => [name, own[2 + j]]))
    return { id: i + 1, port: own[0], controllerPort: own[1], ports: extra }
  })
  const zooKeeper = withZooKeeper
    ? await planZooKeeper({ version, port: zooKeeperPort, dataFolder, watched })
    : undefined
  const voters = places.map(({ id, controllerPort }) => `${id}@127.0.0.1:${controllerPort}`).join(',')

  const nodes = await Promise.all(
    places.map(async (place) => {
      const folder = join(dataFolder, `node-${place.id}`)
      mkdirSync(join(folder, 'tmp'), { recursive: true })
      const settings = { ...settingsOf(place, { count, voters, zooKeeper, folder, listeners }), ...properties }
      const file = join(folder, 'server.properties')
      writeFileSync(file, toProperties(settings))
      const temporary = join(folder, 'tmp')
      const formatArgs = ['format', '-t', clusterId, '-c', file, ...formatArguments]
      return new KafkaNode({
        ...place,
        format: withZooKeeper
          ? undefined
          : await javaCommand({ version, name: 'StorageTool', args: formatArgs, temporary }),
        run: await javaCommand({ version, name: 'Kafka', args: [file], heapMb, temporary }),
        cwd: folder,
        logFile: join(folder, 'server.log'),
        dataFolder,
        watched,
      })
    }),
  )

  const bootstrapServersOf = (listener) => {
    const portOf = (node) => (listener === undefined ? node.port : node.ports[listener])
    return nodes.map((node) => `127.0.0.1:${portOf(node)}`).join(',')
  }
  const cluster = {
    version,
    dataFolder,
    nodes,
    pids: () => {
      const running = (processes) => processes.map(({ pid }) => pid).filter((pid) => pid !== undefined)
      return { nodes: running(nodes), zooKeeper: running(zooKeeper === undefined ? [] : [zooKeeper]) }
    },
    bootstrapServers: bootstrapServersOf(undefined),
    bootstrapServersOf,
    /** Runs one of Kafka's tools by short name (`ConsoleConsumer`) or class, to its end. */
    javaTool: (name, args, runOptions) => javaTool(version, name, args, runOptions),
    /** Resolves once every node is running, answers, and sees all others. */
    healthy: async ({ timeoutMs = 90_000 } = {}) => {
      await Promise.all(nodes.map((node) => node.answers({ nodes: count, timeoutMs })))
    },
    /** Ends every node, by force after `graceMs`, and removes the data. Idempotent. */
    stop: async ({ graceMs = 3_000 } = {}) => {
      await Promise.all(nodes.map((node) => node.stop({ graceMs })))
      await zooKeeper?.stop({ graceMs: 0 }) // nothing of it is kept
      rmSync(dataFolder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
  try {
    zooKeeper?.launch()
    await zooKeeper?.answers()
    await Promise.all(nodes.map((node) => node.format()))
    for (const node of nodes) node.launch()
    await cluster.healthy()
    return cluster
  } catch (error) {
    await cluster.stop({ graceMs: 0 })
    throw error
  }
}

function settingsOf(place, plan) {
  const { port, ports } = place
  const { count, zooKeeper, folder, listeners } = plan
  const own = Object.keys(listeners).map((name) => `${name}://127.0.0.1:${ports[name]}`)
  const listening = [`PLAINTEXT://127.0.0.1:${port}`, ...own]
  const protocols = [
    'PLAINTEXT:PLAINTEXT',
    ...Object.entries(listeners).map(([name, protocol]) => `${name}:${protocol}`),
  ]
  const copies = Math.min(count, 3)
  return {
    ...(zooKeeper === undefined
      ? settingsInKRaft(place, { ...plan, listening, protocols, copies })
      : settingsInZooKeeper(place, { zooKeeper, listening, protocols })),
    'advertised.listeners': listening.join(','),
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': join(folder, 'data'),
    'num.partitions': 3,
    'default.replication.factor': copies,
    'min.insync.replicas': 1,
    'offsets.topic.replication.factor': copies,
    'offsets.topic.num.partitions': 5,
    'transaction.state.log.replication.factor': copies,
    'transaction.state.log.min.isr': Math.min(copies, 2),
    'transaction.state.log.num.partitions': 5,
    // Ten seconds otherwise, before a transaction that is open for too long is noticed.
    'transaction.abort.timed.out.transaction.cleanup.interval.ms': 500,
    'auto.create.topics.enable': false,
    'group.initial.rebalance.delay.ms': 0,
    'group.min.session.timeout.ms': 1_000,
    'controlled.shutdown.enable': true,
    'log.cleaner.dedupe.buffer.size': 8 * 1024 * 1024,
    'log.segment.bytes': 64 * 1024 * 1024,
  }
}

function settingsInKRaft({ id, controllerPort }, { voters, listening, protocols, copies }) {
  return {
    'process.roles': 'broker,controller',
    'node.id': id,
    'controller.quorum.voters': voters,
    'controller.listener.names': 'CONTROLLER',
    'listeners': [...listening, `CONTROLLER://127.0.0.1:${controllerPort}`].join(','),
    'listener.security.protocol.map': [...protocols, 'CONTROLLER:PLAINTEXT'].join(','),
    'broker.session.timeout.ms': 6_000,
    'share.coordinator.state.topic.replication.factor': copies,
    'share.coordinator.state.topic.min.isr': Math.min(copies, 2),
    'share.coordinator.state.topic.num.partitions': 5,
  }
}

function settingsInZooKeeper({ id }, { zooKeeper, listening, protocols }) {
  return {
    'broker.id': id,
    'zookeeper.connect': zooKeeper.address,
    'zookeeper.session.timeout.ms': 6_000,
    'listeners': listening.join(','),
    'listener.security.protocol.map': protocols.join(','),
  }
}

function toProperties(settings) {
  const escape = (value) => String(value).replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${escape(value)}\n`)
    .join('')
}
