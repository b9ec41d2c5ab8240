import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'

import { Consumer } from '#src/consumer/consumer.js'
import { BrokerError } from '#src/errors/broker-error.js'
import { InvalidArgumentError, InvalidOptionError } from '#src/errors/errors.js'
import { Producer } from '#src/producer/producer.js'
import { TestCluster, type TestClusterOptions } from '#src/testing/index.js'
import { ApiVersions } from '#src/wire/messages/api-versions.js'
import { Fetch } from '#src/wire/messages/fetch.js'
import { FindCoordinator } from '#src/wire/messages/find-coordinator.js'
import { Heartbeat } from '#src/wire/messages/heartbeat.js'
import { JoinGroup } from '#src/wire/messages/join-group.js'
import { Metadata } from '#src/wire/messages/metadata.js'
import { Produce } from '#src/wire/messages/produce.js'
import { batch } from './conformance/batches.js'
import { RawClient } from './raw-client.js'

const soon = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(20_000) })

async function clusterOf(t: TestContext, options: TestClusterOptions = {}): Promise<TestCluster> {
  const cluster = await TestCluster.start(options)
  t.after(() => cluster.close())
  return cluster
}

function producerOf(t: TestContext, cluster: TestCluster, options: object = {}): Producer {
  const producer = new Producer({
    bootstrapServers: cluster.bootstrapServers,
    lingerMs: 0,
    retryBackoffMs: 5,
    ...options,
  })
  t.after(() => producer.destroy())
  return producer
}

function consumerOf(t: TestContext, cluster: TestCluster, options: object = {}): Consumer {
  const consumer = new Consumer({
    bootstrapServers: cluster.bootstrapServers,
    autoOffsetReset: 'earliest',
    retryBackoffMs: 5,
    heartbeatIntervalMs: 100,
    ...options,
  })
  t.after(() => consumer.destroy())
  return consumer
}

async function rawOf(t: TestContext, cluster: TestCluster, brokerId = 1): Promise<RawClient> {
  const client = await RawClient.connect(cluster.brokers.find(({ id }) => id === brokerId)!.address)
  t.after(() => {
    client.close()
  })
  return client
}

async function read(consumer: Consumer, count: number): Promise<string[]> {
  const values: string[] = []
  while (values.length < count) {
    for (const record of await consumer.getMany({ timeoutMs: 5_000, ...soon() })) values.push(record.value!.toString())
  }
  return values
}

function produceRequest(cluster: TestCluster, topic: string, records: Buffer) {
  const { topicId } = cluster.topic(topic)!
  return { acks: -1, timeoutMs: 1_000, topicData: [{ topicId, partitionData: [{ index: 0, records }] }] }
}

