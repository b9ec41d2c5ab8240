/** Answers that no broker should give: they fail what they leave unsaid, at once, and nothing else. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Producer } from '#src/producer/producer.js'
import { InitProducerId } from '#src/wire/messages/init-producer-id.js'
import { Produce } from '#src/wire/messages/produce.js'
import { ScriptedCluster } from '../support/scripted-broker.ts'
import { LogKeeper } from './log-keeper.ts'

for (const idempotent of [true, false]) {
  test(`what an answer does not speak of fails at once, and the producer goes on (idempotent: ${idempotent})`, async (t) => {
    const cluster = await ScriptedCluster.start({}, { brokers: 1, topics: { orders: 2 } })
    const keeper = new LogKeeper(cluster.state)
    cluster.on(Produce, keeper.handler)
    cluster.on(InitProducerId, () => ({ producerId: 7, producerEpoch: 0 }))
    const producer = new Producer({ bootstrapServers: cluster.address, lingerMs: 0, retryBackoffMs: 5, idempotent })
    t.after(async () => {
      producer.destroy()
      await cluster.close()
    })
    await producer.send({ topic: 'orders', partition: 0, value: 'first' })
    await producer.send({ topic: 'orders', partition: 1, value: 'first' })
    cluster.brokers[0]!.once(Produce, (request, context) => {
      const answer = keeper.handler(request, context)
      if (answer === 'silence') return answer
      const { responses = [] } = answer
      return {
        responses: responses.map((topic) => ({ ...topic, partitionResponses: topic.partitionResponses!.slice(1) })),
      }
    })
    const [unsaid, said] = await Promise.allSettled(
      [0, 1].map((partition) => producer.send({ topic: 'orders', partition, value: 'second' })),
    )
    assert.ok(unsaid!.status === 'rejected')
    const { code, message, persistence } = unsaid!.reason as { code: string; message: string; persistence: string }
    assert.deepEqual([code, persistence], ['MALFORMED_MESSAGE', 'possibly-persisted'])
    assert.match(message, /partition 0 of 'orders'/)
    assert.equal(said!.status, 'fulfilled')
    for (const partition of [0, 1]) await producer.send({ topic: 'orders', partition, value: 'third' })
    for (const partition of [0, 1]) assert.deepEqual(keeper.log('orders', partition), ['first', 'second', 'third'])
    assert.equal(producer.metrics().bufferUsedBytes, 0)
  })
}
