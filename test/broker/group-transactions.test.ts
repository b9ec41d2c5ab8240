import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import type { Consumer } from '#src/consumer/consumer.js'
import { TransactionalProducer } from '#src/transactions/transactional-producer.js'
import { kafka, uniqueName } from '../support/kafka/kafka.js'
import { consumerOn, numbered, patienceMs, produce, soon, valuesOf } from './consumer-support.js'

const broker = await kafka()

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + patienceMs
  while (!condition()) {
    if (performance.now() > deadline) assert.fail(`still not so after ${patienceMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

async function producerOn(t: TestContext): Promise<TransactionalProducer> {
  const producer = new TransactionalProducer({
    bootstrapServers: broker.bootstrapServers,
    transactionalId: uniqueName('transactional'),
  })
  t.after(() => producer.close())
  return await producer.start()
}

/** Members of one group that commit in transactions, and a topic of two partitions with a record in each. */
async function twoMembers(t: TestContext, options: { maxPollIntervalMs?: number } = {}) {
  const topic = await broker.createTopic({ partitions: 2 })
  const output = await broker.createTopic()
  for (const partition of [0, 1]) await produce(broker, topic, numbered(`p${partition}`, 3), { partition })
  const groupId = uniqueName('group')
  const member = () =>
    consumerOn(t, broker, { groupId, autoCommit: false, heartbeatIntervalMs: 100, fetchMaxWaitMs: 50, ...options })
  return { topic, output, groupId, first: member(), second: member() }
}

/** Reads until it is stopped by the consumer's end; commits nothing. */
function reading(consumer: Consumer): string[] {
  const seen: string[] = []
  void (async () => {
    for await (const { value } of consumer) seen.push(String(value))
  })()
  return seen
}

test('between getMany and sendOffsets a rebalance gives the partitions to nobody else; with the next call it does, and nothing is read twice', async (t) => {
  const { topic, output, first, second } = await twoMembers(t)
  const producer = await producerOn(t)
  await first.subscribe([topic])
  const read: string[] = []
  let records = await first.getMany(soon())
  while (read.length + records.size < 6) {
    read.push(...valuesOf(records).map(String))
    const used = records
    await producer.transaction((tx) => tx.sendOffsets(used.nextOffsets(), used.groupMetadata))
    records = await first.getMany(soon())
  }
  read.push(...valuesOf(records).map(String))
  assert.deepEqual(read.toSorted(), [...numbered('p0', 3), ...numbered('p1', 3)])
  const theirs = await producer.transaction(async (tx) => {
    for (const { value } of records) await tx.send({ topic: output, value })
    await second.subscribe([topic])
    const others = reading(second)
    await until('the first member knows of the rebalance', () => first.metrics().failedHeartbeats > 3)
    assert.deepEqual([second.assignment(), others], [[], []], 'what is in our hands is not given away')
    assert.equal(first.groupMetadata().generationId, records.groupMetadata.generationId)
    await tx.sendOffsets(records.nextOffsets(), records.groupMetadata)
    return others
  })
  const ours = reading(first)
  await until('each has one', () => first.assignment().length === 1 && second.assignment().length === 1)
  for (const partition of [0, 1]) await produce(broker, topic, [`new${partition}`], { partition })
  await until('both go on', () => ours.length + theirs.length >= 2)
  assert.deepEqual([...ours, ...theirs].toSorted(), ['new0', 'new1'])
  assert.equal(ours.length, 1)
})

test('after maxPollIntervalMs the partitions are another member’s, and the transaction of the first one comes to nothing', async (t) => {
  const { topic, first, second } = await twoMembers(t, { maxPollIntervalMs: 1_000 })
  const producer = await producerOn(t)
  let lost = 0
  await first.subscribe([topic], { onLost: (partitions) => (lost += partitions.length) })
  const records = await first.getMany(soon())
  await second.subscribe([topic])
  const others = reading(second)
  await until('the other has them', () => others.length === 6)
  assert.equal(lost, 2)
  const work = producer.transaction(async (tx) => {
    await tx.sendOffsets(records.nextOffsets(), records.groupMetadata)
  })
  await assert.rejects(work)
  const offsets = await second.committed([0, 1].map((partition) => ({ topic, partition })))
  assert.deepEqual(offsets, [null, null])
})

test('an offset that an open transaction may still change is waited for: a partition begins where it ends up', async (t) => {
  for (const how of ['commit', 'abort'] as const) {
    const { topic, groupId, first } = await twoMembers(t)
    const partition = { topic, partition: 0 }
    const producer = await producerOn(t)
    first.assign([partition])
    await first.commit([{ ...partition, offset: 1 }])
    const tx = await producer.begin()
    await tx.sendOffsets([{ ...partition, offset: 2 }], { ...first.groupMetadata(), groupId })
    let settled = false
    const committed = first.committed([partition], soon()).then((offsets) => {
      settled = true
      return offsets
    })
    const other = consumerOn(t, broker, { groupId, autoCommit: false })
    other.assign([partition])
    assert.equal((await other.getMany({ timeoutMs: 500 })).size, 0, 'it does not know where to begin')
    assert.equal(settled, false)
    await (how === 'commit' ? tx.commit() : tx.abort())
    const offset = how === 'commit' ? 2 : 1
    assert.equal((await committed)[0]?.offset, offset)
    assert.equal((await other.getOne(soon())).offset, offset)
  }
})
