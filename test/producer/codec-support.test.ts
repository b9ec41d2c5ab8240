import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Producer } from '#src/producer/producer.js'
import { Produce } from '#src/wire/messages/produce.js'
import { ScriptedCluster } from '../support/scripted-broker.ts'
import { LogKeeper } from './log-keeper.ts'

test('a broker that cannot take zstd is sent none of it, and what it can take goes out', async (t) => {
  // Produce 7 is the first version with zstd (KIP-110).
  const scripted = await ScriptedCluster.start(
    {},
    { brokers: 1, topics: { orders: 1 }, versions: { Produce: [3, 6], Metadata: [0, 5] } },
  )
  const keeper = new LogKeeper(scripted.state)
  scripted.on(Produce, keeper.handler)
  const zstd = new Producer({ bootstrapServers: scripted.address, lingerMs: 0, compression: 'zstd' })
  const gzip = new Producer({ bootstrapServers: scripted.address, lingerMs: 0, compression: 'gzip' })
  t.after(async () => {
    zstd.destroy()
    gzip.destroy()
    await scripted.close()
  })
  await assert.rejects(zstd.send({ topic: 'orders', value: 'x' }), {
    code: 'UNSUPPORTED_VERSION',
    persistence: 'not-persisted',
  })
  assert.equal(scripted.requests(Produce).length, 0)
  await gzip.send({ topic: 'orders', value: 'y' })
  assert.equal(scripted.requests(Produce).length, 1)
})
