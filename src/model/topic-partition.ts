/** One log of one topic: the unit of order, of leadership and of assignment. */
export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}
