/** What consuming and being in a group must do on every broker. */

import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Consumer } from '#src/consumer/consumer.js'
import { uniqueName } from '../../support/kafka/kafka.js'
import { consumerOn, numbered, patienceMs, soon, take, valuesOf } from '../consumer-support.js'
import { producerOn, type BrokerAbilities, type OldBroker } from './support.js'

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + patienceMs
  while (!condition()) {
    if (performance.now() > deadline) assert.fail(`still not so after ${patienceMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** Reads until the consumer is closed. */
async function read(consumer: Consumer, into: string[]): Promise<void> {
  for await (const { value } of consumer) into.push(value!.toString())
}

export function consumingScenarios(old: OldBroker, abilities: BrokerAbilities): void {
  const { kafka, cluster } = old

  test('a partition is read from its ends, from any offset, and from a moment', async (t) => {
    const topic = await kafka.createTopic()
    const partition = { topic, partition: 0 }
    const timestamps = [1_000, 2_000, 3_000, 4_000, 5_000]
    // A batch each, so that the broker looks for a moment among several.
    const producer = producerOn(t, kafka, { lingerMs: 0 })
    for (const timestamp of timestamps) await producer.send({ topic, value: `at ${timestamp}`, timestamp })
    const consumer = consumerOn(t, kafka)
    consumer.assign([partition])
    assert.deepEqual(valuesOf(await take(consumer, 2)), ['at 1000', 'at 2000'])
    consumer.seek(partition, 4)
    assert.deepEqual(valuesOf(await take(consumer, 1)), ['at 5000'])
    consumer.seekToBeginning([partition])
    assert.deepEqual(valuesOf(await take(consumer, 1)), ['at 1000'])
    assert.deepEqual(await consumer.beginningOffsets([partition]), [0])
    assert.deepEqual(await consumer.endOffsets([partition]), [5])
    const epoch = abilities.leaderEpochs ? { leaderEpoch: 0 } : {}
    assert.deepEqual(
      await consumer.offsetsForTimes([
        { ...partition, timestamp: 2_500 },
        { ...partition, timestamp: 9_000 },
      ]),
      [{ offset: 2, timestamp: 3_000, ...epoch }, null],
    )
    consumer.seekToEnd([partition])
    assert.equal(await consumer.position(partition), 5)
    await producer.send({ topic, value: 'new' })
    assert.deepEqual(valuesOf(await take(consumer, 1)), ['new'])
  })

  test('an offset that is not in the log is answered as autoOffsetReset says', async (t) => {
    const topic = await kafka.createTopic()
    await producerOn(t, kafka).sendBatch(topic, [{ value: 'a' }, { value: 'b' }])
    const consumer = consumerOn(t, kafka, { autoOffsetReset: 'earliest' })
    consumer.assign([{ topic, partition: 0 }])
    consumer.seek({ topic, partition: 0 }, 100)
    assert.deepEqual(valuesOf(await take(consumer, 2)), ['a', 'b'])
  })

  test('read_committed reads what no transaction is in', async (t) => {
    const topic = await kafka.createTopic()
    await producerOn(t, kafka).sendBatch(
      topic,
      numbered('v', 3).map((value) => ({ value })),
    )
    const consumer = consumerOn(t, kafka, { isolationLevel: 'read_committed' })
    consumer.assign([{ topic, partition: 0 }])
    assert.deepEqual(valuesOf(await take(consumer, 3)), ['v-0', 'v-1', 'v-2'])
    assert.deepEqual(await consumer.endOffsets([{ topic, partition: 0 }]), [3])
  })

  test('two members share the partitions, and when one leaves the other has all', async (t) => {
    const topic = await kafka.createTopic({ partitions: 4 })
    const options = { groupId: uniqueName('group'), heartbeatIntervalMs: 100 }
    const [a, b] = [consumerOn(t, kafka, options), consumerOn(t, kafka, options)]
    const seen: string[] = []
    await a.subscribe([topic])
    assert.equal((await a.assigned(soon())).length, 4)
    const reads = [read(a, seen)]
    await b.subscribe([topic])
    await b.assigned(soon())
    reads.push(read(b, seen))
    await until('both have two', () => a.assignment().length === 2 && b.assignment().length === 2)
    const producer = producerOn(t, kafka)
    const one = [0, 1, 2, 3].map((partition) => ({ partition, value: `first ${partition}` }))
    await producer.sendBatch(topic, one)
    await until('all are read', () => seen.length === 4)
    await a.close()
    await until('the other has all', () => b.assignment().length === 4)
    await producer.sendBatch(
      topic,
      one.map(({ partition }) => ({ partition, value: `then ${partition}` })),
    )
    await until('the other reads all', () => seen.length === 8)
    assert.equal(new Set(seen).size, 8)
    await b.close()
    await Promise.all(reads)
  })

  test("a Java member of the broker's age and ours share the partitions", async (t) => {
    const topic = await kafka.createTopic({ partitions: 2 })
    const groupId = uniqueName('group')
    const ours = consumerOn(t, kafka, { groupId, heartbeatIntervalMs: 100 })
    const seen: string[] = []
    await ours.subscribe([topic])
    await ours.assigned(soon())
    const reads = read(ours, seen)
    const java = cluster.javaTool('ConsoleConsumer', [
      ...['--bootstrap-server', kafka.bootstrapServers, '--topic', topic, '--from-beginning'],
      ...['--consumer-property', `group.id=${groupId}`, '--max-messages', '1', '--timeout-ms', '20000'],
    ])
    await until('ours has one', () => ours.assignment().length === 1)
    const producer = producerOn(t, kafka)
    await producer.sendBatch(
      topic,
      [0, 1].map((partition) => ({ partition, value: `p${partition}` })),
    )
    await until('ours has all again', () => ours.assignment().length === 2)
    assert.deepEqual([...seen, (await java).stdout.trim()].toSorted(), ['p0', 'p1'])
    await ours.close()
    await reads
  })

  // The last: the broker is away meanwhile.
  test('what was committed is still committed when the broker has been restarted under a member', async (t) => {
    const topic = await kafka.createTopic()
    const partition = { topic, partition: 0 }
    const groupId = uniqueName('group')
    const producer = producerOn(t, kafka)
    await producer.sendBatch(
      topic,
      numbered('v', 10).map((value) => ({ value })),
    )
    const first = consumerOn(t, kafka, { groupId, autoCommit: false, heartbeatIntervalMs: 100 })
    await first.subscribe([topic])
    await take(first, 4)
    await first.commit([{ ...partition, offset: 4, metadata: 'by hand' }])
    await cluster.nodes[0]!.restart()
    // It is still a member, or becomes one again, and goes on by itself.
    await producer.send({ topic, value: 'after' })
    const seen: string[] = []
    while (!seen.includes('after')) seen.push((await first.getOne(soon())).value!.toString())
    assert.ok(seen.includes('v-4'))
    await first.commit([{ ...partition, offset: 6 }])
    await first.close()
    const next = consumerOn(t, kafka, { groupId, autoCommit: false })
    await next.subscribe([topic])
    assert.deepEqual(valuesOf(await take(next, 2)), ['v-6', 'v-7'])
    const [committed, none] = await next.committed([partition, { topic, partition: 7 }])
    assert.equal(committed?.offset, 6)
    assert.equal(none, null)
  })
}
