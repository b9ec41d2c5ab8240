/** What is known of the transaction that is open: facts that the lifecycle gathers while it runs, and judges at its end. */

import type { KafkaError } from '../errors/kafka-error.ts'
import { TransactionOffsets, type OffsetsHost } from './transaction-offsets.ts'
import type { TransactionVersion } from './transaction-coordinator.ts'

export class OpenTransaction {
  readonly version: TransactionVersion
  readonly offsets: TransactionOffsets
  /** Takes records and offsets. */
  isTaking = true
  /** Committed, aborted, or lost: nothing more can be done with it. */
  isEnded = false
  /** Being ended; settles with it. */
  ending: Promise<void> | undefined = undefined
  /** What failed first. It can only be aborted then. */
  failure: Error | undefined = undefined
  /** That its coordinator had aborted it, as came out at its end. */
  verdict: KafkaError | undefined = undefined
  /** The coordinator may have heard of it: without that there is nothing to end. */
  isTouched = false
  /** The coordinator has said that it is open in our epoch. Version 1 only: there it is told so. */
  isKnown = false
  /** The coordinator does not know our producer id any more: there is nothing to end. */
  isUnmapped = false
  /** Sequence numbers may have a gap, which only another epoch closes. In version 2 each transaction has its own. */
  needsEpoch = false
  /** The answer to a request of it was lost: the request may arrive once more, when the transaction is over. */
  hasStrays = false
  /** Ends whatever would ask again on its behalf. */
  readonly stop: AbortController = new AbortController()

  constructor(version: TransactionVersion, host: OffsetsHost) {
    this.version = version
    this.offsets = new TransactionOffsets(host)
  }
}
