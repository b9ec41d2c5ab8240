/** The calls of a producer that has serializers or interceptors: what these do to a record comes first, then it takes the
 *  same way as any other. What waits for a serializer stands in its topic's line, so that records are appended in the
 *  order of the calls, and everything that ends a wait ends this one. Producers without either never come here. */

import type { WaitOptions } from '../async/wait.ts'
import type { Clock } from '../async/clock.ts'
import { InvalidArgumentError } from '../errors/errors.ts'
import { checkCallOptions } from '../options/call-options.ts'
import { quote } from '../options/option-table.ts'
import { recordSizeUpperBound } from '../wire/records/record-batch-builder.ts'
import { BatchDelivery, type SendBatchResult } from './batch-delivery.ts'
import type { DeliveryFailure } from './delivery-errors.ts'
import type { FlushEpochs } from './flush-epochs.ts'
import type { ProducerInterceptors } from './producer-interceptors.ts'
import {
  copied,
  refusal,
  requireTopic,
  type BatchRecord,
  type ProducerRecord,
  type RecordBytes,
  type RecordMetadata,
} from './producer-record.ts'
import type { RecordAccumulator } from './record-accumulator.ts'
import { requireRecord, type RecordChecks } from './record-checks.ts'
import type { RecordIntake } from './record-intake.ts'
import type { RecordSerialization, SerializedRecord } from './record-serialization.ts'
import {
  BatchRecordWaiter,
  EnqueueWaiter,
  SendWaiter,
  type ProducedTopic,
  type RecordWaiter,
  type RecordWaiterInit,
} from './record-waiter.ts'
import type { RecordWatch } from './record-watch.ts'
import type { PreparedRecord } from './waiting-room.ts'

/** A record as the application has it. */
export type AnyRecord = ProducerRecord<unknown, unknown>
type AnyBatchRecord = BatchRecord<unknown, unknown>

export interface PreparedCallsInit {
  readonly clock: Clock
  readonly maxBlockMs: number
  readonly intake: RecordIntake
  readonly accumulator: RecordAccumulator
  readonly epochs: FlushEpochs
  readonly checks: RecordChecks
  readonly serialization: RecordSerialization | undefined
  readonly interceptors: ProducerInterceptors | undefined
  /** Throws when no record is taken any more. */
  readonly requireOpen: () => void
  /** Hears of every record that is refused at once, before the caller does. */
  readonly recordsFailed: (reason: unknown) => void
  /** Hears of a record of `enqueue` that was accepted and then refused. */
  readonly deliveryFailed: (error: Error, place: DeliveryFailure) => void
}

const waitOptionNames: readonly string[] = ['signal']
/** What a record is taken to cost before the first one was serialized. */
const firstEstimateBytes = 1_024
/** How much each record counts in the average size. */
const newestShare = 1 / 16

const withoutSerializers = { key: false, value: false }

export class PreparedCalls {
  readonly #init: PreparedCallsInit
  readonly #intake: RecordIntake
  readonly #serialized: { readonly key: boolean; readonly value: boolean }
  /** What records cost lately while they wait, on average: the measure for those whose size is not known yet. */
  #estimateBytes = firstEstimateBytes
  /** Whether the last record had to wait for a serializer: then the next one is likely to. */
  #mostlyWaits = false

  constructor(init: PreparedCallsInit) {
    this.#init = init
    this.#intake = init.intake
    const { serialization } = init
    this.#serialized = serialization ? { key: serialization.hasKey, value: serialization.hasValue } : withoutSerializers
  }

