/** What a producer can be told, as a table, and which of it contradicts what. Opens nothing. */

import type { ClientOptions } from '../cluster/client.ts'
import type { ResolvedClusterOptions } from '../cluster/cluster-options.ts'
import { InvalidOptionError } from '../errors/errors.ts'
import { anyFunction, atLeast, boolean, either, having, listOfInterceptors, oneOf } from '../options/checks.ts'
import type { ConsumerInterceptor, ProducerInterceptor } from '../model/interceptor.ts'
import type { RecordBytes } from '../model/produced-record.ts'
import type { Serializer } from '../model/serde.ts'
import { readOptions, type Check, type OptionTable, type ResolvedOptions } from '../options/option-table.ts'
import type { DeliveryFailure } from './delivery-errors.ts'
import type { Partitioner } from './partitioner.ts'

/** Kafka's codecs. All of them work on every Node that Jackdaw runs on. */
export type CompressionName = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

/** A codec with its own level (KIP-390): gzip 1 to 9, lz4 1 to 17, zstd -131072 to 22. */
export interface CompressionChoice {
  readonly codec: CompressionName
  /** Default: the codec's own. */
  readonly level?: number | undefined
}

/** The options of a producer beside those of its connections. `Key` and `Value` are what its serializers take. */
export interface ProducerOwnOptions<Key = RecordBytes, Value = RecordBytes> {
  /**
   * What makes a record acknowledged: `'all'` (or -1) that every in-sync replica has it, 1 that the leader has it, 0
   * that it was handed to the network. Default `'all'`.
   */
  acks?: 'all' | -1 | 0 | 1
  /**
   * Lets brokers know a batch that comes again, so that a lost answer costs no duplicate, and batches that are under way
   * together stay in order (KIP-98). Needs `acks: 'all'`. Default true; `acks: 0` or `1` turns it off.
   */
  idempotent?: boolean
  /** How long a batch that is not full waits for more records, in ms. Default 5. */
  lingerMs?: number
  /**
   * How many bytes a batch holds at most, and never more than `maxRequestSize`; a larger record gets a batch of its own.
   * Default 16 384.
   */
  batchSize?: number
  /** How many bytes a request, and so a record, may have; brokers have a limit of their own. Default 1 048 576. */
  maxRequestSize?: number
  /**
   * How many requests may be under way to one broker. Of one partition there is one batch under way without idempotence,
   * and with it at most 5, whatever is said here. Default 5.
   */
  maxInFlightRequests?: number
  /** How long a record may take from its batch's opening to its acknowledgement, retries included, in ms (KIP-91). Default 120 000. */
  deliveryTimeoutMs?: number
  /** How many bytes of batches may wait or be under way. Default 33 554 432. */
  bufferMemory?: number
  /** How long `send` waits for memory or for the topic's metadata, in ms. Default 60 000. */
  maxBlockMs?: number
  /**
   * How long a topic that nobody writes to is still kept up to date, in ms (KIP-526). Afterwards it is forgotten, and looked
   * up again by the next record for it. Default 300 000.
   */
  metadataMaxIdleMs?: number
  /** How batches are compressed. Default `'none'`. */
  compression?: CompressionName | CompressionChoice
  /** Who chooses the partition of a record that does not name one. Default `'default'` (KIP-794). */
  partitioner?: Partitioner
  /**
   * Whether the default partitioner chooses for records with a key as it does for those without: the key then says
   * nothing of the partition, and there is no order by key. Default false.
   */
  partitionerIgnoreKeys?: boolean
  /**
   * Whether the default partitioner gives partitions with short queues more of the records without a key. False: all the
   * same share. Default true.
   */
  partitionerAdaptivePartitioning?: boolean
  /**
   * For how long a broker may leave what it was sent unanswered before the default partitioner avoids its partitions for
   * records without a key, in ms; 0: it never does. Default 0.
   */
  partitionerAvailabilityTimeoutMs?: number
  /**
   * Turns keys into bytes: a function or an object with `serialize`, given `(topic, data, headers)`, whose answer may be
   * a promise. Default: keys are bytes.
   */
  keySerializer?: Serializer<Key>
  /** Turns values into bytes, as `keySerializer` does keys. Default: values are bytes. */
  valueSerializer?: Serializer<Value>
  /**
   * See, and may change, every record before it is sent, and hear what becomes of it (KIP-42): `onSend` and
   * `onAcknowledged`. What they throw is logged. An object may have the methods of consumers' interceptors too.
   */
  interceptors?: readonly (ProducerInterceptor<NoInfer<Key>, NoInfer<Value>> &
    Partial<Record<keyof ConsumerInterceptor, unknown>>)[]
  /**
   * Hears of records that `enqueue` accepted and that then failed. `place.partition` is -1 when a record failed before
   * it had one.
   */
  onDeliveryError?: (error: Error, place: DeliveryFailure) => void
}

