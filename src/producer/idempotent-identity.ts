/** The identity of a producer without transactions: one producer id from any broker (KIP-98), got when it is first needed,
 *  for as long as that takes. Records wait for it by their own deadlines. Knows no partition and no sequence number. */

import type { Backoff } from '../async/backoff.ts'
import { sleep } from '../async/wait.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { BrokerError } from '../errors/broker-error.ts'
import { UnsupportedVersionError } from '../errors/errors.ts'
import { KafkaError } from '../errors/kafka-error.ts'
import { InitProducerId } from '../wire/messages/init-producer-id.ts'
import { anyProduceVersion, type ProducerIdAndEpoch, type ProducerIdentity } from './producer-identity.ts'

export interface IdempotentIdentityOptions {
  readonly cluster: Cluster
  /** There is an id now. */
  readonly obtained: () => void
  /** There will be none by trying again. Whoever asks later, has it tried again. */
  readonly failed: (error: KafkaError) => void
}

/** An epoch is an int16. */
const maxEpoch = 0x7fff
/** What a broker remembers of each partition. */
const rememberedBatches = 5

export class IdempotentIdentity implements ProducerIdentity {
  readonly maxInFlightPerPartition: number = rememberedBatches
  readonly isTransactional: boolean = false
  readonly transactionalId: null = null
  readonly produceVersions: typeof anyProduceVersion = anyProduceVersion
  readonly #options: IdempotentIdentityOptions
  readonly #backoff: Backoff
  readonly #closing = new AbortController()
  #current: ProducerIdAndEpoch | undefined
  #isAsking = false
  /** What the last attempt failed with. The next one waits, also when it is for another record: who keeps sending must not
   *  keep asking. */
  #lastError: KafkaError | undefined

  readonly #stopListening: () => void
  /** Counts the clusters that there have been at these addresses. */
  #clusterNumber = 0

  constructor(options: IdempotentIdentityOptions) {
    this.#options = options
    this.#backoff = options.cluster.newBackoff()
    // Another cluster gives our id to somebody else, and would take records of theirs for repetitions of ours.
    this.#stopListening = options.cluster.onMetadata(({ clusterId }, { clusterId: previous }) => {
      if (clusterId === null || previous === null || clusterId === previous) return
      this.#clusterNumber++
      if (this.#current === undefined) return
      this.#current = undefined
      this.request()
    })
  }

  get current(): ProducerIdAndEpoch | undefined {
    return this.#current
  }

  get lastError(): KafkaError | undefined {
    return this.#lastError
  }

  request(): void {
    if (this.#isAsking || this.#current !== undefined || this.#closing.signal.aborted) return
    this.#isAsking = true
    void this.#ask().then((outcome) => {
      this.#isAsking = false
      if (outcome === undefined) return
      if (outcome instanceof KafkaError) {
        this.#options.failed(outcome)
      } else {
        this.#current = outcome
        this.#options.obtained()
      }
    })
  }

  /** The next epoch, for the partition in trouble alone: brokers compare epochs within a partition. After the last epoch
   *  comes another id, and until it is there, none. */
  successor({ producerId, producerEpoch }: ProducerIdAndEpoch): ProducerIdAndEpoch | undefined {
    if (producerEpoch < maxEpoch) return { producerId, producerEpoch: producerEpoch + 1 }
    if (this.#current?.producerId === producerId) this.#current = undefined
    this.request()
    return undefined
  }

  /** Asks no more. */
  close(): void {
    this.#stopListening()
    this.#closing.abort()
  }

  /** The id, or why there will be none; undefined when closed. Never rejects. */
  async #ask(): Promise<ProducerIdAndEpoch | KafkaError | undefined> {
    const { cluster } = this.#options
    const { signal } = this.#closing
    for (;;) {
      if (this.#lastError !== undefined) {
        await sleep(cluster.clock, this.#backoff.nextMs(), { signal }).catch(() => {
          // Closed: seen below.
        })
      }
      if (signal.aborted) return undefined
      const clusterNumber = this.#clusterNumber
      const outcome = await this.#attempt(signal)
      if (signal.aborted) return undefined
      if (clusterNumber !== this.#clusterNumber) continue
      this.#lastError = outcome instanceof KafkaError ? outcome : undefined
      if (!(outcome instanceof KafkaError)) {
        this.#backoff.reset()
        return outcome
      }
      const remedy = cluster.remedy({ kind: 'any' }, outcome)
      if (remedy === 'none' && !outcome.retriable) return explained(outcome)
      cluster.logger.debug(`a producer id could not be had yet: ${outcome.message}`)
    }
  }

  async #attempt(signal: AbortSignal): Promise<ProducerIdAndEpoch | KafkaError> {
    try {
      // Without a transactional id there is no transaction to time out.
      const request = { transactionalId: null, transactionTimeoutMs: 0x7fff_ffff }
      const { cluster } = this.#options
      const { errorCode, producerId, producerEpoch } = await cluster.send({ kind: 'any' }, InitProducerId, request, {
        signal,
      })
      if (errorCode === 0) return { producerId, producerEpoch }
      return new BrokerError(errorCode, 'no broker gave the producer an id', { persistence: 'not-persisted' })
    } catch (error) {
      if (error instanceof KafkaError) return error
      return new KafkaError('REQUEST_FAILED', 'asking for a producer id failed', false, { cause: error })
    }
  }
}

/** The same, with what can be done about it. */
function explained(error: KafkaError): KafkaError {
  const options = { cause: error, persistence: 'not-persisted' } as const
  const off = 'turn idempotence off with idempotent: false'
  if (error instanceof BrokerError) {
    const isForbidden = error.code === 'CLUSTER_AUTHORIZATION_FAILED'
    const grant = isForbidden ? 'grant the principal IDEMPOTENT_WRITE on the cluster, or ' : ''
    return new BrokerError(error.errorCode, `a record was not sent, because no broker gave the producer an id`, {
      ...options,
      brokerMessage: `${grant}${off}`,
    })
  }
  if (error instanceof UnsupportedVersionError) {
    return new UnsupportedVersionError(
      `a record was not sent, because the brokers give no producer ids (KIP-98); ${off}: ${error.message}`,
      options,
    )
  }
  return new KafkaError(
    error.code,
    `a record was not sent: no producer id could be had: ${error.message}`,
    false,
    options,
  )
}
