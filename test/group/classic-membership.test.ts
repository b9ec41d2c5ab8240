import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import type { ClusterOptions } from '#src/cluster/cluster-options.js'
import { Consumer } from '#src/consumer/consumer.js'
import type { ConsumerOptions } from '#src/consumer/consumer-options.js'
import { BrokerError } from '#src/errors/broker-error.js'
import { IllegalStateError } from '#src/errors/errors.js'
import { Heartbeat } from '#src/wire/messages/heartbeat.js'
import { JoinGroup } from '#src/wire/messages/join-group.js'
import { LeaveGroup } from '#src/wire/messages/leave-group.js'
import { OffsetCommit } from '#src/wire/messages/offset-commit.js'
import { SyncGroup } from '#src/wire/messages/sync-group.js'
import { ScriptedLogs } from '../consumer/scripted-logs.ts'

const zero = { topic: 'orders', partition: 0 }

interface Member {
  readonly logs: ScriptedLogs
  readonly consumer: Consumer
  readonly events: string[]
}

async function memberOf(
  t: TestContext,
  options: ConsumerOptions & ClusterOptions = {},
  { brokers = 1, prepare = () => {} }: { brokers?: number; prepare?: (logs: ScriptedLogs) => void } = {},
): Promise<Member> {
  const logs = await ScriptedLogs.start({ orders: 2 }, { brokers })
  prepare(logs)
  const consumer = new Consumer({
    bootstrapServers: logs.address,
    groupId: 'billing',
    autoOffsetReset: 'earliest',
    heartbeatIntervalMs: 20,
    fetchMaxWaitMs: 50,
    retryBackoffMs: 10,
    ...options,
  })
  const events: string[] = []
  await consumer.subscribe(['orders'], {
    onAssigned: (partitions) => void events.push(`assigned ${partitions.length}`),
    onRevoked: (partitions) => void events.push(`revoked ${partitions.length}`),
    onLost: (partitions) => void events.push(`lost ${partitions.length}`),
  })
  t.after(async () => {
    consumer.destroy()
    await logs.close()
  })
  return { logs, consumer, events }
}

