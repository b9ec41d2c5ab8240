/** Crashes brokers in turn and starts them again, never two at a time: a quorum of controllers and enough replicas stay. */

import { setTimeout as sleep } from 'node:timers/promises'
import { askMetadata } from '#scripts/kafka.mjs'
import type { SeededRandom } from '#src/testing/index.js'
import type { BorrowedCluster } from '../kafka/kafka-cluster.ts'

/** Made when first used: they count only if they are there. */
const internalTopics: readonly string[] = ['__consumer_offsets', '__transaction_state']

/** Resolves once every broker says that every replica of the topics is in sync and every partition has a leader. */
export async function replicasInSync(
  cluster: BorrowedCluster,
  topics: readonly string[],
  { timeoutMs = 60_000, signal }: { timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<void> {
  const deadline = performance.now() + timeoutMs
  const isWhole = async (address: string): Promise<boolean> => {
    const answer = await askMetadata(address, { topics: [...topics, ...internalTopics] })
    return answer.topics.every(({ name, errorCode, partitions }) => {
      if (errorCode !== 0) return internalTopics.includes(name)
      return partitions.every(
        ({ leader, replicas, inSyncReplicas }) => leader >= 0 && inSyncReplicas.length === replicas.length,
      )
    })
  }
  for (;;) {
    signal?.throwIfAborted()
    const addresses = cluster.bootstrapServers.split(',')
    const whole = await Promise.all(addresses.map((address) => isWhole(address).catch(() => false)))
    if (!whole.includes(false)) return
    if (performance.now() > deadline) throw new Error(`replicas are not in sync after ${timeoutMs} ms`)
    await sleep(100)
  }
}

export interface BrokerKillOptions {
  readonly topics: readonly string[]
  readonly random: SeededRandom
  /** How long a broker stays away, and how long all are there before the next one, in ms. */
  readonly downMs?: readonly [number, number]
  readonly upMs?: readonly [number, number]
}

export class BrokerKills {
  /** How many brokers were killed. */
  count = 0
  readonly #cluster: BorrowedCluster
  readonly #options: BrokerKillOptions

  constructor(cluster: BorrowedCluster, options: BrokerKillOptions) {
    this.#cluster = cluster
    this.#options = options
  }

  /** Until the signal says so; then, and if it fails, the last one is brought back all the same. */
  async run(signal: AbortSignal): Promise<void> {
    const { random, topics, downMs = [200, 2_500], upMs = [500, 2_500] } = this.#options
    const { nodes } = this.#cluster
    let next = random.integer([0, nodes.length - 1])
    while (await pause(random.number(upMs), signal)) {
      const node = nodes[next++ % nodes.length]!
      await node.kill('SIGKILL')
      this.count++
      await pause(random.number(downMs), signal)
      await node.restart({ nodes: nodes.length })
      await replicasInSync(this.#cluster, topics)
    }
  }
}

/** Waits; false when it was told to stop. */
export async function pause(delayMs: number, signal: AbortSignal): Promise<boolean> {
  await sleep(delayMs, undefined, { signal }).catch(() => {})
  return !signal.aborted
}
