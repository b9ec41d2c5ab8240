/** What a test can do to transactions of the in-process cluster, and what real Kafka cannot be made to do at will: markers that
 *  are held, coordinators that move or are missing, too few replicas. What brokers answer otherwise is in the conformance. */

import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import { brokerErrorName } from '#src/errors/broker-error.js'
import { Consumer } from '#src/consumer/consumer.js'
import { InvalidArgumentError, InvalidOptionError } from '#src/errors/errors.js'
import { Simulation, TestCluster, type TestClusterOptions } from '#src/testing/index.js'
import { TransactionalProducer } from '#src/transactions/transactional-producer.js'
import type { Api, Init } from '#src/wire/api.js'
import { AddPartitionsToTxn } from '#src/wire/messages/add-partitions-to-txn.js'
import { ApiVersions } from '#src/wire/messages/api-versions.js'
import { DeleteRecords } from '#src/wire/messages/delete-records.js'
import { EndTxn } from '#src/wire/messages/end-txn.js'
import { FindCoordinator } from '#src/wire/messages/find-coordinator.js'
import { InitProducerId } from '#src/wire/messages/init-producer-id.js'
import { Produce } from '#src/wire/messages/produce.js'
import { TxnOffsetCommit } from '#src/wire/messages/txn-offset-commit.js'
import { batch } from './conformance/batches.js'
import { RawClient } from './raw-client.js'

const transactionalId = 'billing'
const topic = 'orders'

async function clusterOf(t: TestContext, options: TestClusterOptions = {}): Promise<TestCluster> {
  const cluster = await TestCluster.start({ topics: { [topic]: 2 }, ...options })
  t.after(() => cluster.close())
  return cluster
}

/** A transactional producer that asks whom it is told to, and waits for nothing. */
class Producing {
  producerId = -1
  producerEpoch = -1
  readonly #cluster: TestCluster
  readonly #clients = new Map<number, RawClient>()
  readonly #sequences = [0, 0]

  constructor(t: TestContext, cluster: TestCluster) {
    this.#cluster = cluster
    t.after(() => {
      for (const client of this.#clients.values()) client.close()
    })
  }

  get #identity(): { producerId: number; producerEpoch: number } {
    return { producerId: this.producerId, producerEpoch: this.producerEpoch }
  }

  async send<Request, Response>(
    brokerId: number,
    api: Api<Request, Response>,
    version: number,
    request: Init<Request>,
  ): Promise<Response> {
    let client = this.#clients.get(brokerId)
    if (client === undefined || client.ended) {
      client = await RawClient.connect(this.#cluster.brokers.find(({ id }) => id === brokerId)!.address)
      this.#clients.set(brokerId, client)
    }
    return client.send(api, version, request)
  }

  get #coordinator(): number {
    return this.#cluster.transactionCoordinatorOf(transactionalId)
  }

