/** One partition's way out: its batches in order, and what keeps the first of them from being sent. Belongs to the
 *  partition, not to a broker: who leads is looked up when a batch is drained, and never stored here. */

import type { Backoff } from '../async/backoff.ts'
import type { TopicPartition } from '../model/topic-partition.ts'
import { Linked } from './linked-line.ts'

/** All that a queue wants to know of its batches. */
export interface QueuedBatch {
  /** Wants to be sent. */
  readonly ready: boolean
}

export class PartitionQueue<Batch extends QueuedBatch> extends Linked<PartitionQueue<Batch>> implements TopicPartition {
  readonly topic: string
  readonly partition: number
  /** Oldest first. A batch that must be tried again comes back to the front. */
  readonly batches: Batch[] = []
  /** The last of `batches` while records may still be added to it. */
  open: Batch | undefined = undefined
  /** While `open` lingers (the queue then stands in the accumulator's line): when it is ready. */
  lingerUntil = 0
  lingering = false
  /** Batches on their way, or whose request has not ended. */
  inFlight = 0
  /** Whether it stands in a queue of the sender. */
  scheduled = false
  /** Nothing is sent before this moment: the last attempt failed, or there is no leader. 0 for none. */
  retryAt = 0
  /** Made when first needed; counts the attempts that failed in a row. */
  backoff: Backoff | undefined = undefined
  /** The node the failed attempt went to: when another one leads, there is nothing to wait for. */
  failedNode = -1

  /** When a batch was last opened, on the clock of `clock.now()`. */
  usedAt = 0

  constructor(topic: string, partition: number) {
    super()
    this.topic = topic
    this.partition = partition
  }

  /** Whether there is a batch that wants to be sent, whatever may still be in its way. */
  get hasReady(): boolean {
    const first = this.batches[0]
    return first !== undefined && first.ready
  }

  /** Whether nothing of it is held or under way. */
  get idle(): boolean {
    return this.batches.length === 0 && this.inFlight === 0
  }
}
