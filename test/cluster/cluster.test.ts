import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test, type TestContext } from 'node:test'

import type { ClusterOptions } from '#src/cluster/cluster-options.js'
import { Cluster } from '#src/cluster/cluster.js'
import { MetadataSnapshot } from '#src/cluster/metadata.js'
import type { Target } from '#src/cluster/target.js'
import { BrokerError, brokerErrorNumber } from '#src/errors/broker-error.js'
import { ClosedError, ConnectionError, TimeoutError } from '#src/errors/errors.js'
import { FindCoordinator } from '#src/wire/messages/find-coordinator.js'
import { Heartbeat } from '#src/wire/messages/heartbeat.js'
import { ListGroups } from '#src/wire/messages/list-groups.js'
import { Metadata } from '#src/wire/messages/metadata.js'
import { Produce } from '#src/wire/messages/produce.js'
import { closedPort, listen } from '../support/network.ts'
import { ScriptedCluster, type HandlerTable, type ScriptedTopics } from '../support/scripted-broker.ts'

async function brokers(
  t: TestContext,
  count: number,
  topics: ScriptedTopics = {},
  handlers: HandlerTable = {},
): Promise<ScriptedCluster> {
  const scripted = await ScriptedCluster.start(handlers, { brokers: count, topics })
  t.after(() => scripted.close())
  return scripted
}

function client(t: TestContext, bootstrapServers: string, options: ClusterOptions = {}): Cluster {
  const cluster = new Cluster({
    bootstrapServers,
    retryBackoffMs: 5,
    retryBackoffMaxMs: 20,
    reconnectBackoffMs: 5,
    reconnectBackoffMaxMs: 20,
    ...options,
  })
  t.after(() => {
    cluster.destroy()
  })
  return cluster
}

const any: Target = { kind: 'any' }
const leaderOf = (topic: string, partition: number): Target => ({ kind: 'leader', of: { topic, partition } })
const group: Target = { kind: 'coordinator', of: 'group', key: 'billing' }
const soon = (cluster: Cluster, ms = 5_000): number => cluster.clock.now() + ms

test('the first bootstrap server that connects and answers wins, whatever those before it do', async (t) => {
  const scripted = await brokers(t, 1)
  const hangsUp = await listen(t, (socket) => socket.destroy())
  const dead = await closedPort()
  const servers = `127.0.0.1:${dead},127.0.0.1:${hangsUp},${scripted.address}`
  const cluster = client(t, servers)
  assert.equal(cluster.metadata, MetadataSnapshot.empty)
  assert.equal(await cluster.start(), cluster)
  assert.deepEqual([...cluster.metadata.brokers.keys()], [1])
  assert.equal(cluster.metadata.clusterId, 'scripted')
  // Nothing of the bootstrap is left, and connections to brokers are made when they are needed.
  await scripted.broker(1).until(() => scripted.broker(1).openConnections === 0)
  assert.equal(cluster.connectionCount, 0)
})

test('a bootstrap server that connects but gives no metadata is passed over', async (t) => {
  const scripted = await brokers(t, 2)
  scripted.broker(1).on(Metadata, () => 'drop')
  const cluster = await client(t, scripted.address).start()
  assert.equal(cluster.metadata.brokers.size, 2)
  assert.equal(scripted.broker(2).requests(Metadata).length, 1)
})

test('a bootstrap server that says nothing costs no more than the set-up timeout', async (t) => {
  const silent = await listen(t, () => {})
  const scripted = await brokers(t, 1)
  const cluster = client(t, `127.0.0.1:${silent},${scripted.address}`, { connectionSetupTimeoutMs: 100 })
  await cluster.start()
  assert.equal(cluster.metadata.brokers.size, 1)
})

test('when no bootstrap server helps, the error lists each, and starting can be repeated', async (t) => {
  const scripted = await brokers(t, 1)
  const [first, second] = [await closedPort(), scripted.broker(1).port]
  await scripted.close()
  const cluster = client(t, `127.0.0.1:${first},127.0.0.1:${second}`)
  await assert.rejects(cluster.start(), (error) => {
    assert.ok(error instanceof ConnectionError)
    assert.match(error.message, /^none of 2 bootstrap servers helped: /)
    assert.match(
      error.message,
      new RegExp(`could not connect to 127.0.0.1:${first}: nothing listens there \\(connection refused\\); `),
    )
    assert.match(error.message, new RegExp(`; could not connect to 127.0.0.1:${second}`))
    assert.ok(error.cause instanceof AggregateError)
    return true
  })
  assert.equal(cluster.metadata, MetadataSnapshot.empty)
  await scripted.broker(1).listen()
  await cluster.start()
  assert.equal(cluster.metadata.brokers.size, 1)
})

