/** A committed position: the offset of the next record to read. */
export interface OffsetAndMetadata {
  /** The offset of the next record to read, not of the last one read. */
  readonly offset: number
  /** The leader epoch of the record before `offset`, when known (KIP-320). */
  readonly leaderEpoch?: number | undefined
  /** Free text kept with the offset; '' by default. */
  readonly metadata?: string | undefined
}

/** A committed position of a partition, as `commit` and `committed` take and give it. */
export interface TopicPartitionOffset extends OffsetAndMetadata {
  readonly topic: string
  readonly partition: number
}
