import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Producer } from '#src/producer/producer.js'
import { Produce } from '#src/wire/messages/produce.js'
import { ScriptedCluster } from '../support/scripted-broker.ts'
import { LogKeeper } from './log-keeper.ts'

/** Chance that is the same in every run with one seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

// Enough for several times the retries that are asked for below, however the machine's pace divides them into requests.
const total = 9_000
const partitions = 4

for (const seed of [1, 2, 3, 4]) {
  test(`with connections cut, leaders moved and batches refused all is delivered once and in order (seed ${seed})`, async (t) => {
    const chance = seeded(seed)
    const scripted = await ScriptedCluster.start({}, { brokers: 3, topics: { orders: [1, 2, 3, 1] } })
    const keeper = new LogKeeper(scripted.state)
    const leaderOf = (partition: number): number => scripted.state.topics.get('orders')!.partitions[partition]!.leader
    keeper.refuse = (_, partition, { broker }) => {
      if (leaderOf(partition) !== broker.id) return { errorCode: 6 }
      const dice = chance()
      if (dice < 0.05) return { errorCode: 19 }
      if (dice < 0.08) {
        scripted.state.moveLeader('orders', partition, 1 + Math.floor(chance() * 3))
        return { errorCode: 6 }
      }
      return undefined
    }
    scripted.on(Produce, (request, context) => {
      const dice = chance()
      if (dice < 0.04) return 'drop'
      const answer = keeper.handler(request, context)
      // Written, and nobody hears of it.
      return dice < 0.06 ? 'drop' : answer
    })
    const producer = new Producer({
      bootstrapServers: scripted.address,
      batchSize: 300,
      bufferMemory: 3_000,
      maxRequestSize: 700,
      lingerMs: 1,
      retryBackoffMs: 2,
      retryBackoffMaxMs: 10,
      reconnectBackoffMs: 1,
      reconnectBackoffMaxMs: 5,
    })
    t.after(async () => {
      producer.destroy()
      await scripted.close()
    })
    const place: (readonly [number, number] | undefined)[] = []
    const waits: Promise<unknown>[] = []
    let next = 0
    while (next < total) {
      const dice = chance()
      const i = next
      const partition = i % partitions
      if (dice < 0.4) {
        next++
        const sent = producer.send({ topic: 'orders', partition, value: `${i}` })
        waits.push(sent.then((metadata) => (place[i] = [partition, metadata.offset!])))
        // As many at a time as there is room for in line.
        if (producer.metrics().waitingBytes > 1_000) await sent
      } else if (dice < 0.8) {
        if (producer.enqueue({ topic: 'orders', partition, value: `${i}` })) next++
        else await producer.drained()
      } else {
        const count = Math.min(1 + Math.floor(chance() * 8), total - i)
        next += count
        const records = Array.from({ length: count }, (_, k) => ({
          partition: (i + k) % partitions,
          value: `${i + k}`,
        }))
        const sent = producer.sendBatch('orders', records)
        waits.push(
          sent.then((result) => {
            records.forEach((record, k) => (place[i + k] = [record.partition, result.offsetOf(k)!]))
          }),
        )
        if (producer.metrics().waitingBytes > 1_000) await sent
      }
    }
    await producer.flush()
    await Promise.all(waits)
    for (let partition = 0; partition < partitions; partition++) {
      const log = keeper.log('orders', partition).map(Number)
      assert.deepEqual(
        log,
        Array.from({ length: total }, (_, i) => i).filter((i) => i % partitions === partition),
      )
    }
    place.forEach((where, i) => {
      if (where !== undefined) assert.equal(keeper.log('orders', where[0])[where[1]], `${i}`)
    })
    const { retries, bufferUsedBytes, waiting, incompleteBatches, requestsInFlight, recordsAcknowledged } =
      producer.metrics()
    assert.ok(retries > 10, `${retries} retries`)
    assert.deepEqual([bufferUsedBytes, waiting, incompleteBatches, requestsInFlight], [0, 0, 0, 0])
    assert.equal(recordsAcknowledged, total)
    await producer.close()
  })
}