test('calls of start share one attempt', async (t) => {
  const scripted = await brokers(t, 1, {}, { [ListGroups.name]: () => ({}) })
  const cluster = client(t, scripted.address)
  await Promise.all([cluster.start(), cluster.start(), cluster.send(any, ListGroups, {})])
  assert.equal(scripted.requests(Metadata).length, 1)
})

test('a start that nobody waits for any more goes on for those who do', async (t) => {
  const scripted = await brokers(t, 1)
  const cluster = client(t, scripted.address)
  const abort = new AbortController()
  const cancelled = cluster.start({ signal: abort.signal })
  const other = cluster.start()
  abort.abort(new Error('enough'))
  await assert.rejects(cancelled, /enough/)
  await other
})

test('a cluster that knows of no brokers yet is asked again on the same connection', async (t) => {
  const scripted = await brokers(t, 1)
  const broker = scripted.broker(1)
  for (let i = 0; i < 3; i++) broker.once(Metadata, () => ({ brokers: [], clusterId: 'scripted' }))
  const cluster = await client(t, scripted.address).start()
  assert.equal(cluster.metadata.brokers.size, 1)
  const connections = broker.requests(Metadata).map(({ connection }) => connection)
  assert.ok(connections.length >= 4)
  assert.equal(connections[0], connections.at(-1))
})

test('sending starts the cluster by itself', async (t) => {
  const scripted = await brokers(t, 1, {}, { [ListGroups.name]: () => ({ errorCode: 0 }) })
  const answer = await client(t, scripted.address).send(any, ListGroups, {})
  assert.equal(answer.errorCode, 0)
})

test('requests go to the leader, the controller, the broker named', async (t) => {
  const scripted = await brokers(t, 3, { orders: [3, 2] })
  scripted.state.controllerId = 2
  scripted.on(Produce, (_, { broker }) => ({ throttleTimeMs: 0, responses: [{ name: String(broker.id) }] }))
  scripted.on(ListGroups, (_, { broker }) => ({ errorCode: broker.id }))
  const cluster = client(t, scripted.address)
  await cluster.topic('orders', { deadline: soon(cluster) })
  for (const [partition, id] of [
    [0, 3],
    [1, 2],
  ] as const) {
    await cluster.send(leaderOf('orders', partition), Produce, { acks: 1 }, { lane: 'produce', maxVersion: 12 })
    assert.equal(scripted.broker(id).requests(Produce).length, 1)
  }
  assert.equal((await cluster.send({ kind: 'controller' }, ListGroups, {})).errorCode, 2)
  assert.equal((await cluster.send({ kind: 'broker', id: 1 }, ListGroups, {})).errorCode, 1)
})

test('what is not known is refused by name, and nothing was sent', async (t) => {
  const scripted = await brokers(t, 1, { orders: [1, -1] })
  const cluster = client(t, scripted.address)
  await cluster.topic('orders', { deadline: soon(cluster) })
  await assert.rejects(cluster.send({ kind: 'broker', id: 9 }, ListGroups, {}), {
    name: 'ConnectionError',
    retriable: true,
    persistence: 'not-persisted',
    message: 'broker 9 is not in the metadata of the cluster',
  })
  await assert.rejects(cluster.send(leaderOf('orders', 1), Produce, {}), {
    code: 'LEADER_NOT_AVAILABLE',
    message: "partition 1 of 'orders' has no leader: LEADER_NOT_AVAILABLE",
  })
  await assert.rejects(cluster.send(leaderOf('orders', 5), Produce, {}), { code: 'UNKNOWN_TOPIC_OR_PARTITION' })
})

test('a lane has one connection, made once however many ask, and lanes do not share', async (t) => {
  const scripted = await brokers(t, 1, {}, { [ListGroups.name]: () => ({}) })
  const cluster = await client(t, scripted.address).start()
  const broker = scripted.broker(1)
  const before = broker.connectionsAccepted
  await Promise.all(Array.from({ length: 50 }, () => cluster.send(any, ListGroups, {})))
  assert.equal(broker.connectionsAccepted, before + 1)
  await Promise.all(Array.from({ length: 50 }, () => cluster.send(any, ListGroups, {}, { lane: 'produce' })))
  assert.equal(broker.connectionsAccepted, before + 2)
  assert.equal(cluster.connectionCount, 2)
})

