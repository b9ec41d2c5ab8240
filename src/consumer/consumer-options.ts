/** The options of a consumer beside those of its connections, as a table. */

import { InvalidOptionError } from '../errors/errors.ts'
import type { ConsumerInterceptor } from '../model/interceptor.ts'
import type { Deserializer } from '../model/serde.ts'
import { anyFunction, atLeast, boolean, either, having, nonEmptyString, oneOf } from '../options/checks.ts'
import { quote, readOptions, type Check, type OptionTable, type ResolvedOptions } from '../options/option-table.ts'
import type { OnDeserializationError } from './record-deserializer.ts'

/** What to do where no committed offset exists, or the one there is lies outside the log. */
export type AutoOffsetReset = 'latest' | 'earliest' | 'none'
export type IsolationLevel = 'read_uncommitted' | 'read_committed'
export type AssignorName = 'range'

/** What a `Consumer` takes beside the options of its connections. `Key` and `Value` are what its records have. */
export interface ConsumerOptions<Key = Buffer | null, Value = Buffer | null> {
  /** The group to share partitions with and to commit for. Without it the consumer stands alone and cannot commit. */
  groupId?: string
  /** How the group divides partitions, the preferred one first. Default `['range']`. */
  assignors?: readonly AssignorName[]
  /**
   * Where to start a partition that has no committed offset, or whose position is not in the log: at its end (default),
   * at its beginning, or nowhere: then hand-outs reject until `seek` says where.
   */
  autoOffsetReset?: AutoOffsetReset
  /** Commits what is finished, by itself. Default true with a `groupId`. */
  autoCommit?: boolean
  /** How often that happens, in ms. Default 5 000. */
  autoCommitIntervalMs?: number
  /** After so long without a heartbeat the group gives the member up, in ms. Default 45 000. */
  sessionTimeoutMs?: number
  /** How often the coordinator is told that the member is alive, in ms. Default 3 000. */
  heartbeatIntervalMs?: number
  /**
   * The longest time between two hand-out calls, in ms, before the consumer leaves its group so that others get the
   * partitions; also how long a rebalance waits for what was handed out to be finished. Default 300 000.
   */
  maxPollIntervalMs?: number
  /** How many records `getMany` hands out at most unless it is told. Default 500. */
  maxPollRecords?: number
  /** The broker answers a fetch as soon as it has so many bytes. Default 1. */
  fetchMinBytes?: number
  /** The most that one fetch brings, in bytes; a larger first batch is still delivered (KIP-74). Default 52 428 800. */
  fetchMaxBytes?: number
  /** The most that one fetch brings of one partition, in bytes; a larger first batch is still delivered. Default 1 048 576. */
  maxPartitionFetchBytes?: number
  /** How long the broker may wait for `fetchMinBytes`, in ms. Default 500. */
  fetchMaxWaitMs?: number
  /**
   * How much may be fetched and not yet handed out, in bytes: what is held, decompressed or not, and what is on its way.
   * Only a batch larger than this is let in beyond it. Default 67 108 864.
   */
  fetchBufferBytes?: number
  /** Whether records of transactions are handed out before they are committed. Default `read_uncommitted`. */
  isolationLevel?: IsolationLevel
  /** Checks every batch against its checksum. Default true. */
  checkCrcs?: boolean
  /** Has the broker create a topic that is subscribed to and does not exist. Default false. */
  allowAutoTopicCreation?: boolean
  /** A regular expression does not match Kafka's own topics. Default true. */
  excludeInternalTopics?: boolean
  /** Copies each key, value and header out of the fetched block, so that one that is kept does not keep it whole. Default false. */
  copyRecords?: boolean
  /**
   * Makes a record's key of its bytes: a function of `(topic, data, headers)`, or an object with such a method
   * `deserialize`; what it returns may be a promise. It is done before the record is handed out. A missing key is null, and
   * the deserializer is not asked. Default: keys are the bytes.
   */
  keyDeserializer?: Deserializer<Key>
  /** The same for values; a tombstone's value is null. Default: values are the bytes. */
  valueDeserializer?: Deserializer<Value>
  /**
   * What becomes of a record whose key or value cannot be deserialized. `throw` (default): records before it are handed out,
   * the next call rejects with a `DeserializationError`, and so does every later one until `seek` passes the record, or the
   * deserializer can do it. `skip`: it is left out, with a warning. `raw`: it is handed out with its bytes in the place of
   * what could not be made, and with `deserializationError`.
   */
  onDeserializationError?: OnDeserializationError
  /** Sees records before they are handed out, and hears of commits (KIP-42). */
  interceptors?: readonly ConsumerInterceptor<NoInfer<Key>, NoInfer<Value>>[]
}

