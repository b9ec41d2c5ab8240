import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import { systemClock } from '#src/async/clock.js'
import { Deferred } from '#src/async/deferred.js'
import { systemDoors } from '#src/async/doors.js'
import { Cluster } from '#src/cluster/cluster.js'
import type { ClusterOptions } from '#src/cluster/cluster-options.js'
import { Consumer } from '#src/consumer/consumer.js'
import type { ConsumerOptions } from '#src/consumer/consumer-options.js'
import { BrokerError } from '#src/errors/broker-error.js'
import { ClosedError, CorruptRecordError } from '#src/errors/errors.js'
import { Fetch } from '#src/wire/messages/fetch.js'
import { ListOffsets } from '#src/wire/messages/list-offsets.js'
import { Metadata } from '#src/wire/messages/metadata.js'
import { OffsetFetch } from '#src/wire/messages/offset-fetch.js'
import { batchOf, ScriptedLogs } from './scripted-logs.ts'

const zero = { topic: 'orders', partition: 0 }
const one = { topic: 'orders', partition: 1 }

async function logsOf(
  t: TestContext,
  partitions: number | readonly number[] = 1,
  options: Parameters<typeof ScriptedLogs.start>[1] = {},
) {
  const logs = await ScriptedLogs.start({ orders: partitions }, options)
  t.after(() => logs.close())
  return logs
}

function consumerOf(t: TestContext, logs: ScriptedLogs, options: ConsumerOptions & ClusterOptions = {}): Consumer {
  const consumer = new Consumer({
    bootstrapServers: logs.address,
    autoOffsetReset: 'earliest',
    fetchMaxWaitMs: 50,
    retryBackoffMs: 10,
    ...options,
  })
  t.after(() => {
    consumer.destroy()
  })
  return consumer
}

async function values(consumer: Consumer, count: number): Promise<string[]> {
  const all: string[] = []
  const signal = AbortSignal.timeout(5_000)
  while (all.length < count) {
    for (const { value } of await consumer.getMany({ maxRecords: count - all.length, signal })) all.push(String(value))
  }
  return all
}

/** Holds back the answer to the next Fetch; resolves once it has arrived, to what lets it go. */
function holdNextFetch(logs: ScriptedLogs): Promise<() => void> {
  const arrived = new Deferred<() => void>()
  logs.holdFetch = () => {
    logs.holdFetch = () => undefined
    const gate = new Deferred<void>()
    arrived.resolve(() => {
      gate.resolve()
    })
    return gate.promise
  }
  return arrived.promise
}

test('an answer that a seek has overtaken is dropped, and the seek does not wait for it', async (t) => {
  const logs = await logsOf(t)
  logs.append('orders', 0, ['a', 'b', 'c', 'd'])
  const consumer = consumerOf(t, logs)
  consumer.assign([zero])
  const held = holdNextFetch(logs)
  const pending = consumer.getOne()
  const release = await held
  consumer.seek(zero, 2)
  assert.equal(String((await pending).value), 'c', 'the second place of the broker fetched it meanwhile')
  release()
  assert.deepEqual(await values(consumer, 1), ['d'])
  assert.equal(await consumer.position(zero), 4)
})

test('an error that a seek has overtaken moves nothing', async (t) => {
  const logs = await logsOf(t)
  logs.append('orders', 0, ['a', 'b'])
  const consumer = consumerOf(t, logs, { autoOffsetReset: 'latest' })
  consumer.assign([zero])
  consumer.seek(zero, 99)
  const held = holdNextFetch(logs)
  const pending = consumer.getOne()
  const release = await held
  consumer.seek(zero, 1)
  release()
  assert.equal(String((await pending).value), 'b')
  assert.equal(logs.cluster.requests(ListOffsets).length, 0)
})

test('what was fetched for a partition that is paused meanwhile is kept for its resumption', async (t) => {
  const logs = await logsOf(t)
  logs.append('orders', 0, ['a', 'b'])
  const consumer = consumerOf(t, logs)
  consumer.assign([zero])
  const held = holdNextFetch(logs)
  const pending = consumer.getMany({ timeoutMs: 60 })
  const release = await held
  consumer.pause([zero])
  release()
  assert.equal((await pending).size, 0)
  const fetches = logs.cluster.requests(Fetch).length
  consumer.resume([zero])
  assert.deepEqual(await values(consumer, 2), ['a', 'b'])
  const offsets = logs.cluster
    .requests(Fetch)
    .slice(0, fetches + 1)
    .map(({ request }) => request.topics[0]?.partitions[0]?.fetchOffset)
  assert.equal(offsets.filter((offset) => offset === 0).length, 1, 'it was fetched once')
})

