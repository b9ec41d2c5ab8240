/** What the sender asks before it drains a partition. Transactions answer for themselves: a partition must have been
 *  added to the transaction first. Outside a transaction every gate is open. */

import type { TopicPartition } from '../model/topic-partition.ts'

export interface DrainGate {
  /** Whether batches of the partition may be sent now. Who opens a gate later wakes the sender. */
  isOpen(partition: TopicPartition): boolean
}

export const openGate: DrainGate = { isOpen: () => true }
