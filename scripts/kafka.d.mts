/// <reference types="node" />
/** The types of kafka.mjs, for the tests that use it. */

export declare const defaultVersion: string
/** One sentence: how to have real brokers on a machine that lacks something. */
export declare const howToHaveKafka: string
/** Names of the commands this machine lacks to run real brokers; empty when it has all. */
export declare function missingForKafka(): string[]
/** The folder with the version's jars, fetched first when the cache lacks it. */
export declare function fetchKafka(version?: string): Promise<string>

export interface RunOptions {
  /** Written to the process, then closed; default nothing. */
  stdin?: string | Uint8Array
  /** After this many ms the process is killed and the run rejects; default 60 000. */
  timeoutMs?: number
  signal?: AbortSignal
  env?: Record<string, string>
}

export interface RunResult {
  /** Exit status; null when it was ended by a signal because `signal` aborted. */
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

/** Runs a command to its end. */
export declare function runCommand(command: readonly string[], options?: RunOptions): Promise<RunResult>
/** The command line that runs one of Kafka's tools, by short name (`ConsoleConsumer`) or class. */
export declare function javaCommand(options: {
  version: string
  name: string
  args?: readonly string[]
  heapMb?: number
}): Promise<string[]>
/** Runs one of Kafka's tools, by short name (`ConsoleConsumer`) or class, to its end. */
export declare function javaTool(
  version: string,
  name: string,
  args: readonly string[],
  options?: RunOptions,
): Promise<RunResult>

export interface KafkaNode {
  readonly id: number
  /** The plain-text listener's port on 127.0.0.1. */
  readonly port: number
  /** Ports of the further listeners, by listener name. */
  readonly ports: Readonly<Record<string, number>>
  /** Undefined while it does not run. */
  readonly pid: number | undefined
  /** What it logged so far (warnings and worse). */
  log(): string
  /** SIGKILL (default) is a crash, and is waited for; SIGSTOP a broker that hangs, SIGCONT ends that. */
  kill(signal?: NodeJS.Signals): Promise<void>
  /** Ends it in order, by force after `graceMs` (20 000). The data stays. */
  stop(options?: { graceMs?: number }): Promise<void>
  /** Starts it on the same port with the same data, stopping it first if it runs; resolves once it answers and sees
   *  at least `nodes` brokers (default 1). */
  restart(options?: { nodes?: number; timeoutMs?: number }): Promise<void>
}

export interface StartKafkaOptions {
  /** Default 4.3.1; 3.7 and newer can be started, 2.8 and 1.1. */
  version?: string
  /** Default 1; each is broker and controller. Brokers of 2.8 and 1.1 have one ZooKeeper beside them. */
  nodes?: number
  /** Broker settings, over the script's own. */
  properties?: Record<string, string | number | boolean>
  /** Further listeners: name to security protocol, `{ SECURE: 'SASL_SSL' }`. */
  listeners?: Record<string, 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL'>
  /** Further arguments of StorageTool (which brokers with a ZooKeeper lack), such as `['--add-scram', '…']`. */
  formatArguments?: string[]
  /** Per node, in MiB; default 512. */
  heapMb?: number
  /** Whether the nodes end with this process, even when it crashes; default true. */
  watched?: boolean
}

export interface KafkaCluster {
  readonly version: string
  readonly bootstrapServers: string
  readonly dataFolder: string
  readonly nodes: readonly KafkaNode[]
  /** The processes that run for the cluster; a ZooKeeper is at most one. */
  pids(): { nodes: number[]; zooKeeper: number[] }
  bootstrapServersOf(listener?: string): string
  javaTool(name: string, args: readonly string[], options?: RunOptions): Promise<RunResult>
  /** Resolves once every node answers and sees all others. */
  healthy(options?: { timeoutMs?: number }): Promise<void>
  /** Ends all and removes the data. Idempotent. */
  stop(options?: { graceMs?: number }): Promise<void>
}

export declare function startKafka(options?: StartKafkaOptions): Promise<KafkaCluster>

export interface MetadataAnswer {
  brokers: { id: number; host: string; port: number }[]
  controllerId: number
  topics: {
    name: string
    errorCode: number
    partitions: {
      partition: number
      errorCode: number
      leader: number
      replicas: number[]
      inSyncReplicas: number[]
    }[]
  }[]
}

/** What the broker at `address` (host:port) knows of its cluster and of the topics named; by hand, without a client. */
export declare function askMetadata(
  address: string,
  options?: { topics?: readonly string[]; timeoutMs?: number },
): Promise<MetadataAnswer>

export interface CreateTopicOptions {
  name: string
  partitions: number
  replicationFactor: number
  configs?: Record<string, string | number | boolean>
  timeoutMs?: number
}

/** Makes a topic; rejects with the broker's words when it refuses. */
export declare function createTopic(address: string, options: CreateTopicOptions): Promise<void>
