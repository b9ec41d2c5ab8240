/** A record's header. Names may repeat, and their order is kept. */
export interface RecordHeader {
  readonly key: string
  readonly value: Buffer | null
}

export type TimestampType = 'CreateTime' | 'LogAppendTime' | 'NoTimestampType'