describe('our own clients', () => {
  for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
    test(`produce and consume with compression ${compression}`, async (t) => {
      const cluster = await clusterOf(t, { brokers: 2, topics: { orders: 3 } })
      const producer = producerOf(t, cluster, { compression })
      const values = Array.from({ length: 100 }, (_, i) => `order ${i}`)
      await producer.sendBatch(
        'orders',
        values.map((value) => ({ key: value, value })),
      )
      const consumer = consumerOf(t, cluster, { groupId: 'billing' })
      await consumer.subscribe(['orders'])
      assert.deepEqual((await read(consumer, 100)).toSorted(), values.toSorted())
      await consumer.commit()
      const { offsets, state } = cluster.group('billing')!
      assert.equal(state, 'Stable')
      assert.equal(
        offsets.reduce((sum, { offset }) => sum + offset, 0),
        100,
      )
      const stored = await Promise.all(cluster.topic('orders')!.partitions.map((partition) => partition.records()))
      assert.deepEqual(
        stored
          .flat()
          .map(({ value }) => value!.toString())
          .toSorted(),
        values.toSorted(),
      )
    })
  }

  test('make a topic by asking for it, unless that is forbidden', async (t) => {
    const open = await clusterOf(t, { properties: { 'num.partitions': 4 } })
    await producerOf(t, open).send({ topic: 'fresh', value: 'x' })
    assert.equal(open.topic('fresh')!.partitions.length, 4)
    const closed = await clusterOf(t, { properties: { 'auto.create.topics.enable': false } })
    await assert.rejects(producerOf(t, closed, { maxBlockMs: 200 }).send({ topic: 'fresh', value: 'x' }))
    assert.equal(closed.topic('fresh'), undefined)
  })

  test('go on when the leader of everything is killed, lose nothing, and use it again when it is back', async (t) => {
    const cluster = await clusterOf(t, { brokers: 3, topics: { orders: 1 } })
    const producer = producerOf(t, cluster)
    const consumer = consumerOf(t, cluster, { groupId: 'billing' })
    await consumer.subscribe(['orders'])
    await producer.send({ topic: 'orders', value: '1' })
    assert.deepEqual(await read(consumer, 1), ['1'])
    const first = cluster.leaderOf('orders', 0)
    cluster.moveCoordinator('billing', first)
    await cluster.kill(first)
    const [partition] = cluster.topic('orders')!.partitions
    assert.notEqual(partition!.leader, first)
    assert.equal(partition!.leaderEpoch, 1)
    assert.ok(!partition!.inSyncReplicas.includes(first))
    assert.notEqual(cluster.coordinatorOf('billing'), first)
    await producer.send({ topic: 'orders', value: '2' })
    assert.deepEqual(await read(consumer, 1), ['2'])
    await consumer.commit()
    await cluster.restart(first)
    cluster.moveLeader('orders', 0, first)
    await producer.send({ topic: 'orders', value: '3' })
    assert.deepEqual(await read(consumer, 1), ['3'])
    assert.deepEqual(
      (await cluster.topic('orders')!.partitions[0]!.records()).map(({ value }) => value!.toString()),
      ['1', '2', '3'],
    )
  })

  test('keep their group while its coordinator moves and loads', async (t) => {
    const cluster = await clusterOf(t, { brokers: 2, topics: { orders: 2 } })
    const consumer = consumerOf(t, cluster, { groupId: 'billing' })
    await consumer.subscribe(['orders'])
    await consumer.assigned(soon())
    const { generationId, members } = cluster.group('billing')!
    const to = cluster.coordinatorOf('billing') === 1 ? 2 : 1
    cluster.moveCoordinator('billing', to, { loadingMs: 50 })
    await producerOf(t, cluster).send({ topic: 'orders', value: 'x' })
    await read(consumer, 1)
    await consumer.commit()
    assert.equal(cluster.group('billing')!.generationId, generationId)
    assert.equal(cluster.group('billing')!.members[0]!.memberId, members[0]!.memberId)
  })

  test('have no leader when no replica in sync is up, and one again when it comes back', async (t) => {
    const cluster = await clusterOf(t, { brokers: 2, topics: { orders: { partitions: 1, replicationFactor: 1 } } })
    const leader = cluster.leaderOf('orders', 0)
    await cluster.kill(leader)
    assert.equal(cluster.leaderOf('orders', 0), -1)
    const client = await rawOf(t, cluster, leader === 1 ? 2 : 1)
    const { topics, brokers } = await client.send(Metadata, 13, { topics: [{ name: 'orders' }] })
    assert.equal(brokers.length, 1)
    assert.deepEqual(topics[0]!.partitions[0]!.errorCode, 5)
    assert.deepEqual(topics[0]!.partitions[0]!.offlineReplicas, [leader])
    await cluster.restart(leader)
    assert.equal(cluster.leaderOf('orders', 0), leader)
    await producerOf(t, cluster).send({ topic: 'orders', value: 'x' })
  })

  test('find a broker that was added, once it leads', async (t) => {
    const cluster = await clusterOf(t, { topics: { orders: 1 } })
    const producer = producerOf(t, cluster)
    await producer.send({ topic: 'orders', value: '1' })
    const id = await cluster.addBroker()
    cluster.moveLeader('orders', 0, id)
    assert.deepEqual((await producer.send({ topic: 'orders', value: '2' })).offset, 1)
    assert.equal(cluster.requests(Produce).at(-1)!.brokerId, id)
  })
})

