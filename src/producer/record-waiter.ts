/** The kinds of call that may have to wait: a `send`, an `enqueue`, a `sendBatch` or one record of it. Each knows whom to tell when a
 *  record comes into a batch, and when it never will. */

import type { BatchDelivery } from './batch-delivery.ts'
import type { DeliveryFailure } from './delivery-errors.ts'
import type { ProducerBatch } from './producer-batch.ts'
import type { RecordMetadata } from './producer-record.ts'
import type { TopicQueues } from './topic-queues.ts'
import { Waiter, type WaiterInit } from './waiting-room.ts'

/** What a producer holds of a topic, with the line of those who wait for it. */
export type ProducedTopic = TopicQueues<RecordWaiter>

export interface RecordWaiterInit extends WaiterInit {
  readonly topic: ProducedTopic
  /** Whether a serializer has its record and has not answered yet. Default false. */
  readonly isSerializing?: boolean
}

export abstract class RecordWaiter extends Waiter<RecordWaiter> {
  readonly topic: ProducedTopic
  /** The highest partition that any of the records names; -1 when none does. */
  readonly highestPartition: number
  /** Whether the topic's partitions were asked for since it came: one that is still not there does not exist. */
  partitionsChecked = false
  /** A serializer has its record and has not answered yet: what came after it waits behind it. */
  isSerializing: boolean

  constructor(init: RecordWaiterInit) {
    super(init)
    this.topic = init.topic
    this.isSerializing = init.isSerializing ?? false
    this.highestPartition = init.records.reduce((highest, { partition }) => Math.max(highest, partition), -1)
  }

  /** The record at `next` is the last one in this batch. */
  abstract placed(batch: ProducerBatch): void
  /** The record at `next`, and all behind it, will not be sent. */
  abstract refused(reason: unknown): void
}

export class SendWaiter extends RecordWaiter {
  readonly promise: Promise<RecordMetadata>
  #resolve!: (metadata: RecordMetadata) => void
  #reject!: (error: unknown) => void

  constructor(init: RecordWaiterInit) {
    super(init)
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  placed(batch: ProducerBatch): void {
    batch.promise(this.records[0]!.timestamp).then(this.#resolve, this.#reject)
  }

  refused(reason: unknown): void {
    this.#reject(reason)
  }
}

export class EnqueueWaiter extends RecordWaiter {
  readonly #tell: (error: Error, place: DeliveryFailure) => void

  constructor(init: RecordWaiterInit, tell: (error: Error, place: DeliveryFailure) => void) {
    super(init)
    this.#tell = tell
  }

  placed(): void {
    // Nobody waits for a record that was enqueued.
  }

  refused(reason: unknown): void {
    // An enqueue has no signal, so that the reason is always an error.
    this.#tell(reason as Error, { topic: this.topic.name, partition: this.records[0]!.partition, count: 1 })
  }
}

export class SendBatchWaiter extends RecordWaiter {
  readonly #delivery: BatchDelivery
  readonly #first: number

  /** @param first the place of the first record that waits in the call's array */
  constructor(init: RecordWaiterInit, delivery: BatchDelivery, first: number) {
    super(init)
    this.#delivery = delivery
    this.#first = first
  }

  placed(batch: ProducerBatch): void {
    const share = batch.shareFor(this.#delivery)
    this.#delivery.placed(this.#first + this.next, share, batch.builder.count - 1)
  }

  refused(reason: unknown): void {
    this.#delivery.refused(this.#first + this.next, reason)
  }
}

/** One record of a `sendBatch` whose records wait each for itself. */
export class BatchRecordWaiter extends RecordWaiter {
  readonly #delivery: BatchDelivery
  readonly #index: number

  /** @param index its place in the call's array */
  constructor(init: RecordWaiterInit, delivery: BatchDelivery, index: number) {
    super(init)
    this.#delivery = delivery
    this.#index = index
  }

  placed(batch: ProducerBatch): void {
    this.#delivery.placed(this.#index, batch.shareFor(this.#delivery), batch.builder.count - 1)
  }

  refused(reason: unknown): void {
    this.#delivery.failed(this.#index, reason)
  }
}
