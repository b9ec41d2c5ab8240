import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { fetchKafka, runCommand } from '#scripts/kafka.mjs'
import { Cluster } from '#src/cluster/cluster.js'
import type { Consumer } from '#src/consumer/consumer.js'
import { kafka, uniqueName } from '../support/kafka/kafka.js'
import { consumerOn, numbered, produce, soon, take, valuesOf } from './consumer-support.js'
import { RawTransactions, writePlainly } from './raw-transactions.js'

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

async function clusterOf(t: TestContext): Promise<Cluster> {
  const cluster = new Cluster({ bootstrapServers: broker.bootstrapServers })
  t.after(() => cluster.close())
  return await cluster.start()
}

/** Small fetches: a transaction of a few records is spread over several. */
const smallFetches = { maxPartitionFetchBytes: 1, fetchMaxBytes: 1 }

/** Everything from the position to the end as the consumer may see it. */
async function readToEnd(consumer: Consumer, partition: { topic: string; partition: number }) {
  const [end] = await consumer.endOffsets([partition])
  const values: (string | null)[] = []
  while ((await consumer.position(partition)) < end!) {
    values.push(...valuesOf(await consumer.getMany({ maxRecords: 3, timeoutMs: 1_000 })))
  }
  return values
}

test('an aborted transaction that is larger than a fetch is hidden whole, and what is written between its batches is not', async (t) => {
  const cluster = await clusterOf(t)
  const topic = await broker.createTopic()
  const partition = { topic, partition: 0 }
  const aborting = await RawTransactions.open(cluster, uniqueName('aborting'))
  const committing = await RawTransactions.open(cluster, uniqueName('committing'))
  const large = 'x'.repeat(10_000)
  for (let n = 0; n < 5; n++) {
    await aborting.write(topic, 0, [`${large} aborted ${n}`])
    if (n % 2 === 0) await committing.write(topic, 0, [`committed ${n}`])
    await writePlainly(cluster, topic, 0, [`plain ${n}`])
  }
  await aborting.end('abort')
  await committing.end('commit')
  await aborting.write(topic, 0, ['second'])
  await aborting.end('commit')
  const expected = [0, 1, 2, 3, 4].flatMap((n) => (n % 2 === 0 ? [`committed ${n}`, `plain ${n}`] : [`plain ${n}`]))
  for (const options of [{}, smallFetches, { maxPartitionFetchBytes: 25_000 }]) {
    const consumer = consumerOn(t, broker, { isolationLevel: 'read_committed', ...options })
    consumer.assign([partition])
    assert.deepEqual(await readToEnd(consumer, partition), [...expected, 'second'])
    assert.equal(consumer.lag(partition), 0)
  }
})

test('transactions of several producers between each other: committed records are seen once, in order, from wherever one begins', async (t) => {
  const cluster = await clusterOf(t)
  const topic = await broker.createTopic()
  const partition = { topic, partition: 0 }
  const producers = await Promise.all(
    [0, 1, 2].map(async (n) => ({
      transactions: await RawTransactions.open(cluster, uniqueName(`producer-${n}`)),
      open: [] as number[],
    })),
  )
  let offset = 0
  const visible: number[] = []
  // Looks like chance, and is the same in every run.
  let seed = 7
  const anyOf = (count: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor((seed / 2_147_483_648) * count)
  }
  for (let step = 0; step < 90; step++) {
    const producer = producers[anyOf(3)]!
    const turn = anyOf(10)
    if (turn < 5 || (turn < 8 && producer.open.length === 0)) {
      await producer.transactions.write(topic, 0, [String(offset), String(offset + 1)])
      producer.open.push(offset, offset + 1)
      offset += 2
    } else if (turn < 8) {
      const how = anyOf(2) === 0 ? 'commit' : 'abort'
      await producer.transactions.end(how)
      if (how === 'commit') visible.push(...producer.open)
      producer.open = []
      // The marker.
      offset++
    } else {
      await writePlainly(cluster, topic, 0, [String(offset)])
      visible.push(offset++)
    }
  }
  for (const { transactions, open } of producers) {
    if (open.length === 0) continue
    await transactions.end('abort')
    offset++
  }
  visible.sort((a, b) => a - b)
  assert.ok(visible.length > 20)
  for (const options of [{}, smallFetches]) {
    const consumer = consumerOn(t, broker, { isolationLevel: 'read_committed', ...options })
    consumer.assign([partition])
    assert.deepEqual(await consumer.endOffsets([partition]), [offset])
    for (const from of [0, 1, 7, 20, 33, offset - 3]) {
      consumer.seek(partition, from)
      const expected = visible.filter((at) => at >= from).map(String)
      assert.deepEqual(await readToEnd(consumer, partition), expected, `from ${from}`)
    }
  }
})

test('read_committed waits for an open transaction, and goes on by itself when it is over', async (t) => {
  const cluster = await clusterOf(t)
  const topic = await broker.createTopic()
  const partition = { topic, partition: 0 }
  const [first, second] = await Promise.all([
    RawTransactions.open(cluster, uniqueName('first')),
    RawTransactions.open(cluster, uniqueName('second')),
  ])
  const consumer = consumerOn(t, broker, { isolationLevel: 'read_committed', fetchMaxWaitMs: 50 })
  consumer.assign([partition])
  await first.write(topic, 0, ['a'])
  await second.write(topic, 0, ['b'])
  await writePlainly(cluster, topic, 0, ['c'])
  assert.equal((await consumer.getMany({ timeoutMs: 300 })).size, 0)
  assert.deepEqual([consumer.lastStableOffset(partition), consumer.highWatermark(partition)], [0, 3])
  const pending = take(consumer, 1)
  await second.end('abort')
  // Still held up by the first one, which is older.
  assert.deepEqual(await consumer.endOffsets([partition]), [0])
  await first.end('commit')
  assert.deepEqual(valuesOf(await pending), ['a'])
  assert.deepEqual(valuesOf(await take(consumer, 1)), ['c'])
  assert.deepEqual(await consumer.endOffsets([partition]), [5])
  assert.equal((await consumer.getMany({ timeoutMs: 300 })).size, 0)
  assert.equal(await consumer.position(partition), 5)
  assert.deepEqual([consumer.lastStableOffset(partition), consumer.lag(partition)], [5, 0])
})

test('what is committed lies behind the markers: a group that has read everything has no lag', async (t) => {
  const cluster = await clusterOf(t)
  const topic = await broker.createTopic()
  const partition = { topic, partition: 0 }
  const groupId = uniqueName('group')
  const transactions = await RawTransactions.open(cluster, uniqueName('transactions'))
  await transactions.write(topic, 0, numbered('a', 3))
  await transactions.end('commit')
  const consumer = consumerOn(t, broker, { groupId, autoCommit: false, isolationLevel: 'read_committed' })
  consumer.assign([partition])
  const records = await consumer.getMany({ maxRecords: 3, ...soon() })
  assert.equal(records.size, 3)
  assert.deepEqual(records.nextOffsets(), [{ topic, partition: 0, offset: 4, leaderEpoch: 0 }])
  await consumer.commit(records.nextOffsets())
  // Nothing but a transaction that came to nothing.
  await transactions.write(topic, 0, ['no'])
  await transactions.end('abort')
  assert.equal((await consumer.getMany({ timeoutMs: 500 })).size, 0)
  assert.equal(consumer.lag(partition), 0)
  await consumer.commit()
  const output = await broker.toolOutput('ConsumerGroupCommand', ['--describe', '--group', groupId])
  const row = output.split('\n').find((line) => line.includes(topic))!
  assert.match(row, /\s6\s+6\s+0\s/, row)
})