describe('a control', () => {
  test('answers one request with an error code by name, in every partition of the answer', async (t) => {
    const cluster = await clusterOf(t, { topics: { orders: 1 } })
    cluster.control(Produce, () => ({ errorCode: 'NOT_LEADER_OR_FOLLOWER' }))
    const { offset } = await producerOf(t, cluster).send({ topic: 'orders', value: 'x' })
    assert.equal(offset, 0)
    assert.equal(cluster.requests(Produce).length, 2)
  })

  test('stays when it shall, until it is taken away', async (t) => {
    const cluster = await clusterOf(t, { topics: { orders: 1 } })
    const remove = cluster.control(Produce, () => ({ errorCode: 'TOPIC_AUTHORIZATION_FAILED' }), { keep: true })
    const producer = producerOf(t, cluster)
    for (let i = 0; i < 3; i++) {
      await assert.rejects(producer.send({ topic: 'orders', value: 'x' }), BrokerError)
    }
    remove()
    await producer.send({ topic: 'orders', value: 'x' })
  })

  test('that says nothing leaves the request to the next one, and waits for another', async (t) => {
    const cluster = await clusterOf(t)
    const asked: string[] = []
    cluster.control(Heartbeat, ({ groupId }) => {
      asked.push(`first ${groupId}`)
      return groupId === 'b' ? { errorCode: 27 } : undefined
    })
    cluster.control(Heartbeat, ({ groupId }) => {
      asked.push(`second ${groupId}`)
      return { errorCode: 16 }
    })
    const client = await rawOf(t, cluster)
    const beat = async (groupId: string) => (await client.send(Heartbeat, 4, { groupId, memberId: 'm' })).errorCode
    assert.deepEqual([await beat('a'), await beat('b'), await beat('c')], [16, 27, 25])
    assert.deepEqual(asked, ['first a', 'second a', 'first b'])
  })

  test('may change what the real handler says, and what it is asked', async (t) => {
    const cluster = await clusterOf(t, { topics: { orders: 1, other: 1 } })
    cluster.control(Metadata, async (request, { handle }) => {
      const answer = (await handle({ ...request, topics: [{ ...request.topics![0]!, name: 'other' }] }))!
      return { ...answer, clusterId: 'changed' }
    })
    const client = await rawOf(t, cluster)
    const { clusterId, topics } = await client.send(Metadata, 13, { topics: [{ name: 'orders' }] })
    assert.deepEqual([clusterId, topics[0]!.name], ['changed', 'other'])
  })

  test('may end the connection before the request is handled, or in the middle of the answer', async (t) => {
    const cluster = await clusterOf(t, { topics: { orders: 1 } })
    cluster.control(Produce, () => 'drop')
    const dropped = await rawOf(t, cluster)
    await assert.rejects(dropped.send(Produce, 13, produceRequest(cluster, 'orders', batch(1))))
    assert.equal(cluster.topic('orders')!.partitions[0]!.logEndOffset, 0)
    cluster.control(Produce, () => 'cut')
    const cut = await rawOf(t, cluster)
    await assert.rejects(cut.send(Produce, 13, produceRequest(cluster, 'orders', batch(1))))
    const part = await cut.untilEnd()
    assert.ok(part.length > 4 && part.length < 4 + part.readInt32BE(0), 'some of the answer came, not all')
    assert.equal(cluster.topic('orders')!.partitions[0]!.logEndOffset, 1)
  })

  test('may be silent: nothing behind the request is answered on that connection, all else is', async (t) => {
    const cluster = await clusterOf(t)
    cluster.control(FindCoordinator, () => 'silence')
    const [silent, other] = [await rawOf(t, cluster), await rawOf(t, cluster)]
    const answers: string[] = []
    silent.send(FindCoordinator, 6, { coordinatorKeys: ['g'] }).then(
      () => answers.push('asked'),
      () => {},
    )
    await cluster.untilRequested(FindCoordinator, 1, soon())
    silent.send(ApiVersions, 0, {}).then(
      () => answers.push('behind'),
      () => {},
    )
    await other.send(FindCoordinator, 6, { coordinatorKeys: ['g'] })
    await other.send(ApiVersions, 0, {})
    assert.deepEqual(answers, [])
  })

  test('may delay a request by the clock, and be only for one broker', async (t) => {
    const cluster = await clusterOf(t, { brokers: 2 })
    const seen: number[] = []
    cluster.control(
      ApiVersions,
      async (_, { delay, brokerId }) => {
        seen.push(brokerId)
        await delay(30)
        return undefined
      },
      { broker: 2, keep: true },
    )
    const [one, two] = [await rawOf(t, cluster, 1), await rawOf(t, cluster, 2)]
    await one.send(ApiVersions, 0, {})
    const before = performance.now()
    await two.send(ApiVersions, 0, {})
    assert.ok(performance.now() - before >= 28)
    assert.deepEqual(seen, [2])
  })

  test('that throws is an uncaught exception: a mistake in a test is not taken for a failing broker', () => {
    const program = `
      import { TestCluster } from '#src/testing/index.js'
      import { ApiVersions } from '#src/wire/messages/api-versions.js'
      import { connect } from 'node:net'
      const cluster = await TestCluster.start()
      cluster.control(ApiVersions, () => { throw new Error('my mistake') })
      connect(Number(cluster.bootstrapServers.split(':')[1])).write(Buffer.from('0000000a0012000000000001ffff', 'hex'))
    `
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      cwd: fileURLToPath(new URL('.', import.meta.url)),
      encoding: 'utf8',
      timeout: 20_000,
    })
    assert.equal(status, 1)
    assert.match(stderr, /my mistake/)
  })

  test('for a broker that is not there is refused', async (t) => {
    const cluster = await clusterOf(t)
    assert.throws(() => cluster.control(Produce, () => 'drop', { broker: 7 }), InvalidArgumentError)
  })
})

