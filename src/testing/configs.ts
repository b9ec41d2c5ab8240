/** The configuration of topics and brokers: which keys there are, their types and defaults, and what may be in them. Values
 *  are text, as Kafka has them. Knows no topic and no request. */

/** Kafka's numbers for the type of a config, as DescribeConfigs says them. */
export const configTypes = {
  boolean: 1,
  string: 2,
  int: 3,
  short: 4,
  long: 5,
  double: 6,
  list: 7,
  class: 8,
  password: 9,
} as const

/** Where a value comes from, as DescribeConfigs says it. */
export const configSources = {
  topic: 1,
  dynamicBroker: 2,
  dynamicDefaultBroker: 3,
  staticBroker: 4,
  default: 5,
} as const

export interface ConfigDefinition {
  readonly type: keyof typeof configTypes
  readonly default: string
  /** The lowest and the highest number. */
  readonly range?: readonly [number, number]
  /** What a string may be, or the elements of a list. */
  readonly values?: readonly string[]
  /** The broker config that is in its place when the topic has none of its own. */
  readonly broker?: string
  /** That broker config has no value of its own by default, so it is not told as what lies behind the topic's. */
  readonly isUnsetOnBroker?: boolean
  /** May be set while the broker runs. */
  readonly dynamic?: boolean
}

export type ConfigDefinitions = Readonly<Record<string, ConfigDefinition>>

const maxLong = Number.MAX_SAFE_INTEGER
const maxInt = 2 ** 31 - 1
const int = (value: number, lowest = 0, highest: number = maxInt): ConfigDefinition => ({
  type: 'int',
  default: String(value),
  range: [lowest, highest],
})
const long = (value: number | string, lowest = 0): ConfigDefinition => ({
  type: 'long',
  default: String(value),
  range: [lowest, maxLong],
})
const bool = (value: boolean): ConfigDefinition => ({ type: 'boolean', default: String(value) })
const dynamic = (definition: ConfigDefinition): ConfigDefinition => ({ ...definition, dynamic: true })
/** The broker's config has no value: others of it, in hours or at other times, are in its place. */
const unset = (definition: ConfigDefinition): ConfigDefinition => ({ ...definition, isUnsetOnBroker: true })
const from = (broker: string, definition: ConfigDefinition): ConfigDefinition => ({ ...definition, broker })

// Two longs of Kafka's are beyond what a number holds exactly; as text they are what Kafka says.
const longest = '9223372036854775807'

/** Every config of a topic in Kafka 4.3. Those that speak of disks, segments and cleaning are kept and described, and have
 *  nothing to act on in memory. */
export const topicConfigs: ConfigDefinitions = {
  'cleanup.policy': from('log.cleanup.policy', { type: 'list', default: 'delete', values: ['compact', 'delete'] }),
  'compression.gzip.level': from('compression.gzip.level', int(-1, -1, 9)),
  'compression.lz4.level': from('compression.lz4.level', int(9, 1, 17)),
  'compression.type': from('compression.type', {
    type: 'string',
    default: 'producer',
    values: ['uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'],
  }),
  'compression.zstd.level': from('compression.zstd.level', int(3, -131072, 22)),
  'delete.retention.ms': from('log.cleaner.delete.retention.ms', long(86_400_000)),
  'file.delete.delay.ms': from('log.segment.delete.delay.ms', long(60_000)),
  'flush.messages': from('log.flush.interval.messages', { ...long(longest, 1) }),
  'flush.ms': unset(from('log.flush.interval.ms', long(longest))),
  'follower.replication.throttled.replicas': { type: 'list', default: '' },
  'index.interval.bytes': from('log.index.interval.bytes', int(4096)),
  'leader.replication.throttled.replicas': { type: 'list', default: '' },
  'local.retention.bytes': from('log.local.retention.bytes', long(-2, -2)),
  'local.retention.ms': from('log.local.retention.ms', long(-2, -2)),
  'max.compaction.lag.ms': from('log.cleaner.max.compaction.lag.ms', long(longest, 1)),
  'max.message.bytes': from('message.max.bytes', int(1_048_588)),
  'message.timestamp.after.max.ms': from('log.message.timestamp.after.max.ms', long(3_600_000)),
  'message.timestamp.before.max.ms': from('log.message.timestamp.before.max.ms', long(longest)),
  'message.timestamp.type': from('log.message.timestamp.type', {
    type: 'string',
    default: 'CreateTime',
    values: ['CreateTime', 'LogAppendTime'],
  }),
  'min.cleanable.dirty.ratio': from('log.cleaner.min.cleanable.ratio', {
    type: 'double',
    default: '0.5',
    range: [0, 1],
  }),
  'min.compaction.lag.ms': from('log.cleaner.min.compaction.lag.ms', long(0)),
  'min.insync.replicas': from('min.insync.replicas', int(1, 1)),
  'preallocate': from('log.preallocate', bool(false)),
  'remote.log.copy.disable': bool(false),
  'remote.log.delete.on.disable': bool(false),
  'remote.storage.enable': bool(false),
  'retention.bytes': from('log.retention.bytes', long(-1, -1)),
  'retention.ms': unset(from('log.retention.ms', long(604_800_000, -1))),
  'segment.bytes': from('log.segment.bytes', int(1_073_741_824, 1_048_576)),
  'segment.index.bytes': from('log.index.size.max.bytes', int(10_485_760, 4)),
  'segment.jitter.ms': unset(from('log.roll.jitter.ms', long(0))),
  'segment.ms': unset(from('log.roll.ms', long(604_800_000, 1))),
  'unclean.leader.election.enable': from('unclean.leader.election.enable', bool(false)),
}

