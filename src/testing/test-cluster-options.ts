/** The options of `TestCluster`, declared once: default, check, and a line about each. */

import type { Clock } from '../async/clock.ts'
import type { Random } from '../async/random.ts'
import type { Logger } from '../diagnostics/logger.ts'
import { anyFunction, anyObject, atLeast, either, having, nonEmptyString } from '../options/checks.ts'
import type { Check, OptionTable } from '../options/option-table.ts'
import type { Listen } from './listener.ts'

/** A topic that is there from the start. */
export interface TestTopicOptions {
  /** Default: `num.partitions`, 1. */
  readonly partitions?: number
  /** Default: as many as there are brokers, up to three. */
  readonly replicationFactor?: number
  /** Kafka's topic configs, for instance `{ 'message.timestamp.type': 'LogAppendTime' }`. */
  readonly configs?: Readonly<Record<string, string | number | boolean>>
}

export interface TestClusterOptions {
  /** How many brokers; their ids are 1, 2, 3 … Default: 1. */
  readonly brokers?: number
  /** Where they listen, and what the metadata names. Default: `'127.0.0.1'`. */
  readonly host?: string
  /** A host for each broker, in order, where they shall differ: a simulated network parts hosts. Default: `host`. */
  readonly hosts?: readonly string[]
  /** The first broker's port; the others have the ones after it. Default: 0, a free one for each. */
  readonly port?: number
  /** The racks of the brokers, in order; KIP-36. Default: none. */
  readonly racks?: readonly string[]
  /** Default: a random one. */
  readonly clusterId?: string
  /** Topics by name: a number of partitions, or more about them. */
  readonly topics?: Readonly<Record<string, number | TestTopicOptions>>
  /** Broker properties by Kafka's names, for instance `{ 'auto.create.topics.enable': false }`. One that the cluster does not
   *  obey is an error. */
  readonly properties?: Readonly<Record<string, string | number | boolean>>
  /** By API name: the lowest and highest version to serve, to look like another broker, or null to not know the API at all. */
  readonly versions?: Readonly<Record<string, readonly [number, number] | null>>
  /** The finalized `transaction.version`, which tells clients how to end transactions: 2 as KIP-890 has it, 1 or 0 as it was
   *  before, where partitions are added first and epochs stay. Default: 2, as with Kafka 4. */
  readonly transactionVersion?: 0 | 1 | 2
  /** Bytes that a partition keeps; its oldest batches go beyond it. Default: no bound. */
  readonly maxLogBytes?: number
  /** How many of the latest requests `requests()` keeps. Default: 10 000. */
  readonly keepRequests?: number
  /** Hears of connections that a broker ended, and why. Default: nobody. */
  readonly logger?: Logger
  /** Time: sessions, rebalances, long polls, timestamps. Default: the system's. */
  readonly clock?: Clock
  /** Chance: ids of topics, members and sessions. Default: the system's. */
  readonly random?: Random
  /** Accepts connections. Default: sockets of `node:net`. */
  readonly listen?: Listen
}

const arrayOfStrings: Check = (value) =>
  Array.isArray(value) && value.every((item) => typeof item === 'string' && item !== '')
    ? undefined
    : 'must be an array of strings'

export const testClusterOptions: OptionTable<TestClusterOptions> = {
  brokers: { kafka: null, default: 1, check: atLeast(1, 100), about: 'How many brokers.' },
  host: { kafka: null, default: '127.0.0.1', check: nonEmptyString, about: 'Where the brokers listen.' },
  hosts: { kafka: null, default: undefined, check: arrayOfStrings, about: 'A host for each broker, in order.' },
  port: {
    kafka: null,
    default: 0,
    check: atLeast(0, 65_535),
    about: "The first broker's port, the others have the ones after it; 0 for free ones.",
  },
  racks: {
    kafka: 'broker.rack',
    default: undefined,
    check: arrayOfStrings,
    about: 'The racks of the brokers, in order.',
  },
  clusterId: { kafka: 'cluster.id', default: undefined, check: nonEmptyString, about: "The cluster's id." },
  topics: { kafka: null, default: undefined, check: anyObject, about: 'Topics that are there from the start.' },
  properties: {
    kafka: null,
    default: undefined,
    check: anyObject,
    about: 'Broker properties, by the names Kafka has.',
  },
  versions: {
    kafka: null,
    default: undefined,
    check: anyObject,
    about: 'Versions to serve in place of those of Kafka 4.3.',
  },
  transactionVersion: {
    kafka: null,
    default: 2,
    check: atLeast(0, 2),
    about: 'How transactions end: 2 as KIP-890 has it.',
  },
  maxLogBytes: {
    kafka: null,
    default: undefined,
    check: either('must be a whole number of at least 1, or Infinity', atLeast(1), (value) =>
      value === Infinity ? undefined : 'no',
    ),
    about: 'Bytes that a partition keeps at most.',
  },
  keepRequests: { kafka: null, default: 10_000, check: atLeast(0), about: 'How many of the latest requests are kept.' },
  logger: {
    kafka: null,
    default: undefined,
    check: having('debug', 'info', 'warn', 'error'),
    about: 'Hears of connections that a broker ended.',
  },
  clock: {
    kafka: null,
    default: undefined,
    check: having('now', 'wallTime', 'setTimer', 'clearTimer', 'nextTurn'),
    about: 'Time.',
  },
  random: { kafka: null, default: undefined, check: having('next', 'uuid'), about: 'Chance.' },
  listen: { kafka: null, default: undefined, check: anyFunction, about: 'Accepts connections.' },
}