test('one signal may stand behind any number of requests, and each lets go of it', async (t) => {
  const scripted = await brokers(t, 1, {}, { [ListGroups.name]: () => ({}) })
  const cluster = client(t, scripted.address)
  const warnings: unknown[] = []
  const onWarning = (warning: unknown): void => {
    warnings.push(warning)
  }
  process.on('warning', onWarning)
  t.after(() => process.off('warning', onWarning))
  const { signal } = new AbortController()
  await Promise.all(Array.from({ length: 50 }, () => cluster.send(any, ListGroups, {}, { signal })))
  assert.deepEqual(getEventListeners(signal, 'abort'), [])
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(warnings, [])
})

test('a long wait on one lane holds up no other', async (t) => {
  const scripted = await brokers(t, 1, {}, { [ListGroups.name]: () => ({}), [Heartbeat.name]: () => 'silence' })
  const cluster = client(t, scripted.address)
  const waiting = cluster.send(any, Heartbeat, { groupId: 'g' }, { lane: 'join:1' })
  const ended = assert.rejects(waiting, ClosedError)
  await scripted.broker(1).until(() => scripted.requests(Heartbeat).length === 1)
  await cluster.send(any, ListGroups, {}, { lane: 'group:1' })
  cluster.destroy()
  await ended
})

test('a connection that died is never handed out again', async (t) => {
  const scripted = await brokers(t, 1, {}, { [ListGroups.name]: () => ({}) })
  const cluster = client(t, scripted.address)
  await cluster.send(any, ListGroups, {})
  const broker = scripted.broker(1)
  const before = broker.connectionsAccepted
  for (let i = 0; i < 5; i++) {
    broker.once(ListGroups, () => 'drop')
    await assert.rejects(cluster.send(any, ListGroups, {}), ConnectionError)
    await cluster.send(any, ListGroups, {})
  }
  // Metadata, which a lost connection asks for, goes by the same lane.
  assert.ok(broker.connectionsAccepted >= before + 5)
})

test('a lost connection asks for new metadata, an idle one does not', async (t) => {
  const scripted = await brokers(t, 1, {}, { [ListGroups.name]: () => ({}), [Heartbeat.name]: () => 'drop' })
  const broker = scripted.broker(1)
  const cluster = client(t, scripted.address, { connectionsMaxIdleMs: 20 })
  await cluster.send(any, ListGroups, {}, { lane: 'produce' })
  await broker.until(() => broker.openConnections === 0)
  const asked = scripted.requests(Metadata).length
  assert.equal(asked, 1)
  await assert.rejects(cluster.send(any, Heartbeat, { groupId: 'g' }))
  await broker.untilReceived(Metadata, 2)
})

test('a broker that cannot be reached is left alone for a while', async (t) => {
  const scripted = await brokers(t, 2, {}, { [ListGroups.name]: () => ({}) })
  const cluster = client(t, scripted.broker(2).address, { reconnectBackoffMs: 300, reconnectBackoffMaxMs: 300 })
  await cluster.start()
  const port = scripted.broker(1).port
  await scripted.broker(1).close()
  const one: Target = { kind: 'broker', id: 1 }
  await assert.rejects(cluster.send(one, ListGroups, {}), ConnectionError)
  const failedAt = cluster.clock.now()
  await scripted.broker(1).listen(port)
  await cluster.send(one, ListGroups, {})
  const waited = cluster.clock.now() - failedAt
  assert.ok(waited >= 200, `tried again after ${waited} ms`)
})

test('a broker that moved is reached at its new address', async (t) => {
  const scripted = await brokers(t, 2, {}, { [ListGroups.name]: (_, { broker }) => ({ errorCode: broker.id }) })
  const cluster = client(t, scripted.broker(2).address)
  const one: Target = { kind: 'broker', id: 1 }
  await cluster.send(one, ListGroups, {})
  const old = scripted.broker(1).port
  await scripted.broker(1).close()
  await scripted.broker(1).listen(0)
  assert.notEqual(scripted.broker(1).port, old)
  await cluster.refreshMetadata()
  assert.equal((await cluster.send(one, ListGroups, {})).errorCode, 1)
})