/** The options of a producer: its own, and either those of its connections or a `cluster` to share. */
export type ProducerOptions<Key = RecordBytes, Value = RecordBytes> = ClientOptions<ProducerOwnOptions<Key, Value>>

/** The options of any producer, whatever its serializers take. */
export type AnyProducerOptions = Omit<ProducerOwnOptions<never, never>, 'interceptors'> &
  Pick<ProducerOwnOptions<unknown, unknown>, 'interceptors'>

type Defaulted = Exclude<
  keyof ProducerOwnOptions,
  'onDeliveryError' | 'keySerializer' | 'valueSerializer' | 'interceptors'
>

/** The options with every default filled in. */
export type ResolvedProducerOptions = ResolvedOptions<AnyProducerOptions, Defaulted>

const codecNames = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
const codecName = oneOf(...codecNames)

const partitionerNames = ['default', 'murmur2-random', 'consistent-random'] as const

const compression: Check = (value) => {
  if (typeof value !== 'object' || value === null)
    return codecName(value) && `${codecName(value)!}, or { codec, level }`
  const { codec, level, ...rest } = value as { codec?: unknown; level?: unknown }
  const wrong = Object.keys(rest)[0]
  if (wrong !== undefined) return `must have codec and level, and nothing else such as '${wrong}'`
  if (codecName(codec) !== undefined) return `must have a codec that is one of ${codecNames.join(', ')}`
  if (level === undefined) return undefined
  if (!Number.isSafeInteger(level)) return 'must have a level that is a whole number'
  return levelComplaint(codec as CompressionName, level as number)
}

/** The levels that Kafka's `compression.<codec>.level` may have. */
function levelComplaint(codec: CompressionName, level: number): string | undefined {
  switch (codec) {
    case 'gzip':
      return level === -1 || (level >= 1 && level <= 9)
        ? undefined
        : `must for gzip have level -1 or one from 1 to 9, not ${level}`
    case 'lz4':
      return level >= 1 && level <= 17 ? undefined : `must for lz4 have a level from 1 to 17, not ${level}`
    case 'zstd':
      return level >= -131_072 && level <= 22
        ? undefined
        : `must for zstd have a level from -131072 to 22, not ${level}`
    case 'snappy':
    case 'none':
      return `must have no level: ${codec} has no levels`
    default:
      return codec satisfies never
  }
}

export const producerOptions: OptionTable<AnyProducerOptions> = {
  acks: {
    kafka: 'acks',
    default: 'all',
    check: oneOf('all', -1, 0, 1),
    about: 'How many replicas must have a record before it counts as acknowledged.',
  },
  idempotent: {
    kafka: 'enable.idempotence',
    default: true,
    check: boolean,
    about: 'Whether brokers drop a batch that comes again. acks 0 or 1 turns it off.',
  },
  lingerMs: {
    kafka: 'linger.ms',
    default: 5,
    check: atLeast(0),
    about: 'How long a batch that is not full waits for more records, in ms.',
  },
  batchSize: {
    kafka: 'batch.size',
    default: 16_384,
    check: atLeast(0, 0x7fffffff),
    about: 'How many bytes a batch holds at most.',
  },
  maxRequestSize: {
    kafka: 'max.request.size',
    default: 1_048_576,
    check: atLeast(1, 0x7fffffff),
    about: 'How many bytes a request, and so a record, may have.',
  },
  maxInFlightRequests: {
    kafka: 'max.in.flight.requests.per.connection',
    default: 5,
    check: atLeast(1),
    about: 'How many requests may be under way to one broker.',
  },
  deliveryTimeoutMs: {
    kafka: 'delivery.timeout.ms',
    default: 120_000,
    check: atLeast(1),
    about: 'How long a record may take to be acknowledged, retries included, in ms.',
  },
  bufferMemory: {
    kafka: 'buffer.memory',
    default: 33_554_432,
    check: atLeast(1),
    about: 'How many bytes of batches may wait or be under way.',
  },
  maxBlockMs: {
    kafka: 'max.block.ms',
    default: 60_000,
    check: atLeast(0),
    about: 'How long send waits for memory or metadata, in ms.',
  },
  metadataMaxIdleMs: {
    kafka: 'metadata.max.idle.ms',
    default: 300_000,
    check: atLeast(5_000),
    about: 'How long a topic that nobody writes to is still kept up to date, in ms.',
  },
  compression: {
    kafka: 'compression.type',
    default: 'none',
    check: compression,
    about: 'How batches are compressed: a codec, or a codec and its level.',
  },
  partitioner: {
    kafka: 'partitioner.class',
    default: 'default',
    check: either(
      `must be ${partitionerNames.map((name) => `'${name}'`).join(', ')} or a function`,
      oneOf(...partitionerNames),
      anyFunction,
    ),
    about: 'Who chooses the partition of a record that does not name one.',
  },
  partitionerIgnoreKeys: {
    kafka: 'partitioner.ignore.keys',
    default: false,
    check: boolean,
    about: 'Whether the default partitioner chooses for records with a key as for those without.',
  },
  partitionerAdaptivePartitioning: {
    kafka: 'partitioner.adaptive.partitioning.enable',
    default: true,
    check: boolean,
    about: 'Whether partitions with short queues get more of the records without a key.',
  },
  partitionerAvailabilityTimeoutMs: {
    kafka: 'partitioner.availability.timeout.ms',
    default: 0,
    check: atLeast(0),
    about: 'After how long without an answer records without a key avoid a broker, in ms; 0 for never.',
  },
  keySerializer: {
    kafka: 'key.serializer',
    default: undefined,
    check: either('must be a function, or an object with the method serialize', anyFunction, having('serialize')),
    about: 'Turns keys into bytes.',
  },
  valueSerializer: {
    kafka: 'value.serializer',
    default: undefined,
    check: either('must be a function, or an object with the method serialize', anyFunction, having('serialize')),
    about: 'Turns values into bytes.',
  },
  interceptors: {
    kafka: 'interceptor.classes',
    default: undefined,
    check: listOfInterceptors,
    about: 'See records before they are sent, and hear what becomes of them.',
  },
  onDeliveryError: {
    kafka: null,
    default: undefined,
    check: anyFunction,
    about: 'Hears of enqueued records that failed.',
  },
}

