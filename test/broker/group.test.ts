import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Consumer } from '#src/consumer/consumer.js'
import { BrokerError } from '#src/errors/broker-error.js'
import { IllegalStateError, InvalidArgumentError } from '#src/errors/errors.js'
import type { TopicPartition } from '#src/model/topic-partition.js'
import { kafka, linesOf, uniqueName } from '../support/kafka/kafka.js'
import { consumerOn, numbered, patienceMs, produce, soon, take, valuesOf } from './consumer-support.js'

const broker = await kafka()

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + patienceMs
  while (!(await condition())) {
    if (performance.now() > deadline) assert.fail(`still not so after ${patienceMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** Reads until it is stopped, as an application would. */
function reading(consumer: Consumer, onRecord: (value: string, partition: number) => void | Promise<void> = () => {}) {
  const done = (async () => {
    for await (const record of consumer) await onRecord(record.value!.toString(), record.partition)
  })()
  return { done }
}

function numbersOf(partitions: readonly TopicPartition[]): number[] {
  return partitions.map(({ partition }) => partition).toSorted((a, b) => a - b)
}

test('two members share the partitions, and when one leaves the other takes over at once', async (t) => {
  const topic = await broker.createTopic({ partitions: 4 })
  const groupId = uniqueName('group')
  const options = { groupId, heartbeatIntervalMs: 200 }
  const [a, b] = [consumerOn(t, broker, options), consumerOn(t, broker, options)]
  const seen: string[] = []
  await a.subscribe([topic])
  assert.equal((await a.assigned(soon())).length, 4)
  reading(a, (value) => void seen.push(`a ${value}`))
  await b.subscribe([topic])
  await b.assigned(soon())
  reading(b, (value) => void seen.push(`b ${value}`))
  await until('both have two', () => a.assignment().length === 2 && b.assignment().length === 2)
  assert.deepEqual(numbersOf([...a.assignment(), ...b.assignment()]), [0, 1, 2, 3])
  for (let partition = 0; partition < 4; partition++) await produce(broker, topic, [`p${partition}`], { partition })
  await until('all are read', () => seen.length === 4)
  assert.deepEqual(seen.map((entry) => entry.slice(2)).toSorted(), ['p0', 'p1', 'p2', 'p3'])
  assert.equal(seen.filter((entry) => entry.startsWith('a')).length, 2)
  const before = performance.now()
  await a.close()
  await until('the other has all', () => b.assignment().length === 4)
  assert.ok(performance.now() - before < 5_000, 'nobody waited for a session to time out')
  for (let partition = 0; partition < 4; partition++) await produce(broker, topic, [`again${partition}`], { partition })
  await until('the other reads all, each once', () => seen.length === 8)
  assert.equal(seen.filter((entry) => entry.startsWith('b again')).length, 4)
})

test('a Java member and ours share the partitions, whoever leads, and take over from each other', async (t) => {
  const topic = await broker.createTopic({ partitions: 4 })
  const groupId = uniqueName('group')
  const ours = consumerOn(t, broker, { groupId, heartbeatIntervalMs: 200 })
  await ours.subscribe([topic])
  await ours.assigned(soon())
  const seen = new Set<string>()
  reading(ours, (value) => void seen.add(value))
  // We lead; the Java member is told what it gets by us.
  const java = broker.tool('ConsoleConsumer', [
    ...['--topic', topic, '--group', groupId, '--from-beginning', '--timeout-ms', '6000'],
  ])
  await until('ours has two', () => ours.assignment().length === 2)
  const kept = new Set(ours.assignment().map(({ partition }) => partition))
  for (let partition = 0; partition < 4; partition++) await produce(broker, topic, [`p${partition}`], { partition })
  const lines = linesOf((await java).stdout)
  assert.deepEqual(
    new Set(lines),
    new Set([0, 1, 2, 3].filter((partition) => !kept.has(partition)).map((partition) => `p${partition}`)),
  )
  await until('ours has all again', () => ours.assignment().length === 4)
  assert.deepEqual(seen, new Set([...kept].map((partition) => `p${partition}`)))
})

test('a Java leader tells us what we get', async (t) => {
  const topic = await broker.createTopic({ partitions: 4 })
  const groupId = uniqueName('group')
  await produce(broker, topic, ['first'], { partition: 0 })
  const stop = new AbortController()
  const java = broker
    .tool('ConsoleConsumer', [...['--topic', topic, '--group', groupId, '--from-beginning']], { signal: stop.signal })
    .catch(() => {})
  const described = () => broker.tool('ConsumerGroupCommand', ['--describe', '--group', groupId, '--members'])
  await until('the Java member is there', async () => (await described()).stdout.includes('console-consumer'))
  const ours = consumerOn(t, broker, { groupId })
  await ours.subscribe([topic])
  assert.equal((await ours.assigned(soon())).length, 2)
  stop.abort()
  await java
})

test('what was committed survives a restart; what was not is read again', async (t) => {
  const topic = await broker.createTopic()
  const partition = { topic, partition: 0 }
  const groupId = uniqueName('group')
  await produce(broker, topic, numbered('v', 10))
  const first = consumerOn(t, broker, { groupId, autoCommit: false })
  await first.subscribe([topic])
  const records = await first.getMany({ maxRecords: 4, ...soon() })
  assert.equal(records.groupMetadata.groupId, groupId)
  assert.equal(records.groupMetadata.generationId, 1)
  await first.commit(records.nextOffsets())
  await take(first, 3)
  await first.close()
  const second = consumerOn(t, broker, { groupId, autoCommit: false })
  await second.subscribe([topic])
  assert.deepEqual(valuesOf(await take(second, 2)), ['v-4', 'v-5'])
  await second.commit()
  const [committed] = await second.committed([partition])
  assert.deepEqual(committed, { offset: 6, leaderEpoch: 0, metadata: '' })
  await second.commit([{ ...partition, offset: 5, metadata: 'by hand' }])
  assert.deepEqual(await second.committed([partition, { topic, partition: 7 }]), [
    { offset: 5, leaderEpoch: undefined, metadata: 'by hand' },
    null,
  ])
  await second.seekToCommitted()
  assert.deepEqual(valuesOf(await take(second, 1)), ['v-5'])
})

test('auto-commit commits what is finished and nothing else', async (t) => {
  const topic = await broker.createTopic()
  const partition = { topic, partition: 0 }
  const groupId = uniqueName('group')
  await produce(broker, topic, numbered('v', 10))
  const consumer = consumerOn(t, broker, { groupId, autoCommitIntervalMs: 20 })
  await consumer.subscribe([topic])
  const committed = async () => (await consumer.committed([partition]))[0]?.offset
  assert.deepEqual(valuesOf(await take(consumer, 4)), numbered('v', 10).slice(0, 4))
  const commits = consumer.metrics().commits
  await until('some rounds of auto-commit', () => consumer.metrics().commits >= commits)
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.equal(await committed(), 0, 'handed out, but the next call has not come yet')
  await take(consumer, 2)
  await until('the first four are committed', async () => (await committed()) === 4)
  // A loop that is left does not finish its last record.
  for await (const record of consumer) if (record.offset === 7) break
  await consumer.close()
  const next = consumerOn(t, broker, { groupId })
  await next.subscribe([topic])
  assert.deepEqual(valuesOf(await take(next, 3)), ['v-7', 'v-8', 'v-9'])
})

test('partitions that were assigned by hand are committed for the group, without joining it', async (t) => {
  const topic = await broker.createTopic()
  const groupId = uniqueName('group')
  await produce(broker, topic, numbered('v', 10))
  const consumer = consumerOn(t, broker, { groupId })
  consumer.assign([{ topic, partition: 0 }])
  await take(consumer, 5)
  await consumer.commit()
  assert.equal(consumer.groupMetadata().generationId, -1)
  await assert.rejects(consumer.commit([{ topic, partition: 1, offset: 0 }]), IllegalStateError)
  await assert.rejects(consumer.commit([{ topic, partition: 0, offset: -1 }]), InvalidArgumentError)
  await consumer.close()
  const next = consumerOn(t, broker, { groupId })
  next.assign([{ topic, partition: 0 }])
  assert.deepEqual(valuesOf(await take(next, 1)), ['v-5'])
})

test('commits wait for no long poll', async (t) => {
  const topic = await broker.createTopic()
  const consumer = consumerOn(t, broker, { groupId: uniqueName('group'), fetchMaxWaitMs: 10_000, autoCommit: false })
  await consumer.subscribe([topic])
  await consumer.assigned(soon())
  assert.equal((await consumer.getMany({ timeoutMs: 300 })).size, 0)
  const before = performance.now()
  await consumer.commit([{ topic, partition: 0, offset: 0 }])
  assert.ok(performance.now() - before < 2_000)
  const closing = performance.now()
  await consumer.close()
  assert.ok(performance.now() - closing < 2_000, 'neither does close')
})

test('a rebalance waits until what was handed out is finished, and then for onRevoked', async (t) => {
  const topic = await broker.createTopic({ partitions: 2 })
  for (const partition of [0, 1]) await produce(broker, topic, numbered(`p${partition}`, 5), { partition })
  const groupId = uniqueName('group')
  const events: string[] = []
  const a = consumerOn(t, broker, { groupId, heartbeatIntervalMs: 100, maxPollRecords: 3 })
  await a.subscribe([topic], {
    onAssigned: (partitions) => void events.push(`assigned ${partitions.length}`),
    onRevoked: async (partitions) => {
      events.push(`revoking ${partitions.length}`)
      // Everything that was handed out is finished by now; so committing it all is safe.
      await a.commit()
      await new Promise((resolve) => setTimeout(resolve, 50))
      events.push('revoked')
    },
  })
  const records = await a.getMany({ maxRecords: 3, ...soon() })
  assert.equal(records.size, 3)
  const b = consumerOn(t, broker, { groupId, heartbeatIntervalMs: 100 })
  await b.subscribe([topic], { onAssigned: () => void events.push('b assigned') })
  await new Promise((resolve) => setTimeout(resolve, 700))
  assert.deepEqual(events, ['assigned 2'], 'three records are still in hand')
  // Asking again finishes them; nothing more of the old assignment is handed out.
  reading(a)
  await b.assigned(soon())
  await until('a has its share', () => a.assignment().length === 1)
  assert.deepEqual(events.slice(0, 3), ['assigned 2', 'revoking 2', 'revoked'])
  assert.deepEqual(new Set(events.slice(3)), new Set(['assigned 1', 'b assigned']))
})

test('what onAssigned looks up and seeks counts before the first record', async (t) => {
  const topic = await broker.createTopic()
  const partition = { topic, partition: 0 }
  const groupId = uniqueName('group')
  await produce(broker, topic, numbered('v', 10))
  const consumer = consumerOn(t, broker, { groupId })
  const found: unknown[] = []
  await consumer.subscribe([topic], {
    onAssigned: async (partitions) => {
      found.push(await consumer.committed(partitions), await consumer.position(partition))
      found.push(await consumer.endOffsets(partitions))
      consumer.seek(partition, 8)
    },
  })
  assert.deepEqual(valuesOf(await take(consumer, 2)), ['v-8', 'v-9'])
  assert.deepEqual(found, [[null], 0, [10]])
})

test('what a callback throws rejects one hand-out call, and reading goes on', async (t) => {
  const topic = await broker.createTopic()
  await produce(broker, topic, ['v'])
  const consumer = consumerOn(t, broker, { groupId: uniqueName('group') })
  const wrong = new Error('not today')
  await consumer.subscribe([topic], {
    onAssigned: () => {
      throw wrong
    },
  })
  await assert.rejects(consumer.getOne(soon()), wrong)
  assert.equal((await consumer.getOne(soon())).value?.toString(), 'v')
})

test('a member that does not poll leaves, is told so, and joins again when it asks for records', async (t) => {
  const topic = await broker.createTopic({ partitions: 2 })
  const groupId = uniqueName('group')
  for (const partition of [0, 1]) await produce(broker, topic, numbered(`p${partition}`, 5), { partition })
  const warnings: string[] = []
  const nothing = () => {}
  const logger = {
    debug: nothing,
    info: nothing,
    error: nothing,
    warn: (message: string) => void warnings.push(message),
  }
  const lost: TopicPartition[] = []
  const stuck = consumerOn(t, broker, { groupId, maxPollIntervalMs: 600, heartbeatIntervalMs: 100, logger })
  await stuck.subscribe([topic], { onLost: (partitions) => void lost.push(...partitions) })
  const [record] = await take(stuck, 1)
  assert.ok(record !== undefined)
  const other = consumerOn(t, broker, { groupId, heartbeatIntervalMs: 100 })
  const seen: string[] = []
  await other.subscribe([topic])
  reading(other, (value) => void seen.push(value))
  await until('the other reads all, also what was not finished', () => seen.length === 10)
  assert.deepEqual(numbersOf(lost), [0, 1])
  assert.ok(
    warnings.some((warning) => warning.includes('maxPollIntervalMs')),
    warnings.join('\n'),
  )
  await assert.rejects(stuck.commit([{ topic, partition: record.partition, offset: 1 }]), IllegalStateError)
  reading(stuck)
  await until('it is back', () => stuck.assignment().length === 1 && other.assignment().length === 1)
})

test('new partitions of a subscribed topic, and new topics that match, are shared out', async (t) => {
  const prefix = uniqueName('match')
  const first = await broker.createTopic({ name: `${prefix}-1` })
  const groupId = uniqueName('group')
  const options = { groupId, metadataMaxAgeMs: 200, heartbeatIntervalMs: 100 }
  const members = [consumerOn(t, broker, options), consumerOn(t, broker, options)]
  for (const member of members) {
    await member.subscribe(new RegExp(`^${prefix}`))
    reading(member)
  }
  const shared = () => members.flatMap((member) => member.assignment())
  await until('the one partition is somebody’s', () => shared().length === 1)
  await broker.toolOutput('TopicCommand', ['--alter', '--topic', first, '--partitions', '3'])
  await until('all three are', () => shared().length === 3)
  await broker.createTopic({ name: `${prefix}-2`, partitions: 2 })
  await until('all five are', () => shared().length === 5)
})

test('subscribing anew moves the member to other topics before the next record', async (t) => {
  const [one, two] = [await broker.createTopic(), await broker.createTopic()]
  await produce(broker, one, numbered('one', 5))
  await produce(broker, two, numbered('two', 5))
  const consumer = consumerOn(t, broker, { groupId: uniqueName('group') })
  await consumer.subscribe([one])
  assert.deepEqual(valuesOf(await take(consumer, 2)), ['one-0', 'one-1'])
  await consumer.subscribe([two])
  assert.deepEqual(valuesOf(await take(consumer, 5)), numbered('two', 5))
  consumer.unsubscribe()
  assert.deepEqual(consumer.subscription(), null)
  await consumer.subscribe([one])
  // What was finished was committed when it was given up.
  assert.deepEqual(valuesOf(await take(consumer, 3)), ['one-2', 'one-3', 'one-4'])
})

test('a group that refuses the member ends every hand-out call with the reason', async (t) => {
  const topic = await broker.createTopic()
  const consumer = consumerOn(t, broker, {
    groupId: uniqueName('group'),
    sessionTimeoutMs: 200,
    heartbeatIntervalMs: 50,
  })
  await consumer.subscribe([topic])
  for (let i = 0; i < 2; i++) {
    await assert.rejects(consumer.getMany(soon()), (error) => {
      return error instanceof BrokerError && error.code === 'INVALID_SESSION_TIMEOUT'
    })
  }
  await assert.rejects(consumer.assigned(soon()), BrokerError)
})

test('a member that remains keeps its place until its session ends', async (t) => {
  const topic = await broker.createTopic()
  const groupId = uniqueName('group')
  const options = { groupId, sessionTimeoutMs: 6_000, heartbeatIntervalMs: 1_000 }
  const first = consumerOn(t, broker, options)
  await first.subscribe([topic])
  await first.assigned(soon())
  await first.close({ group: 'remain' })
  const second = consumerOn(t, broker, options)
  const before = performance.now()
  await second.subscribe([topic])
  assert.deepEqual(await second.assigned(soon()), [{ topic, partition: 0 }])
  assert.ok(performance.now() - before > 3_000, 'the group waited for the one that did not leave')
})