test('what comes for a partition that is not ours any more is dropped', async (t) => {
  const logs = await logsOf(t, 2)
  logs.append('orders', 0, ['zero'])
  logs.append('orders', 1, ['one'])
  const consumer = consumerOf(t, logs)
  consumer.assign([zero])
  const held = holdNextFetch(logs)
  const pending = consumer.getOne()
  const release = await held
  consumer.assign([one])
  release()
  assert.equal(String((await pending).value), 'one')
  assert.equal((await consumer.getMany({ timeoutMs: 100 })).size, 0)
})

test('a refused fetch goes to the leader that the refusal names, and asks nobody else', async (t) => {
  const logs = await logsOf(t, [1], { brokers: 2 })
  logs.append('orders', 0, ['a', 'b'])
  const consumer = consumerOf(t, logs)
  consumer.assign([zero])
  assert.deepEqual(await values(consumer, 1), ['a'])
  logs.cluster.state.moveLeader('orders', 0, 2)
  const asked = logs.cluster.requests(Metadata).length
  logs.script = (_, { broker }) =>
    broker.id === 2 ? undefined : { errorCode: 6, currentLeader: { leaderId: 2, leaderEpoch: 2 } }
  logs.append('orders', 0, ['c'])
  assert.deepEqual(await values(consumer, 2), ['b', 'c'])
  const { request } = logs.cluster.broker(2).requests(Fetch)[0]!
  assert.equal(request.topics[0]?.partitions[0]?.currentLeaderEpoch, 2)
  assert.equal(logs.cluster.requests(Metadata).length, asked)
})

for (const [name, errorCode] of [
  ['NOT_LEADER_OR_FOLLOWER', 6],
  ['FENCED_LEADER_EPOCH', 74],
  ['UNKNOWN_LEADER_EPOCH', 75],
  ['UNKNOWN_TOPIC_ID', 100],
  ['OFFSET_NOT_AVAILABLE', 78],
  ['KAFKA_STORAGE_ERROR', 56],
] as const) {
  test(`${name} is got over without losing the position`, async (t) => {
    const logs = await logsOf(t, [1], { brokers: 2 })
    logs.append('orders', 0, ['a', 'b', 'c'])
    const consumer = consumerOf(t, logs, { autoOffsetReset: 'latest' })
    consumer.assign([zero])
    consumer.seek(zero, 1)
    let refusals = 0
    logs.script = () => (refusals++ < 2 ? { errorCode } : undefined)
    assert.deepEqual(await values(consumer, 2), ['b', 'c'])
    assert.equal(logs.cluster.requests(ListOffsets).length, 0, 'no reset')
  })
}

test('a broker that hangs up, or is away for a while, is gone back to', async (t) => {
  const logs = await logsOf(t)
  logs.append('orders', 0, ['a'])
  const consumer = consumerOf(t, logs)
  consumer.assign([zero])
  assert.deepEqual(await values(consumer, 1), ['a'])
  const broker = logs.cluster.broker(1)
  const { port } = broker
  await broker.close()
  const pending = values(consumer, 1)
  await new Promise((resolve) => setTimeout(resolve, 200))
  logs.append('orders', 0, ['b'])
  await broker.listen(port)
  assert.deepEqual(await pending, ['b'])
})

test('one partition that fails for good does not keep the other from being read', async (t) => {
  const logs = await logsOf(t, 2)
  logs.append('orders', 1, ['fine'])
  const consumer = consumerOf(t, logs)
  consumer.assign([zero, one])
  logs.script = ({ partition }) => (partition === 0 ? { errorCode: 29 } : undefined)
  const seen: string[] = []
  const failures: unknown[] = []
  while (seen.length < 1 || failures.length < 2) {
    await consumer.getOne({ signal: AbortSignal.timeout(5_000) }).then(
      ({ value }) => seen.push(String(value)),
      (error) => failures.push(error),
    )
  }
  assert.deepEqual(seen, ['fine'])
  for (const error of failures) {
    assert.ok(error instanceof BrokerError && error.code === 'TOPIC_AUTHORIZATION_FAILED')
    assert.match(error.message, /partition 0 of 'orders'/)
  }
})

