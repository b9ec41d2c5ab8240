/** What a producer counts, and the snapshot of it that users see. */

/** What a producer has done and holds, at one moment. Counters only ever grow. */
export interface ProducerMetrics {
  /** Records taken into a batch. */
  readonly recordsAppended: number
  /** Records acknowledged by the broker, or with `acks: 0` written. */
  readonly recordsAcknowledged: number
  /** Records taken that then failed. */
  readonly recordsFailed: number
  /** Batches put into requests, retries included. */
  readonly batchesSent: number
  /** Batches that a broker called too large, and that were sent again in parts. */
  readonly batchesDivided: number
  readonly requestsSent: number
  /** Bytes of batches put into requests: compressed, retries included. */
  readonly bytesSent: number
  /** Batches that went back into their queue after a failed attempt. */
  readonly retries: number
  /** How long the last request took that was answered, in ms. */
  readonly requestLatencyMs: number
  /** Requests under way now. */
  readonly requestsInFlight: number
  /** Batches now that are not acknowledged yet. */
  readonly incompleteBatches: number
  /** Bytes of `bufferMemory` in use now. */
  readonly bufferUsedBytes: number
  /** The rest of `bufferMemory`, in bytes. */
  readonly bufferAvailableBytes: number
  /** Calls that wait for memory or metadata now. */
  readonly waiting: number
  /** Bytes of records that wait for memory or metadata now. */
  readonly waitingBytes: number
}

/** The counters behind it, written where things happen. */
export class ProducerCounters {
  recordsAcknowledged = 0
  recordsFailed = 0
  batchesSent = 0
  batchesDivided = 0
  requestsSent = 0
  bytesSent = 0
  retries = 0
  requestLatencyMs = 0

  /** What was counted so far. */
  read(): Omit<ProducerCounters, 'read'> {
    const { recordsAcknowledged, recordsFailed, batchesSent, batchesDivided } = this
    const { requestsSent, bytesSent, retries, requestLatencyMs } = this
    return {
      recordsAcknowledged,
      recordsFailed,
      batchesSent,
      batchesDivided,
      requestsSent,
      bytesSent,
      retries,
      requestLatencyMs,
    }
  }
}
