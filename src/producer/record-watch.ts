/** Who wants to hear what becomes of one record, whichever call sent it. Knows neither calls nor batches. */

import type { RecordMetadata } from './producer-record.ts'

/** Hears of one record once. Must not throw. */
export interface RecordWatch {
  acknowledged(metadata: RecordMetadata): void
  /** @param reason mostly an error; what an aborted wait rejects with can be anything */
  failed(reason: unknown): void
}