describe('requests', () => {
  test('of one connection are answered strictly in turn: a waiting fetch holds up what is behind it', async (t) => {
    const cluster = await clusterOf(t, { topics: { orders: 1 } })
    const client = await rawOf(t, cluster)
    const { topicId } = cluster.topic('orders')!
    const order: string[] = []
    const fetched = client
      .send(Fetch, 17, {
        maxWaitMs: 20_000,
        minBytes: 1,
        maxBytes: 1_000,
        sessionEpoch: -1,
        topics: [{ topicId, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000 }] }],
      })
      .then(() => order.push('fetch'))
    const behind = client.send(ApiVersions, 0, {}).then(() => order.push('versions'))
    await cluster.untilRequested(Fetch, 1, soon())
    const other = await rawOf(t, cluster)
    await other.send(ApiVersions, 0, {})
    assert.deepEqual(order, [])
    const before = performance.now()
    await other.send(Produce, 13, produceRequest(cluster, 'orders', batch(1)))
    await Promise.all([fetched, behind])
    assert.ok(performance.now() - before < 10_000, 'the append woke the fetch')
    assert.deepEqual(order, ['fetch', 'versions'])
  })

  test('are kept up to a bound, and can be waited for', async (t) => {
    const cluster = await clusterOf(t, { keepRequests: 3 })
    const client = await rawOf(t, cluster)
    const waited = cluster.untilRequested(ApiVersions, 9, soon())
    for (let i = 0; i < 9; i++)
      await client.send(ApiVersions, i % 5, { clientSoftwareName: 'a', clientSoftwareVersion: '1' })
    await waited
    assert.deepEqual(
      cluster.requests(ApiVersions).map(({ version }) => version),
      [1, 2, 3],
    )
    await assert.rejects(
      cluster.untilRequested(ApiVersions, 10, { signal: AbortSignal.abort(new Error('enough')) }),
      /enough/,
    )
  })

  test('that make no sense end their connection with a line in the log, and no other', async (t) => {
    const lines: string[] = []
    const note = (line: string): void => void lines.push(line)
    const logger = { debug: note, info: note, warn: note, error: note }
    const cluster = await clusterOf(t, { logger, properties: { 'socket.request.max.bytes': 1_000 } })
    const bystander = await rawOf(t, cluster)
    const cases = [
      ['a size beyond the limit', '7fffffff', /announced a request of 2147483647 bytes/],
      ['a negative size', 'ffffffff', /announced a request of -1 bytes/],
      ['an empty frame', '00000000', /./],
      ['an API that is not', '0000000a7fff000000000001ffff', /no API with the key 32767/],
      ['a version that is not', '0000000a0003006300000001ffff', /Metadata has no version 99/],
      ['a body that ends too soon', '0000000b0003000100000001ffff00', /malformed Metadata request/],
      ['Produce in a version of the past', '0000000a0000000200000001ffff', /Produce has no version 2/],
    ] as const
    for (const [what, hex, expected] of cases) {
      const client = await rawOf(t, cluster)
      client.write(Buffer.from(hex, 'hex'))
      assert.equal((await client.untilEnd()).length, 0, what)
      assert.match(lines.at(-1)!, expected, what)
    }
    assert.equal((await bystander.send(ApiVersions, 0, {})).errorCode, 0)
    assert.equal(cluster.brokers[0]!.connections, 1)
  })

  test('for ApiVersions in an unheard-of version are answered in version 0', async (t) => {
    const cluster = await clusterOf(t)
    const socket = connect(Number(cluster.bootstrapServers.split(':')[1]), '127.0.0.1')
    t.after(() => socket.destroy())
    socket.write(Buffer.from('0000000a0012000900000063ffff', 'hex'))
    const [answer] = (await once(socket, 'data')) as [Buffer]
    assert.equal(answer.toString('hex'), '00000010000000630023000000010012' + '00000004')
  })
})

