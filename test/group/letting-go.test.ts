import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import { Deferred } from '#src/async/deferred.js'
import type { ClusterOptions } from '#src/cluster/cluster-options.js'
import type { RebalanceListener } from '#src/consumer/assignment-host.js'
import { Consumer } from '#src/consumer/consumer.js'
import type { ConsumerOptions } from '#src/consumer/consumer-options.js'
import { ClosedError } from '#src/errors/errors.js'
import { Heartbeat } from '#src/wire/messages/heartbeat.js'
import { JoinGroup } from '#src/wire/messages/join-group.js'
import { LeaveGroup } from '#src/wire/messages/leave-group.js'
import { OffsetCommit } from '#src/wire/messages/offset-commit.js'
import { OffsetFetch } from '#src/wire/messages/offset-fetch.js'
import { ScriptedLogs } from '../consumer/scripted-logs.ts'

const zero = { topic: 'orders', partition: 0 }
const one = { topic: 'orders', partition: 1 }

interface Member {
  readonly logs: ScriptedLogs
  readonly consumer: Consumer
  readonly events: string[]
}

async function memberOf(
  t: TestContext,
  options: ConsumerOptions & ClusterOptions = {},
  listener: (member: {
    readonly logs: ScriptedLogs
    readonly consumer: () => Consumer
  }) => RebalanceListener = () => ({}),
): Promise<Member> {
  const logs = await ScriptedLogs.start({ orders: 2 })
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
  const { onAssigned, onRevoked, onLost } = listener({ logs, consumer: () => consumer })
  await consumer.subscribe(['orders'], {
    onAssigned: (partitions) => {
      events.push(`assigned ${partitions.length}`)
      return onAssigned?.(partitions)
    },
    onRevoked: (partitions) => {
      events.push(`revoked ${partitions.length}`)
      return onRevoked?.(partitions)
    },
    onLost: (partitions) => {
      events.push(`lost ${partitions.length}`)
      return onLost?.(partitions)
    },
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

/** How long a promise takes, in ms. */
async function timeOf(work: Promise<unknown>): Promise<number> {
  const before = performance.now()
  await work
  return performance.now() - before
}

test('partitions assigned right after unsubscribing stay, though the group is still being left', async (t) => {
  const { logs, consumer, events } = await memberOf(t)
  logs.append('orders', 0, ['a', 'b'])
  assert.equal(String((await consumer.getOne(soon())).value), 'a')
  consumer.unsubscribe()
  consumer.assign([one])
  await logs.cluster.broker(1).untilReceived(LeaveGroup, 1)
  logs.append('orders', 1, ['x'])
  assert.equal(String((await consumer.getOne(soon())).value), 'x')
  assert.deepEqual(consumer.assignment(), [one])
  assert.deepEqual(events, ['assigned 2', 'lost 2'], 'what was given up for the new ones is told as lost')
})

test('subscribing right after unsubscribing commits what is finished as the member that finished it', async (t) => {
  const { logs, consumer, events } = await memberOf(t)
  logs.append('orders', 0, ['a', 'b', 'c'])
  await consumer.getOne(soon())
  await consumer.getOne(soon())
  consumer.unsubscribe()
  await consumer.subscribe(['orders'], {
    onAssigned: (partitions) => void events.push(`assigned anew ${partitions.length}`),
    onRevoked: (partitions) => void events.push(`revoked ${partitions.length}`),
  })
  await until(() => events.includes('assigned anew 2'))
  const [commit] = logs.cluster.requests(OffsetCommit)
  assert.equal(commit?.request.memberId, 'member-1')
  assert.equal(commit.request.generationIdOrMemberEpoch, 1)
  assert.equal(String((await consumer.getOne(soon())).value), 'b', 'one was finished, the other was not')
})

test('onRevoked commits while the consumer closes', async (t) => {
  const committed = new Deferred<unknown>()
  const { logs, consumer, events } = await memberOf(t, { autoCommit: false }, ({ consumer: own }) => ({
    onRevoked: async () => {
      await own().commit().then(committed.resolve.bind(committed, 'done'), committed.resolve.bind(committed))
    },
  }))
  logs.append('orders', 0, ['a', 'b'])
  await consumer.getMany({ maxRecords: 2, ...soon() })
  await consumer.close()
  assert.equal(await committed.promise, 'done')
  assert.equal(logs.committed.get('orders-0'), 2)
  assert.deepEqual(events, ['assigned 2', 'revoked 2'])
  await assert.rejects(consumer.commit(), ClosedError)
})

test('closing waits for an onRevoked that runs already, and does not call it again', async (t) => {
  const running = new Deferred<void>()
  const gate = new Deferred<void>()
  const { logs, consumer, events } = await memberOf(t, {}, () => ({
    onRevoked: async () => {
      running.resolve()
      await gate.promise
    },
  }))
  await consumer.assigned(soon())
  logs.cluster.broker(1).once(Heartbeat, () => ({ errorCode: 27 }))
  await running.promise
  const closing = consumer.close()
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(logs.cluster.requests(LeaveGroup).length, 0)
  gate.resolve()
  await closing
  assert.deepEqual(events, ['assigned 2', 'revoked 2'])
  assert.equal(logs.cluster.requests(LeaveGroup).length, 1)
})

test('a close during onAssigned that waits for a position ends it, however mute the coordinator', async (t) => {
  const waiting = new Deferred<void>()
  const ended = new Deferred<unknown>()
  const { consumer } = await memberOf(t, {}, (member) => {
    member.logs.cluster.broker(1).on(OffsetFetch, () => 'silence')
    return {
      onAssigned: async () => {
        const position = member.consumer().position(zero)
        waiting.resolve()
        await position.catch(ended.resolve.bind(ended))
      },
    }
  })
  const started = consumer.start()
  await started
  await waiting.promise
  assert.ok((await timeOf(consumer.close())) < 2_000)
  assert.ok((await ended.promise) instanceof ClosedError)
})

test('an onAssigned that never returns leaves time for closing in order', async (t) => {
  const { logs, consumer, events } = await memberOf(t, { closeTimeoutMs: 400 }, () => ({
    onAssigned: () => new Promise(() => {}),
  }))
  await consumer.start()
  await until(() => events.length === 1)
  assert.ok((await timeOf(consumer.close())) < 1_500)
  assert.equal(logs.cluster.requests(LeaveGroup).length, 1)
})

test('a membership that is lost during an onAssigned that never returns is begun anew', async (t) => {
  let hang = true
  const { logs, consumer, events } = await memberOf(t, {}, () => ({
    onAssigned: () => (hang ? new Promise(() => {}) : undefined),
  }))
  logs.append('orders', 0, ['a'])
  const record = consumer.getOne(soon())
  await until(() => events.length === 1)
  hang = false
  logs.cluster.broker(1).once(Heartbeat, () => ({ errorCode: 25 }))
  assert.equal(String((await record).value), 'a')
  assert.deepEqual(events, ['assigned 2', 'lost 2', 'assigned 2'])
})

test('a member that does not poll during an onAssigned that never returns leaves the group', async (t) => {
  const { logs, consumer, events } = await memberOf(t, { maxPollIntervalMs: 100 }, () => ({
    onAssigned: () => new Promise(() => {}),
  }))
  await consumer.start()
  await logs.cluster.broker(1).untilReceived(LeaveGroup, 1)
  await until(() => events.length === 2)
  assert.deepEqual(events, ['assigned 2', 'lost 2'])
})

test('an onLost that never returns keeps the member from its group for maxPollIntervalMs and no longer', async (t) => {
  const { logs, consumer, events } = await memberOf(t, { maxPollIntervalMs: 200 }, () => ({
    onLost: () => new Promise(() => {}),
  }))
  await consumer.assigned(soon())
  logs.append('orders', 0, ['a'])
  const joins = logs.cluster.requests(JoinGroup).length
  logs.cluster.broker(1).once(Heartbeat, () => ({ errorCode: 22 }))
  await until(() => events.length === 2)
  assert.equal(String((await consumer.getOne(soon())).value), 'a')
  assert.ok(logs.cluster.requests(JoinGroup).length > joins)
})

test('destroy ends a close that waits for a mute coordinator', async (t) => {
  const { logs, consumer } = await memberOf(t)
  logs.append('orders', 0, ['a'])
  await consumer.getOne(soon())
  await consumer.getMany({ timeoutMs: 0 })
  const commit = logs.cluster.broker(1)
  commit.on(OffsetCommit, () => 'silence').on(LeaveGroup, () => 'silence')
  const closing = consumer.close()
  await commit.untilReceived(OffsetCommit, 1)
  consumer.destroy()
  assert.ok((await timeOf(closing)) < 1_000)
})
