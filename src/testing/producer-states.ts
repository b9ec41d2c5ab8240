/** What a partition's leader remembers of producers (KIP-98, 360, 890): their epoch, their last five batches, by which it tells
 *  a batch that comes again from one that comes too early, and the transaction that is open. Knows no log and no coordinator:
 *  it is asked before an append and told after. */

import { brokerErrorNumber } from '../errors/broker-error.ts'
import type { BrokerErrorCode } from '../errors/broker-error-codes.ts'

/** How many batches of a producer are remembered: as many as it may have under way. */
const rememberedBatches = 5
/** How many producers without a transaction are remembered at most, however recent. */
const rememberedProducers = 10_000
/** How often Kafka looks for producers whose time is over. */
const expiryIntervalMs = 10 * 60 * 1000
/** Sequence numbers start again at 0 after this one. */
const maxSequence = 2 ** 31 - 1
const noEpoch = -1
const noSequence = -1
export const maxProducerEpoch: number = 2 ** 15 - 1

interface AppendedBatch {
  readonly firstSequence: number
  readonly lastSequence: number
  readonly baseOffset: number
  readonly timestamp: number
}

interface ProducerState {
  epoch: number
  coordinatorEpoch: number
  /** The latest timestamp of its latest batch, or when its marker was written; ms since 1970. */
  lastTimestamp: number
  /** Where its open transaction begins. */
  transactionStartOffset: number | undefined
  batches: AppendedBatch[]
}

/** Is there from the moment that the coordinator is asked about a transaction until the first batch of it is appended. Only
 *  who holds it may append that batch: an answer of the coordinator's says nothing of the next transaction. */
export interface Verification {
  readonly bumpsEpoch: boolean
  epoch: number
  lowestSequence: number
}

/** Who writes. */
export interface ProducerIdentity {
  readonly producerId: number
  readonly producerEpoch: number
}

/** The place of a batch among those of its producer. */
export interface BatchSequence extends ProducerIdentity {
  readonly baseSequence: number
  readonly lastOffsetDelta: number
  readonly isTransactional: boolean
}

export interface Marker extends ProducerIdentity {
  readonly coordinatorEpoch: number
  /** From 2 on, a marker's epoch is above that of the batches (KIP-890). */
  readonly transactionVersion: number
}

export interface Refusal {
  readonly kind: 'refuse'
  readonly errorCode: number
  readonly message: string
}

/** Append it; do not, it is here already; or refuse it. */
export type SequenceVerdict =
  | { readonly kind: 'append' }
  | { readonly kind: 'duplicate'; readonly baseOffset: number; readonly timestamp: number }
  | Refusal

/** A producer as `DescribeProducers` tells of it. */
export interface KnownProducer extends ProducerIdentity {
  /** -1 when no batch of its epoch is known. */
  readonly lastSequence: number
  readonly lastTimestamp: number
  /** -1 before the first marker. */
  readonly coordinatorEpoch: number
  /** -1 while no transaction is open. */
  readonly transactionStartOffset: number
}

const append: SequenceVerdict = { kind: 'append' }

export class ProducerStates {
  readonly #producers = new Map<number, ProducerState>()
  readonly #verifications = new Map<number, Verification>()
  /** Producers with an open transaction, in the order in which they began. */
  readonly #open = new Map<number, number>()
  #lookedForExpiredAt: number | undefined