test('a batch that was broken on its way is told once, naming its place, and then read', async (t) => {
  const logs = await logsOf(t)
  logs.append('orders', 0, ['a'])
  logs.append('orders', 0, ['b'])
  const consumer = consumerOf(t, logs)
  consumer.assign([zero])
  let flip = true
  logs.script = ({ offset }) => {
    if (!flip || offset !== 0) return undefined
    flip = false
    const second = batchOf(1, ['b'])
    second[second.length - 2]! ^= 1
    return { highWatermark: 2, records: Buffer.concat([batchOf(0, ['a']), second]) }
  }
  assert.deepEqual(await values(consumer, 1), ['a'])
  await assert.rejects(consumer.getOne(), (error) => {
    assert.ok(error instanceof CorruptRecordError)
    assert.match(error.message, /partition 0 of 'orders' from offset 1 on cannot be read; seek to 2/)
    return true
  })
  assert.deepEqual(await values(consumer, 1), ['b'])
})

test('a batch that is broken for good is told at each try, until a seek passes it', async (t) => {
  const logs = await logsOf(t)
  const broken = batchOf(0, ['a', 'b'])
  broken[broken.length - 2]! ^= 1
  logs.appendBytes('orders', 0, broken, 1)
  logs.append('orders', 0, ['c'])
  const consumer = consumerOf(t, logs)
  consumer.assign([zero])
  for (let i = 0; i < 3; i++) await assert.rejects(consumer.getMany({ timeoutMs: 2_000 }), CorruptRecordError)
  consumer.seek(zero, 2)
  assert.deepEqual(await values(consumer, 1), ['c'])
  const careless = consumerOf(t, logs, { checkCrcs: false })
  careless.assign([zero])
  assert.equal((await values(careless, 3)).at(-1), 'c', 'without checkCrcs nobody looks')
})

test('offsets that compaction removed are crossed, at the end of a batch and of the log', async (t) => {
  const logs = await logsOf(t)
  const holed = (base: number, last: number, value: string): Buffer => {
    const bytes = batchOf(base, [value])
    bytes.writeInt32BE(last - base, 23)
    return bytes
  }
  logs.appendBytes('orders', 0, holed(0, 4, 'a'), 4)
  logs.appendBytes('orders', 0, holed(9, 19, 'b'), 19)
  const consumer = consumerOf(t, logs, { checkCrcs: false })
  consumer.assign([zero])
  assert.deepEqual(await values(consumer, 2), ['a', 'b'])
  assert.equal((await consumer.getMany({ timeoutMs: 80 })).size, 0)
  assert.equal(await consumer.position(zero), 20)
  assert.equal(consumer.lag(zero), 0)
})

test('read_committed hides aborted records and control batches, and passes them', async (t) => {
  const logs = await logsOf(t)
  const marker = (base: number, producerId: number, type: number): Buffer => {
    const bytes = batchOf(base, [''], {
      producerId,
      producerEpoch: 0,
      baseSequence: -1,
      isTransactional: true,
      isControl: true,
    })
    // Of a control record only its key says what it is; the builder wrote none, so one is put together by hand.
    const key = Buffer.from([0, 0, 0, type])
    const value = Buffer.alloc(6)
    const record = Buffer.concat([Buffer.from([0, 0, 0, 8]), key, Buffer.from([12]), value, Buffer.from([0])])
    const framed = Buffer.concat([bytes.subarray(0, 61), Buffer.from([record.length << 1]), record])
    framed.writeInt32BE(framed.length - 12, 8)
    return framed
  }
  const of = (producerId: number) => ({ producerId, producerEpoch: 0, baseSequence: 0, isTransactional: true })
  const records = Buffer.concat([
    batchOf(0, ['aborted 1', 'aborted 2'], of(1)),
    batchOf(2, ['committed'], of(2)),
    marker(3, 1, 0),
    batchOf(4, ['committed later'], of(1)),
    marker(5, 2, 1),
    marker(6, 1, 1),
    batchOf(7, ['aborted again'], of(1)),
    batchOf(8, ['plain']),
    marker(9, 1, 0),
  ])
  // Brokers need not list them in order.
  const abortedTransactions = [
    { producerId: 1, firstOffset: 7 },
    { producerId: 1, firstOffset: 0 },
  ]
  logs.script = ({ offset }) =>
    offset === 0
      ? { highWatermark: 10, lastStableOffset: 10, abortedTransactions, records }
      : { highWatermark: 10, lastStableOffset: 10, records: Buffer.alloc(0) }
  const committed = consumerOf(t, logs, { isolationLevel: 'read_committed', checkCrcs: false })
  committed.assign([zero])
  assert.deepEqual(await values(committed, 3), ['committed', 'committed later', 'plain'])
  assert.equal((await committed.getMany({ timeoutMs: 60 })).size, 0)
  assert.equal(await committed.position(zero), 10)
  assert.equal(logs.cluster.requests(Fetch)[0]?.request.isolationLevel, 1)
  const uncommitted = consumerOf(t, logs, { checkCrcs: false })
  uncommitted.assign([zero])
  assert.deepEqual(await values(uncommitted, 6), [
    'aborted 1',
    'aborted 2',
    'committed',
    'committed later',
    'aborted again',
    'plain',
  ])
})

