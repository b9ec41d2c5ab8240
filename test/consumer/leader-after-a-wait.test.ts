import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Consumer } from '#src/consumer/consumer.js'
import { Fetch } from '#src/wire/messages/fetch.js'
import { ScriptedLogs } from './scripted-logs.ts'

test('a partition whose wait began at the old leader is fetched from the new one, though nobody asks again', async (t) => {
  const logs = await ScriptedLogs.start({ orders: [1] }, { brokers: 2 })
  t.after(() => logs.close())
  const consumer = new Consumer({
    bootstrapServers: logs.address,
    autoOffsetReset: 'earliest',
    fetchMaxWaitMs: 50,
    // Longer than it takes to hear of the new leader, which the refusal, as that of old brokers, does not name.
    retryBackoffMs: 300,
    retryBackoffMaxMs: 300,
  })
  t.after(() => {
    consumer.destroy()
  })
  consumer.assign([{ topic: 'orders', partition: 0 }])
  let refusals = 0
  logs.script = (_, { broker }) => {
    if (broker.id === 2) return undefined
    if (refusals++ === 0) {
      logs.cluster.state.moveLeader('orders', 0, 2)
      logs.append('orders', 0, ['a'])
    }
    return { errorCode: 6 }
  }
  const record = await consumer.getOne({ signal: AbortSignal.timeout(5_000) })
  assert.equal(record.value?.toString(), 'a')
  assert.equal(refusals, 1, 'the old leader was not asked again')
  assert.ok(logs.cluster.broker(2).requests(Fetch).length > 0)
})