  get producers(): KnownProducer[] {
    return Array.from(this.#producers, ([producerId, state]) => ({
      producerId,
      producerEpoch: state.epoch,
      lastSequence: state.batches.at(-1)?.lastSequence ?? noSequence,
      lastTimestamp: state.lastTimestamp,
      coordinatorEpoch: state.coordinatorEpoch,
      transactionStartOffset: state.transactionStartOffset ?? -1,
    }))
  }

  /** Where the oldest open transaction begins. @param except a producer that does not count */
  firstOpenOffset(except?: number): number | undefined {
    for (const [producerId, offset] of this.#open) if (producerId !== except) return offset
    return undefined
  }

  /** Whether batches of this producer's transaction were appended already, in this epoch. */
  isOpen({ producerId, producerEpoch }: ProducerIdentity): boolean {
    const state = this.#producers.get(producerId)
    return state?.transactionStartOffset !== undefined && state.epoch === producerEpoch
  }

  /** Begins to ask about a transaction, before its first batch; undefined when it is open already and need not be asked about. */
  verify(batch: ProducerIdentity & { baseSequence: number }, bumpsEpoch: boolean): Verification | Refusal | undefined {
    const { producerId, producerEpoch, baseSequence } = batch
    const stale = this.#complaintAboutEpoch(batch)
    if (stale !== undefined) return stale
    if (this.isOpen(batch)) return undefined
    let verification = this.#verifications.get(producerId)
    if (verification === undefined) {
      verification = { bumpsEpoch, epoch: producerEpoch, lowestSequence: baseSequence }
      this.#verifications.set(producerId, verification)
      this.#bound(this.#verifications)
    } else if (producerEpoch > verification.epoch) {
      verification.epoch = producerEpoch
      verification.lowestSequence = baseSequence
    } else if (producerEpoch === verification.epoch && baseSequence < verification.lowestSequence) {
      // What comes after a batch that could not be verified must wait for it.
      verification.lowestSequence = baseSequence
    }
    return verification
  }

  /** @param verification what `verify` returned for the batch, and the coordinator had nothing against */
  judge(batch: BatchSequence, verification?: Verification): SequenceVerdict {
    const { producerId, producerEpoch, baseSequence, isTransactional } = batch
    const state = this.#producers.get(producerId)
    const known = state === undefined ? undefined : find(state, batch)
    if (known !== undefined) return { kind: 'duplicate', baseOffset: known.baseOffset, timestamp: known.timestamp }
    const stale = this.#complaintAboutEpoch(batch)
    if (stale !== undefined) return stale
    const pending = this.#verifications.get(producerId)
    if (isTransactional && !this.isOpen(batch) && (pending === undefined || pending !== verification)) {
      return refuse('INVALID_TXN_STATE', `producer ${producerId} has no open transaction here`)
    }
    const outOfOrder = (why: string): Refusal =>
      refuse('OUT_OF_ORDER_SEQUENCE_NUMBER', `producer ${producerId} sent sequence ${baseSequence}, ${why}`)
    if (pending !== undefined) {
      const isNew = state === undefined || state.batches.length === 0
      if (pending.bumpsEpoch && baseSequence !== 0 && isNew) return outOfOrder('and it begins with 0')
      if (baseSequence > pending.lowestSequence) return outOfOrder(`and ${pending.lowestSequence} is awaited`)
    }
    if (state !== undefined && producerEpoch > state.epoch) {
      if (baseSequence !== 0) return outOfOrder(`and begins epoch ${producerEpoch}`)
    } else if (state !== undefined) {
      const last = state.batches.at(-1)?.lastSequence ?? noSequence
      const expected = last === noSequence ? 0 : sequenceAfter(last, 1)
      if (baseSequence !== expected) return outOfOrder(`but ${expected} is next`)
    }
    // Whoever is unknown may begin anywhere: its state may have expired.
    if (state?.transactionStartOffset !== undefined && !isTransactional) {
      return refuse(
        'INVALID_TXN_STATE',
        `producer ${producerId} has a transaction open, to which the batch does not belong`,
      )
    }
    return append
  }

  /** @param timestamp the batch's latest: when it comes again, the answer says it as if it were the time of appending */
  appended(batch: BatchSequence, baseOffset: number, timestamp: number): void {
    const { producerId, baseSequence, lastOffsetDelta, isTransactional } = batch
    const state = this.#enter(batch)
    state.lastTimestamp = timestamp
    state.batches.push({
      firstSequence: baseSequence,
      lastSequence: sequenceAfter(baseSequence, lastOffsetDelta),
      baseOffset,
      timestamp,
    })
    if (state.batches.length > rememberedBatches) state.batches.shift()
    if (isTransactional) this.#begin(producerId, state, baseOffset)
  }

  /** What a coordinator of groups wrote for a producer: part of its transaction, and without a sequence number. */
  wrote(producer: ProducerIdentity, offset: number, timestamp: number): void {
    const state = this.#enter(producer)
    state.lastTimestamp = timestamp
    this.#begin(producer.producerId, state, offset)
  }

  /** Whether a marker may be written: undefined, or why not. */
  complaintAboutMarker({
    producerId,
    producerEpoch,
    coordinatorEpoch,
    transactionVersion,
  }: Marker): Refusal | undefined {
    const state = this.#producers.get(producerId)
    const current = state?.epoch ?? noEpoch
    const isStale = transactionVersion >= 2 ? producerEpoch <= current : producerEpoch < current
    // A coordinator that heard no answer writes it again: that is harmless when nothing is open.
    const isRepeated =
      transactionVersion >= 2 &&
      producerEpoch === current &&
      (state?.transactionStartOffset === undefined || producerEpoch === maxProducerEpoch)
    if (isStale && !isRepeated) {
      return refuse(
        'INVALID_PRODUCER_EPOCH',
        `a marker of epoch ${producerEpoch} came for producer ${producerId}, which has ${current}`,
      )
    }
    if (state !== undefined && state.coordinatorEpoch > coordinatorEpoch) {
      return refuse(
        'TRANSACTION_COORDINATOR_FENCED',
        `a coordinator of epoch ${coordinatorEpoch} is known to have been replaced`,
      )
    }
    return undefined
  }

  /** A marker was written. @returns where the transaction began that it ended, if there was one */
  ended(marker: Marker, timestamp: number): number | undefined {
    const { producerId, producerEpoch, coordinatorEpoch } = marker
    const startOffset = this.#producers.get(producerId)?.transactionStartOffset
    const state = this.#enter(marker)
    state.coordinatorEpoch = coordinatorEpoch
    state.lastTimestamp = timestamp
    state.transactionStartOffset = undefined
    this.#open.delete(producerId)
    const verification = this.#verifications.get(producerId)
    // A verification of the marker's own epoch, where epochs are bumped, is that of the next transaction.
    const isOfNext = verification !== undefined && verification.bumpsEpoch && verification.epoch === producerEpoch
    if (!isOfNext) this.#verifications.delete(producerId)
    return startOffset
  }

  /** Forgets a producer, or all, but for those whose transaction is open. */
  forget(producerId?: number): void {
    for (const [id, { transactionStartOffset }] of this.#producers) {
      if (transactionStartOffset === undefined && (producerId === undefined || id === producerId)) {
        this.#producers.delete(id)
        this.#verifications.delete(id)
      }
    }
  }

  /** Forgets who has written nothing for so long (`producer.id.expiration.ms`); looks as rarely as Kafka does. */
  expire(now: number, wallTime: number, expirationMs: number): void {
    this.#lookedForExpiredAt ??= now
    if (now - this.#lookedForExpiredAt < expiryIntervalMs) return
    this.#lookedForExpiredAt = now
    for (const [id, { transactionStartOffset, lastTimestamp }] of this.#producers) {
      if (transactionStartOffset === undefined && wallTime - lastTimestamp >= expirationMs) this.forget(id)
    }
  }

  #complaintAboutEpoch({ producerId, producerEpoch }: ProducerIdentity): Refusal | undefined {
    const state = this.#producers.get(producerId)
    if (state === undefined || producerEpoch >= state.epoch) return undefined
    return refuse(
      'INVALID_PRODUCER_EPOCH',
      `producer ${producerId} has epoch ${producerEpoch}, but ${state.epoch} is known`,
    )
  }

  /** The state to change: with another epoch, the batches of the one before are forgotten. */
  #enter({ producerId, producerEpoch }: ProducerIdentity): ProducerState {
    let state = this.#producers.get(producerId)
    if (state === undefined) {
      state = {
        epoch: producerEpoch,
        coordinatorEpoch: -1,
        lastTimestamp: -1,
        transactionStartOffset: undefined,
        batches: [],
      }
    } else if (state.epoch !== producerEpoch) {
      state.epoch = producerEpoch
      state.batches = []
    }
    // In the order of their last appends, so that the first is the one to forget.
    this.#producers.delete(producerId)
    this.#producers.set(producerId, state)
    this.#bound(this.#producers)
    return state
  }

  #begin(producerId: number, state: ProducerState, offset: number): void {
    this.#verifications.delete(producerId)
    if (state.transactionStartOffset !== undefined) return
    state.transactionStartOffset = offset
    this.#open.set(producerId, offset)
  }

  #bound(map: Map<number, unknown>): void {
    if (map.size <= rememberedProducers) return
    for (const producerId of map.keys()) {
      if (this.#open.has(producerId)) continue
      map.delete(producerId)
      return
    }
  }
}

function find({ epoch, batches }: ProducerState, batch: BatchSequence): AppendedBatch | undefined {
  if (batch.producerEpoch !== epoch) return undefined
  const lastSequence = sequenceAfter(batch.baseSequence, batch.lastOffsetDelta)
  return batches.find((each) => each.firstSequence === batch.baseSequence && each.lastSequence === lastSequence)
}

function sequenceAfter(sequence: number, delta: number): number {
  return sequence > maxSequence - delta ? delta - (maxSequence - sequence) - 1 : sequence + delta
}

function refuse(code: BrokerErrorCode, message: string): Refusal {
  return { kind: 'refuse', errorCode: brokerErrorNumber(code), message }
}