  async initialize(): Promise<string> {
    const answer = await this.send(this.#coordinator, InitProducerId, 5, {
      transactionalId,
      transactionTimeoutMs: 5_000,
    })
    if (answer.errorCode === 0) {
      this.producerId = answer.producerId
      this.producerEpoch = answer.producerEpoch
      this.#sequences.fill(0)
    }
    return brokerErrorName(answer.errorCode)
  }

  async produce(partition: number, value: string, version = 13): Promise<string> {
    const records = batch(1, {
      ...this.#identity,
      key: value,
      baseSequence: this.#sequences[partition]!,
      isTransactional: true,
    })
    const { responses } = await this.send(this.#cluster.leaderOf(topic, partition), Produce, version, {
      transactionalId,
      acks: -1,
      timeoutMs: 1_000,
      topicData: [
        {
          ...(version >= 13 ? { topicId: this.#cluster.topic(topic)!.topicId } : { name: topic }),
          partitionData: [{ index: partition, records }],
        },
      ],
    })
    const { errorCode } = responses[0]!.partitionResponses[0]!
    if (errorCode === 0) this.#sequences[partition]!++
    return brokerErrorName(errorCode)
  }

  async end(committed: boolean, version = 5): Promise<string> {
    const answer = await this.send(this.#coordinator, EndTxn, version, {
      transactionalId,
      ...this.#identity,
      committed,
    })
    if (answer.errorCode === 0 && version >= 5) {
      this.producerId = answer.producerId
      this.producerEpoch = answer.producerEpoch
      this.#sequences.fill(0)
    }
    return brokerErrorName(answer.errorCode)
  }

  async add(partition: number): Promise<string> {
    const answer = await this.send(this.#coordinator, AddPartitionsToTxn, 3, {
      v3AndBelowTransactionalId: transactionalId,
      v3AndBelowProducerId: this.producerId,
      v3AndBelowProducerEpoch: this.producerEpoch,
      v3AndBelowTopics: [{ name: topic, partitions: [partition] }],
    })
    return brokerErrorName(answer.resultsByTopicV3AndBelow[0]!.resultsByPartition[0]!.partitionErrorCode)
  }

  async commitOffset(groupId: string, committedOffset: number): Promise<string> {
    const answer = await this.send(this.#cluster.coordinatorOf(groupId), TxnOffsetCommit, 5, {
      transactionalId,
      groupId,
      ...this.#identity,
      topics: [{ name: topic, partitions: [{ partitionIndex: 0, committedOffset }] }],
    })
    return brokerErrorName(answer.topics[0]!.partitions[0]!.errorCode)
  }
}

async function begun(t: TestContext, cluster: TestCluster): Promise<Producing> {
  const producing = new Producing(t, cluster)
  assert.equal(await producing.initialize(), 'NONE')
  return producing
}

async function committedIn(cluster: TestCluster, partition: number): Promise<(string | undefined)[]> {
  const records = await cluster.topic(topic)!.partitions[partition]!.committedRecords()
  return records.map(({ key }) => key?.toString())
}

