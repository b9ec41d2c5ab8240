/**
 * A real broker for a test. `npm test` starts one for the whole run and tells its address; a test file run alone starts
 * one for itself, which ends with the process. Tests share the broker, so each works on topics and groups of its own.
 */

import { randomBytes } from 'node:crypto'
import {
  askMetadata,
  createTopic,
  defaultVersion,
  javaTool,
  runCommand,
  startKafka,
  type KafkaCluster,
  type RunOptions,
  type RunResult,
} from '#scripts/kafka.mjs'

export interface TopicOptions {
  /** Default: a fresh unique name. */
  name?: string
  /** Default 1. */
  partitions?: number
  /** Default 1. */
  replicationFactor?: number
  configs?: Record<string, string | number | boolean>
}

/** A running cluster as a test sees it, with the foreign tools that speak to it. */
export class Kafka {
  readonly version: string
  readonly bootstrapServers: string

  constructor(version: string, bootstrapServers: string) {
    this.version = version
    this.bootstrapServers = bootstrapServers
  }

  /** Makes a topic and resolves to its name once every broker knows a leader for each partition. */
  async createTopic(options: TopicOptions = {}): Promise<string> {
    const { name = uniqueName('topic'), partitions = 1, replicationFactor = 1, configs = {} } = options
    const addresses = this.bootstrapServers.split(',')
    await createTopic(addresses[0]!, { name, partitions, replicationFactor, configs })
    for (const address of addresses) await knowsTopic(address, name, partitions)
    return name
  }

  /** Kafka's own tool, by short name or class, with `--bootstrap-server` set. */
  tool(name: string, args: readonly string[], options?: RunOptions): Promise<RunResult> {
    return javaTool(this.version, name, ['--bootstrap-server', this.bootstrapServers, ...args], options)
  }

  /** Like {@link tool}, resolving to what it wrote; rejects when it fails. */
  async toolOutput(name: string, args: readonly string[], options?: RunOptions): Promise<string> {
    return outputOf(name, await this.tool(name, args, options))
  }

  /**
   * Records of a topic as the Java consumer reads them from the beginning, a line each.
   * `format` adds console-consumer properties such as `{ 'print.key': true }`.
   */
  async consoleConsumer(
    topic: string,
    options: {
      maxMessages: number
      format?: Record<string, string | number | boolean>
      args?: readonly string[]
      timeoutMs?: number
    },
  ): Promise<string[]> {
    const { maxMessages, format = {}, args = [], timeoutMs = 40_000 } = options
    const formatting = this.#properties('formatter', format)
    const limits = ['--from-beginning', '--max-messages', String(maxMessages), '--timeout-ms', '30000']
    const output = await this.toolOutput('ConsoleConsumer', ['--topic', topic, ...limits, ...formatting, ...args], {
      timeoutMs,
    })
    return linesOf(output)
  }

  /**
   * Writes lines as records with the Java producer. `reading` sets properties of its line reader, such as
   * `{ 'parse.key': true, 'key.separator': '=' }`.
   */
  async consoleProducer(
    topic: string,
    lines: readonly string[],
    options: { reading?: Record<string, string | number | boolean>; args?: readonly string[] } = {},
  ): Promise<void> {
    const { reading = {}, args = [] } = options
    const properties = this.#properties('reader', reading)
    const stdin = lines.map((line) => `${line}\n`).join('')
    await this.toolOutput('ConsoleProducer', ['--topic', topic, ...properties, ...args], { stdin })
  }

  /** kcat (librdkafka) with `-b` set: resolves to what it wrote on standard output; rejects when it fails. */
  async kcat(args: readonly string[], stdin: string | Uint8Array = '', timeoutMs = 40_000): Promise<string> {
    const result = await runCommand(['kcat', '-b', this.bootstrapServers, ...args], { stdin, timeoutMs })
    return outputOf('kcat', result)
  }

  /** The console tools' `--property` was split in two in Kafka 4.2 and is answered with a warning since. */
  #properties(of: 'formatter' | 'reader', properties: Record<string, string | number | boolean>): string[] {
    const [major = 0, minor = 0] = this.version.split('.').map(Number)
    const option = major > 4 || (major === 4 && minor >= 2) ? `--${of}-property` : '--property'
    return Object.entries(properties).flatMap(([key, value]) => [option, `${key}=${value}`])
  }
}

/** The shared single-node broker: of the whole run under `npm test`, else of this process. */
export function kafka(): Promise<Kafka> {
  shared ??= findOrStart()
  return shared
}

/** For a test's `skip` option: the reason where the target is the in-process cluster in the place of a real one. */
export function notInProcess(why: string): string | false {
  return process.env['JACKDAW_TEST_TARGET'] === 'in-process' && `the in-process cluster ${why}`
}

let shared: Promise<Kafka> | undefined

async function findOrStart(): Promise<Kafka> {
  const announced = process.env['JACKDAW_TEST_BOOTSTRAP']
  const version = process.env['JACKDAW_TEST_KAFKA_VERSION'] ?? defaultVersion
  if (announced !== undefined) return new Kafka(version, announced)
  return fromCluster(await startKafka({ version }))
}

/** A broker with settings of its own (listeners, security, limits) is started with `startKafka` and wrapped here. */
export function fromCluster(cluster: KafkaCluster): Kafka {
  return new Kafka(cluster.version, cluster.bootstrapServers)
}

/** A name that no other test uses: `<what>-<random>`. */
export function uniqueName(what: string): string {
  return `${what}-${randomBytes(6).toString('hex')}`
}

/** The lines of a text, without the empty one after the last line break. */
export function linesOf(text: string): string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n')
}

function outputOf(command: string, { code, stdout, stderr }: RunResult): string {
  if (code !== 0) throw new Error(`${command} ended with status ${code}:\n${stderr}${stdout}`)
  return stdout
}

async function knowsTopic(address: string, name: string, partitions: number): Promise<void> {
  const deadline = performance.now() + 20_000
  for (;;) {
    const { topics } = await askMetadata(address, { topics: [name] })
    const led = topics[0]?.partitions.filter(({ leader }) => leader >= 0) ?? []
    if (led.length === partitions) return
    if (performance.now() > deadline) throw new Error(`${address} still has no leaders for topic '${name}' after 20 s`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
