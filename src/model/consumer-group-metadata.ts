/** Who a consumer is in its group, as a transaction must present it (KIP-447). */
export interface ConsumerGroupMetadata {
  readonly groupId: string
  /** The generation (classic protocol) or member epoch (KIP-848); -1 outside a group. */
  readonly generationId: number
  readonly memberId: string
  readonly groupInstanceId: string | null
}
