/** Where hand-outs take records from, declared by those who take: the fetch buffer, or what deserializes its records. */

import type { ConsumerRecord } from './consumer-record.ts'
import type { PartitionState } from './partition-state.ts'
import type { PartitionFilter } from './subscription-state.ts'

/** What is taken counts as handed out at once: positions move with it. What cannot be read becomes its partition's failure. */
export interface RecordSupply {
  /**
   * The next record; undefined when there is none.
   *
   * @param ahead how many records those want who wait already
   */
  takeOne(filter: PartitionFilter | undefined, ahead: number): ConsumerRecord | undefined
  /** At most `max` records, in the order of arrival; their partitions are added to `states`. */
  take(filter: PartitionFilter | undefined, max: number, states: Set<PartitionState>, ahead: number): ConsumerRecord[]
}