/** Whatever its records have. */
export type AnyConsumerOptions = ConsumerOptions<unknown, unknown>

type Defaulted = Exclude<keyof ConsumerOptions, 'groupId' | 'autoCommit' | 'keyDeserializer' | 'valueDeserializer'>

export type ResolvedConsumerOptions = ResolvedOptions<AnyConsumerOptions, Defaulted> & { readonly autoCommit: boolean }

const deserializer = either(
  'must be a function or an object with the method deserialize',
  anyFunction,
  having('deserialize'),
)

const interceptorMethods = ['onConsume', 'onCommit', 'onSend', 'onAcknowledged'] as const

const interceptorList: Check = (value) => {
  if (!Array.isArray(value)) return 'must be an array of interceptors'
  const isOne = (entry: unknown): boolean => {
    if (typeof entry !== 'object' || entry === null) return false
    const methods = interceptorMethods.map((name) => (entry as Record<string, unknown>)[name])
    const given = methods.filter((method) => method !== undefined)
    return given.length > 0 && given.every((method) => typeof method === 'function')
  }
  return value.every(isOne) ? undefined : `must be objects with some of the methods ${interceptorMethods.join(', ')}`
}

const assignorList: Check = (value) =>
  Array.isArray(value) && value.length > 0 && value.every((name) => name === 'range') && value.length === 1
    ? undefined
    : "must be ['range'], the only assignor so far"