test('mapAddress says where the brokers are really reached', async (t) => {
  const scripted = await brokers(t, 1, {}, { [ListGroups.name]: () => ({ errorCode: 4 }) })
  const { port, address } = scripted.broker(1)
  scripted.state.brokers.set(1, { host: 'inside.example', port: 9092 })
  const asked: unknown[] = []
  const cluster = client(t, address, {
    mapAddress: (broker) => {
      asked.push(broker)
      return { host: '127.0.0.1', port }
    },
  })
  assert.equal((await cluster.send(any, ListGroups, {})).errorCode, 4)
  assert.deepEqual(asked, [{ id: 1, host: 'inside.example', port: 9092, rack: null }])
  assert.equal(cluster.metadata.brokers.get(1)!.host, 'inside.example')
  const broken = client(t, address, { mapAddress: () => ({ host: '', port: 0 }) })
  await assert.rejects(broken.send(any, ListGroups, {}), /mapAddress gave no \{ host, port \} for broker 1 at inside/)
})

test('the coordinator is asked for once and remembered until it is told to be another', async (t) => {
  let coordinator = 1
  const scripted = await brokers(t, 2)
  scripted.on(FindCoordinator, ({ coordinatorKeys }) => ({
    coordinators: coordinatorKeys.map((key) => ({
      key,
      nodeId: coordinator,
      ...scripted.state.brokers.get(coordinator)!,
    })),
  }))
  scripted.on(Heartbeat, (_, { broker }) => ({
    errorCode: broker.id === coordinator ? 0 : brokerErrorNumber('NOT_COORDINATOR'),
  }))
  const cluster = client(t, scripted.address)
  const send = (): Promise<{ errorCode: number }> => cluster.send(group, Heartbeat, { groupId: 'billing' })
  await Promise.all(Array.from({ length: 10 }, send))
  assert.equal(scripted.requests(FindCoordinator).length, 1)
  assert.deepEqual(scripted.requests(FindCoordinator)[0]!.request.coordinatorKeys, ['billing'])
  coordinator = 2
  assert.equal((await send()).errorCode, brokerErrorNumber('NOT_COORDINATOR'))
  const answer = await cluster.sendWithRetries(
    group,
    Heartbeat,
    { groupId: 'billing' },
    { errorCode: ({ errorCode }) => errorCode },
  )
  assert.equal(answer.errorCode, 0)
  assert.equal(scripted.requests(FindCoordinator).length, 2)
  await send()
  assert.equal(scripted.requests(FindCoordinator).length, 2)
})

for (const version of [0, 1, 3, 4, 6]) {
  test(`the coordinator is found with version ${version} of FindCoordinator`, async (t) => {
    const scripted = await ScriptedCluster.start({}, { brokers: 1, versions: { FindCoordinator: [0, version] } })
    t.after(() => scripted.close())
    const at = { nodeId: 1, host: '127.0.0.1', port: scripted.broker(1).port }
    scripted.on(FindCoordinator, ({ key, coordinatorKeys }, context) => {
      assert.equal(context.version, version)
      const wanted = [...coordinatorKeys, key].filter((each) => each !== '')
      assert.deepEqual(wanted, ['billing'])
      return version >= 4 ? { coordinators: [{ key: 'billing', ...at }] } : at
    })
    scripted.on(Heartbeat, () => ({ errorCode: 0 }))
    const cluster = client(t, scripted.address)
    await cluster.send(group, Heartbeat, { groupId: 'billing' })
    const transactional: Target = { kind: 'coordinator', of: 'transaction', key: 'billing' }
    if (version === 0) {
      await assert.rejects(cluster.send(transactional, Heartbeat, {}), { name: 'UnsupportedVersionError' })
    } else {
      await cluster.send(transactional, Heartbeat, {})
      assert.deepEqual(
        scripted.requests(FindCoordinator).map(({ request }) => request.keyType),
        [0, 1],
      )
    }
  })
}

test('a coordinator that metadata has not named yet is reached where the answer says', async (t) => {
  const scripted = await brokers(t, 2, {}, { [Heartbeat.name]: () => ({ errorCode: 0 }) })
  const second = scripted.state.brokers.get(2)!
  scripted.state.brokers.delete(2)
  scripted.on(FindCoordinator, () => ({ coordinators: [{ key: 'billing', nodeId: 2, ...second }] }))
  await client(t, scripted.broker(1).address).send(group, Heartbeat, { groupId: 'billing' })
  assert.equal(scripted.broker(2).requests(Heartbeat).length, 1)
})