describe('a cluster', () => {
  test('looks like an older broker when it serves lower versions or no such API', async (t) => {
    const cluster = await clusterOf(t, {
      versions: { Produce: [3, 7], Fetch: [4, 11], DescribeCluster: null },
      topics: { a: 1 },
    })
    const { apiKeys } = await (
      await rawOf(t, cluster)
    ).send(ApiVersions, 4, { clientSoftwareName: 'a', clientSoftwareVersion: '1' })
    assert.deepEqual(apiKeys.find(({ apiKey }) => apiKey === 0)!.maxVersion, 7)
    assert.equal(
      apiKeys.find(({ apiKey }) => apiKey === 60),
      undefined,
    )
    await producerOf(t, cluster).send({ topic: 'a', value: 'x' })
    const consumer = consumerOf(t, cluster)
    consumer.assign([{ topic: 'a', partition: 0 }])
    assert.deepEqual(await read(consumer, 1), ['x'])
    assert.deepEqual([cluster.requests(Produce)[0]!.version, cluster.requests(Fetch)[0]!.version], [7, 11])
  })

  test('refuses options that it would have to ignore', async () => {
    const wrong: TestClusterOptions[] = [
      { brokers: 0 },
      { properties: { 'log.dirs': '/tmp' } },
      { properties: { 'num.partitions': 'many' } },
      { versions: { Nonsense: [0, 1] } },
      { versions: { Fetch: [0, 99] } },
      { broker: 3 } as TestClusterOptions,
    ]
    for (const options of wrong) await assert.rejects(TestCluster.start(options), InvalidOptionError)
    await assert.rejects(TestCluster.start({ topics: { 'no name': 1 } }), InvalidArgumentError)
    await assert.rejects(TestCluster.start({ topics: { a: { configs: { 'no.such': 1 } } } }), InvalidArgumentError)
  })

  test('forgets the oldest batches beyond its bound, and says where the log begins', async (t) => {
    const size = batch(1, { valueBytes: 1_000 }).length
    const cluster = await clusterOf(t, { maxLogBytes: 3 * size, topics: { orders: 1 } })
    const client = await rawOf(t, cluster)
    for (let i = 0; i < 10; i++) {
      await client.send(Produce, 13, produceRequest(cluster, 'orders', batch(1, { valueBytes: 1_000 })))
    }
    const { logStartOffset, logEndOffset, sizeInBytes, batches } = cluster.topic('orders')!.partitions[0]!
    assert.deepEqual(
      { logStartOffset, logEndOffset, sizeInBytes },
      { logStartOffset: 7, logEndOffset: 10, sizeInBytes: 3 * size },
    )
    assert.deepEqual(
      batches.map(({ baseOffset }) => baseOffset),
      [7, 8, 9],
    )
  })

  test('drops a member that is not heard of, and lets the others go on', async (t) => {
    const cluster = await clusterOf(t, { properties: { 'group.min.session.timeout.ms': 10 } })
    const client = await rawOf(t, cluster)
    const join = {
      groupId: 'g',
      sessionTimeoutMs: 50,
      rebalanceTimeoutMs: 50,
      protocolType: 'x',
      protocols: [{ name: 'p' }],
    }
    const { memberId } = await client.send(JoinGroup, 9, join)
    assert.equal((await client.send(JoinGroup, 9, { ...join, memberId })).generationId, 1)
    assert.equal(cluster.group('g')!.members.length, 1)
    while (cluster.group('g')!.members.length > 0) await client.send(ApiVersions, 0, {})
    assert.equal(cluster.group('g')!.state, 'Empty')
    assert.equal((await client.send(Heartbeat, 4, { groupId: 'g', memberId, generationId: 1 })).errorCode, 25)
  })

  test('ends at once when it is closed, waiting requests or not, and leaves nothing that keeps the process alive', async () => {
    const cluster = await TestCluster.start({ brokers: 3, topics: { orders: 1 } })
    const client = await RawClient.connect(cluster.bootstrapServers.split(',')[0]!)
    const join = {
      groupId: 'g',
      sessionTimeoutMs: 60_000,
      rebalanceTimeoutMs: 60_000,
      protocolType: 'x',
      protocols: [{ name: 'p' }],
    }
    await client.send(JoinGroup, 9, join)
    await Promise.all([cluster.close(), cluster.close()])
    await client.untilEnd()
    await assert.rejects(RawClient.connect(cluster.bootstrapServers.split(',')[0]!))
    await assert.rejects(cluster.addBroker())
  })
})
