import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'

import { fetchKafka, runCommand } from '#scripts/kafka.mjs'
import { kafka, uniqueName } from '../support/kafka/kafka.js'
import { consumerOn, produce, take, valuesOf } from './consumer-support.js'

const broker = await kafka()
const program = new URL('../../../test/broker/java/Transactions.java', import.meta.url).pathname

/** Has the Java producer write transactions: `commit:a,b`, `abort:c`, `leave:d`. */
async function transactions(topic: string, ...steps: string[]): Promise<void> {
  const classPath = join(await fetchKafka(broker.version), '*')
  const command = [
    'java',
    '-cp',
    classPath,
    program,
    broker.bootstrapServers,
    uniqueName('transactions'),
    topic,
    ...steps,
  ]
  const { code, stderr } = await runCommand(command)
  assert.equal(code, 0, stderr)
}

test('read_committed gives what Java committed and nothing that it aborted, over many small fetches', async (t) => {
  const topic = await broker.createTopic()
  const partition = { topic, partition: 0 }
  await transactions(topic, 'abort:a1,a2,a3', 'commit:c1,c2', 'abort:a4', 'abort:a5', 'commit:c3')
  await produce(broker, topic, ['plain'])
  for (const options of [{}, { maxPartitionFetchBytes: 1, fetchMaxBytes: 1 }]) {
    const committed = consumerOn(t, broker, { isolationLevel: 'read_committed', ...options })
    committed.assign([partition])
    assert.deepEqual(valuesOf(await take(committed, 4)), ['c1', 'c2', 'c3', 'plain'])
    assert.equal((await committed.getMany({ timeoutMs: 100 })).size, 0)
    assert.equal(committed.lag(partition), 0)
  }
  const uncommitted = consumerOn(t, broker)
  uncommitted.assign([partition])
  const all = valuesOf(await take(uncommitted, 9))
  assert.deepEqual(all, ['a1', 'a2', 'a3', 'c1', 'c2', 'a4', 'a5', 'c3', 'plain'])
})

test('read_committed stops before a transaction that is open, at the last stable offset', async (t) => {
  const topic = await broker.createTopic()
  const partition = { topic, partition: 0 }
  await transactions(topic, 'commit:c1', 'leave:open')
  await produce(broker, topic, ['behind it'])
  const committed = consumerOn(t, broker, { isolationLevel: 'read_committed' })
  committed.assign([partition])
  assert.deepEqual(valuesOf(await take(committed, 1)), ['c1'])
  assert.equal((await committed.getMany({ timeoutMs: 300 })).size, 0)
  // One record, the marker of its transaction, one record that is open, and one behind it.
  assert.equal(await committed.position(partition), 2)
  assert.equal(committed.lastStableOffset(partition), 2)
  assert.equal(committed.highWatermark(partition), 4)
  assert.equal(committed.lag(partition), 0)
  assert.deepEqual(await committed.endOffsets([partition]), [2])
  const uncommitted = consumerOn(t, broker)
  assert.deepEqual(await uncommitted.endOffsets([partition]), [4])
})
