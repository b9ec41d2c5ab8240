/** Up to where each partition is read. */

import type { Consumer, ConsumerRecord, RebalanceListener, TopicPartition } from 'jackdaw'

export interface ReadingPlanOptions {
  /** In the order of the partitions, the offset that is not read any more. Undefined: read on for ever. */
  readonly ends: readonly number[] | undefined
  /** Whether a group reads: then what was handed out is written even beyond the end, or nobody would ever see it. */
  readonly isShared: boolean
}

export class ReadingPlan {
  readonly #ends: ReadonlyMap<number, number> | undefined
  readonly #isShared: boolean
  #isRebalancing = false

  constructor(partitions: readonly TopicPartition[], { ends, isShared }: ReadingPlanOptions) {
    this.#ends = ends && new Map(partitions.map(({ partition }, i) => [partition, ends[i]!]))
    this.#isShared = isShared
  }

  /** For a group's consumer: between two assignments nothing is ours, which does not mean that all is read. */
  get listener(): RebalanceListener {
    return {
      onAssigned: () => {
        this.#isRebalancing = false
      },
      onRevoked: () => {
        this.#isRebalancing = true
      },
      onLost: () => {
        this.#isRebalancing = true
      },
    }
  }

  /**
   * Whether every partition that is ours is at its end; those that are get no further. The consumer's position tells:
   * the last offsets may hold no record but a transaction's marker, or nothing after compaction.
   */
  async isFulfilled(consumer: Consumer, signal: AbortSignal): Promise<boolean> {
    const ends = this.#ends
    if (ends === undefined) return false
    if (this.#isRebalancing) return false
    const ours = consumer.assignment()
    try {
      const positions = await Promise.all(ours.map((one) => consumer.position(one, { signal })))
      const done = ours.filter(({ partition }, i) => positions[i]! >= (ends.get(partition) ?? 0))
      consumer.pause(done)
      return done.length === ours.length && !this.#isRebalancing
    } catch (error) {
      // A rebalance took a partition away while we asked for it: the next look sees what is ours then.
      if (error instanceof Error && 'code' in error && error.code === 'ILLEGAL_STATE') return false
      throw error
    }
  }

  includes({ partition, offset }: ConsumerRecord): boolean {
    return this.#ends === undefined || this.#isShared || offset < (this.#ends.get(partition) ?? 0)
  }
}