test('a coordinator that may not be found is refused at once, one that is not there yet is waited for', async (t) => {
  const scripted = await brokers(t, 1, {}, { [Heartbeat.name]: () => ({}) })
  const broker = scripted.broker(1)
  const refuse = (code: 'GROUP_AUTHORIZATION_FAILED' | 'COORDINATOR_NOT_AVAILABLE') => () => ({
    coordinators: [{ key: 'billing', nodeId: -1, errorCode: brokerErrorNumber(code), errorMessage: 'no' }],
  })
  const cluster = client(t, scripted.address)
  broker.once(FindCoordinator, refuse('GROUP_AUTHORIZATION_FAILED'))
  await assert.rejects(cluster.sendWithRetries(group, Heartbeat, {}), {
    code: 'GROUP_AUTHORIZATION_FAILED',
    message: "the coordinator of group 'billing' was not found: GROUP_AUTHORIZATION_FAILED (no)",
  })
  for (let i = 0; i < 3; i++) broker.once(FindCoordinator, refuse('COORDINATOR_NOT_AVAILABLE'))
  broker.on(FindCoordinator, () => ({
    coordinators: [{ key: 'billing', nodeId: 1, host: '127.0.0.1', port: broker.port }],
  }))
  await cluster.sendWithRetries(group, Heartbeat, {})
  assert.equal(broker.requests(FindCoordinator).length, 5)
})

test('when the coordinator’s connection is lost it is looked up again', async (t) => {
  const scripted = await brokers(t, 1)
  const broker = scripted.broker(1)
  broker.on(FindCoordinator, () => ({
    coordinators: [{ key: 'billing', nodeId: 1, host: '127.0.0.1', port: broker.port }],
  }))
  broker.once(Heartbeat, () => 'drop')
  broker.on(Heartbeat, () => ({}))
  const cluster = client(t, scripted.address)
  await cluster.sendWithRetries(group, Heartbeat, { groupId: 'billing' })
  assert.equal(broker.requests(FindCoordinator).length, 2)
})

test('a request refused by the old leader reaches the new one', async (t) => {
  const scripted = await brokers(t, 2, { orders: [1] })
  scripted.on(Produce, (_, { broker }) => {
    const leads = scripted.state.topics.get('orders')!.partitions[0]!.leader === broker.id
    const errorCode = leads ? 0 : brokerErrorNumber('NOT_LEADER_OR_FOLLOWER')
    return { responses: [{ name: 'orders', partitionResponses: [{ index: 0, errorCode }] }] }
  })
  const cluster = client(t, scripted.address)
  cluster.useTopics(t, ['orders'])
  await cluster.topic('orders', { deadline: soon(cluster) })
  const snapshots: number[] = []
  cluster.onMetadata((snapshot, previous) => {
    assert.ok(snapshot.version > previous.version)
    snapshots.push(snapshot.leader('orders', 0))
  })
  scripted.state.moveLeader('orders', 0, 2)
  await cluster.sendWithRetries(
    leaderOf('orders', 0),
    Produce,
    { acks: 1 },
    { maxVersion: 12, errorCode: ({ responses }) => responses[0]!.partitionResponses[0]!.errorCode },
  )
  assert.equal(scripted.broker(1).requests(Produce).length >= 1, true)
  assert.equal(scripted.broker(2).requests(Produce).length, 1)
  assert.ok(snapshots.includes(2))
})

test('a leader learned from an answer is used without asking for metadata', async (t) => {
  const scripted = await brokers(t, 2, { orders: [1] }, { [Produce.name]: () => ({}) })
  const cluster = client(t, scripted.address)
  cluster.useTopics(t, ['orders'])
  await cluster.topic('orders', { deadline: soon(cluster) })
  const asked = scripted.requests(Metadata).length
  const partition = { topic: 'orders', partition: 0 }
  const endpoint = { id: 2, ...scripted.state.brokers.get(2)!, rack: null }
  cluster.learnLeader(partition, { leaderId: 2, leaderEpoch: 7 }, [endpoint])
  await cluster.send(leaderOf('orders', 0), Produce, { acks: 1 })
  assert.equal(scripted.broker(2).requests(Produce).length, 1)
  cluster.learnLeader(partition, { leaderId: 1, leaderEpoch: 6 })
  assert.equal(cluster.metadata.leader('orders', 0), 2)
  assert.equal(scripted.requests(Metadata).length, asked)
})