  send(given: AnyRecord, options?: WaitOptions): Promise<RecordMetadata> {
    let watch: RecordWatch | undefined
    try {
      if (options !== undefined) checkCallOptions('send', options, waitOptionNames)
      const signal = options?.signal
      signal?.throwIfAborted()
      this.#init.requireOpen()
      requireRecord(given)
      const record = this.#intercepted(given)
      watch = this.#init.interceptors?.watch(record)
      requireTopic(record.topic)
      const topic = this.#intake.topic(record.topic)
      const bytes = this.#bytesOf(topic.name, record)
      if (bytes instanceof Promise) {
        const waiter = new SendWaiter(this.#initUnserialized(topic, record, watch, signal))
        this.#waitForSerializer(waiter, bytes)
        return waiter.promise
      }
      const { partition, timestamp } = this.#placeAndTime(record)
      const batch = this.#intake.tryPlace(topic, partition, timestamp, bytes.key, bytes.value, bytes.headers)
      if (batch !== undefined) {
        if (watch !== undefined) batch.watch(watch, timestamp)
        return batch.promise(timestamp)
      }
      const waiter = new SendWaiter(this.#initSerialized(topic, { ...bytes, partition, timestamp, watch }, signal))
      this.#wait(waiter)
      return waiter.promise
    } catch (reason) {
      this.#refused(reason, watch)
      return Promise.reject(reason as Error)
    }
  }

  enqueue(given: AnyRecord): boolean {
    let watch: RecordWatch | undefined
    try {
      this.#init.requireOpen()
      requireRecord(given)
      // Before anyone sees the record: it will be enqueued again.
      if (this.#mostlyWaits && !this.#intake.mayWaitForSerializer(this.#estimateBytes)) return false
      const record = this.#intercepted(given)
      watch = this.#init.interceptors?.watch(record)
      requireTopic(record.topic)
      const topic = this.#intake.topic(record.topic)
      const bytes = this.#bytesOf(topic.name, record)
      const accepted =
        bytes instanceof Promise
          ? this.#enqueueUnserialized(topic, record, bytes, watch)
          : this.#enqueueSerialized(topic, record, bytes, watch)
      if (!accepted) watch?.failed(this.#intake.bufferFull(topic.name))
      return accepted
    } catch (reason) {
      this.#refused(reason, watch)
      throw reason
    }
  }

  #enqueueUnserialized(
    topic: ProducedTopic,
    record: AnyRecord,
    bytes: Promise<SerializedRecord>,
    watch: RecordWatch | undefined,
  ): boolean {
    if (!this.#intake.mayWaitForSerializer(this.#estimateBytes)) {
      // It is not accepted, and will be serialized again.
      bytes.catch(() => {})
      return false
    }
    const init = this.#initUnserialized(topic, record, watch, undefined)
    this.#waitForSerializer(new EnqueueWaiter(init, this.#init.deliveryFailed), bytes)
    return true
  }

  #enqueueSerialized(
    topic: ProducedTopic,
    record: AnyRecord,
    { key, value, headers }: SerializedRecord,
    watch: RecordWatch | undefined,
  ): boolean {
    const { partition, timestamp } = this.#placeAndTime(record)
    const batch = this.#intake.tryPlace(topic, partition, timestamp, key, value, headers)
    if (batch !== undefined) {
      if (watch !== undefined) batch.watch(watch, timestamp)
      return true
    }
    if (!this.#intake.mayWaitForTopic(topic, partition, this.#intake.waitingBytesOf(key, value, headers))) {
      this.#intake.refusedMemory(this.#init.accumulator.bytesFor(key, value, headers))
      return false
    }
    const init = this.#initSerialized(topic, { partition, timestamp, key, value, headers, watch }, undefined)
    this.#wait(new EnqueueWaiter(init, this.#init.deliveryFailed))
    return true
  }

  sendBatch(name: string, given: readonly AnyBatchRecord[], options?: WaitOptions): Promise<SendBatchResult> {
    const watches: (RecordWatch | undefined)[] = []
    try {
      if (options !== undefined) checkCallOptions('sendBatch', options, waitOptionNames)
      const signal = options?.signal
      signal?.throwIfAborted()
      if (!Array.isArray(given)) {
        throw refusal(`the records of a batch for ${quote(name)} must be an array, not ${quote(given)}`)
      }
      this.#init.requireOpen()
      requireTopic(name)
      const records = (given as readonly AnyBatchRecord[]).map((record, i) => {
        if (typeof record !== 'object' || record === null) {
          throw refusal(`record ${i} of a batch for '${name}' must be an object, not ${quote(record)}`)
        }
        return this.#interceptedOfBatch(name, record, i, watches)
      })
      records.forEach((record, i) => {
        this.#checkAt(i, name, record)
      })
      return this.#sendBatch(this.#intake.topic(name), records, watches, signal)
    } catch (reason) {
      this.#init.recordsFailed(reason)
      for (const watch of watches) watch?.failed(reason)
      return Promise.reject(reason as Error)
    }
  }

  /** Each record goes its own way: what only a serializer can tell of one is no fault of the others. */
  #sendBatch(
    topic: ProducedTopic,
    records: readonly AnyRecord[],
    watches: readonly (RecordWatch | undefined)[],
    signal: AbortSignal | undefined,
  ): Promise<SendBatchResult> {
    const delivery = new BatchDelivery(topic.name, records.length)
    const { promise } = delivery
    if (records.length === 0) delivery.settled(0)
    const fail = (index: number, reason: unknown): void => {
      this.#refused(reason, watches[index])
      delivery.failed(index, reason)
    }
    let bytes = 0
    const prepared = records.map((record, i) => {
      try {
        const made = this.#bytesOf(topic.name, record)
        bytes += made instanceof Promise ? this.#estimateBytes : sizeOf(made)
        return made
      } catch (reason) {
        fail(i, reason)
        return undefined
      }
    })
    if (!this.#intake.hasRoomFor(topic, bytes, this.#intake.waitingBytesFor(records.length, bytes))) {
      prepared.forEach((made, i) => {
        if (made === undefined) return
        if (made instanceof Promise) made.catch(() => {})
        fail(i, this.#intake.bufferFull(topic.name))
      })
      return promise
    }
    records.forEach((record, i) => {
      const made = prepared[i]
      if (made === undefined) return
      const watch = watches[i]
      try {
        if (made instanceof Promise) {
          const init = this.#initUnserialized(topic, record, watch, signal)
          this.#waitForSerializer(new BatchRecordWaiter(init, delivery, i), made)
          return
        }
        const { partition, timestamp } = this.#placeAndTime(record)
        const batch = this.#intake.tryPlace(topic, partition, timestamp, made.key, made.value, made.headers)
        if (batch !== undefined) {
          delivery.placed(i, batch.shareFor(delivery), batch.builder.count - 1)
          if (watch !== undefined) batch.watch(watch, timestamp)
          return
        }
        const init = this.#initSerialized(topic, { ...made, partition, timestamp, watch }, signal)
        this.#wait(new BatchRecordWaiter(init, delivery, i))
      } catch (reason) {
        fail(i, reason)
      }
    })
    return promise
  }

  #intercepted(record: AnyRecord): AnyRecord {
    return this.#init.interceptors?.onSend(record) ?? record
  }

  #interceptedOfBatch(
    topic: string,
    given: AnyBatchRecord,
    index: number,
    watches: (RecordWatch | undefined)[],
  ): AnyRecord {
    const record = this.#intercepted({ ...given, topic })
    watches.push(this.#init.interceptors?.watch(record))
    if (record.topic === topic) return record
    throw refusal(
      `an interceptor sent record ${index} of a batch for '${topic}' to ${quote(record.topic)}: a batch has one topic`,
    )
  }

  #checkAt(index: number, topic: string, record: AnyRecord): void {
    try {
      this.#init.checks.checkGiven(topic, record, this.#serialized)
    } catch (error) {
      throw error instanceof InvalidArgumentError ? refusal(`record ${index} of a batch: ${error.message}`) : error
    }
  }