/**
 * The producer's own options with defaults filled in.
 *
 * @throws InvalidOptionError for a wrong value, or when options contradict each other or those of the connections
 */
export function readProducerOptions(
  own: AnyProducerOptions,
  connection: ResolvedClusterOptions,
  owner = 'Producer',
): ResolvedProducerOptions {
  const options = readOptions<AnyProducerOptions, Defaulted>(owner, producerOptions, own)
  const { acks, lingerMs, bufferMemory, batchSize } = options
  const isEveryReplicaAsked = acks === 'all' || acks === -1
  if (own.idempotent === true && !isEveryReplicaAsked) {
    throw new InvalidOptionError(
      'idempotent',
      `option 'idempotent' of ${owner} (true) contradicts 'acks' (${acks}): a batch that the leader alone has can be lost with its sequence numbers; leave one of them out`,
    )
  }
  const least = lingerMs + connection.requestTimeoutMs
  if (own.deliveryTimeoutMs !== undefined && options.deliveryTimeoutMs < least) {
    throw new InvalidOptionError(
      'deliveryTimeoutMs',
      `option 'deliveryTimeoutMs' of ${owner} (${options.deliveryTimeoutMs}) must be at least lingerMs + requestTimeoutMs (${lingerMs} + ${connection.requestTimeoutMs} = ${least})`,
    )
  }
  if (bufferMemory < batchSize) {
    throw new InvalidOptionError(
      'bufferMemory',
      `option 'bufferMemory' of ${owner} (${bufferMemory}) must hold at least one batch of batchSize (${batchSize}) bytes`,
    )
  }
  requirePartitionerThatListens(own, options, owner)
  return {
    ...options,
    idempotent: options.idempotent && isEveryReplicaAsked,
    // A request holds a batch at least.
    batchSize: Math.min(batchSize, options.maxRequestSize),
    // A default gives way to what was asked for: who sets a long requestTimeoutMs need not know of this one.
    deliveryTimeoutMs: Math.max(options.deliveryTimeoutMs, least),
  }
}

/** What is asked of the default partitioner would be ignored by any other, and what asks for chance to be weighed needs
 *  the weighing. */
function requirePartitionerThatListens(own: AnyProducerOptions, options: ResolvedProducerOptions, owner: string): void {
  const contradiction = (option: keyof ProducerOwnOptions, other: string): InvalidOptionError =>
    new InvalidOptionError(option, `option '${option}' of ${owner} has no effect with ${other}: leave one of them out`)
  if (options.partitioner !== 'default') {
    const names = [
      'partitionerIgnoreKeys',
      'partitionerAdaptivePartitioning',
      'partitionerAvailabilityTimeoutMs',
    ] as const
    const shown = typeof options.partitioner === 'string' ? `'${options.partitioner}'` : 'of your own'
    const given = names.find((name) => own[name] !== undefined)
    if (given !== undefined) throw contradiction(given, `a partitioner ${shown}`)
  }
  if (options.partitionerAvailabilityTimeoutMs > 0 && !options.partitionerAdaptivePartitioning) {
    throw contradiction('partitionerAvailabilityTimeoutMs', 'partitionerAdaptivePartitioning: false')
  }
}