test('all who ask for new metadata while it comes share one request', async (t) => {
  const scripted = await brokers(t, 1)
  const broker = scripted.broker(1)
  const cluster = await client(t, scripted.address).start()
  let release!: () => void
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  broker.once(Metadata, async (request, { version }) => {
    await gate
    return scripted.state.metadata(request, version)
  })
  const before = cluster.metadata.version
  const abort = new AbortController()
  const first = cluster.refreshMetadata()
  await broker.untilReceived(Metadata, 2)
  const cancelled = cluster.refreshMetadata({ signal: abort.signal })
  const others = Array.from({ length: 10 }, () => cluster.refreshMetadata())
  abort.abort(new Error('enough'))
  await assert.rejects(cancelled, /enough/)
  release()
  const snapshots = await Promise.all([first, ...others])
  assert.equal(scripted.requests(Metadata).length, 2)
  for (const snapshot of snapshots) assert.equal(snapshot.version, before + 1)
})

test('who needs another topic while metadata comes gets the next one, and only that topic more', async (t) => {
  const scripted = await brokers(t, 1, { orders: 1, invoices: 1 })
  const broker = scripted.broker(1)
  const cluster = await client(t, scripted.address).start()
  let release!: () => void
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  broker.once(Metadata, async (request, { version }) => {
    await gate
    return scripted.state.metadata(request, version)
  })
  const orders = {}
  const invoices = {}
  cluster.useTopics(orders, ['orders'])
  const first = cluster.refreshMetadata()
  await broker.untilReceived(Metadata, 2)
  cluster.useTopics(invoices, ['invoices'])
  const second = cluster.refreshMetadata()
  release()
  assert.deepEqual([...(await first).topics.keys()], ['orders'])
  assert.deepEqual([...(await second).topics.keys()].sort(), ['invoices', 'orders'])
  const asked = broker.requests(Metadata).map(({ request }) => request.topics?.map(({ name }) => name))
  assert.deepEqual(asked, [[], ['orders'], ['orders', 'invoices']])
  cluster.useTopics(orders, [])
  assert.deepEqual([...(await cluster.refreshMetadata()).topics.keys()], ['invoices'])
  cluster.useTopics(orders, 'all')
  assert.equal((await cluster.refreshMetadata()).topics.size, 2)
  assert.equal(broker.requests(Metadata).at(-1)!.request.topics, null)
})

test('metadata never asks a broker to create a topic, unless it is told to', async (t) => {
  const scripted = await brokers(t, 1)
  const broker = scripted.broker(1)
  broker.on(Metadata, (request, { version }) => {
    if (request.allowAutoTopicCreation) scripted.state.addTopic('orders', 2)
    return scripted.state.metadata(request, version)
  })
  const cluster = client(t, scripted.address)
  await assert.rejects(cluster.topic('orders', { deadline: soon(cluster, 500) }), (error) => {
    assert.ok(error instanceof BrokerError)
    assert.equal(error.code, 'UNKNOWN_TOPIC_OR_PARTITION')
    assert.match(error.message, /topic 'orders'/)
    return true
  })
  const topic = await cluster.topic('orders', { deadline: soon(cluster), allowAutoTopicCreation: true })
  assert.equal(topic.partitions.length, 2)
  assert.equal(broker.requests(Metadata).filter(({ request }) => request.allowAutoTopicCreation).length, 1)
})

test('a topic that is not allowed is refused at once', async (t) => {
  const scripted = await brokers(t, 1, { secrets: 0 })
  scripted.state.topics.get('secrets')!.errorCode = brokerErrorNumber('TOPIC_AUTHORIZATION_FAILED')
  const cluster = client(t, scripted.address)
  await assert.rejects(cluster.topic('secrets', { deadline: soon(cluster, 60_000) }), {
    code: 'TOPIC_AUTHORIZATION_FAILED',
    message: "topic 'secrets' cannot be used: TOPIC_AUTHORIZATION_FAILED",
  })
})

test('a topic that appears later is found without anybody asking again', async (t) => {
  const scripted = await brokers(t, 1)
  const cluster = await client(t, scripted.address).start()
  const found = new Promise<void>((resolve) => {
    cluster.onMetadata(({ topics }) => {
      if (topics.get('orders')?.error === 'NONE') resolve()
    })
  })
  cluster.useTopics(t, ['orders'])
  await scripted.broker(1).untilReceived(Metadata, 3)
  scripted.state.addTopic('orders', 1)
  await found
})

test('metadata is asked for again when it has the age, and not before', async (t) => {
  const scripted = await brokers(t, 1)
  await client(t, scripted.address, { metadataMaxAgeMs: 50 }).start()
  const startedAt = performance.now()
  await scripted.broker(1).untilReceived(Metadata, 3)
  assert.ok(performance.now() - startedAt >= 95)
})

