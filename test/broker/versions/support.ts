/** The broker of one version that a file's scenarios run on, with clients that end with the test. */

import { after, type TestContext } from 'node:test'

import { Admin } from '#src/admin/admin.js'
import type { ClusterOptions } from '#src/cluster/cluster-options.js'
import { Producer } from '#src/producer/producer.js'
import type { ProducerOwnOptions } from '#src/producer/producer-options.js'
import { askMetadata, startKafka, type KafkaCluster } from '#scripts/kafka.mjs'
import { fromCluster, type Kafka } from '../../support/kafka/kafka.js'

/** What a broker of some version can do, as far as it differs. */
export interface BrokerAbilities {
  readonly version: string
  /** Written into the topic's log by Produce 7 and newer (KIP-110, Kafka 2.1). */
  readonly zstd: boolean
  /** Offsets are committed and listed with the leader's epoch (KIP-320, Kafka 2.1). */
  readonly leaderEpochs: boolean
  /** IncrementalAlterConfigs (KIP-339, Kafka 2.3). */
  readonly incrementalAlterConfigs: boolean
  /** CreateTopics 4 and newer takes -1 for the broker's own numbers (KIP-464, Kafka 2.4). */
  readonly defaultPartitions: boolean
  /** CreateTopics 5 tells what was made, DescribeConfigs 3 documents it (KIP-525, KIP-569, Kafka 2.4 and 2.6). */
  readonly documents: boolean
  /** Topics have ids, and can be deleted by them (KIP-516, Kafka 2.8). */
  readonly topicIds: boolean
  /** Fetch, too, names topics by their ids (KIP-516, Kafka 3.1). */
  readonly describesById: boolean
}

export interface OldBroker {
  readonly kafka: Kafka
  readonly cluster: KafkaCluster
}

/** Starts it for the whole file. */
export async function startVersion(version: string): Promise<OldBroker> {
  const cluster = await startKafka({ version })
  after(() => cluster.stop())
  return { kafka: fromCluster(cluster), cluster }
}

export function producerOn(t: TestContext, kafka: Kafka, options: ProducerOwnOptions & ClusterOptions = {}): Producer {
  const producer = new Producer({ bootstrapServers: kafka.bootstrapServers, ...options })
  t.after(() => producer.close())
  return producer
}

export function adminOn(t: TestContext, kafka: Kafka, options: ClusterOptions = {}): Admin {
  const admin = new Admin({ bootstrapServers: kafka.bootstrapServers, ...options })
  t.after(() => admin.close())
  return admin
}

/** Everything in a topic's only partition, by the console consumer of the broker's own version, a line each. */
export async function javaReads(
  { kafka, cluster }: OldBroker,
  topic: string,
  maxMessages: number,
  format: Record<string, boolean> = {},
): Promise<string[]> {
  const properties = Object.entries(format).flatMap(([name, value]) => ['--property', `${name}=${value}`])
  const { code, stdout, stderr } = await cluster.javaTool('ConsoleConsumer', [
    ...['--bootstrap-server', kafka.bootstrapServers, '--topic', topic, '--from-beginning'],
    ...['--max-messages', String(maxMessages), '--timeout-ms', '20000', ...properties],
  ])
  if (code !== 0) throw new Error(`ConsoleConsumer of ${kafka.version} ended with status ${code}:\n${stderr}`)
  return stdout.split('\n').slice(0, -1)
}

/** Resolves once every broker itself has so many partitions of a topic, each with a leader; 0: none, it is gone. */
export async function partitionsOf({ bootstrapServers }: Kafka, topic: string, count: number): Promise<void> {
  const deadline = performance.now() + 20_000
  for (;;) {
    const answers = await Promise.all(
      bootstrapServers.split(',').map((address) => askMetadata(address, { topics: [topic] })),
    )
    const counts = answers.map(({ topics }) => topics[0]?.partitions.filter(({ leader }) => leader >= 0).length ?? 0)
    if (counts.every((found) => found === count)) return
    if (performance.now() > deadline)
      throw new Error(`topic '${topic}' has ${counts.join(', ')} partitions, not ${count}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
