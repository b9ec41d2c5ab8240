/** What the tests of foreign clients share: records to send through all of them, and reading them back with ours. */

import assert from 'node:assert/strict'
import { Consumer, Producer, type ConsumerOptions } from 'jackdaw'
import type { Kafka } from '../support/kafka/kafka.ts'

/** The longest that anything here may take. */
export const patienceMs = 30_000

export interface PlainRecord {
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly (readonly [name: string, value: string])[]
}

/** Records with every combination of what may be null, and headers that come twice. */
export const variedRecords: readonly PlainRecord[] = [
  { key: 'k1', value: 'plain', headers: [] },
  { key: null, value: 'no key', headers: [['a', '1']] },
  {
    key: 'k2',
    value: null,
    headers: [
      ['a', '1'],
      ['b', '2'],
      ['a', '3'],
    ],
  },
  { key: '', value: 'empty key', headers: [] },
  { key: 'k3', value: '', headers: [['empty', '']] },
  { key: 'ключ', value: 'значение', headers: [['имя', 'ё']] },
]

/** Every record of a topic, as our consumer reads it from the beginning, by partition and offset. */
export async function readWithOurs(kafka: Kafka, topic: string, count: number): Promise<PlainRecord[]> {
  const consumer = new Consumer({ bootstrapServers: kafka.bootstrapServers, autoOffsetReset: 'earliest' })
  try {
    await consumer.subscribe([topic])
    const records = []
    const signal = AbortSignal.timeout(patienceMs)
    while (records.length < count) records.push(...(await consumer.getMany({ signal })))
    // A record too many would come right behind.
    records.push(...(await consumer.getMany({ timeoutMs: 100 })))
    assert.equal(records.length, count)
    records.sort((a, b) => a.partition - b.partition || a.offset - b.offset)
    return records.map(({ key, value, headers }) => ({
      key: key?.toString() ?? null,
      value: value?.toString() ?? null,
      headers: headers.map((header) => [header.key, header.value?.toString() ?? 'null'] as const),
    }))
  } finally {
    await consumer.close()
  }
}

/** Has our producer write records to partition 0 in their order. */
export async function writeWithOurs(
  kafka: Kafka,
  topic: string,
  records: readonly PlainRecord[],
  compression: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd' = 'none',
): Promise<void> {
  const producer = new Producer({ bootstrapServers: kafka.bootstrapServers, compression })
  try {
    await producer.sendBatch(
      topic,
      records.map(({ key, value, headers }) => ({ key, value, headers, partition: 0 })),
    )
  } finally {
    await producer.close()
  }
}

/** Our member of a group, which reads until it is closed. */
export interface OurMember {
  readonly values: string[]
  /** How many partitions it has. */
  partitions(): number
  close(): Promise<void>
}

export async function ourMember(kafka: Kafka, topic: string, options: ConsumerOptions): Promise<OurMember> {
  const consumer = new Consumer({
    bootstrapServers: kafka.bootstrapServers,
    autoOffsetReset: 'earliest',
    heartbeatIntervalMs: 200,
    ...options,
  })
  const values: string[] = []
  await consumer.subscribe([topic])
  const reading = (async () => {
    for await (const { value } of consumer) values.push(String(value))
  })()
  // Told by close() below; until then it must not count as unhandled.
  reading.catch(() => {})
  return {
    values,
    partitions: () => consumer.assignment().length,
    close: async () => {
      await consumer.close()
      await reading
    },
  }
}

/** Looks again and again until it is so; fails when it never is. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + patienceMs
  while (!(await condition())) {
    if (performance.now() > deadline) assert.fail(`still not so after ${patienceMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** `count` values that can be told apart: `<prefix>-0` and so on. */
export function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}-${i}`)
}
