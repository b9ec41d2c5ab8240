import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KafkaError } from '#src/errors/kafka-error.js'
import { Producer } from '#src/producer/producer.js'
import { Simulation } from '#src/testing/simulation/index.js'
import type { Init } from '#src/wire/api.js'
import { Produce, type ProduceResponse } from '#src/wire/messages/produce.js'
import { ScriptedCluster } from '../support/scripted-broker.ts'
import { LogKeeper, type PartitionAnswer } from './log-keeper.ts'

const partitions = 2
const records = 60
const notLeader = { errorCode: 6 }
/** Before anything is appended: not enough replicas, an unknown error, a corrupt batch, one too large; for good: an invalid record. */
const refusals = [19, -1, 2, 87, 10]
/** After it was: the replicas did not follow in time, the leader stepped down. */
const afterAppend = [7, 20, 6]

interface Told {
  readonly value: number
  readonly partition: number
  readonly offset?: number | null
  readonly error?: KafkaError
}

interface Outcome {
  readonly told: readonly Told[]
  readonly logs: readonly (readonly number[])[]
  readonly retries: number
  readonly epochs: number
}

/** One producer against brokers in every kind of trouble; one seed is one run. */
async function run(seed: number): Promise<Outcome> {
  const simulation = new Simulation({ seed, faults: { latencyMs: [0.1, 5] } })
  const { random } = simulation
  const chance = (share: number): boolean => random.next() < share
  return simulation.run(async () => {
    const scripted = await ScriptedCluster.start(
      {},
      { brokers: 2, topics: { orders: [1, 2] }, listen: simulation.listen },
    )
    const keeper = new LogKeeper(scripted.state)
    const leaderOf = (partition: number): number => scripted.state.topics.get('orders')!.partitions[partition]!.leader
    let isCalm = false
    /** When each broker has dealt with what it has read: also what came on connections that are gone. */
    const busyUntil = new Map<number, Promise<void>>()
    scripted.on(Produce, async (request, context) => {
      const { id } = context.broker
      const before = busyUntil.get(id) ?? Promise.resolve()
      let done!: () => void
      busyUntil.set(id, new Promise((resolve) => (done = resolve)))
      await before
      if (!isCalm && chance(0.05)) await simulation.sleep(random.integer([100, 900]))
      if (!isCalm && chance(0.03)) {
        done()
        return 'drop'
      }
      const late = new Map<number, PartitionAnswer>()
      keeper.refuse = (_, partition) => {
        if (leaderOf(partition) !== id) return notLeader
        if (isCalm) return undefined
        if (chance(0.06)) return { errorCode: refusals[random.integer([0, refusals.length - 1])]! }
        if (chance(0.05)) late.set(partition, { errorCode: afterAppend[random.integer([0, afterAppend.length - 1])]! })
        if (chance(0.03)) scripted.state.moveLeader('orders', partition, 3 - leaderOf(partition))
        return undefined
      }
      const answer = keeper.handler(request, context) as Init<ProduceResponse>
      done()
      if (isCalm) return answer
      if (chance(0.06)) return 'drop'
      if (chance(0.05)) await simulation.sleep(random.integer([50, 700]))
      return {
        responses: answer.responses!.map((topic) => ({
          ...topic,
          partitionResponses: topic.partitionResponses!.map((one) => ({ ...one, ...late.get(one.index!) })),
        })),
      }
    })
    const producer = new Producer(
      {
        bootstrapServers: scripted.address,
        lingerMs: random.integer([0, 5]),
        batchSize: 120,
        requestTimeoutMs: 500,
        deliveryTimeoutMs: random.integer([600, 3_000]),
        retryBackoffMs: 10,
        retryBackoffMaxMs: 100,
        reconnectBackoffMs: 5,
        reconnectBackoffMaxMs: 50,
      },
      simulation.doors(),
    )
    const told: Told[] = []
    const sent: Promise<unknown>[] = []
    for (let value = 0; value < records; value++) {
      const partition = value % partitions
      sent.push(
        producer.send({ topic: 'orders', partition, value: `${value}` }).then(
          ({ offset }) => told.push({ value, partition, offset }),
          (error: unknown) => told.push({ value, partition, error: error as KafkaError }),
        ),
      )
      if (chance(0.5)) await simulation.sleep(random.integer([1, 40]))
      if (chance(0.01)) producer.purge()
      if (chance(0.02)) scripted.brokers[random.integer([0, 1])]!.dropConnections()
    }
    await simulation.sleep(random.integer([0, 2_000]))
    isCalm = true
    await Promise.all(sent)
    // Whatever went before, the partitions are well in the end.
    for (let partition = 0; partition < partitions; partition++) {
      await producer.send({ topic: 'orders', partition, value: `${records + partition}` })
    }
    const { retries, bufferUsedBytes, incompleteBatches } = producer.metrics()
    assert.deepEqual([bufferUsedBytes, incompleteBatches], [0, 0])
    await producer.close()
    await scripted.close()
    const logs = Array.from({ length: partitions }, (_, partition) => keeper.log('orders', partition).map(Number))
    let epochs = 0
    for (const known of keeper.producers.values()) for (const { epoch } of known.values()) epochs += epoch
    return { told, logs, retries, epochs }
  })
}

const seeds = Number(process.env.JACKDAW_SEEDS ?? 100)

test(`in ${seeds} runs full of faults nothing acknowledged is lost, nothing is doubled, nothing is reordered`, async (t) => {
  let retries = 0
  let failed = 0
  let acknowledged = 0
  let epochs = 0
  const first = Number(process.env.JACKDAW_SEED ?? 1)
  for (let seed = first; seed < first + seeds; seed++) {
    const outcome = await run(seed)
    retries += outcome.retries
    epochs += outcome.epochs
    outcome.logs.forEach((log, partition) => {
      const inOrder = [...new Set(log)].toSorted((a, b) => a - b)
      assert.deepEqual(log, inOrder, `seed ${seed}: partition ${partition} is doubled or out of order`)
    })
    assert.equal(outcome.told.length, records, `seed ${seed}: each record is told once`)
    for (const { value, partition, offset, error } of outcome.told) {
      const at = outcome.logs[partition]!.indexOf(value)
      if (error === undefined) {
        acknowledged++
        assert.equal(at, offset, `seed ${seed}: record ${value} is where it was acknowledged`)
      } else {
        failed++
        if (error.persistence === 'not-persisted') assert.equal(at, -1, `seed ${seed}: record ${value} is nowhere`)
      }
    }
  }
  t.diagnostic(`${acknowledged} acknowledged, ${failed} failed, ${retries} batches tried again, ${epochs} epochs begun`)
  assert.ok(retries > seeds && failed > seeds / 10 && epochs > seeds / 20, 'the faults were felt')
})
