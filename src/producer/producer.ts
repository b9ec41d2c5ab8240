/** The producer as users see it: the words of its calls, and an identity that brokers know. All the work is the core's,
 *  which it shares with the producer of transactions. */

import { systemDoors, type Doors } from '../async/doors.ts'
import type { WaitOptions } from '../async/wait.ts'
import { clusterFor } from '../cluster/client.ts'
import type { ClusterOptions } from '../cluster/cluster-options.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { PartitionMetadata } from '../cluster/metadata.ts'
import type { SendBatchResult } from './batch-delivery.ts'
import { openGate } from './drain-gate.ts'
import { IdempotentIdentity } from './idempotent-identity.ts'
import { ProducerCore } from './producer-core.ts'
import { anonymous } from './producer-identity.ts'
import type { ProducerMetrics } from './producer-metrics.ts'
import {
  producerOptions,
  readProducerOptions,
  type AnyProducerOptions,
  type ProducerOptions,
} from './producer-options.ts'
import type { BatchRecord, ProducerRecord, RecordBytes, RecordMetadata } from './producer-record.ts'

/**
 * Sends records to Kafka: batches them, sends each batch to its partition's leader, tries again what can be tried again.
 *
 * Records of one partition are written in the order of the calls, and, unless `idempotent` is off, once. Whatever was accepted is settled within
 * `deliveryTimeoutMs`: acknowledged, or failed with an error whose `persistence` says what is known.
 *
 * @example
 * ```ts
 * const producer = new Producer({ bootstrapServers: 'localhost:9092' })
 * await producer.start()
 * const { partition, offset } = await producer.send({ topic: 'orders', key: '42', value: 'three apples' })
 * await producer.close()
 * ```
 */
export class Producer<Key = RecordBytes, Value = RecordBytes> {
  readonly #core: ProducerCore
  readonly #identity: IdempotentIdentity | undefined
  #closing: Promise<void> | undefined

  /**
   * @throws InvalidOptionError when an option is unknown, has a value it cannot have, or contradicts another one
   */
  constructor(options: ProducerOptions<Key, Value> = {}, doors: Doors = systemDoors) {
    const given = options as AnyProducerOptions & { cluster?: Cluster } & ClusterOptions
    const { cluster, owned, own } = clusterFor<AnyProducerOptions>('Producer', given, producerOptions, doors)
    const resolved = readProducerOptions(own, cluster.options)
    if (resolved.idempotent) {
      this.#identity = new IdempotentIdentity({
        cluster,
        obtained: () => {
          this.#core.wake()
        },
        failed: (error) => {
          this.#core.refuseForId(error)
        },
      })
    }
    this.#core = new ProducerCore({
      name: 'producer',
      cluster,
      ownsCluster: owned,
      options: resolved,
      identity: this.#identity ?? anonymous,
      gate: openGate,
    })
  }

  /**
   * Connects, and loads the codec. A producer that is used before starts by itself. A failed start can be repeated.
   *
   * @returns the producer
   * @throws ConnectionError when no bootstrap server could be reached
   * @throws ClosedError when the producer was closed
   */
  async start(options: WaitOptions = {}): Promise<this> {
    await this.#core.start(options)
    return this
  }

  /**
   * Sends one record, and resolves when it is acknowledged as `acks` says.
   *
   * The record is taken when the call returns: its buffers may be used again. When memory is full, or nothing is known
   * of the topic yet, it waits its turn for up to `maxBlockMs`; a signal ends that wait, and nothing after it.
   *
   * @throws InvalidArgumentError for a record that cannot be sent: its error says what to change
   * @throws SerializationError when a serializer fails, or gives what is no bytes
   * @throws BufferFullError when memory is full and as much waits already; worth trying again later
   * @throws TimeoutError when it was not acknowledged within `deliveryTimeoutMs`, or found no place within `maxBlockMs`
   * @throws BrokerError when the broker refuses it
   * @throws ClosedError when the producer is closed, or was before the record was acknowledged
   */
  send(record: ProducerRecord<Key, Value>, options?: WaitOptions): Promise<RecordMetadata> {
    return this.#core.send(record, options)
  }

  /**
   * Takes a record and says nothing more of it, unless it fails: then `onDeliveryError` hears of it, and the next
   * `flush` or `close` rejects. Costs no promise.
   *
   * @returns true when it was accepted; false when there is no memory for it: await `drained()` and enqueue it again
   * @throws InvalidArgumentError for a record that cannot be sent
   * @throws ClosedError when the producer is closed
   */
  enqueue(record: ProducerRecord<Key, Value>): boolean {
    return this.#core.enqueue(record)
  }

  /**
   * Resolves when there is room for what `enqueue` refused. Whoever waits with `send` goes first.
   *
   * @throws ClosedError when the producer is closed
   */
  drained(options: WaitOptions = {}): Promise<void> {
    return this.#core.drained(options)
  }

  /**
   * Sends many records to one topic, at the cost of one promise for all. All are checked before any is taken. They need
   * not go to one partition, and each may fail by itself.
   *
   * @throws InvalidArgumentError when any record cannot be sent: then none was taken
   * @throws SendBatchError when records failed; it lists them, and what it does not list was acknowledged
   */
  sendBatch(
    topic: string,
    records: readonly BatchRecord<Key, Value>[],
    options?: WaitOptions,
  ): Promise<SendBatchResult> {
    return this.#core.sendBatch(topic, records, options)
  }

  /**
   * Sends at once whatever waits for more records, and resolves when all that was accepted before the call is settled.
   * Records accepted later are not waited for.
   *
   * @throws DeliveryError when enqueued records failed since the last `flush`; each failure is reported once
   */
  flush(options: WaitOptions = {}): Promise<void> {
    return this.#core.flush(options)
  }

  /**
   * Takes no more records, sends what was accepted, and ends. What is not acknowledged within `closeTimeoutMs` fails
   * with `ClosedError`. Called again, it gives the same promise.
   *
   * @throws DeliveryError when enqueued records failed since the last `flush`
   */
  close(): Promise<void> {
    return (this.#closing ??= this.#core.close().finally(() => this.#identity?.close()))
  }

  /**
   * Gives up at once: whatever is not acknowledged fails with `ClosedError`.
   *
   * @param reason becomes the cause of these errors
   */
  destroy(reason?: Error): void {
    this.#identity?.close()
    this.#core.destroy(reason)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /**
   * The partitions of a topic, as they are known now; asks the cluster when nothing is known yet. Writing to a topic
   * that does not exist makes the broker create it where it is configured so, and so does this.
   *
   * @throws BrokerError when the topic does not exist, or may not be seen
   */
  partitionsFor(topic: string, options: WaitOptions = {}): Promise<readonly PartitionMetadata[]> {
    return this.#core.partitionsFor(topic, options)
  }

  /**
   * Fails every record that is not on its way to a broker at this moment, with code `PURGED`. What is on its way is
   * settled as always.
   */
  purge(): void {
    this.#core.purge()
  }

  /** What the producer has done so far and holds now: a snapshot, which does not change. */
  metrics(): ProducerMetrics {
    return this.#core.metrics()
  }
}