test('an answer without brokers changes nothing', async (t) => {
  const scripted = await brokers(t, 1, { orders: 1 })
  const cluster = client(t, scripted.address)
  cluster.useTopics(t, ['orders'])
  await cluster.topic('orders', { deadline: soon(cluster) })
  const { brokers: known, topics } = cluster.metadata
  // To the refresher, and to the bootstrap that it falls back to.
  for (let i = 0; i < 2; i++) scripted.broker(1).once(Metadata, () => ({ brokers: [], topics: [] }))
  const next = await cluster.refreshMetadata()
  assert.deepEqual([...next.brokers], [...known])
  assert.deepEqual([...next.topics], [...topics])
  assert.equal(scripted.requests(Metadata).length, 5)
})

test('when all known brokers are gone the bootstrap servers are asked again', async (t) => {
  const scripted = await brokers(t, 2, { orders: 1 })
  const cluster = await client(t, scripted.address).start()
  // The bootstrap server stays; the cluster behind it has other brokers now.
  const [first, second] = scripted.brokers
  await second!.close()
  scripted.state.brokers.clear()
  const gone = await closedPort()
  scripted.state.brokers.set(8, { host: '127.0.0.1', port: gone })
  assert.deepEqual([...(await cluster.refreshMetadata()).brokers.keys()], [8])
  scripted.state.brokers.clear()
  scripted.state.brokers.set(9, { host: '127.0.0.1', port: first!.port })
  assert.deepEqual([...(await cluster.refreshMetadata()).brokers.keys()], [9])
})

test('a broker that says it is the wrong cluster sends us back to the bootstrap servers', async (t) => {
  const scripted = await brokers(t, 2)
  const cluster = await client(t, scripted.broker(1).address).start()
  scripted.state.brokers.delete(1)
  await cluster.refreshMetadata()
  // Only broker 2 is known now, and it is not one of the bootstrap servers.
  scripted.broker(2).on(Metadata, () => ({ errorCode: brokerErrorNumber('REBOOTSTRAP_REQUIRED') }))
  const asked = scripted.broker(1).requests(Metadata).length
  await cluster.refreshMetadata()
  assert.equal(scripted.broker(1).requests(Metadata).length, asked + 1)
  assert.equal(cluster.remedy(any, brokerErrorNumber('REBOOTSTRAP_REQUIRED')), 'rebootstrap')
  await cluster.refreshMetadata()
  assert.equal(scripted.broker(1).requests(Metadata).length, asked + 2)
})

test('while no broker can be reached a refresh goes on trying until its deadline', async (t) => {
  const scripted = await brokers(t, 1)
  const warnings: string[] = []
  const quiet = (): void => {}
  const logger = { debug: quiet, info: quiet, error: quiet, warn: (message: string) => warnings.push(message) }
  const cluster = await client(t, scripted.address, { logger }).start()
  await scripted.close()
  await assert.rejects(cluster.refreshMetadata({ deadline: soon(cluster, 100) }), (error) => {
    assert.ok(error instanceof TimeoutError)
    assert.match(error.message, /waiting for metadata: the bootstrap server did not help: .*connection refused/)
    assert.ok(error.cause instanceof ConnectionError)
    return true
  })
  assert.equal(warnings.length, 1)
  const refreshed = cluster.refreshMetadata()
  await scripted.broker(1).listen()
  await refreshed
})

test('a listener that throws keeps nobody from the news, and one taken off hears no more', async (t) => {
  const scripted = await brokers(t, 1)
  const errors: string[] = []
  const quiet = (): void => {}
  const logger = { debug: quiet, info: quiet, warn: quiet, error: (message: string) => errors.push(message) }
  const cluster = client(t, scripted.address, { logger })
  const heard: string[] = []
  cluster.onMetadata(() => {
    throw new Error('my mistake')
  })
  const off = cluster.onMetadata(() => heard.push('first'))
  cluster.onMetadata(() => heard.push('second'))
  await cluster.start()
  off()
  await cluster.refreshMetadata()
  assert.deepEqual(heard, ['first', 'second', 'second'])
  assert.match(errors[0]!, /a metadata listener threw: my mistake/)
})

