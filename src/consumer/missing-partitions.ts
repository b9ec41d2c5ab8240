/** Speaks up when partitions that were assigned by hand do not exist: whoever waits for their records would wait in silence.
 *  They stay assigned, and are read once they are there. Looks nothing up itself: others ask for the metadata. */

import type { Timer } from '../async/clock.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { BrokerError, brokerErrorNumber } from '../errors/broker-error.ts'
import type { PartitionState } from './partition-state.ts'
import type { SubscriptionState } from './subscription-state.ts'

const notThere = 'UNKNOWN_TOPIC_OR_PARTITION'

interface Absence {
  /** When it was first noticed, or last told, on the clock of `clock.now()`. */
  since: number
  /** What hand-outs are told; undefined while there is still time. */
  error: BrokerError | undefined
}

export class MissingPartitions {
  readonly #cluster: Cluster
  readonly #subscription: SubscriptionState
  readonly #onMissing: () => void
  readonly #absent = new Map<PartitionState, Absence>()
  #timer: Timer | undefined
  #stopWatching: (() => void) | undefined

  /** @param onMissing called when a partition has failed because it is not there */
  constructor(cluster: Cluster, subscription: SubscriptionState, onMissing: () => void) {
    this.#cluster = cluster
    this.#subscription = subscription
    this.#onMissing = onMissing
  }

  start(): void {
    this.#stopWatching ??= this.#cluster.onMetadata(() => {
      this.#look()
    })
  }

  stop(): void {
    this.#stopWatching?.()
    this.#cluster.clock.clearTimer(this.#timer)
    this.#absent.clear()
  }

  /** Compares with the metadata there is. Called with each snapshot, and when the first absence has lasted too long. */
  #look(): void {
    const { clock, metadata, options, logger } = this.#cluster
    const now = clock.now()
    const missing = this.#subscription.all.filter(({ byHand, topic, partition }) => {
      const error = metadata.topics.get(topic)?.error
      // What is refused is told as a refusal; of what is not in the metadata at all nobody has heard yet.
      return byHand && (error === 'NONE' || error === notThere) && partition >= metadata.partitionCount(topic)
    })
    for (const [state, { error }] of this.#absent) {
      if (missing.includes(state)) continue
      this.#absent.delete(state)
      // It came before anybody was told.
      if (error !== undefined && state.failure?.error === error) state.failure = undefined
    }
    let failed = false
    for (const state of missing) {
      const absence = this.#absent.get(state)
      if (absence === undefined) {
        this.#absent.set(state, { since: now, error: undefined })
        // Whole topics that are missing are warned of by those who look for them.
        if (metadata.partitionCount(state.topic) === 0) continue
        logger.warn(`${String(state)} was assigned and does not exist, or is not known yet: it is waited for`)
      } else if (now - absence.since >= options.apiTimeoutMs) {
        absence.since = now
        if (state.failure !== undefined) continue
        const what = `${String(state)} was assigned, and has not been there for ${options.apiTimeoutMs} ms (apiTimeoutMs)`
        absence.error = new BrokerError(brokerErrorNumber(notThere), what)
        this.#subscription.fail(state, { error: absence.error, lasting: false })
        failed = true
      }
    }
    this.#lookAgain(now)
    if (failed) this.#onMissing()
  }

  #lookAgain(now: number): void {
    const { clock, options } = this.#cluster
    clock.clearTimer(this.#timer)
    this.#timer = undefined
    if (this.#absent.size === 0) return
    const first = Math.min(...Array.from(this.#absent.values(), ({ since }) => since))
    const look = (): void => {
      this.#look()
    }
    this.#timer = clock.setTimer(look, Math.max(1, first + options.apiTimeoutMs - now))
  }
}
