/** What a cluster must bear: loggers that throw, ends in the middle of things, asking without end, and being held back. */

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Backoff } from '#src/async/backoff.js'
import { systemClock } from '#src/async/clock.js'
import { Bootstrap } from '#src/cluster/bootstrap.js'
import { Cluster } from '#src/cluster/cluster.js'
import { MetadataRefresher } from '#src/cluster/metadata-refresher.js'
import { snapshotAfter } from '#src/cluster/metadata-update.js'
import { MetadataSnapshot } from '#src/cluster/metadata.js'
import { TopicsInUse } from '#src/cluster/topics-in-use.js'
import { ClosedError, ConnectionError, TimeoutError } from '#src/errors/errors.js'
import { Connection } from '#src/network/connection.js'
import { ListGroups } from '#src/wire/messages/list-groups.js'
import { Metadata } from '#src/wire/messages/metadata.js'
import { ManualClock } from '../support/manual-clock.ts'
import { settingsFor } from '../support/network.ts'
import { ScriptedBroker, ScriptedCluster } from '../support/scripted-broker.ts'

test('a logger that throws stops nothing', async (t) => {
  const broker = await ScriptedBroker.start({ [ListGroups.name]: () => ({ errorCode: 6 }) })
  t.after(() => broker.close())
  const thrown: string[] = []
  const fail = (message: string): void => {
    thrown.push(message)
    throw new Error('the log is full')
  }
  const logger = { debug: fail, info: fail, warn: fail, error: fail }
  const cluster = new Cluster({
    bootstrapServers: broker.address,
    logger,
    retryBackoffMs: 5,
    retryBackoffMaxMs: 20,
    reconnectBackoffMs: 5,
    reconnectBackoffMaxMs: 20,
  })
  t.after(() => {
    cluster.destroy()
  })
  await cluster.sendWithRetries({ kind: 'any' }, ListGroups, {})
  const { port } = broker
  await broker.close()
  await assert.rejects(cluster.refreshMetadata({ deadline: cluster.clock.now() + 100 }), /waiting for metadata/)
  assert.ok(thrown.some((message) => message.startsWith('metadata could not be refreshed')))
  await broker.listen(port)
  const { version } = cluster.metadata
  assert.ok((await cluster.refreshMetadata()).version > version)
  assert.equal((await cluster.sendWithRetries({ kind: 'any' }, ListGroups, {})).errorCode, 6)
})

test('a cluster that has ended cannot be started, whether or not it was before', async (t) => {
  const broker = await ScriptedBroker.start()
  t.after(() => broker.close())
  const started = await new Cluster({ bootstrapServers: broker.address }).start()
  await started.close()
  await assert.rejects(started.start(), ClosedError)
  const never = new Cluster({ bootstrapServers: broker.address })
  never.destroy()
  await assert.rejects(never.start(), ClosedError)
})

test('a bootstrap connection whose answer comes together with the end is not kept', async (t) => {
  const broker = await ScriptedBroker.start()
  t.after(() => broker.close())
  const abort = new AbortController()
  const bootstrap = new Bootstrap({
    clock: systemClock,
    servers: [{ host: '127.0.0.1', port: broker.port }],
    timeoutMs: 1_000,
    open: () => Connection.open(settingsFor(broker.port)),
    askMetadata: async (connection, timeoutMs) => {
      const response = await connection.send(Metadata, { topics: [] }, { timeoutMs })
      abort.abort(new ClosedError('the end'))
      bootstrap.close()
      return { ...response, brokers: [] }
    },
  })
  await assert.rejects(bootstrap.ask(abort.signal), /the end/)
  await broker.until(() => broker.openConnections === 0)
})

test('while a topic is missing it is asked for in growing intervals, however loudly it is asked for', async () => {
  const clock = new ManualClock()
  let fetches = 0
  const refresher = new MetadataRefresher(
    {
      clock,
      backoff: new Backoff({ initialMs: 100, maxMs: 1_000 }, { next: () => 0.5, uuid: () => '' }),
      maxAgeMs: 300_000,
      minIntervalMs: 100,
      topicsVersion: () => 1,
      fetch: () => {
        fetches++
        return Promise.resolve({ snapshot: MetadataSnapshot.empty, complete: false })
      },
      onOutcome: () => {},
    },
    1,
  )
  refresher.start()
  for (let elapsedMs = 0; elapsedMs < 30_000; elapsedMs += 50) {
    refresher.request()
    void refresher.refresh().catch(() => {})
    await clock.advance(50)
  }
  // At once, after 100, 200, 400, 800 ms, and then every second.
  assert.ok(fetches >= 30 && fetches <= 36, `${fetches} requests in 30 s`)
  await refresher.stop(new ClosedError('the end'))
  assert.equal(clock.pendingTimers, 0)
})

test('a refresh that fails keeps nobody, and the next one is for who asks again', async () => {
  const clock = new ManualClock()
  let failing = true
  const refresher = new MetadataRefresher(
    {
      clock,
      backoff: new Backoff({ initialMs: 100, maxMs: 1_000 }, { next: () => 0.5, uuid: () => '' }),
      maxAgeMs: 300_000,
      minIntervalMs: 100,
      topicsVersion: () => 1,
      fetch: () =>
        failing
          ? Promise.reject(new ConnectionError('nobody is there'))
          : Promise.resolve({ snapshot: MetadataSnapshot.empty, complete: true }),
      onOutcome: () => {},
    },
    1,
  )
  refresher.start()
  const failed = assert.rejects(refresher.refresh(), /nobody is there/)
  await clock.advance(0)
  await failed
  failing = false
  const next = refresher.refresh()
  await clock.advance(100)
  assert.equal(await next, MetadataSnapshot.empty)
  await refresher.stop(new ClosedError('the end'))
  await assert.rejects(refresher.refresh(), ClosedError)
  assert.equal(clock.pendingTimers, 0)
})