test('no more is fetched ahead than the buffer may hold', async (t) => {
  const logs = await logsOf(t)
  for (let i = 0; i < 200; i++) logs.append('orders', 0, ['x'.repeat(1_000)])
  const consumer = consumerOf(t, logs, { fetchBufferBytes: 20_000, maxPartitionFetchBytes: 8_000 })
  consumer.assign([zero])
  let largest = 0
  for (let n = 0; n < 200; n++) {
    await consumer.getOne()
    // An application that takes its time.
    await new Promise((resolve) => setTimeout(resolve, 1))
    largest = Math.max(largest, consumer.metrics().bufferedBytes)
  }
  assert.ok(largest <= 20_000, `${largest} bytes were held`)
  assert.ok(largest > 8_000, 'one answer is fetched while another one is read')
  for (const { request } of logs.cluster.requests(Fetch)) assert.ok(request.maxBytes <= 20_000)
})

test('what nobody asks for does not keep others from being fetched', async (t) => {
  const logs = await logsOf(t, 3)
  for (const partition of [0, 1]) for (let i = 0; i < 20; i++) logs.append('orders', partition, ['x'.repeat(1_000)])
  const consumer = consumerOf(t, logs, { fetchBufferBytes: 10_000, maxPartitionFetchBytes: 5_000 })
  const last = { topic: 'orders', partition: 2 }
  consumer.assign([zero, one, last])
  assert.equal((await values(consumer, 1)).length, 1)
  await logs.cluster.broker(1).until(() => consumer.metrics().bufferedBytes > 5_000)
  logs.append('orders', 2, ['wanted'])
  const signal = AbortSignal.timeout(5_000)
  assert.equal(String((await consumer.getOne({ partitions: [last], signal })).value), 'wanted')
  consumer.pause([last])
  // What was thrown away for it is fetched again: nothing is lost.
  assert.equal((await values(consumer, 39)).length, 39)
})

test('a coordinator that moves, loads or holds a transaction is waited for: it never means no offset', async (t) => {
  const logs = await logsOf(t, 1, { brokers: 2 })
  logs.append('orders', 0, ['a', 'b', 'c'])
  logs.committed.set('orders-0', 1)
  const refuse = (errorCode: number) => () => ({ groups: [{ groupId: 'billing', errorCode }] })
  const broker = logs.cluster.broker(1)
  for (const errorCode of [14, 15]) broker.once(OffsetFetch, refuse(errorCode))
  broker.once(OffsetFetch, (request) => ({
    groups: [
      {
        groupId: 'billing',
        topics: [
          { topicId: request.groups[0]!.topics![0]!.topicId, partitions: [{ partitionIndex: 0, errorCode: 88 }] },
        ],
      },
    ],
  }))
  broker.once(OffsetFetch, () => {
    logs.coordinator = 2
    return { groups: [{ groupId: 'billing', errorCode: 16 }] }
  })
  const consumer = consumerOf(t, logs, { groupId: 'billing', autoOffsetReset: 'latest' })
  consumer.assign([zero])
  assert.deepEqual(await values(consumer, 2), ['b', 'c'])
  assert.equal(logs.cluster.broker(2).requests(OffsetFetch).length, 1)
  assert.equal(logs.cluster.requests(ListOffsets).length, 0, 'no reset')
})

test('a broker of long ago, without topic ids, batched look-ups or sessions, is read from', async (t) => {
  const versions = {
    Fetch: [4, 4],
    OffsetFetch: [1, 5],
    OffsetCommit: [2, 3],
    JoinGroup: [0, 2],
    SyncGroup: [0, 1],
    LeaveGroup: [0, 1],
    Heartbeat: [0, 1],
    ListOffsets: [1, 2],
    Metadata: [0, 5],
    FindCoordinator: [0, 1],
  } as const
  const logs = await logsOf(t, 1, { versions })
  logs.append('orders', 0, ['a', 'b', 'c'])
  const consumer = consumerOf(t, logs, { groupId: 'billing' })
  await consumer.subscribe(['orders'])
  assert.deepEqual(await values(consumer, 2), ['a', 'b'])
  await consumer.commit()
  assert.equal(logs.committed.get('orders-0'), 2)
  assert.equal((await consumer.committed([zero]))[0]?.offset, 2)
  await consumer.close()
})

