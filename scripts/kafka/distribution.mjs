/** Fetches Kafka's jars from Maven Central into a cache outside the project. Knows no servers: see cluster.mjs. */

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

export const defaultVersion = '4.3.1'

/** Where everything that scripts fetch is kept: never in the project itself. */
export const cacheFolder = process.env.JACKDAW_CACHE || join(homedir(), '.cache', 'jackdaw')

/** The tools of brokers that still wrote them in Scala, where they differ from {@link commonTools}. */
const toolsInScala = {
  ConsoleConsumer: 'kafka.tools.ConsoleConsumer',
  ConsoleProducer: 'kafka.tools.ConsoleProducer',
  TopicCommand: 'kafka.admin.TopicCommand',
  ConsumerGroupCommand: 'kafka.admin.ConsumerGroupCommand',
  GetOffsetShell: 'kafka.tools.GetOffsetShell',
  ZooKeeper: 'org.apache.zookeeper.server.quorum.QuorumPeerMain',
}

/**
 * What a family of versions is made of. `logging` binds slf4j, which Kafka's own poms leave to the installation;
 * it comes last, so that Kafka's versions of what it needs win. `quorum` is what the brokers agree through: their own
 * controllers (KRaft), or a ZooKeeper from the same jars.
 */
const families = [
  {
    from: [4, 0],
    quorum: 'kraft',
    artifacts: (version) => [`org.apache.kafka:kafka_2.13:${version}`, `org.apache.kafka:kafka-tools:${version}`],
    logging: 'org.apache.logging.log4j:log4j-slf4j-impl:2.25.4',
    tools: {
      ConsoleConsumer: 'org.apache.kafka.tools.consumer.ConsoleConsumer',
      ConsoleProducer: 'org.apache.kafka.tools.ConsoleProducer',
    },
  },
  {
    from: [3, 7],
    quorum: 'kraft',
    artifacts: (version) => [`org.apache.kafka:kafka_2.13:${version}`, `org.apache.kafka:kafka-tools:${version}`],
    logging: 'org.slf4j:slf4j-reload4j:1.7.36',
    tools: {
      ConsoleConsumer: 'org.apache.kafka.tools.consumer.ConsoleConsumer',
      ConsoleProducer: 'kafka.tools.ConsoleProducer',
    },
  },
  {
    from: [2, 8],
    until: [2, 8],
    quorum: 'zookeeper',
    artifacts: (version) => [`org.apache.kafka:kafka_2.13:${version}`],
    logging: 'org.slf4j:slf4j-log4j12:1.7.30',
    tools: toolsInScala,
  },
  {
    from: [1, 1],
    until: [1, 1],
    quorum: 'zookeeper',
    // The ZooKeeper of its time does not run on Java 17: 3.5.10, named here first, takes its place.
    artifacts: (version) => ['org.apache.zookeeper:zookeeper:3.5.10', `org.apache.kafka:kafka_2.12:${version}`],
    logging: 'org.slf4j:slf4j-log4j12:1.7.25',
    tools: toolsInScala,
  },
]

const commonTools = {
  Kafka: 'kafka.Kafka',
  StorageTool: 'kafka.tools.StorageTool',
  ConfigCommand: 'kafka.admin.ConfigCommand',
  AclCommand: 'kafka.admin.AclCommand',
  TopicCommand: 'org.apache.kafka.tools.TopicCommand',
  ConsumerGroupCommand: 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
  GetOffsetShell: 'org.apache.kafka.tools.GetOffsetShell',
  FeatureCommand: 'org.apache.kafka.tools.FeatureCommand',
  TransactionsCommand: 'org.apache.kafka.tools.TransactionsCommand',
  MetadataQuorumCommand: 'org.apache.kafka.tools.MetadataQuorumCommand',
}

