/** What the scenarios of consuming and of groups have in common: records written by kcat, and reading with a deadline. */

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'

import { Consumer } from '#src/consumer/consumer.js'
import type { ConsumerOptions } from '#src/consumer/consumer-options.js'
import type { ConsumerRecord } from '#src/consumer/consumer-record.js'
import type { ClusterOptions } from '#src/cluster/cluster-options.js'
import type { Kafka } from '../support/kafka/kafka.js'

/** The longest that anything here may take. */
export const patienceMs = 20_000

export interface ProduceOptions {
  /** Default 0. */
  readonly partition?: number
  readonly codec?: 'gzip' | 'snappy' | 'lz4' | 'zstd'
  readonly args?: readonly string[]
}

/** Writes each value as a record. */
export async function produce(kafka: Kafka, topic: string, values: readonly string[], options: ProduceOptions = {}) {
  const { partition = 0, codec, args = [] } = options
  const compression = codec === undefined ? [] : ['-z', codec]
  const lines = values.map((value) => `${value}\n`).join('')
  await kafka.kcat(['-P', '-t', topic, '-p', String(partition), ...compression, ...args], lines)
}

/** `count` values that can be told apart: `<prefix>-0` and so on. */
export function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}-${i}`)
}

/** A consumer that is closed when the test ends. */
export function consumerOn(t: TestContext, kafka: Kafka, options: ConsumerOptions & ClusterOptions = {}): Consumer {
  const consumer = new Consumer({ bootstrapServers: kafka.bootstrapServers, autoOffsetReset: 'earliest', ...options })
  t.after(() => consumer.close())
  return consumer
}

/** Reads exactly as many records, by `getMany`; fails when they do not come. */
export async function take(consumer: Consumer, count: number): Promise<ConsumerRecord[]> {
  const records: ConsumerRecord[] = []
  const signal = AbortSignal.timeout(patienceMs)
  while (records.length < count) {
    const some = await consumer.getMany({ maxRecords: count - records.length, signal })
    records.push(...some)
  }
  assert.equal(records.length, count)
  return records
}

export function valuesOf(records: Iterable<ConsumerRecord>): (string | null)[] {
  return Array.from(records, ({ value }) => value?.toString() ?? null)
}

export function soon(): { signal: AbortSignal } {
  return { signal: AbortSignal.timeout(patienceMs) }
}
