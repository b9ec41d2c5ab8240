/** What a transactional producer must do before its next transaction may begin, said as data; and the doing of it. */

import type { KafkaError } from '../errors/kafka-error.ts'
import { UnsupportedVersionError } from '../errors/errors.ts'
import type { ProducerIdAndEpoch } from '../producer/producer-identity.ts'
import type { AskOptions, Outcome } from './ask-coordinator.ts'
import type { TransactionCoordinator, TransactionVersion } from './transaction-coordinator.ts'

/**
 * - `take-over`: the first time: take the transactional id over from whoever had it
 * - `continue`: get the next epoch, unless somebody else has taken over. `isOurs`: the coordinator has just accepted our
 *   epoch, so that brokers which cannot check it (before Kafka 2.5) may be asked without it
 * - `reclaim`: the coordinator has aborted our transaction, surely open in our epoch, and thereby has raised the epoch by
 *   one, which whoever took over would have raised once more: continue from there. Only version 1 needs it
 * - `resolve`: nobody knows whether the last transaction was ended: have it aborted, where it is not too late
 */
export type Recovery =
  | { readonly kind: 'take-over' }
  | { readonly kind: 'continue'; readonly isOurs: boolean }
  | { readonly kind: 'reclaim' }
  | { readonly kind: 'resolve'; readonly version: TransactionVersion; readonly isReclaimable: boolean }

/** An id to write with, or why there is none: then `recovery` is what is left to do. */
export type Recovered =
  | { readonly kind: 'ready'; readonly identity: ProducerIdAndEpoch }
  | { readonly kind: 'fenced' | 'fatal'; readonly error: KafkaError }
  | {
      readonly kind: 'failed'
      readonly error: KafkaError
      readonly recovery: Recovery
      /** Where we are nevertheless: to go on from. */
      readonly identity?: ProducerIdAndEpoch
    }

const highestEpoch = 32_767

/** @param current the id and epoch of the last transaction; undefined before the first */
export async function recover(
  coordinator: TransactionCoordinator,
  recovery: Recovery,
  current: ProducerIdAndEpoch | undefined,
  options: AskOptions,
): Promise<Recovered> {
  switch (recovery.kind) {
    case 'take-over':
      return recovered(recovery, await coordinator.initialize(undefined, options))
    case 'continue': {
      const outcome = await coordinator.initialize(current, options)
      if (!isTooOld(outcome)) return withoutStrays(coordinator, recovered(recovery, outcome), outcome, options)
      if (recovery.isOurs) return recovered(recovery, await coordinator.initialize(undefined, options))
      const message = `brokers before Kafka 2.5 let no producer go on from here; close it, and make another: ${outcome.error.message}`
      return { kind: 'fatal', error: new UnsupportedVersionError(message, { cause: outcome.error }) }
    }
    case 'reclaim': {
      const { producerId, producerEpoch } = current!
      if (producerEpoch >= highestEpoch)
        return recover(coordinator, { kind: 'continue', isOurs: false }, current, options)
      const outcome = await coordinator.initialize({ producerId, producerEpoch: producerEpoch + 1 }, options)
      if (isTooOld(outcome)) return { kind: 'fenced', error: outcome.error }
      return withoutStrays(coordinator, recovered(recovery, outcome), outcome, options)
    }
    case 'resolve':
      return resolve(coordinator, recovery, current!, options)
    default:
      return recovery satisfies never
  }
}

/** An abort succeeds where the last transaction is open still, or was aborted; it is refused where it was committed. */
async function resolve(
  coordinator: TransactionCoordinator,
  recovery: Extract<Recovery, { kind: 'resolve' }>,
  current: ProducerIdAndEpoch,
  options: AskOptions,
): Promise<Recovered> {
  const outcome = await coordinator.end(current, recovery.version, false, options)
  const goOn = (isOurs: boolean): Promise<Recovered> =>
    recover(coordinator, { kind: 'continue', isOurs }, current, options)
  switch (outcome.kind) {
    case 'done':
      return outcome.value === undefined ? goOn(true) : { kind: 'ready', identity: outcome.value }
    case 'refused':
      // A coordinator looks at the epoch first.
      return goOn(true)
    case 'unmapped':
    case 'new-epoch':
    case 'abortable':
      return goOn(false)
    case 'fenced':
      if (!recovery.isReclaimable || outcome.isUncertain) return { kind: 'fenced', error: outcome.error }
      return recover(coordinator, { kind: 'reclaim' }, current, options)
    case 'fatal':
      return { kind: 'fatal', error: outcome.error }
    case 'timed-out':
    case 'stopped': {
      const isReclaimable = recovery.isReclaimable && !outcome.isUncertain
      return { kind: 'failed', error: outcome.error, recovery: { ...recovery, isReclaimable } }
    }
    default:
      return outcome satisfies never
  }
}

/**
 * A coordinator answers who asks from the epoch before with the epoch of now, once more, and takes it for one that has begun
 * nothing yet: a late request would wipe out that our transaction was committed, and its EndTxn, asked for again, would be
 * refused as if it had not been. From two epochs before nobody is heard.
 */
async function withoutStrays(
  coordinator: TransactionCoordinator,
  result: Recovered,
  { isUncertain }: Outcome<ProducerIdAndEpoch>,
  options: AskOptions,
): Promise<Recovered> {
  if (result.kind !== 'ready' || !isUncertain) return result
  const { identity } = result
  const again = await recover(coordinator, { kind: 'continue', isOurs: true }, identity, options)
  return again.kind === 'failed' ? { identity, ...again } : again
}

function recovered(recovery: Recovery, outcome: Outcome<ProducerIdAndEpoch>): Recovered {
  switch (outcome.kind) {
    case 'done':
      return { kind: 'ready', identity: outcome.value }
    case 'fenced':
    case 'fatal':
      return { kind: outcome.kind, error: outcome.error }
    default:
      return { kind: 'failed', error: outcome.error, recovery }
  }
}

function isTooOld(
  outcome: Outcome<ProducerIdAndEpoch>,
): outcome is Exclude<Outcome<ProducerIdAndEpoch>, { kind: 'done' }> {
  return outcome.kind !== 'done' && outcome.error instanceof UnsupportedVersionError
}
