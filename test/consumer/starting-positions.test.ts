import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import type { ClusterOptions } from '#src/cluster/cluster-options.js'
import { Consumer } from '#src/consumer/consumer.js'
import type { ConsumerOptions } from '#src/consumer/consumer-options.js'
import { ListOffsets } from '#src/wire/messages/list-offsets.js'
import { OffsetCommit } from '#src/wire/messages/offset-commit.js'
import { OffsetFetch } from '#src/wire/messages/offset-fetch.js'
import { brokerErrorTable } from '#src/errors/broker-error-codes.js'
import { BrokerError } from '#src/errors/broker-error.js'
import { Fetch } from '#src/wire/messages/fetch.js'
import { ScriptedLogs } from './scripted-logs.ts'

const zero = { topic: 'orders', partition: 0 }
const one = { topic: 'orders', partition: 1 }

async function logsOf(t: TestContext, leaders: readonly number[], brokers: number): Promise<ScriptedLogs> {
  const logs = await ScriptedLogs.start({ orders: leaders }, { brokers })
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

function soon() {
  return { signal: AbortSignal.timeout(5_000) }
}

test('a leader that is mute keeps only its own partitions without a position', async (t) => {
  const logs = await logsOf(t, [1, 2], 2)
  logs.append('orders', 0, ['a'])
  logs.append('orders', 1, ['x'])
  logs.cluster.broker(1).on(ListOffsets, () => 'silence')
  const consumer = consumerOf(t, logs)
  consumer.assign([zero, one])
  assert.equal(String((await consumer.getOne(soon())).value), 'x')
  // Nor does what is asked for later wait behind it.
  consumer.seekToBeginning([one])
  assert.equal(String((await consumer.getOne(soon())).value), 'x')
})

test('a coordinator that is mute keeps nobody waiting who has been sent to an end meanwhile', async (t) => {
  const logs = await logsOf(t, [1, 1], 1)
  logs.append('orders', 0, ['a'])
  logs.cluster.broker(1).on(OffsetFetch, () => 'silence')
  const consumer = consumerOf(t, logs, { groupId: 'billing' })
  consumer.assign([zero, one])
  await consumer.start()
  await logs.cluster.broker(1).untilReceived(OffsetFetch, 1)
  consumer.seekToBeginning([zero])
  assert.equal(String((await consumer.getOne(soon())).value), 'a')
})

for (const [code, errorCode] of [
  ['UNSTABLE_OFFSET_COMMIT', 88],
  ['TOPIC_AUTHORIZATION_FAILED', 29],
] as const) {
  test(`${code} of one partition's committed offset does not keep the other from being read`, async (t) => {
    const logs = await logsOf(t, [1, 1], 1)
    logs.committed.set('orders-1', 1)
    logs.append('orders', 0, ['a'])
    logs.append('orders', 1, ['x', 'y'])
    let refusing = true
    logs.cluster.broker(1).on(OffsetFetch, (request, { version }) => {
      const group = request.groups[0]!
      const topics = group.topics!.map(({ topicId, name, partitionIndexes }) => ({
        ...(version >= 10 ? { topicId } : { name }),
        partitions: partitionIndexes.map((partitionIndex) => ({
          partitionIndex,
          committedOffset: partitionIndex === 1 ? 1 : -1,
          errorCode: partitionIndex === 0 && refusing ? errorCode : 0,
        })),
      }))
      return { groups: [{ groupId: group.groupId, topics }] }
    })
    const consumer = consumerOf(t, logs, { groupId: 'billing' })
    consumer.assign([zero, one])
    const record = await consumer.getOne({ partitions: [one], ...soon() })
    assert.equal(String(record.value), 'y')
    if (errorCode === 29) {
      await assert.rejects(consumer.getOne(soon()), (error) => error instanceof BrokerError && error.code === code)
    }
    refusing = false
    assert.equal(String((await consumer.getOne({ partitions: [zero], ...soon() })).value), 'a')
  })
}

test('a committed offset that the coordinator does not speak of is asked for again, not taken for none', async (t) => {
  const logs = await logsOf(t, [1, 1], 1)
  logs.committed.set('orders-0', 1)
  logs.append('orders', 0, ['a', 'b'])
  logs.cluster.broker(1).once(OffsetFetch, ({ groups }) => ({ groups: [{ groupId: groups[0]!.groupId, topics: [] }] }))
  const consumer = consumerOf(t, logs, { groupId: 'billing' })
  consumer.assign([zero])
  assert.equal(String((await consumer.getOne(soon())).value), 'b')
})

test('an auto-commit that is refused for good is told to one hand-out call, until one succeeds', async (t) => {
  const logs = await logsOf(t, [1, 1], 1)
  let errorCode = 30
  logs.cluster.broker(1).on(OffsetCommit, (request, { version }) => ({
    topics: request.topics.map(({ topicId, name, partitions }) => ({
      ...(version >= 10 ? { topicId } : { name }),
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
    })),
  }))
  const consumer = consumerOf(t, logs, { groupId: 'billing', autoCommitIntervalMs: 10 })
  consumer.assign([zero])
  const refused = (error: unknown) => error instanceof BrokerError && error.code === 'GROUP_AUTHORIZATION_FAILED'
  await assert.rejects(consumer.getOne(soon()), refused)
  const received = logs.cluster.requests(OffsetCommit).length
  await logs.cluster.broker(1).untilReceived(OffsetCommit, received + 3)
  logs.append('orders', 0, ['a', 'b', 'c'])
  assert.equal(String((await consumer.getOne(soon())).value), 'a', 'told once, not at every interval')
  errorCode = 0
  await logs.cluster.broker(1).untilReceived(OffsetCommit, logs.cluster.requests(OffsetCommit).length + 1)
  await consumer.commit()
  errorCode = 30
  await assert.rejects(async () => {
    for (;;) await consumer.getOne(soon())
  }, refused)
})

const everyErrorCode = brokerErrorTable.filter(([number]) => number !== 0)

/** The next record, whatever the application must be told before it. */
async function nextRecord(consumer: Consumer) {
  for (const { signal } = soon(); ;) {
    try {
      return await consumer.getOne({ signal })
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error
    }
  }
}

test('no answer of a coordinator resets a position but that nothing is committed, whichever code it has', async (t) => {
  const logs = await logsOf(t, [1], 1)
  logs.append('orders', 0, ['a', 'b', 'c', 'd'])
  const consumer = consumerOf(t, logs, {
    groupId: 'billing',
    autoCommit: false,
    retryBackoffMs: 1,
    retryBackoffMaxMs: 1,
  })
  await consumer.start()
  logs.committed.set('orders-0', 2)
  for (const [errorCode, name] of everyErrorCode) {
    for (const where of ['group', 'partition'] as const) {
      let refused = 0
      logs.cluster.broker(1).once(OffsetFetch, (request, { version }) => {
        refused++
        const { groupId, topics } = request.groups[0]!
        if (where === 'group') return { groups: [{ groupId, errorCode }] }
        const refusals = topics!.map((topic) => ({
          ...(version >= 10 ? { topicId: topic.topicId } : { name: topic.name }),
          partitions: [{ partitionIndex: 0, committedOffset: -1, errorCode }],
        }))
        return { groups: [{ groupId, topics: refusals }] }
      })
      consumer.assign([])
      consumer.assign([zero])
      assert.equal((await nextRecord(consumer)).offset, 2, `${name} of the ${where}`)
      assert.equal(refused, 1)
    }
  }
  logs.committed.delete('orders-0')
  consumer.assign([])
  consumer.assign([zero])
  assert.equal((await nextRecord(consumer)).offset, 0)
})

test('what a rebalance cures is not told to the application that waits for a committed offset', async (t) => {
  const logs = await logsOf(t, [1], 1)
  logs.append('orders', 0, ['a', 'b', 'c'])
  logs.committed.set('orders-0', 1)
  const consumer = consumerOf(t, logs, { groupId: 'billing', retryBackoffMs: 1, retryBackoffMaxMs: 1 })
  await consumer.start()
  for (const errorCode of [7, 14, 15, 16, 22, 25, 27, 88, 113]) {
    logs.cluster.broker(1).once(OffsetFetch, ({ groups }) => ({ groups: [{ groupId: groups[0]!.groupId, errorCode }] }))
    logs.cluster.broker(1).once(OffsetFetch, ({ groups }) => ({ groups: [{ groupId: groups[0]!.groupId, errorCode }] }))
    assert.equal((await consumer.committed([zero]))[0]?.offset, 1, `${errorCode}`)
    logs.cluster.broker(1).once(OffsetFetch, ({ groups }) => ({ groups: [{ groupId: groups[0]!.groupId, errorCode }] }))
    consumer.assign([])
    consumer.assign([zero])
    assert.equal((await consumer.getOne(soon())).offset, 1, `${errorCode}`)
  }
})

test('no answer of a leader resets a position but OFFSET_OUT_OF_RANGE, whichever code it has', async (t) => {
  const logs = await logsOf(t, [1], 1)
  logs.append('orders', 0, ['a', 'b', 'c', 'd'])
  const consumer = consumerOf(t, logs, { retryBackoffMs: 1, retryBackoffMaxMs: 1 })
  consumer.assign([zero])
  await consumer.start()
  for (const [errorCode, name] of everyErrorCode) {
    let refused = 0
    logs.script = ({ offset }) => (offset === 2 && refused++ === 0 ? { errorCode, records: null } : undefined)
    consumer.seek(zero, 2)
    const { offset } = await nextRecord(consumer)
    assert.equal(offset, name === 'OFFSET_OUT_OF_RANGE' ? 0 : 2, name)
    assert.ok(refused > 0)
    // The same for the whole answer.
    logs.script = () => undefined
    logs.cluster.broker(1).once(Fetch, () => ({ errorCode }))
    consumer.seek(zero, 3)
    assert.equal((await nextRecord(consumer)).offset, 3, `${name} of the answer`)
  }
})