/** Resolves once the transaction has the state. */
async function untilState(cluster: TestCluster, state: string): Promise<void> {
  const deadline = AbortSignal.timeout(10_000)
  while (cluster.transaction(transactionalId)?.state !== state) {
    deadline.throwIfAborted()
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test('markers that are held keep a decided transaction from being complete, and each partition from showing it', async (t) => {
  const cluster = await clusterOf(t)
  const producing = await begun(t, cluster)
  await producing.produce(0, 'a')
  await producing.produce(1, 'b')
  await producing.commitOffset('group', 7)
  const release = cluster.holdMarkers({ topic, partition: 1 })
  assert.equal(await producing.end(true), 'NONE')
  await untilState(cluster, 'PrepareCommit')
  assert.deepEqual(
    cluster.topic(topic)!.partitions.map(({ lastStableOffset, logEndOffset }) => [lastStableOffset, logEndOffset]),
    [
      [2, 2],
      [0, 1],
    ],
  )
  assert.deepEqual([await committedIn(cluster, 0), await committedIn(cluster, 1)], [['a'], []])
  assert.equal(cluster.group('group')!.offsets[0]!.offset, 7)

  // Whoever goes on is told to wait: by the coordinator, and by leaders, after they have waited a little themselves.
  assert.equal(await producing.initialize(), 'CONCURRENT_TRANSACTIONS')
  assert.equal(await producing.add(0), 'CONCURRENT_TRANSACTIONS')
  assert.equal(await producing.produce(0, 'c'), 'CONCURRENT_TRANSACTIONS')
  assert.equal(await producing.produce(0, 'c', 11), 'NOT_ENOUGH_REPLICAS')
  assert.equal(await producing.commitOffset('group', 8), 'CONCURRENT_TRANSACTIONS')
  assert.equal(await producing.end(true), 'CONCURRENT_TRANSACTIONS')

  release()
  await untilState(cluster, 'CompleteCommit')
  assert.deepEqual(await committedIn(cluster, 1), ['b'])
  assert.equal(await producing.produce(0, 'c'), 'NONE')
})

test('a leader waits for markers that are about to be written, so that the next transaction need not', async (t) => {
  const cluster = await clusterOf(t)
  const producing = await begun(t, cluster)
  await producing.produce(0, 'a')
  const release = cluster.holdMarkers({ transactionalId })
  await producing.end(true)
  const next = producing.produce(0, 'b')
  await cluster.untilRequested(Produce, 2, { signal: AbortSignal.timeout(10_000) })
  release()
  assert.equal(await next, 'NONE')
})

test('markers of others are not held by a filter that does not fit', async (t) => {
  const cluster = await clusterOf(t)
  t.after(cluster.holdMarkers({ transactionalId: 'another' }))
  t.after(cluster.holdMarkers({ topic: 'another' }))
  const producing = await begun(t, cluster)
  await producing.produce(0, 'a')
  await producing.end(true)
  await untilState(cluster, 'CompleteCommit')
})

test('pending offsets are shown apart, by producer, until the markers are written', async (t) => {
  const cluster = await clusterOf(t)
  const producing = await begun(t, cluster)
  await producing.commitOffset('group', 7)
  const { offsets, pendingOffsets } = cluster.group('group')!
  assert.deepEqual(offsets, [])
  assert.deepEqual(pendingOffsets, [{ topic, partition: 0, offset: 7, metadata: '', producerId: producing.producerId }])
  assert.deepEqual(
    cluster.transaction(transactionalId)!.partitions.map((each) => each.topic),
    ['__consumer_offsets'],
  )
  await producing.end(false)
  await untilState(cluster, 'CompleteAbort')
  assert.deepEqual(cluster.group('group')!.pendingOffsets, [])
})

test('a transaction whose time is over is aborted, and its producer fenced', async (t) => {
  const cluster = await clusterOf(t)
  const producing = await begun(t, cluster)
  assert.throws(() => {
    cluster.expireTransaction(transactionalId)
  }, InvalidArgumentError)
  await producing.produce(0, 'a')
  cluster.expireTransaction(transactionalId)
  await untilState(cluster, 'CompleteAbort')
  assert.deepEqual(await committedIn(cluster, 0), [])
  assert.deepEqual(cluster.topic(topic)!.partitions[0]!.abortedTransactions, [
    { producerId: producing.producerId, firstOffset: 0, lastOffset: 1 },
  ])
  assert.equal(await producing.produce(0, 'b'), 'INVALID_PRODUCER_EPOCH')
})

test('a transaction ends when its time is over, and not before, in minutes that take no time', async () => {
  const simulation = new Simulation({ seed: 3 })
  await simulation.run(async () => {
    const { clock, random, listen } = simulation
    const cluster = await TestCluster.start({
      host: 'kafka',
      port: 9092,
      topics: { [topic]: 1 },
      clock,
      random: random.fork('cluster'),
      listen,
    })
    const options = { bootstrapServers: 'kafka:9092', transactionalId, transactionTimeoutMs: 120_000, lingerMs: 0 }
    const producer = new TransactionalProducer(options, simulation.doors())
    const transaction = await producer.begin()
    await transaction.send({ topic, value: 'a' })
    await simulation.sleep(119_000)
    assert.equal(cluster.transaction(transactionalId)!.state, 'Ongoing')
    await simulation.sleep(2_000)
    assert.equal(cluster.transaction(transactionalId)!.state, 'CompleteAbort')
    assert.deepEqual(await cluster.topic(topic)!.partitions[0]!.committedRecords(), [])
    producer.destroy()
    await cluster.close()
  })
})

test('a coordinator that moves keeps what is open, and is loading for as long as it is told', async (t) => {
  const cluster = await clusterOf(t, { brokers: 2 })
  const producing = await begun(t, cluster)
  await producing.produce(0, 'a')
  const from = cluster.transactionCoordinatorOf(transactionalId)
  const to = from === 1 ? 2 : 1
  cluster.moveTransactionCoordinator(transactionalId, to, { loadingMs: 50 })
  const ask = (brokerId: number) =>
    producing.send(brokerId, InitProducerId, 5, { transactionalId, transactionTimeoutMs: 1_000 })
  assert.equal(brokerErrorName((await ask(from)).errorCode), 'NOT_COORDINATOR')
  assert.equal(brokerErrorName((await ask(to)).errorCode), 'COORDINATOR_LOAD_IN_PROGRESS')
  const { coordinators } = await producing.send(from, FindCoordinator, 4, {
    keyType: 1,
    coordinatorKeys: [transactionalId],
  })
  assert.equal(coordinators[0]!.nodeId, to)
  let ended: string
  while ((ended = await producing.end(true)) === 'COORDINATOR_LOAD_IN_PROGRESS');
  assert.equal(ended, 'NONE')
  await untilState(cluster, 'CompleteCommit')
  assert.deepEqual(await committedIn(cluster, 0), ['a'])
})

test('the marker of a partition without a leader is written when it has one again', async (t) => {
  const cluster = await clusterOf(t, {
    brokers: 2,
    topics: { [topic]: { partitions: 2, replicationFactor: 1 } },
    properties: { 'transaction.state.log.min.isr': 1 },
  })
  const producing = await begun(t, cluster)
  await producing.produce(0, 'a')
  await producing.produce(1, 'b')
  const away = cluster.leaderOf(topic, 1)
  await cluster.kill(away)
  assert.equal(await producing.end(true), 'NONE')
  const deadline = AbortSignal.timeout(10_000)
  while ((await committedIn(cluster, 0)).length === 0) deadline.throwIfAborted()
  assert.equal(cluster.transaction(transactionalId)!.state, 'PrepareCommit')
  await cluster.restart(away)
  await untilState(cluster, 'CompleteCommit')
  assert.deepEqual(await committedIn(cluster, 1), ['b'])
})

test('a topic that is deleted holds no transaction up', async (t) => {
  const cluster = await clusterOf(t, { topics: { [topic]: 2, other: 1 } })
  const producing = await begun(t, cluster)
  await producing.produce(0, 'a')
  const release = cluster.holdMarkers()
  await producing.end(true)
  cluster.deleteTopic(topic)
  release()
  await untilState(cluster, 'CompleteCommit')
})

test('with too few replicas in sync no transaction begins or ends, and records are refused by min.insync.replicas', async (t) => {
  const configs = { 'min.insync.replicas': 2 }
  const cluster = await clusterOf(t, { brokers: 2, topics: { [topic]: { partitions: 2, configs } } })
  const producing = await begun(t, cluster)
  await producing.produce(0, 'a')
  const coordinator = cluster.transactionCoordinatorOf(transactionalId)
  await cluster.kill(coordinator === 1 ? 2 : 1)
  assert.equal(await producing.produce(0, 'b'), 'NOT_ENOUGH_REPLICAS')
  assert.equal(await producing.end(true), 'COORDINATOR_NOT_AVAILABLE')
  assert.equal(await producing.add(1), 'COORDINATOR_NOT_AVAILABLE')
  assert.equal(await producing.initialize(), 'COORDINATOR_NOT_AVAILABLE')
  await cluster.restart(coordinator === 1 ? 2 : 1)
  assert.equal(await producing.produce(0, 'b'), 'NONE')
  assert.equal(await producing.end(true), 'NONE')
})

test('without a coordinator a leader refuses in a way that is tried again', async (t) => {
  const cluster = await clusterOf(t, {
    brokers: 4,
    topics: { [topic]: { partitions: 4, replicationFactor: 1 } },
    properties: { 'transaction.state.log.num.partitions': 1, 'transaction.state.log.min.isr': 1 },
  })
  const producing = await begun(t, cluster)
  // The internal topic has three replicas: the fourth broker is none of them.
  cluster.moveLeader(topic, 0, 4)
  for (const id of [1, 2, 3]) await cluster.kill(id)
  assert.equal(cluster.transactionCoordinatorOf(transactionalId), -1)
  assert.equal(await producing.produce(0, 'a'), 'NOT_ENOUGH_REPLICAS')
})

test('a partition that has forgotten its producers takes any sequence number', async (t) => {
  const cluster = await clusterOf(t)
  const { producerId } = await new Producing(t, cluster).send(1, InitProducerId, 5, {
    transactionalId: null,
    transactionTimeoutMs: 1,
  })
  const client = new Producing(t, cluster)
  const say = async (baseSequence: number): Promise<string> => {
    const records = batch(1, { producerId, producerEpoch: 0, baseSequence })
    const { responses } = await client.send(1, Produce, 12, {
      acks: -1,
      timeoutMs: 1_000,
      topicData: [{ name: topic, partitionData: [{ index: 0, records }] }],
    })
    return brokerErrorName(responses[0]!.partitionResponses[0]!.errorCode)
  }
  assert.equal(await say(0), 'NONE')
  assert.equal(await say(5), 'OUT_OF_ORDER_SEQUENCE_NUMBER')
  assert.deepEqual(
    cluster.topic(topic)!.partitions[0]!.producers.map((each) => [each.producerId, each.lastSequence]),
    [[producerId, 0]],
  )
  cluster.forgetProducers(topic, { producerId: producerId + 1 })
  assert.equal(await say(5), 'OUT_OF_ORDER_SEQUENCE_NUMBER')
  cluster.forgetProducers(topic, { producerId })
  assert.equal(await say(5), 'NONE')
})

test('a producer with an open transaction is never forgotten', async (t) => {
  const cluster = await clusterOf(t)
  const producing = await begun(t, cluster)
  await producing.produce(0, 'a')
  cluster.forgetProducers(topic)
  assert.equal(await producing.produce(0, 'b'), 'NONE')
  assert.equal(cluster.topic(topic)!.partitions[0]!.producers.length, 1)
})

test('aborted transactions go with the records that are deleted', async (t) => {
  const cluster = await clusterOf(t)
  const producing = await begun(t, cluster)
  await producing.produce(0, 'a')
  await producing.end(false)
  await untilState(cluster, 'CompleteAbort')
  await producing.send(1, DeleteRecords, 2, {
    topics: [{ name: topic, partitions: [{ partitionIndex: 0, offset: -1 }] }],
    timeoutMs: 1_000,
  })
  await producing.produce(0, 'b')
  await producing.end(true)
  await untilState(cluster, 'CompleteCommit')
  const consumer = new Consumer({
    bootstrapServers: cluster.bootstrapServers,
    isolationLevel: 'read_committed',
    autoOffsetReset: 'earliest',
  })
  t.after(() => consumer.close())
  consumer.assign([{ topic, partition: 0 }])
  const records = await consumer.getMany({ signal: AbortSignal.timeout(10_000) })
  assert.deepEqual(
    Array.from(records, ({ key }) => key?.toString()),
    ['b'],
  )
  assert.deepEqual(cluster.topic(topic)!.partitions[0]!.abortedTransactions, [])
})

for (const transactionVersion of [0, 1, 2] as const) {
  test(`clients are told that transaction.version is ${transactionVersion}`, async (t) => {
    const cluster = await clusterOf(t, { transactionVersion })
    const { finalizedFeatures } = await new Producing(t, cluster).send(1, ApiVersions, 4, {
      clientSoftwareName: 'raw',
      clientSoftwareVersion: '1',
    })
    const found = finalizedFeatures.find(({ name }) => name === 'transaction.version')
    // A feature at level 0 is not listed.
    assert.equal(found?.maxVersionLevel ?? 0, transactionVersion)
  })
}

test('a version of transactions that there is not is refused', async () => {
  for (const transactionVersion of [3, -1, '2']) {
    const options = { transactionVersion } as unknown as TestClusterOptions
    await assert.rejects(TestCluster.start(options), InvalidOptionError)
  }
})