export const consumerOptions: OptionTable<AnyConsumerOptions> = {
  groupId: {
    kafka: 'group.id',
    default: undefined,
    check: nonEmptyString,
    about: 'The group to share partitions with.',
  },
  assignors: {
    kafka: 'partition.assignment.strategy',
    default: ['range'],
    check: assignorList,
    about: 'How the group divides partitions, the preferred one first.',
  },
  autoOffsetReset: {
    kafka: 'auto.offset.reset',
    default: 'latest',
    check: oneOf('latest', 'earliest', 'none'),
    about: 'Where to start without a committed offset.',
  },
  autoCommit: {
    kafka: 'enable.auto.commit',
    default: undefined,
    check: boolean,
    about: 'Commits what is finished, by itself; true by default with a groupId.',
  },
  autoCommitIntervalMs: {
    kafka: 'auto.commit.interval.ms',
    default: 5_000,
    check: atLeast(1),
    about: 'How often finished records are committed, in ms.',
  },
  sessionTimeoutMs: {
    kafka: 'session.timeout.ms',
    default: 45_000,
    check: atLeast(1, 2_147_483_647),
    about: 'After so long without a heartbeat the group gives the member up, in ms.',
  },
  heartbeatIntervalMs: {
    kafka: 'heartbeat.interval.ms',
    default: 3_000,
    check: atLeast(1),
    about: 'How often the coordinator hears from the member, in ms.',
  },
  maxPollIntervalMs: {
    kafka: 'max.poll.interval.ms',
    default: 300_000,
    check: atLeast(1, 2_147_483_647),
    about: 'The longest time between two hand-out calls, in ms.',
  },
  maxPollRecords: {
    kafka: 'max.poll.records',
    default: 500,
    check: atLeast(1),
    about: 'How many records getMany hands out at most.',
  },
  fetchMinBytes: {
    kafka: 'fetch.min.bytes',
    default: 1,
    check: atLeast(0, 2_147_483_647),
    about: 'The broker answers a fetch as soon as it has so many bytes.',
  },
  fetchMaxBytes: {
    kafka: 'fetch.max.bytes',
    default: 52_428_800,
    check: atLeast(1, 2_147_483_647),
    about: 'The most that one fetch brings, in bytes.',
  },
  maxPartitionFetchBytes: {
    kafka: 'max.partition.fetch.bytes',
    default: 1_048_576,
    check: atLeast(1, 2_147_483_647),
    about: 'The most that one fetch brings of one partition, in bytes.',
  },
  fetchMaxWaitMs: {
    kafka: 'fetch.max.wait.ms',
    default: 500,
    check: atLeast(0, 2_147_483_647),
    about: 'How long the broker may wait for fetchMinBytes, in ms.',
  },
  fetchBufferBytes: {
    kafka: null,
    default: 67_108_864,
    check: atLeast(1),
    about: 'How much may be fetched and not yet handed out, in bytes.',
  },
  isolationLevel: {
    kafka: 'isolation.level',
    default: 'read_uncommitted',
    check: oneOf('read_uncommitted', 'read_committed'),
    about: 'Whether records of transactions are handed out before they are committed.',
  },
  checkCrcs: { kafka: 'check.crcs', default: true, check: boolean, about: 'Checks every batch against its checksum.' },
  allowAutoTopicCreation: {
    kafka: 'allow.auto.create.topics',
    default: false,
    check: boolean,
    about: 'Has the broker create a topic that is subscribed to and does not exist.',
  },
  excludeInternalTopics: {
    kafka: 'exclude.internal.topics',
    default: true,
    check: boolean,
    about: "A regular expression does not match Kafka's own topics.",
  },
  copyRecords: {
    kafka: null,
    default: false,
    check: boolean,
    about: 'Copies keys, values and headers out of the fetched block.',
  },
  keyDeserializer: {
    kafka: 'key.deserializer',
    default: undefined,
    check: deserializer,
    about: 'Makes the key of its bytes.',
  },
  valueDeserializer: {
    kafka: 'value.deserializer',
    default: undefined,
    check: deserializer,
    about: 'Makes the value of its bytes.',
  },
  onDeserializationError: {
    kafka: null,
    default: 'throw',
    check: oneOf('throw', 'skip', 'raw'),
    about: 'What becomes of a record that cannot be deserialized.',
  },
  interceptors: {
    kafka: 'interceptor.classes',
    default: [],
    check: interceptorList,
    about: 'Objects that see records before they are handed out, and hear of commits.',
  },
}

/**
 * The consumer's own options with defaults filled in.
 *
 * @throws InvalidOptionError for an unknown option, a wrong value, or two that contradict each other
 */
export function readConsumerOptions(given: AnyConsumerOptions, requestTimeoutMs: number): ResolvedConsumerOptions {
  const options = readOptions<AnyConsumerOptions, Defaulted>('Consumer', consumerOptions, given)
  const contradiction = (option: string, complaint: string): never => {
    throw new InvalidOptionError(option, `option '${option}' of Consumer ${complaint}`)
  }
  if (options.groupId === undefined && options.autoCommit === true) {
    contradiction('autoCommit', "contradicts a missing 'groupId': there is nobody to commit to")
  }
  if (options.heartbeatIntervalMs >= options.sessionTimeoutMs) {
    const { heartbeatIntervalMs, sessionTimeoutMs } = options
    contradiction(
      'heartbeatIntervalMs',
      `must be below 'sessionTimeoutMs' (${sessionTimeoutMs}), not ${quote(heartbeatIntervalMs)}`,
    )
  }
  if (options.fetchMaxWaitMs >= requestTimeoutMs) {
    contradiction(
      'fetchMaxWaitMs',
      `must be below 'requestTimeoutMs' (${requestTimeoutMs}), not ${quote(options.fetchMaxWaitMs)}`,
    )
  }
  return { ...options, autoCommit: options.autoCommit ?? options.groupId !== undefined }
}
