import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Consumer } from '#src/consumer/consumer.js'
import { Metadata } from '#src/wire/messages/metadata.js'
import { ScriptedCluster } from '../support/scripted-broker.ts'

test('the log is told once of a topic that does not exist', async (t) => {
  const scripted = await ScriptedCluster.start({}, { brokers: 1, topics: {} })
  const warnings: string[] = []
  const ignore = (): void => {}
  const consumer = new Consumer({
    bootstrapServers: scripted.address,
    retryBackoffMs: 1,
    retryBackoffMaxMs: 1,
    logger: { debug: ignore, info: ignore, error: ignore, warn: (message) => warnings.push(message) },
  })
  t.after(async () => {
    consumer.destroy()
    await scripted.close()
  })
  await consumer.subscribe(['nowhere'])
  await consumer.start()
  const asked = (): number => scripted.requests(Metadata).length
  const enough = asked() + 4
  await scripted.broker(1).until(() => asked() >= enough)
  assert.deepEqual(warnings, ["topic 'nowhere' does not exist, or is not known yet: it is waited for"])
})
