/** What a partition's leader remembers of idempotent producers (KIP-98): their epoch, and their last five batches, by which
 *  it tells a batch that comes again from one that comes too early. Knows no log: it is asked before an append and told after. */

import { brokerErrorNumber } from '../errors/broker-error.ts'

/** How many batches of a producer are remembered: as many as it may have under way. */
const rememberedBatches = 5
/** How many producers are remembered; Kafka forgets them by time instead. */
const rememberedProducers = 10_000
/** Sequence numbers start again at 0 after this one. */
const maxSequence = 2 ** 31 - 1

interface AppendedBatch {
  readonly firstSequence: number
  readonly lastSequence: number
  readonly baseOffset: number
  readonly timestamp: number
}

interface ProducerState {
  epoch: number
  readonly batches: AppendedBatch[]
}

/** The place of a batch among those of its producer. */
export interface BatchSequence {
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly lastOffsetDelta: number
}

/** Append it; do not, it is here already; or refuse it. */
export type SequenceVerdict =
  | { readonly kind: 'append' }
  | { readonly kind: 'duplicate'; readonly baseOffset: number; readonly timestamp: number }
  | { readonly kind: 'refuse'; readonly errorCode: number; readonly message: string }

export class ProducerStates {
  readonly #producers = new Map<number, ProducerState>()

  /** The producers that are known, with their epoch and last sequence number. */
  get producers(): { producerId: number; producerEpoch: number; lastSequence: number }[] {
    return Array.from(this.#producers, ([producerId, { epoch, batches }]) => ({
      producerId,
      producerEpoch: epoch,
      lastSequence: batches.at(-1)?.lastSequence ?? -1,
    }))
  }

  judge({ producerId, producerEpoch, baseSequence, lastOffsetDelta }: BatchSequence): SequenceVerdict {
    const state = this.#producers.get(producerId)
    // Whoever is unknown may begin anywhere: its state may have expired, or been deleted with its records.
    if (state === undefined) return { kind: 'append' }
    if (producerEpoch < state.epoch) {
      return refuse(
        'INVALID_PRODUCER_EPOCH',
        `producer ${producerId} has epoch ${producerEpoch}, but ${state.epoch} is known`,
      )
    }
    if (producerEpoch > state.epoch) {
      if (baseSequence === 0) return { kind: 'append' }
      return refuse(
        'OUT_OF_ORDER_SEQUENCE_NUMBER',
        `producer ${producerId} began epoch ${producerEpoch} with sequence ${baseSequence}`,
      )
    }
    const lastSequence = sequenceAfter(baseSequence, lastOffsetDelta)
    const known = state.batches.find(
      (batch) => batch.firstSequence === baseSequence && batch.lastSequence === lastSequence,
    )
    if (known !== undefined) return { kind: 'duplicate', baseOffset: known.baseOffset, timestamp: known.timestamp }
    const expected = sequenceAfter(state.batches.at(-1)!.lastSequence, 1)
    if (baseSequence === expected) return { kind: 'append' }
    return refuse(
      'OUT_OF_ORDER_SEQUENCE_NUMBER',
      `producer ${producerId} sent sequence ${baseSequence}, but ${expected} is next`,
    )
  }

  /** @param timestamp the batch's latest: when it comes again, the answer says it as if it were the time of appending */
  appended(batch: BatchSequence, baseOffset: number, timestamp: number): void {
    const { producerId, producerEpoch, baseSequence, lastOffsetDelta } = batch
    let state = this.#producers.get(producerId)
    if (state === undefined || state.epoch !== producerEpoch) state = { epoch: producerEpoch, batches: [] }
    // In the order of their last appends, so that the first is the one to forget.
    this.#producers.delete(producerId)
    this.#producers.set(producerId, state)
    if (this.#producers.size > rememberedProducers) this.#producers.delete(this.#producers.keys().next().value!)
    const lastSequence = sequenceAfter(baseSequence, lastOffsetDelta)
    state.batches.push({ firstSequence: baseSequence, lastSequence, baseOffset, timestamp })
    if (state.batches.length > rememberedBatches) state.batches.shift()
  }
}

function sequenceAfter(sequence: number, delta: number): number {
  return sequence > maxSequence - delta ? delta - (maxSequence - sequence) - 1 : sequence + delta
}

function refuse(code: Parameters<typeof brokerErrorNumber>[0], message: string): SequenceVerdict {
  return { kind: 'refuse', errorCode: brokerErrorNumber(code), message }
}
