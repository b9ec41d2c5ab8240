import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KafkaError } from '#src/errors/kafka-error.js'
import { Producer } from '#src/producer/producer.js'
import type { RecordMetadata } from '#src/producer/producer-record.js'
import { without } from '../support/kafka/foreign-tools.ts'
import { linesOf } from '../support/kafka/kafka.ts'
import { kafkaCluster } from '../support/kafka/kafka-cluster.ts'

const total = 100_000
const inFlight = 10_000

test(
  'a leader that crashes while 100 000 records are sent loses none that was acknowledged',
  { skip: without('kcat'), timeout: 240_000 },
  async (t) => {
    const cluster = await kafkaCluster(t)
    const partitions = 6
    const configs = { 'min.insync.replicas': 2 }
    const topic = await cluster.createTopic({ partitions, replicationFactor: 3, configs })
    const producer = new Producer({ bootstrapServers: cluster.bootstrapServers, acks: 'all', lingerMs: 2 })
    t.after(() => {
      producer.destroy()
    })
    const leader = await cluster.leaderOf(topic, 0)
    assert.ok(leader !== undefined)

    const acknowledged: (RecordMetadata | undefined)[] = []
    const failed: { index: number; error: unknown }[] = []
    let settled = 0
    let wake: (() => void) | undefined
    let crash: Promise<void> | undefined
    const oneSettled = (): void => {
      settled++
      if (settled === total * 0.2) crash = leader.kill('SIGKILL')
      wake?.()
    }
    for (let i = 0; i < total; i++) {
      while (i - settled >= inFlight) await new Promise<void>((resolve) => (wake = resolve))
      producer.send({ topic, partition: i % partitions, value: `${i}` }).then(
        (metadata) => {
          acknowledged[i] = metadata
          oneSettled()
        },
        (error: unknown) => {
          failed.push({ index: i, error })
          oneSettled()
        },
      )
    }
    while (settled < total) await new Promise<void>((resolve) => (wake = resolve))
    assert.ok(crash !== undefined)
    await crash
    const { retries } = producer.metrics()
    await producer.close()
    await leader.restart({ nodes: 3 })

    for (const { index, error } of failed) {
      assert.ok(error instanceof KafkaError, `record ${index}`)
      assert.ok(
        ['not-persisted', 'possibly-persisted'].includes(error.persistence!),
        `record ${index}: ${error.message}`,
      )
    }
    const output = await cluster.kcat(
      ['-C', '-q', '-e', '-t', topic, '-o', 'beginning', '-f', '%p %o %s\\n'],
      '',
      90_000,
    )
    const atPlace = new Map<string, string>()
    const seen = new Set<string>()
    const lastFirst = new Array<number>(partitions).fill(-1)
    let duplicates = 0
    for (const line of linesOf(output)) {
      const [partition, offset, value] = line.split(' ') as [string, string, string]
      atPlace.set(`${partition} ${offset}`, value)
      if (seen.has(value)) {
        duplicates++
        continue
      }
      seen.add(value)
      // Whatever is written twice, the first of each come in the order in which they were sent.
      assert.ok(
        Number(value) > lastFirst[Number(partition)]!,
        `record ${value} of partition ${partition} is out of order`,
      )
      lastFirst[Number(partition)] = Number(value)
    }
    for (let i = 0; i < total; i++) {
      const metadata = acknowledged[i]
      if (metadata === undefined) continue
      assert.equal(
        atPlace.get(`${metadata.partition} ${metadata.offset}`),
        `${i}`,
        `record ${i} is where it was acknowledged`,
      )
    }
    const lost = failed.filter(({ error }) => (error as KafkaError).persistence === 'not-persisted')
    for (const { index } of lost) assert.ok(!seen.has(`${index}`), `record ${index} was said not to be in the log`)
    assert.ok(retries > 0, 'the crash was felt')
    t.diagnostic(
      `${total - failed.length} acknowledged, ${failed.length} failed, ${retries} batches tried again, ${duplicates} duplicates`,
    )
  },
)
