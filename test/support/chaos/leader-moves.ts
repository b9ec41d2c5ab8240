/** Moves leaders without killing anyone: changes the order of a partition's replicas, and lets the first of them lead. */

import { Cluster } from 'jackdaw'
import { AlterPartitionReassignments, ElectLeaders } from 'jackdaw/wire'
import { askMetadata } from '#scripts/kafka.mjs'
import type { SeededRandom } from '#src/testing/index.js'

export class LeaderMoves {
  /** How many times another broker became the leader of a partition. */
  count = 0
  readonly #cluster: Cluster
  readonly #topic: string
  readonly #random: SeededRandom

  constructor(bootstrapServers: string, topic: string, random: SeededRandom) {
    this.#cluster = new Cluster({ bootstrapServers, apiTimeoutMs: 5_000, clientId: 'leader-moves' })
    this.#topic = topic
    this.#random = random
  }

  /** Moves some partitions to brokers that are up; what cannot be moved now stays. */
  async moveSome(partitions: number): Promise<void> {
    const cluster = await this.#cluster.start()
    const { brokers } = cluster.metadata
    const { host, port } = this.#random.pick([...brokers.values()])
    const { topics } = await askMetadata(`${host}:${port}`, { topics: [this.#topic] })
    const all = topics[0]?.partitions ?? []
    const moves = Array.from({ length: partitions }, () => this.#random.pick(all)).flatMap(
      ({ partition, leader, replicas, inSyncReplicas }) => {
        const others = inSyncReplicas.filter((id) => id !== leader)
        if (others.length === 0) return []
        const next = this.#random.pick(others)
        return [{ partitionIndex: partition, replicas: [next, ...replicas.filter((id) => id !== next)] }]
      },
    )
    const chosen = moves.filter((move, i) => moves.findIndex((one) => one.partitionIndex === move.partitionIndex) === i)
    if (chosen.length === 0) return
    const topic = this.#topic
    await cluster.send({ kind: 'controller' }, AlterPartitionReassignments, {
      timeoutMs: 5_000,
      topics: [{ name: topic, partitions: chosen }],
    })
    const { replicaElectionResults } = await cluster.send({ kind: 'controller' }, ElectLeaders, {
      electionType: 0,
      topicPartitions: [{ topic, partitions: chosen.map(({ partitionIndex }) => partitionIndex) }],
      timeoutMs: 5_000,
    })
    const results = replicaElectionResults.flatMap(({ partitionResult }) => partitionResult)
    this.count += results.filter(({ errorCode }) => errorCode === 0).length
  }

  close(): Promise<void> {
    return this.#cluster.close()
  }
}