test('what ends a cluster ends waiting for metadata, even when it is a passing error', async () => {
  const cluster = new Cluster({ bootstrapServers: '127.0.0.1:1', apiTimeoutMs: 5_000 })
  const broker = await ScriptedBroker.start()
  const started = await new Cluster({ bootstrapServers: broker.address }).start()
  await broker.close()
  const reason = new TimeoutError('we waited long enough')
  const waits = Promise.allSettled([cluster.refreshMetadata(), started.refreshMetadata()])
  cluster.destroy(reason)
  started.destroy(reason)
  for (const outcome of await waits) assert.ok(outcome.status === 'rejected' && outcome.reason === reason)
})

function named(union: ReadonlySet<string> | 'all'): string[] {
  assert.ok(union !== 'all')
  return [...union].sort()
}

test('topics come into use and go with their owners, and each costs only itself', { timeout: 20_000 }, () => {
  const topics = new TopicsInUse()
  const [one, other] = [{}, {}]
  topics.set(one, ['orders', 'invoices'])
  topics.set(other, ['orders'])
  assert.equal(topics.version, 1)
  const union = topics.union
  topics.set(one, ['orders', 'returns'])
  assert.equal(topics.version, 2)
  assert.deepEqual(named(topics.union), ['orders', 'returns'])
  assert.deepEqual(named(union), ['invoices', 'orders'], 'what was handed out stays as it is')
  topics.set(one, [])
  assert.ok(topics.has('orders') && !topics.has('returns'))
  topics.set(one, 'all')
  assert.equal(topics.version, 3)
  assert.equal(topics.union, 'all')
  assert.ok(topics.has('whatever'))
  topics.set(other, ['orders', 'more'])
  topics.set(one, 'all')
  assert.equal(topics.version, 3, 'whoever looks at all has every topic')
  topics.set(one, [])
  assert.deepEqual(named(topics.union), ['more', 'orders'])
  topics.set(other, [])
  assert.deepEqual(named(topics.union), [])
  // Owners of 30,000 topics, one each: nearly 10^9 steps if each looked at all that were there before.
  for (let index = 0; index < 30_000; index++) topics.set({}, [`topic-${index}`])
  assert.equal(named(topics.union).length, 30_000)
  assert.equal(topics.version, 30_003)
})

test('another cluster behind the same addresses begins its epochs anew', () => {
  const answer = (clusterId: string, leaderId: number, leaderEpoch: number): Parameters<typeof snapshotAfter>[0] => ({
    throttleTimeMs: 0,
    brokers: [{ nodeId: 1, host: 'a', port: 1, rack: null }],
    clusterId,
    controllerId: 1,
    clusterAuthorizedOperations: 0,
    errorCode: 0,
    topics: [
      {
        errorCode: 0,
        name: 'orders',
        // As brokers before 2.8 say.
        topicId: 'AAAAAAAAAAAAAAAAAAAAAA',
        isInternal: false,
        topicAuthorizedOperations: 0,
        partitions: [
          {
            errorCode: 0,
            partitionIndex: 0,
            leaderId,
            leaderEpoch,
            replicaNodes: [],
            isrNodes: [],
            offlineReplicas: [],
          },
        ],
      },
    ],
  })
  const old = snapshotAfter(answer('blue', 1, 7), MetadataSnapshot.empty, () => true)
  assert.equal(snapshotAfter(answer('blue', 2, 3), old, () => true).leader('orders', 0), 1)
  assert.equal(snapshotAfter(answer('green', 2, 3), old, () => true).leader('orders', 0), 2)
})

test('what any broker can answer is not asked of one that holds us back', async (t) => {
  const scripted = await ScriptedCluster.start({ [ListGroups.name]: () => ({}) }, { brokers: 2 })
  t.after(() => scripted.close())
  const cluster = new Cluster({ bootstrapServers: scripted.address })
  t.after(() => {
    cluster.destroy()
  })
  scripted.broker(1).once(ListGroups, () => ({ throttleTimeMs: 30_000 }))
  await cluster.send({ kind: 'broker', id: 1 }, ListGroups, {})
  for (let count = 0; count < 8; count++) {
    await cluster.send({ kind: 'any' }, ListGroups, {}, { signal: AbortSignal.timeout(10_000) })
  }
  assert.equal(scripted.broker(2).requests(ListGroups).length, 8)
  assert.equal(scripted.broker(1).requests(ListGroups).length, 1)
})

test(
  'brokers that hang keep nobody from metadata: another one is asked beside them',
  { timeout: 30_000 },
  async (t) => {
    const scripted = await ScriptedCluster.start({}, { brokers: 3, topics: { orders: 1 } })
    const cluster = new Cluster({ bootstrapServers: scripted.address })
    t.after(async () => {
      cluster.destroy()
      await scripted.close()
    })
    await cluster.start()
    const startedAt = performance.now()
    // Two of three: whoever is asked first, it is likely to be one of these, and at most the third answers.
    for (const id of [1, 2]) scripted.broker(id).on(Metadata, () => 'silence')
    for (const name of ['a', 'b', 'c', 'd']) {
      scripted.state.addTopic(name, 1)
      await cluster.topic(name, { deadline: cluster.clock.now() + 20_000 })
    }
    const tookMs = performance.now() - startedAt
    assert.ok(tookMs < 15_000, `${tookMs} ms, and requestTimeoutMs is ${cluster.options.requestTimeoutMs}`)
    // Whoever owes an answer is not asked again while others do not.
    for (const id of [1, 2]) assert.ok(scripted.broker(id).requests(Metadata).length <= 3)
  },
)
