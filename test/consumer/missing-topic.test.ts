import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Consumer } from '#src/consumer/consumer.js'
import { BrokerError } from '#src/errors/broker-error.js'
import { IllegalStateError } from '#src/errors/errors.js'
import { Metadata } from '#src/wire/messages/metadata.js'
import { ScriptedCluster } from '../support/scripted-broker.ts'
import { ScriptedLogs } from './scripted-logs.ts'

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

test('assigned partitions that do not exist are warned of, told to one call in apiTimeoutMs, and read once they are there', async (t) => {
  const logs = await ScriptedLogs.start({ orders: 1 })
  const warnings: string[] = []
  const ignore = (): void => {}
  const consumer = new Consumer({
    bootstrapServers: logs.address,
    autoOffsetReset: 'earliest',
    retryBackoffMs: 5,
    retryBackoffMaxMs: 20,
    fetchMaxWaitMs: 50,
    apiTimeoutMs: 150,
    logger: { debug: ignore, info: ignore, error: ignore, warn: (message) => warnings.push(message) },
  })
  t.after(async () => {
    consumer.destroy()
    await logs.close()
  })
  logs.append('orders', 0, ['a'])
  consumer.assign([
    { topic: 'orders', partition: 0 },
    { topic: 'orders', partition: 1 },
    { topic: 'nowhere', partition: 0 },
  ])
  assert.equal(String((await consumer.getOne()).value), 'a', 'the others are read meanwhile')
  const told = new Set<string>()
  const missing = (error: unknown) => {
    assert.ok(error instanceof BrokerError && error.code === 'UNKNOWN_TOPIC_OR_PARTITION' && error.retriable)
    told.add(error.message.slice(0, error.message.indexOf(' was')))
    return true
  }
  for (let call = 0; call < 3; call++) await assert.rejects(consumer.getOne(), missing)
  assert.deepEqual([...told].sort(), ["partition 0 of 'nowhere'", "partition 1 of 'orders'"])
  const waitedFor = warnings.filter((warning) => warning.endsWith('it is waited for'))
  assert.deepEqual(waitedFor.toSorted(), [
    "partition 1 of 'orders' was assigned and does not exist, or is not known yet: it is waited for",
    "topic 'nowhere' does not exist, or is not known yet: it is waited for",
  ])
  logs.cluster.state.addTopic('nowhere', 1)
  logs.append('nowhere', 0, ['b'])
  let found: string | undefined
  while (found === undefined) {
    await consumer.getOne().then(({ topic, value }) => (found = `${topic} ${String(value)}`), missing)
  }
  assert.equal(found, 'nowhere b')
})

test('a call for records while nothing is subscribed to or assigned is refused at once', async (t) => {
  const consumer = new Consumer({ bootstrapServers: '127.0.0.1:1' })
  t.after(() => consumer.close())
  const refused = (error: unknown) => error instanceof IllegalStateError && error.message.startsWith('nothing is')
  await assert.rejects(consumer.getOne(), refused)
  await assert.rejects(consumer.getMany({ timeoutMs: 0 }), refused)
  await assert.rejects(async () => {
    for await (const _ of consumer) assert.fail()
  }, refused)
})