test('a first batch that is cut off is asked for again, whole', async (t) => {
  const logs = await logsOf(t)
  const large = batchOf(0, ['x'.repeat(5_000)])
  logs.script = ({ maxBytes, offset }) => ({
    highWatermark: 1,
    records: offset > 0 ? Buffer.alloc(0) : large.subarray(0, maxBytes),
  })
  const consumer = consumerOf(t, logs, { maxPartitionFetchBytes: 1_000 })
  consumer.assign([zero])
  assert.equal((await values(consumer, 1))[0]?.length, 5_000)
})

test('a missing topic is made only with allowAutoTopicCreation', async (t) => {
  const logs = await logsOf(t)
  const asksToCreate = () =>
    logs.cluster
      .requests(Metadata)
      .some(({ request }) => request.allowAutoTopicCreation && request.topics?.some(({ name }) => name === 'new'))
  const careful = consumerOf(t, logs)
  await careful.subscribe(['new'])
  assert.equal((await careful.getMany({ timeoutMs: 100 })).size, 0)
  assert.equal(asksToCreate(), false)
  const creating = consumerOf(t, logs, { allowAutoTopicCreation: true })
  await creating.subscribe(['new'])
  const pending = creating.getOne({ signal: AbortSignal.timeout(5_000) })
  await logs.cluster.broker(1).until(asksToCreate)
  logs.cluster.state.addTopic('new', 1)
  logs.append('new', 0, ['made'])
  assert.equal(String((await pending).value), 'made')
})

test('consumers that share a cluster leave it open, and hear of it when its owner closes it', async (t) => {
  const logs = await logsOf(t)
  logs.append('orders', 0, ['a'])
  const cluster = new Cluster({ bootstrapServers: logs.address, retryBackoffMs: 10 })
  const [one, two] = [0, 1].map(() => {
    const consumer = new Consumer({ cluster, autoOffsetReset: 'earliest', fetchMaxWaitMs: 50 })
    consumer.assign([zero])
    return consumer
  })
  assert.ok(one !== undefined && two !== undefined)
  assert.deepEqual(await values(one, 1), ['a'])
  await one.close()
  assert.deepEqual(await values(two, 1), ['a'])
  const pending = two.getOne({ signal: AbortSignal.timeout(5_000) })
  pending.catch(() => {})
  await cluster.close()
  await assert.rejects(pending, ClosedError)
  await two.close()
})

test('a wait that ends between two looks at the clock is not slept through', async (t) => {
  const logs = await logsOf(t, [1])
  logs.append('orders', 0, ['a'])
  let refusals = 0
  logs.script = () => (refusals++ < 10 ? { errorCode: 78 } : undefined)
  // Time passes with every look, as if each took 5 ms.
  let passed = 0
  const clock = { ...systemClock, now: () => systemClock.now() + (passed += 5) }
  const consumer = new Consumer(
    {
      bootstrapServers: logs.address,
      autoOffsetReset: 'earliest',
      fetchMaxWaitMs: 50,
      retryBackoffMs: 10,
      retryBackoffMaxMs: 10,
      metadataMaxAgeMs: 3_600_000,
    },
    { ...systemDoors, clock },
  )
  t.after(() => {
    consumer.destroy()
  })
  consumer.assign([zero])
  assert.deepEqual(await values(consumer, 1), ['a'])
})

test('a leader that is mute is left as soon as there is another one, and its late answer counts no more', async (t) => {
  const logs = await logsOf(t, [1], { brokers: 2 })
  logs.append('orders', 0, ['a'])
  const late = new Deferred<void>()
  logs.holdFetch = (_, { broker }) => (broker.id === 1 ? late.promise : undefined)
  const consumer = consumerOf(t, logs, { metadataMaxAgeMs: 100 })
  consumer.assign([zero])
  const record = consumer.getOne({ signal: AbortSignal.timeout(5_000) })
  await logs.cluster.broker(1).untilReceived(Fetch, 1)
  logs.cluster.state.moveLeader('orders', 0, 2)
  assert.equal(String((await record).value), 'a')
  late.resolve()
  logs.append('orders', 0, ['b', 'c'])
  assert.deepEqual(await values(consumer, 2), ['b', 'c'])
})