function familyOf(version) {
  const [major = NaN, minor = NaN] = version.split('.').map(Number)
  const compare = (other) => major - other[0] || minor - other[1]
  const family = families.find(({ from, until }) => compare(from) >= 0 && (until === undefined || compare(until) <= 0))
  if (family === undefined) {
    const newest = families.findLast(({ until }) => until === undefined).from.join('.')
    const older = families.filter(({ until }) => until !== undefined).map(({ from }) => from.join('.'))
    throw new Error(`Kafka '${version}' cannot be run here: ${newest} and newer can, and ${older.join(', ')}`)
  }
  return family
}

/** What brokers of this version agree through: 'kraft' or 'zookeeper'. */
export function quorumOf(version) {
  return familyOf(version).quorum
}

/** The class behind a short tool name such as `ConsoleConsumer`; a name with a dot is a class already. */
export function toolClass(version, name) {
  const known = { ...commonTools, ...familyOf(version).tools }[name]
  if (known === undefined && !name.includes('.')) throw new Error(`'${name}' is no Kafka tool known here`)
  return known ?? name
}

/** What this machine lacks to run real brokers: an empty list, or command names. */
export function missingForKafka() {
  const runs = (command, argument) => spawnSync(command, [argument], { stdio: 'ignore' }).status === 0
  return [...(runs('java', '-version') ? [] : ['java']), ...(runs('mvn', '--version') ? [] : ['mvn'])]
}

export const howToHaveKafka =
  'Real brokers need Java 17 or newer and Maven on the PATH (Debian: apt-get install openjdk-17-jdk-headless maven)'

/** The folder of the version's jars, fetched first where the cache lacks it. Safe beside others doing the same. */
export async function fetchKafka(version = defaultVersion) {
  const folder = join(cacheFolder, 'kafka', version)
  if (existsSync(folder)) return folder
  const missing = missingForKafka()
  if (missing.length > 0) throw new Error(`no ${missing.join(' and no ')} on this machine. ${howToHaveKafka}`)

  const parent = join(cacheFolder, 'kafka')
  mkdirSync(parent, { recursive: true })
  removeAbandoned(parent)
  const work = join(parent, `.fetching-${version}-${process.pid}-${Date.now()}`)
  mkdirSync(work)
  try {
    const pom = join(work, 'pom.xml')
    writeFileSync(pom, pomFor(version))
    const jars = join(work, 'jars')
    await maven(['-f', pom, 'dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${jars}`])
    if (!readdirSync(jars).some((jar) => jar.startsWith('kafka-clients-'))) {
      throw new Error(`Maven fetched no kafka-clients for Kafka ${version}`)
    }
    // A rename is all or nothing: whoever sees the folder sees every jar. Who comes second finds it taken, which is as good.
    try {
      renameSync(jars, folder)
    } catch (error) {
      if (!existsSync(folder)) throw error
    }
    return folder
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

function removeAbandoned(parent) {
  const anHourAgo = Date.now() - 3_600_000
  for (const name of readdirSync(parent)) {
    const path = join(parent, name)
    if (name.startsWith('.fetching-') && statSync(path, { throwIfNoEntry: false })?.mtimeMs < anHourAgo) {
      rmSync(path, { recursive: true, force: true })
    }
  }
}

function pomFor(version) {
  const family = familyOf(version)
  const dependencies = [...family.artifacts(version), family.logging].map((coordinates) => {
    const [group, artifact, artifactVersion] = coordinates.split(':')
    return `    <dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${artifactVersion}</version></dependency>`
  })
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>jackdaw</groupId><artifactId>kafka-for-tests</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
${dependencies.join('\n')}
  </dependencies>
</project>
`
}

/** Runs Maven quietly; its words are shown only when it fails. */
export function maven(args, { timeoutMs = 600_000 } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn('mvn', ['-q', '-B', ...args], { stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs })
    let output = ''
    const keep = (chunk) => {
      output = (output + chunk).slice(-4_000)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) resolve()
      else reject(new Error(`mvn ${args.join(' ')} failed (status ${code}):\n${output}`))
    })
  })
}