/** The configs of a broker that this cluster obeys, with Kafka's defaults but for two that would make tests slow or pointless:
 *  no delay before a new group's first rebalance, and as many replicas as there are brokers, up to three (`-1` here). */
export const brokerConfigs: ConfigDefinitions = {
  'auto.create.topics.enable': bool(true),
  'default.replication.factor': int(-1, -1, 32_767),
  'delete.topic.enable': bool(true),
  'fetch.max.bytes': int(57_671_680, 1024),
  'group.initial.rebalance.delay.ms': dynamic(int(0)),
  'group.max.session.timeout.ms': int(1_800_000),
  'group.max.size': int(maxInt, 1),
  'group.min.session.timeout.ms': int(6_000),
  'log.cleanup.policy': dynamic(topicConfigs['cleanup.policy']!),
  'log.message.timestamp.after.max.ms': dynamic(long(3_600_000)),
  'log.message.timestamp.before.max.ms': dynamic(long(longest)),
  'log.message.timestamp.type': dynamic(topicConfigs['message.timestamp.type']!),
  'max.incremental.fetch.session.cache.slots': int(1_000),
  'message.max.bytes': dynamic(int(1_048_588)),
  'min.insync.replicas': dynamic(int(1, 1)),
  'num.partitions': int(1, 1),
  'offset.metadata.max.bytes': int(4_096),
  'offsets.topic.num.partitions': int(50, 1),
  'producer.id.expiration.ms': dynamic(int(86_400_000, 1)),
  'socket.request.max.bytes': int(104_857_600, 1),
  'transaction.max.timeout.ms': int(900_000, 1),
  'transaction.state.log.min.isr': int(2, 1),
  'transaction.state.log.num.partitions': int(50, 1),
  'transactional.id.expiration.ms': int(604_800_000, 1),
  'unclean.leader.election.enable': dynamic(bool(false)),
}

/** Says what is wrong with a value, as the end of the sentence "the config 'x' …", or undefined. */
export function complaintAbout(definition: ConfigDefinition, value: string): string | undefined {
  const { type, range, values } = definition
  switch (type) {
    case 'boolean':
      return /^(true|false)$/i.test(value) ? undefined : 'must be true or false'
    case 'string':
      return values === undefined || values.includes(value) ? undefined : `must be one of ${values.join(', ')}`
    case 'list': {
      if (values === undefined) return undefined
      const wrong = listOf(value).find((element) => !values.includes(element))
      return wrong === undefined ? undefined : `must be a list of ${values.join(', ')}`
    }
    case 'int':
    case 'short':
    case 'long':
    case 'double': {
      const number = Number(value)
      const pattern = type === 'double' ? /^-?\d+(\.\d+)?$/ : /^-?\d+$/
      if (!pattern.test(value.trim())) return `must be a ${type === 'double' ? 'number' : 'whole number'}`
      if (value === longest) return undefined
      if (range !== undefined && (number < range[0] || number > range[1])) {
        return range[1] === maxLong ? `must be at least ${range[0]}` : `must be from ${range[0]} to ${range[1]}`
      }
      return undefined
    }
    case 'class':
    case 'password':
      return undefined
    default:
      return type satisfies never
  }
}

/** The elements of a list's text. */
export function listOf(value: string): string[] {
  return value
    .split(',')
    .map((element) => element.trim())
    .filter((element) => element !== '')
}
