/** The clients and the in-process cluster together, in a simulated world: a group through minutes of trouble, twice alike. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Consumer } from '#src/consumer/consumer.js'
import { Producer } from '#src/producer/producer.js'
import { Simulation, TestCluster } from '#src/testing/index.js'

const recordCount = 500
const bootstrapServers = 'kafka:9092,kafka:9093,kafka:9094'

interface Run {
  readonly digest: string
  readonly eventCount: number
  readonly elapsedMs: number
}

/** Produces into six partitions while two members read them; connections break, fall silent, and one member dies. */
async function throughTrouble(seed: number): Promise<Run> {
  const simulation = new Simulation({ seed, faults: { latencyMs: [0.2, 15], segmentBytes: [1, 2_000] } })
  const { clock, random, listen, network } = simulation
  await simulation.run(
    async () => {
      const cluster = await TestCluster.start({
        brokers: 3,
        host: 'kafka',
        port: 9092,
        topics: { orders: 6 },
        clock,
        random: random.fork('cluster'),
        listen,
      })
      const connection = { bootstrapServers, requestTimeoutMs: 5_000 }
      const read = new Set<string>()
      const readAll = async (consumer: Consumer, name: string): Promise<void> => {
        for await (const { partition, offset, value } of consumer) {
          read.add(String(value))
          simulation.note(`${name} read ${partition}@${offset}`)
        }
      }
      const members = await Promise.all(
        ['one', 'two'].map(async (name) => {
          const options = {
            ...connection,
            groupId: 'billing',
            sessionTimeoutMs: 10_000,
            autoOffsetReset: 'earliest',
          } as const
          const consumer = new Consumer(options, simulation.doors(name))
          await consumer.subscribe(['orders'])
          const reading = readAll(consumer, name)
          reading.catch(() => {})
          return { consumer, reading }
        }),
      )
      const producer = new Producer({ ...connection, compression: 'lz4' }, simulation.doors('producer'))
      const sent: Promise<unknown>[] = []
      for (let i = 0; i < recordCount; i++) {
        if (i === 100) network.setFaults({ resetChance: 0.002, silenceChance: 0.001 })
        if (i === 200) network.silence({ host: 'two' })
        if (i === 250) network.partition(['producer'], ['kafka'])
        if (i === 270) network.heal()
        // Without a word to the group: its session has to time out.
        if (i === 300) {
          network.partition(['two'], ['kafka'])
          members[1]!.consumer.destroy(new Error('it died'))
        }
        if (i === 400) network.setFaults({ resetChance: 0, silenceChance: 0 })
        sent.push(producer.send({ topic: 'orders', partition: i % 6, value: `${i}` }))
        await simulation.sleep(random.integer([10, 1_000]))
      }
      await Promise.all(sent)
      while (read.size < recordCount) await simulation.sleep(100)
      await producer.close()
      for (const { consumer } of members) await consumer.close()
      await members[0]!.reading
      await cluster.close()
    },
    { limitMs: 3_600_000 },
  )
  return { digest: simulation.log.digest, eventCount: simulation.log.count, elapsedMs: clock.now() }
}

test('a group reads every record through resets, silence, partitions and a death, and a seed repeats it to the byte', async () => {
  const startedAt = performance.now()
  const first = await throughTrouble(1)
  assert.deepEqual(await throughTrouble(1), first)
  assert.notEqual((await throughTrouble(2)).digest, first.digest)
  assert.ok(first.elapsedMs > 200_000, `${first.elapsedMs} ms`)
  assert.ok(first.eventCount > 5_000, `${first.eventCount} events`)
  const realMs = performance.now() - startedAt
  assert.ok(realMs < 60_000, `${realMs} ms for ${first.elapsedMs} simulated ones, thrice`)
})
