/** The errors that speak of several records at once. A single record's failure is whatever made it fail. */

import { KafkaError } from '../errors/kafka-error.ts'

/** One record of a `sendBatch` that was not acknowledged. */
export interface SendBatchFailure {
  /** Its place in the array that was given. */
  readonly index: number
  readonly error: Error
}

/** Some records of a `sendBatch` were not acknowledged; those not listed were. */
export class SendBatchError extends KafkaError {
  /** In the order of the array that was given. */
  readonly failures: readonly SendBatchFailure[]

  /** @param total how many records the call had */
  constructor(topic: string, total: number, failures: readonly SendBatchFailure[]) {
    const first = failures[0]!.error
    super(
      'SEND_BATCH_FAILED',
      `${failures.length} of ${total} records for '${topic}' failed, the first with: ${first.message}`,
      failures.every(({ error }) => error instanceof KafkaError && error.retriable),
      { cause: first },
    )
    this.failures = failures
  }
}

/** Where failed records were to go, and how many they were. */
export interface DeliveryFailure {
  readonly topic: string
  /** -1 when the record had not come to a partition yet. */
  readonly partition: number
  readonly count: number
}

/** How many places a `DeliveryError` lists. */
const mostListed = 20

/**
 * Records accepted by `enqueue` failed since the last `flush` or `close`. Each failure was told to `onDeliveryError`
 * when it happened; here are their number and the first places.
 */
export class DeliveryError extends KafkaError {
  /** How many records failed. */
  readonly count: number
  /** The first places where records failed, at most 20. */
  readonly failures: readonly (DeliveryFailure & { readonly error: Error })[]

  constructor(count: number, failures: readonly (DeliveryFailure & { readonly error: Error })[]) {
    const first = failures[0]!
    const place = first.partition < 0 ? `for '${first.topic}'` : `for partition ${first.partition} of '${first.topic}'`
    super(
      'DELIVERY_FAILED',
      `${count} enqueued ${count === 1 ? 'record' : 'records'} failed, the first ${place}: ${first.error.message}`,
      false,
      { cause: first.error },
    )
    this.count = count
    this.failures = failures
  }
}

/** Collects failures of enqueued records until someone takes them. Bounded, however many fail. */
export class DeliveryFailures {
  #count = 0
  #list: (DeliveryFailure & { error: Error })[] = []

  add(error: Error, { topic, partition, count }: DeliveryFailure): void {
    this.#count += count
    const same = this.#list.findLast((one) => one.topic === topic && one.partition === partition)
    if (same !== undefined && same.error.message === error.message) {
      this.#list[this.#list.indexOf(same)] = { ...same, count: same.count + count }
    } else if (this.#list.length < mostListed) {
      this.#list.push({ error, topic, partition, count })
    }
  }

  /** What failed since the last call, as one error; undefined when nothing did. */
  take(): DeliveryError | undefined {
    if (this.#count === 0) return undefined
    const error = new DeliveryError(this.#count, this.#list)
    this.#count = 0
    this.#list = []
    return error
  }
}