test('retries end with what trying again cannot cure, or at the deadline with the last reason', async (t) => {
  const scripted = await brokers(t, 1)
  const broker = scripted.broker(1)
  broker.on(ListGroups, () => ({ errorCode: brokerErrorNumber('CLUSTER_AUTHORIZATION_FAILED') }))
  const cluster = client(t, scripted.address)
  const errorCode = (response: { errorCode: number }): number => response.errorCode
  await assert.rejects(cluster.sendWithRetries(any, ListGroups, {}, { errorCode }), {
    code: 'CLUSTER_AUTHORIZATION_FAILED',
    message: 'the cluster refused ListGroups: CLUSTER_AUTHORIZATION_FAILED',
  })
  assert.equal(broker.requests(ListGroups).length, 1)
  broker.on(ListGroups, () => ({ errorCode: brokerErrorNumber('COORDINATOR_LOAD_IN_PROGRESS') }))
  await assert.rejects(
    cluster.sendWithRetries(any, ListGroups, {}, { errorCode, deadline: soon(cluster, 100) }),
    (error) => {
      assert.ok(error instanceof TimeoutError)
      assert.equal((error.cause as BrokerError).code, 'COORDINATOR_LOAD_IN_PROGRESS')
      return true
    },
  )
  assert.ok(broker.requests(ListGroups).length > 3)
  const abort = new AbortController()
  const cancelled = cluster.sendWithRetries(any, ListGroups, {}, { errorCode, signal: abort.signal })
  abort.abort(new Error('enough'))
  await assert.rejects(cancelled, /enough/)
})

test('who stops waiting for a retry costs nobody the connection', async (t) => {
  const scripted = await brokers(t, 1)
  const broker = scripted.broker(1)
  let release!: () => void
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  broker.on(ListGroups, async () => {
    await gate
    return {}
  })
  const cluster = client(t, scripted.address)
  await assert.rejects(
    cluster.sendWithRetries(any, ListGroups, {}, { deadline: soon(cluster, 50) }),
    /TimeoutError: timed out after \d+ ms waiting for the cluster to answer ListGroups/,
  )
  const other = cluster.send(any, ListGroups, {})
  release()
  await other
  assert.equal(new Set(broker.requests(ListGroups).map(({ connection }) => connection)).size, 1)
})

test('close lets what was sent be answered, and then nothing is left', async (t) => {
  const scripted = await brokers(t, 1)
  const broker = scripted.broker(1)
  let release!: () => void
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  broker.on(ListGroups, async () => {
    await gate
    return { errorCode: 6 }
  })
  const cluster = client(t, scripted.address)
  const answer = cluster.send(any, ListGroups, {})
  await broker.untilReceived(ListGroups)
  const closing = cluster.close()
  await assert.rejects(cluster.send(any, ListGroups, {}), ClosedError)
  await assert.rejects(cluster.refreshMetadata(), ClosedError)
  await assert.rejects(cluster.topic('orders', { deadline: soon(cluster) }), ClosedError)
  release()
  assert.equal((await answer).errorCode, 6)
  await closing
  await cluster.close()
  await broker.until(() => broker.openConnections === 0)
})

test('close gives up what is not answered within its time', async (t) => {
  const scripted = await brokers(t, 1, {}, { [ListGroups.name]: () => 'silence' })
  const cluster = client(t, scripted.address, { closeTimeoutMs: 50 })
  const unanswered = assert.rejects(cluster.send(any, ListGroups, {}), ClosedError)
  await scripted.broker(1).untilReceived(ListGroups)
  await cluster.close()
  await unanswered
})

test('destroy rejects at once whatever waits, also what waits for a connection or for the start', async (t) => {
  const silent = await listen(t, () => {})
  const reason = new ClosedError('we are done')
  const starting = client(t, `127.0.0.1:${silent}`)
  const waits = [starting.start(), starting.send(any, ListGroups, {}), starting.refreshMetadata()]
  const outcomes = Promise.allSettled(waits)
  starting.destroy(reason)
  for (const outcome of await outcomes) assert.ok(outcome.status === 'rejected' && outcome.reason === reason)

  const scripted = await brokers(t, 1, {}, { [ListGroups.name]: () => 'silence' })
  const cluster = client(t, scripted.address)
  const sent = cluster.send(any, ListGroups, {})
  await scripted.broker(1).untilReceived(ListGroups)
  const connecting = cluster.send(any, ListGroups, {}, { lane: 'produce' })
  const both = Promise.allSettled([sent, connecting])
  cluster.destroy(reason)
  for (const outcome of await both) assert.ok(outcome.status === 'rejected' && outcome.reason === reason)
  cluster.destroy()
  await cluster.close()
})

test('await using closes the cluster', async (t) => {
  const scripted = await brokers(t, 1)
  const cluster = await client(t, scripted.address).start()
  await cluster[Symbol.asyncDispose]()
  await assert.rejects(
    cluster.start().then(() => cluster.send(any, ListGroups, {})),
    ClosedError,
  )
})
