/** What the scenarios of producing on real Kafka share. */

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { Admin } from '#src/admin/admin.js'
import type { ClusterOptions } from '#src/cluster/cluster-options.js'
import type { ProducerOwnOptions } from '#src/producer/producer-options.js'
import { Producer } from '#src/producer/producer.js'
import type { RecordMetadata } from '#src/producer/producer-record.js'
import { linesOf, type Kafka } from '../support/kafka/kafka.ts'

export type Options = ProducerOwnOptions & ClusterOptions

export function makeProducer(t: TestContext, broker: Kafka, options: Options = {}): Producer {
  const producer = new Producer({ bootstrapServers: broker.bootstrapServers, closeTimeoutMs: 10_000, ...options })
  t.after(() => {
    producer.destroy()
  })
  return producer
}

export function makeAdmin(t: TestContext, broker: Kafka, options: ClusterOptions = {}): Admin {
  const admin = new Admin({ bootstrapServers: broker.bootstrapServers, ...options })
  t.after(() => admin.close())
  return admin
}

/** What kcat (librdkafka) reads of a topic up to its end, by its format. */
export async function readBack(broker: Kafka, topic: string, format: string): Promise<string[]> {
  return linesOf(await broker.kcat(['-C', '-q', '-e', '-t', topic, '-o', 'beginning', '-f', `${format}\\n`]))
}

export const numbered = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => `${from + i}`)

/** A caller that sends numbers to one partition without end, `ahead` at a time, until it is told to stop. */
export class Writer {
  readonly sent: { value: string; outcome: Promise<RecordMetadata | Error> }[] = []
  readonly acknowledged = new Map<string, RecordMetadata>()
  readonly #wakes = new Set<() => void>()
  #stopped = false
  readonly #done: Promise<void>

  constructor(
    t: TestContext,
    producer: Producer,
    topic: string,
    { partition, ahead = 20 }: { partition?: number; ahead?: number } = {},
  ) {
    t.after(() => {
      this.#stopped = true
    })
    const one = async (): Promise<void> => {
      while (!this.#stopped) {
        const value = `${this.sent.length}`
        const outcome = producer
          .send({ topic, value, ...(partition === undefined ? {} : { partition }) })
          .catch((error: unknown) => error as Error)
        this.sent.push({ value, outcome })
        const what = await outcome
        if (!(what instanceof Error)) this.acknowledged.set(value, what)
        for (const wake of this.#wakes) wake()
      }
    }
    this.#done = Promise.all(Array.from({ length: ahead }, one)).then(() => {})
  }

  /** Resolves when so many more records have been acknowledged, by `place` if given. */
  async more(
    count: number,
    place: (metadata: RecordMetadata) => boolean = () => true,
    withinMs = 30_000,
  ): Promise<void> {
    const deadline = performance.now() + withinMs
    const known = new Set(this.acknowledged.keys())
    const isThere = (): boolean => {
      let found = 0
      for (const [value, metadata] of this.acknowledged) if (!known.has(value) && place(metadata)) found++
      return found >= count
    }
    while (!isThere()) {
      const leftMs = deadline - performance.now()
      if (leftMs <= 0) assert.fail(`fewer than ${count} more records were acknowledged within ${withinMs} ms`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(done, leftMs)
        const wakes = this.#wakes
        function done(): void {
          clearTimeout(timer)
          wakes.delete(done)
          resolve()
        }
        wakes.add(done)
      })
    }
  }

  /** Sends no more, and resolves to what failed. */
  async stop(): Promise<Error[]> {
    this.#stopped = true
    await this.#done
    const outcomes = await Promise.all(this.sent.map(({ outcome }) => outcome))
    return outcomes.filter((outcome) => outcome instanceof Error)
  }
}