  /** The record as it is sent, or a promise for it while a serializer works. */
  #bytesOf(topic: string, record: AnyRecord): SerializedRecord | Promise<SerializedRecord> {
    const { checks, serialization } = this.#init
    const headers = checks.checkGiven(topic, record, this.#serialized)
    const { key = null, value } = record
    if (serialization === undefined) {
      checks.requireSize(topic, key as RecordBytes, value as RecordBytes, headers)
      return { key: key as RecordBytes, value: value as RecordBytes, headers }
    }
    const bytes = serialization.serialize(topic, key, value, headers)
    this.#mostlyWaits = bytes instanceof Promise
    if (bytes instanceof Promise) return bytes.then((made) => this.#measured(topic, made))
    return this.#measured(topic, bytes)
  }

  #measured(topic: string, made: SerializedRecord): SerializedRecord {
    this.#init.checks.requireSize(topic, made.key, made.value, made.headers)
    const bytes = this.#intake.waitingBytesOf(made.key, made.value, made.headers)
    this.#estimateBytes += Math.ceil((bytes - this.#estimateBytes) * newestShare)
    return made
  }

  #placeAndTime(record: AnyBatchRecord): { partition: number; timestamp: number } {
    const { partition = -1, timestamp = this.#init.clock.wallTime() } = record
    return { partition, timestamp }
  }

  #initSerialized(topic: ProducedTopic, record: PreparedRecord, signal: AbortSignal | undefined): RecordWaiterInit {
    const { key, value, headers } = record
    const bytes = this.#intake.waitingBytesOf(key, value, headers)
    // The caller may use its buffers again once the call returns, and the batch that copies them comes later.
    const own = headers?.map((header) => ({ key: header.key, value: copied(header.value) }))
    const records = [{ ...record, key: copied(key), value: copied(value), headers: own }]
    return { topic, records, bytes, deadline: this.#deadline(), epoch: this.#init.epochs.accepted(), signal }
  }

  #initUnserialized(
    topic: ProducedTopic,
    record: AnyRecord,
    watch: RecordWatch | undefined,
    signal: AbortSignal | undefined,
  ): RecordWaiterInit {
    const records = [{ ...this.#placeAndTime(record), key: null, value: null, headers: undefined, watch }]
    const epoch = this.#init.epochs.accepted()
    return {
      topic,
      records,
      bytes: this.#estimateBytes,
      deadline: this.#deadline(),
      epoch,
      signal,
      isSerializing: true,
    }
  }

  #deadline(): number {
    return this.#init.clock.now() + this.#init.maxBlockMs
  }

  #wait(waiter: RecordWaiter): void {
    try {
      this.#intake.wait(waiter)
    } catch (error) {
      this.#init.epochs.settled(waiter.epoch)
      throw error
    }
  }

  #waitForSerializer(waiter: RecordWaiter, bytes: Promise<SerializedRecord>): void {
    bytes
      .then(({ key, value, headers }) => {
        const record = { ...waiter.records[0]!, key, value, headers }
        this.#intake.serialized(waiter, record, this.#intake.waitingBytesOf(key, value, headers))
      })
      .catch((reason: unknown) => {
        this.#intake.refuse(waiter, reason)
      })
    this.#wait(waiter)
  }

  #refused(reason: unknown, watch: RecordWatch | undefined): void {
    this.#init.recordsFailed(reason)
    watch?.failed(reason)
  }
}

function sizeOf({ key, value, headers }: SerializedRecord): number {
  return recordSizeUpperBound(key, value, headers)
}
