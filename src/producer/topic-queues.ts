/** What a producer holds of one topic: a queue per partition, which partitions there are, and the records that wait to
 *  hear it. Does not ask for metadata; it is told. */

import type { MetadataSnapshot } from '../cluster/metadata.ts'
import { LinkedLine, type Linked } from './linked-line.ts'
import { PartitionQueue } from './partition-queue.ts'
import { StickyChoice, type PartitionView, type StickyPolicy } from './partitioner.ts'
import type { BatchQueue } from './producer-batch.ts'

const none: readonly number[] = []

/** `Waiting` is whatever stands in the line. */
export class TopicQueues<Waiting extends Linked<Waiting>> implements PartitionView {
  readonly name: string
  /** By partition; made when first written to. Never shrinks: what is queued must go its way or expire. */
  readonly queues: (BatchQueue | undefined)[] = []
  /** Records that wait for the topic's partitions to be known. */
  readonly line: LinkedLine<Waiting> = new LinkedLine()
  readonly sticky: StickyChoice
  /** How many partitions the topic has; 0 until it is known. */
  partitionCount = 0
  availablePartitions: readonly number[] = none
  /** Whether someone is finding out about the topic right now. */
  lookedUp = false
  /** When it was last asked whether there are more partitions than known, on the clock of `clock.now()`. */
  countCheckedAt: number = -Infinity
  /** When a record last waited for the topic, or when it was first asked for. */
  usedAt: number

  #leaders: ArrayLike<number> = none

  constructor(name: string, now: number, policy: StickyPolicy) {
    this.name = name
    this.usedAt = now
    this.sticky = new StickyChoice(policy)
  }

  /** Takes over what a snapshot says. One that does not know the topic changes nothing: it may come back. */
  update(snapshot: MetadataSnapshot): void {
    const leaders = snapshot.leaders(this.name)
    if (leaders.length === 0) return
    this.#leaders = leaders
    this.partitionCount = leaders.length
    const available: number[] = []
    for (let partition = 0; partition < leaders.length; partition++) {
      if (leaders[partition]! >= 0) available.push(partition)
    }
    this.availablePartitions = available
  }

  queue(partition: number): BatchQueue {
    return (this.queues[partition] ??= new PartitionQueue(this.name, partition))
  }

  queueLength(partition: number): number {
    return this.queues[partition]?.batches.length ?? -1
  }

  leader(partition: number): number {
    return this.#leaders[partition] ?? -1
  }

  /** When a batch was last opened or a record last waited, on the clock of `clock.now()`. */
  get lastUsedAt(): number {
    return this.queues.reduce((latest, queue) => Math.max(latest, queue?.usedAt ?? 0), this.usedAt)
  }

  /** Whether nothing of the topic is held or under way. */
  get idle(): boolean {
    return this.line.size === 0 && this.queues.every((queue) => queue === undefined || queue.idle)
  }
}
