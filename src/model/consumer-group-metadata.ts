/** Who a consumer is in its group, as a transaction must present it (KIP-447). */
export interface ConsumerGroupMetadata {
  readonly groupId: string
  /** The generation (classic protocol) or member epoch (KIP-848); -1 outside a group. */
  readonly generationId: number
  readonly memberId: string
  readonly groupInstanceId: string | null
  /**
   * Whether the consumer commits by itself what is finished. Then its offsets are not the transaction's to commit, and
   * `sendOffsets` refuses them. Undefined: not known, as with values that were made by hand.
   */
  readonly autoCommit?: boolean | undefined
}