function soon() {
  return { signal: AbortSignal.timeout(5_000) }
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5_000
  while (!condition()) {
    assert.ok(performance.now() < deadline, `not so in time: ${String(condition)}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

test('a member joins with the id that the first answer gave it, and beats from then on', async (t) => {
  const { logs, consumer, events } = await memberOf(t)
  assert.equal((await consumer.assigned(soon())).length, 2)
  const joins = logs.cluster.requests(JoinGroup)
  assert.deepEqual(
    joins.map(({ request }) => request.memberId),
    ['', 'member-1'],
  )
  assert.equal(joins[1]?.request.rebalanceTimeoutMs, 300_000)
  assert.equal(joins[1]?.request.sessionTimeoutMs, 45_000)
  assert.deepEqual(
    joins[1]?.request.protocols.map(({ name }) => name),
    ['range'],
  )
  assert.deepEqual(events, ['assigned 2'])
  await logs.cluster.broker(1).untilReceived(Heartbeat, 3)
  assert.deepEqual(consumer.groupMetadata(), {
    groupId: 'billing',
    generationId: 1,
    memberId: 'member-1',
    groupInstanceId: null,
    // A transaction must know: it refuses offsets that the consumer commits by itself.
    autoCommit: true,
  })
  const lanes = (api: Parameters<typeof logs.cluster.requests>[0]) =>
    new Set(logs.cluster.requests(api).map(({ connection }) => connection))
  assert.equal(lanes(JoinGroup).size, 1)
  assert.ok(!lanes(JoinGroup).has([...lanes(Heartbeat)][0]!), 'a rebalance that waits holds up no heartbeat')
})

test('REBALANCE_IN_PROGRESS has the member give everything up and join again as the same one', async (t) => {
  const { logs, consumer, events } = await memberOf(t)
  await consumer.assigned(soon())
  logs.cluster.broker(1).once(Heartbeat, () => ({ errorCode: 27 }))
  await until(() => events.length === 3)
  assert.deepEqual(events, ['assigned 2', 'revoked 2', 'assigned 2'])
  assert.equal(logs.cluster.requests(JoinGroup).at(-1)?.request.memberId, 'member-1')
  assert.equal(consumer.groupMetadata().generationId, 2)
})

test('heartbeats go on while the application finishes what it was handed', async (t) => {
  const { logs, consumer, events } = await memberOf(t)
  logs.append('orders', 0, ['a', 'b'])
  assert.equal(String((await consumer.getOne(soon())).value), 'a')
  let rebalancing = true
  const broker = logs.cluster.broker(1)
  broker.on(Heartbeat, () => ({ errorCode: rebalancing ? 27 : 0 }))
  const before = broker.requests(Heartbeat).length
  await broker.untilReceived(Heartbeat, before + 6)
  assert.deepEqual(events, ['assigned 2'])
  assert.equal(broker.requests(JoinGroup).length, 2)
  rebalancing = false
  // The call finishes 'a' and lets the partitions go; 'b' comes in the next generation.
  assert.equal(String((await consumer.getOne(soon())).value), 'b')
  assert.deepEqual(events, ['assigned 2', 'revoked 2', 'assigned 2'])
  assert.equal(logs.committed.get('orders-0'), 1, 'committed before it was given up')
})

test('what is not finished within maxPollIntervalMs is lost', async (t) => {
  const { logs, consumer, events } = await memberOf(t, { maxPollIntervalMs: 400 })
  logs.append('orders', 0, ['a', 'b'])
  await consumer.getOne(soon())
  logs.cluster.broker(1).once(Heartbeat, () => ({ errorCode: 27 }))
  await until(() => events.length >= 2)
  assert.equal(events[1], 'lost 2')
  await assert.rejects(consumer.commit([{ ...zero, offset: 1 }]), IllegalStateError)
  assert.equal(String((await consumer.getOne(soon())).value), 'a', 'it is read again, by whoever has it now')
})

test('ILLEGAL_GENERATION loses the partitions but not the name', async (t) => {
  const { logs, consumer, events } = await memberOf(t)
  await consumer.assigned(soon())
  logs.cluster.broker(1).once(Heartbeat, () => ({ errorCode: 22 }))
  await until(() => events.length === 3)
  assert.deepEqual(events, ['assigned 2', 'lost 2', 'assigned 2'])
  assert.equal(logs.cluster.requests(JoinGroup).at(-1)?.request.memberId, 'member-1')
})

test('UNKNOWN_MEMBER_ID loses the partitions and the name', async (t) => {
  const { logs, consumer, events } = await memberOf(t)
  await consumer.assigned(soon())
  logs.cluster.broker(1).once(Heartbeat, () => ({ errorCode: 25 }))
  await until(() => events.length === 3)
  assert.deepEqual(events, ['assigned 2', 'lost 2', 'assigned 2'])
  assert.equal(consumer.groupMetadata().memberId, 'member-2')
})

test('a membership that is lost while the application finishes ends the wait', async (t) => {
  const { logs, consumer, events } = await memberOf(t)
  logs.append('orders', 0, ['a'])
  await consumer.getOne(soon())
  const broker = logs.cluster.broker(1)
  broker.once(Heartbeat, () => ({ errorCode: 27 })).once(Heartbeat, () => ({ errorCode: 25 }))
  await until(() => events.length === 3)
  assert.deepEqual(events, ['assigned 2', 'lost 2', 'assigned 2'])
})

test('a coordinator that moves is found again, without a rebalance', async (t) => {
  const { logs, consumer, events } = await memberOf(t, {}, { brokers: 2 })
  await consumer.assigned(soon())
  logs.cluster.broker(1).on(Heartbeat, () => {
    logs.coordinator = 2
    return { errorCode: 16 }
  })
  await logs.cluster.broker(2).untilReceived(Heartbeat, 2)
  assert.deepEqual(events, ['assigned 2'])
  assert.equal(logs.cluster.broker(2).requests(Heartbeat)[0]?.request.memberId, 'member-1')
})

test('a coordinator that hangs up on everything is gone back to', async (t) => {
  const { logs, consumer, events } = await memberOf(t)
  await consumer.assigned(soon())
  const broker = logs.cluster.broker(1)
  const { port } = broker
  await broker.close()
  await new Promise((resolve) => setTimeout(resolve, 100))
  const before = broker.requests(Heartbeat).length
  await broker.listen(port)
  await broker.untilReceived(Heartbeat, before + 2)
  assert.deepEqual(events, ['assigned 2'])
})

for (const [name, api] of [
  ['JoinGroup', JoinGroup],
  ['SyncGroup', SyncGroup],
] as const) {
  test(`a ${name} that is refused for a while, or never answered for the connection broke, is repeated`, async (t) => {
    const { consumer } = await memberOf(
      t,
      {},
      {
        prepare: (logs) => {
          const broker = logs.cluster.broker(1)
          for (const errorCode of [15, 14, 16, 27]) broker.once(api as typeof SyncGroup, () => ({ errorCode }))
          broker.once(api as typeof SyncGroup, () => 'drop')
        },
      },
    )
    assert.equal((await consumer.assigned(soon())).length, 2)
  })
}

for (const [code, errorCode] of [
  ['INCONSISTENT_GROUP_PROTOCOL', 23],
  ['INVALID_GROUP_ID', 24],
  ['GROUP_AUTHORIZATION_FAILED', 30],
  ['GROUP_MAX_SIZE_REACHED', 81],
  ['FENCED_INSTANCE_ID', 82],
] as const) {
  test(`${code} ends every hand-out call, until something else is subscribed to`, async (t) => {
    const { logs, consumer } = await memberOf(
      t,
      {},
      { prepare: (l) => l.cluster.broker(1).once(JoinGroup, () => ({ errorCode })) },
    )
    const refused = (error: unknown) => error instanceof BrokerError && error.code === code
    await assert.rejects(consumer.getMany(soon()), refused)
    await assert.rejects(consumer.getOne(soon()), refused)
    await assert.rejects(consumer.assigned(soon()), refused)
    logs.append('orders', 0, ['a'])
    await consumer.subscribe(['orders'])
    assert.equal(String((await consumer.getOne(soon())).value), 'a')
  })
}

test('a commit that the group refuses rejects, and the member joins again', async (t) => {
  const { logs, consumer, events } = await memberOf(t, { autoCommit: false })
  logs.append('orders', 0, ['a'])
  await consumer.getOne(soon())
  const refuse = (errorCode: number) => {
    logs.cluster.broker(1).once(OffsetCommit, (request) => ({
      topics: request.topics.map(({ topicId, partitions }) => ({
        topicId,
        partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
      })),
    }))
  }
  refuse(25)
  await assert.rejects(consumer.commit(), (error) => error instanceof BrokerError && error.code === 'UNKNOWN_MEMBER_ID')
  await until(() => events.length === 3)
  assert.deepEqual(events, ['assigned 2', 'lost 2', 'assigned 2'])
  await consumer.getOne(soon())
  refuse(16)
  await consumer.commit()
  assert.equal(logs.committed.get('orders-0'), 1, 'what passes is got over')
})

test('commits made while one is under way go out together', async (t) => {
  const { logs, consumer } = await memberOf(t, { autoCommit: false })
  await consumer.assigned(soon())
  await Promise.all([1, 2, 3, 4, 5].map((offset) => consumer.commit([{ ...zero, offset }])))
  assert.equal(logs.committed.get('orders-0'), 5)
  assert.ok(logs.cluster.requests(OffsetCommit).length <= 2)
})

test('close commits what is finished, tells onRevoked, and leaves', async (t) => {
  const { logs, consumer, events } = await memberOf(t)
  logs.append('orders', 0, ['a', 'b', 'c'])
  await consumer.getMany({ maxRecords: 2, ...soon() })
  await consumer.getOne(soon())
  await consumer.close()
  assert.equal(logs.committed.get('orders-0'), 2)
  assert.deepEqual(events, ['assigned 2', 'revoked 2'])
  const [leave] = logs.cluster.requests(LeaveGroup)
  assert.equal(leave?.request.members[0]?.memberId, 'member-1')
  assert.equal(leave.request.members[0].reason, 'the consumer is closing')
})

test('a closing that remains says nothing to the group', async (t) => {
  const { logs, consumer } = await memberOf(t)
  await consumer.assigned(soon())
  await consumer.close({ group: 'remain' })
  assert.equal(logs.cluster.requests(LeaveGroup).length, 0)
})

test('close ends within closeTimeoutMs, whatever the coordinator does', async (t) => {
  const { logs, consumer } = await memberOf(t, { closeTimeoutMs: 100 })
  logs.append('orders', 0, ['a'])
  await consumer.getOne(soon())
  logs.cluster
    .broker(1)
    .on(LeaveGroup, () => 'silence')
    .on(OffsetCommit, () => 'silence')
  const before = performance.now()
  await consumer.close()
  assert.ok(performance.now() - before < 1_000)
})

test('subscribe and seeks made before start count from the first record on', async (t) => {
  const { logs, consumer } = await memberOf(t)
  logs.append('orders', 0, ['a', 'b', 'c'])
  const alone = new Consumer({ bootstrapServers: logs.address, autoOffsetReset: 'earliest', fetchMaxWaitMs: 50 })
  t.after(() => {
    alone.destroy()
  })
  alone.assign([zero])
  alone.seek(zero, 2)
  assert.equal(String((await alone.getOne(soon())).value), 'c')
  assert.equal(String((await consumer.getOne(soon())).value), 'a')
})
