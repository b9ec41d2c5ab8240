import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KafkaError } from '#src/errors/kafka-error.js'
import type { SendBatchError } from '#src/producer/delivery-errors.js'
import { Producer } from '#src/producer/producer.js'
import { Metadata } from '#src/wire/messages/metadata.js'
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

const total = 1_200
const partitions = 4

/** Some of what a broker can answer: before it appends, after it may have, for good, too large, and what no client knows. */
const errorCodes = [19, 6, 87, 10, 7, 56, -1, 4242]

for (const seed of [11, 12, 13, 14]) {
  test(`whatever fails, each record is told once and truly, and no memory is lost (seed ${seed})`, async (t) => {
    const chance = seeded(seed)
    const scripted = await ScriptedCluster.start({}, { brokers: 2, topics: { orders: [1, 2, 1, 2] } })
    scripted.state.addTopic('secret', []).errorCode = 29
    const keeper = new LogKeeper(scripted.state)
    keeper.refuse = () =>
      chance() < 0.2 ? { errorCode: errorCodes[Math.floor(chance() * errorCodes.length)]! } : undefined
    scripted.on(Produce, (request, context) => {
      const dice = chance()
      if (dice < 0.04) return 'drop'
      if (dice < 0.05) return 'silence'
      const answer = keeper.handler(request, context)
      // Written, and nobody hears of it, or nobody understands it.
      if (dice < 0.07) return 'drop'
      if (dice < 0.075) return 'silence'
      if (dice < 0.08) return { responses: [] }
      if (dice < 0.085) return Buffer.from([0, 0, 0, 5, 1, 2, 3, 4, 5])
      return answer
    })
    scripted.on(Metadata, (request, { version }) => {
      const { partitions: placed } = scripted.state.topics.get('orders')!
      for (const one of placed) if (chance() < 0.1) one.leader = 1 + Math.floor(chance() * 2)
      if (chance() < 0.02) scripted.state.addTopic('orders', [1, 2, 1, 2])
      const answer = scripted.state.metadata(request, version)
      if (chance() > 0.1) return answer
      return {
        ...answer,
        topics: answer.topics!.map((topic) => ({
          ...topic,
          partitions: topic.partitions!.map((one) => ({ ...one, leaderId: -1, errorCode: 5 })),
        })),
      }
    })
    /** What became of each record: where it is, or what was said of it; told twice is a mistake. */
    const told = new Map<number, { partition: number; offset: number } | KafkaError>()
    const tell = (i: number, outcome: { partition: number; offset: number } | KafkaError): void => {
      assert.equal(told.has(i), false, `record ${i} was told twice`)
      told.set(i, outcome)
      untold.delete(i)
    }
    /** Records of `send` of which nothing was told yet. */
    const untold = new Set<number>()
    let enqueued = 0
    let enqueuedFailed = 0
    const producer = new Producer({
      bootstrapServers: scripted.address,
      batchSize: 300,
      bufferMemory: 2_000,
      maxRequestSize: 700,
      lingerMs: 1,
      requestTimeoutMs: 80,
      deliveryTimeoutMs: 150,
      maxBlockMs: 200,
      retryBackoffMs: 2,
      retryBackoffMaxMs: 10,
      reconnectBackoffMs: 1,
      reconnectBackoffMaxMs: 5,
      closeTimeoutMs: 2_000,
      compression: seed % 2 === 0 ? 'gzip' : 'none',
      onDeliveryError: (_, { count }) => {
        enqueuedFailed += count
        if (chance() < 0.1) producer.purge()
      },
    })
    t.after(async () => {
      producer.destroy()
      await scripted.close()
    })
    const aborted = new Error('aborted')
    const waits: Promise<unknown>[] = []
    let sentOrBatched = 0
    for (let next = 0; next < total;) {
      const dice = chance()
      const i = next
      const partition = i % partitions
      const value = `${i}`.padEnd(4 + Math.floor(chance() ** 4 * 300))
      if (dice < 0.4) {
        next++
        sentOrBatched++
        untold.add(i)
        const abort = chance() < 0.1 ? new AbortController() : undefined
        const sent = producer
          .send({ topic: 'orders', partition, value }, { signal: abort?.signal })
          .then((metadata) => {
            tell(i, { partition, offset: metadata.offset! })
          })
          .catch((error: unknown) => {
            tell(i, error as KafkaError)
          })
        waits.push(sent)
        abort?.abort(aborted)
        if (producer.metrics().waitingBytes > 1_000) await sent
      } else if (dice < 0.75) {
        if (producer.enqueue({ topic: 'orders', partition, value })) {
          enqueued++
          next++
        } else await producer.drained()
      } else if (dice < 0.78) {
        if (producer.enqueue({ topic: 'secret', value })) enqueued++
      } else if (dice < 0.785) {
        producer.purge()
      } else if (dice < 0.8) {
        const accepted = [...untold]
        const flushed = producer
          .flush()
          .catch((error: KafkaError) => {
            assert.equal(error.code, 'DELIVERY_FAILED')
          })
          .then(() => new Promise((resolve) => setImmediate(resolve)))
          .then(() => {
            const left = accepted.filter((one) => untold.has(one))
            assert.deepEqual(left, [], 'accepted before the flush, and not settled after it')
          })
        waits.push(flushed)
      } else {
        const count = Math.min(1 + Math.floor(chance() * 8), total - i)
        next += count
        sentOrBatched += count
        const places = Array.from({ length: count }, (_, k) => (i + k) % partitions)
        const records = places.map((place, k) => ({ partition: place, value: `${i + k}` }))
        const sent = producer.sendBatch('orders', records).then(
          (result) => {
            places.forEach((place, k) => {
              tell(i + k, { partition: place, offset: result.offsetOf(k)! })
            })
          },
          (error: unknown) => {
            const { failures } = error as SendBatchError
            for (const { index, error: failure } of failures) tell(i + index, failure as KafkaError)
            // Those not listed were acknowledged; where they are was not said.
            sentOrBatched -= count - failures.length
          },
        )
        waits.push(sent)
        if (producer.metrics().waitingBytes > 1_000) await sent
      }
    }
    await producer.flush().catch((error: KafkaError) => {
      assert.equal(error.code, 'DELIVERY_FAILED')
    })
    await Promise.all(waits)
    assert.equal(told.size, sentOrBatched)

    const everWritten = new Set<number>()
    for (let partition = 0; partition < partitions; partition++) {
      const log = keeper.log('orders', partition).map(Number)
      const firsts = [...new Set(log)]
      for (const i of firsts) everWritten.add(i)
      assert.deepEqual(
        firsts,
        firsts.toSorted((a, b) => a - b),
        `partition ${partition} is in the order of the calls`,
      )
    }
    let failed = 0
    for (const [i, outcome] of told) {
      if ('offset' in outcome) {
        assert.equal(Number(keeper.log('orders', outcome.partition)[outcome.offset]), i)
        continue
      }
      failed++
      if ((outcome as unknown) === aborted) assert.equal(everWritten.has(i), false, `record ${i} was not sent`)
      else {
        const { persistence } = outcome
        assert.ok(persistence !== undefined, `${outcome.code} says nothing of persistence: ${outcome.message}`)
        if (persistence === 'not-persisted') {
          assert.equal(everWritten.has(i), false, `record ${i} is written, and its error says not: ${outcome.message}`)
        }
      }
    }
    assert.ok(failed > 20, `${failed} failed`)
    assert.ok(enqueuedFailed > 20 && enqueuedFailed < enqueued, `${enqueuedFailed} of ${enqueued}`)
    await producer.close()
    const { bufferUsedBytes, waiting, waitingBytes, incompleteBatches, requestsInFlight } = producer.metrics()
    assert.deepEqual([bufferUsedBytes, waiting, waitingBytes, incompleteBatches, requestsInFlight], [0, 0, 0, 0, 0])
  })
}
