import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { Cluster } from '#src/cluster/cluster.js'
import type { RecordMetadata } from '#src/producer/producer-record.js'
import { DeleteRecords } from '#src/wire/messages/delete-records.js'
import { DescribeProducers } from '#src/wire/messages/describe-producers.js'
import { startKafka } from '#scripts/kafka.mjs'
import { without } from '../support/kafka/foreign-tools.ts'
import { fromCluster, kafka, notInProcess, type Kafka } from '../support/kafka/kafka.ts'
import { makeProducer, numbered, readBack, type Options } from './producing-support.ts'

const skip = without('kcat')
const produce = 0

/** A way to the broker that can lose answers to Produce after the broker has given them, and cut every connection. */
class LossyWay {
  readonly #sockets = new Set<Socket>()
  /** How many answers to Produce still to lose, each with its connection. */
  toLose = 0
  lost = 0
  /** How many Produce requests were under way at once on one connection, at most. */
  mostUnderWay = 0

  static async open(t: TestContext, broker: Kafka): Promise<{ way: LossyWay; options: Options }> {
    const way = new LossyWay()
    const [host, port] = broker.bootstrapServers.split(',')[0]!.split(':') as [string, string]
    const server = createServer((client) => {
      way.#carry(client, connect(Number(port), host))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => {
      server.close()
      way.cut()
    })
    const place = { host: '127.0.0.1', port: (server.address() as AddressInfo).port }
    return { way, options: { bootstrapServers: `${place.host}:${place.port}`, mapAddress: () => place } }
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #carry(client: Socket, broker: Socket): void {
    let asked = 0
    for (const [one, other] of [
      [client, broker],
      [broker, client],
    ] as const) {
      this.#sockets.add(one)
      one.setNoDelay(true)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        this.#sockets.delete(one)
        other.destroy()
      })
    }
    client.on('data', (chunk) => {
      // Small requests: each comes in one piece, and begins with its length and the number of its API.
      for (let at = 0; at + 6 <= chunk.length; at += 4 + chunk.readInt32BE(at)) {
        if (chunk.readInt16BE(at + 4) === produce) asked++
      }
      this.mostUnderWay = Math.max(this.mostUnderWay, asked)
      broker.write(chunk)
    })
    broker.on('data', (chunk) => {
      if (asked > 0) {
        if (this.toLose > 0) {
          this.toLose--
          this.lost++
          client.destroy()
          broker.destroy()
          return
        }
        for (let at = 0; at + 4 <= chunk.length; at += 4 + chunk.readInt32BE(at)) asked--
      }
      client.write(chunk)
    })
  }
}

test('a record whose answer is lost twice is in the log once, where the producer says', { skip }, async (t) => {
  const broker = await kafka()
  const topic = await broker.createTopic()
  const { way, options } = await LossyWay.open(t, broker)
  const producer = makeProducer(t, broker, options)
  await producer.send({ topic, value: 'before' })
  way.toLose = 2
  const { offset } = await producer.send({ topic, value: 'once' })
  await producer.send({ topic, value: 'after' })
  assert.equal(way.lost, 2)
  assert.deepEqual(await readBack(broker, topic, '%o %s'), ['0 before', `${offset} once`, '2 after'])
})

test('without idempotence a lost answer is a record twice: that is what it prevents', { skip }, async (t) => {
  const broker = await kafka()
  const topic = await broker.createTopic()
  const { way, options } = await LossyWay.open(t, broker)
  const producer = makeProducer(t, broker, { ...options, idempotent: false })
  way.toLose = 1
  await producer.send({ topic, value: 'x' })
  assert.deepEqual(await readBack(broker, topic, '%s'), ['x', 'x'])
})

test(
  'of 2 000 records sent while connections are cut and answers lost none is lost, doubled or out of order',
  { skip },
  async (t) => {
    const broker = await kafka()
    const partitions = 3
    const topic = await broker.createTopic({ partitions })
    const { way, options } = await LossyWay.open(t, broker)
    const producer = makeProducer(t, broker, { ...options, lingerMs: 0, batchSize: 200, retryBackoffMs: 20 })
    const total = 2_000
    const sent: Promise<RecordMetadata>[] = []
    for (let i = 0; i < total; i++) {
      sent.push(producer.send({ topic, partition: i % partitions, value: `${i}` }))
      if (i % 400 === 200) way.cut()
      if (i % 400 === 399) way.toLose++
      if (i % 20 === 0) await sent[Math.max(0, i - 60)]
    }
    const places = await Promise.all(sent)
    const { retries } = producer.metrics()
    assert.ok(retries > 5, `${retries} retries`)
    assert.ok(way.mostUnderWay > 1, `${way.mostUnderWay} under way`)
    for (let partition = 0; partition < partitions; partition++) {
      const args = ['-C', '-q', '-e', '-t', topic, '-p', `${partition}`, '-o', 'beginning', '-f', '%s\\n']
      const log = (await broker.kcat(args)).trim().split('\n')
      assert.deepEqual(
        log,
        numbered(total).filter((_, i) => i % partitions === partition),
      )
      for (const [i, place] of places.entries()) {
        if (place.partition === partition) assert.equal(log[place.offset!], `${i}`)
      }
    }
  },
)

test('up to five batches of a partition are under way, and stay in order', { skip }, async (t) => {
  const broker = await kafka()
  const topic = await broker.createTopic()
  const { way, options } = await LossyWay.open(t, broker)
  const producer = makeProducer(t, broker, { ...options, lingerMs: 0, batchSize: 1 })
  await producer.send({ topic, value: '0' })
  await Promise.all(numbered(300, 1).map((value) => producer.send({ topic, value })))
  assert.equal(way.mostUnderWay, 5)
  assert.deepEqual(await readBack(broker, topic, '%s'), numbered(301))
})

/** For questions that no client of ours asks yet. */
async function makeCluster(t: TestContext, broker: Kafka): Promise<Cluster> {
  const cluster = new Cluster({ bootstrapServers: broker.bootstrapServers })
  t.after(() => cluster.close())
  return cluster.start()
}

test('a producer goes on when everything it wrote was deleted', { skip }, async (t) => {
  const broker = await kafka()
  const topic = await broker.createTopic()
  const producer = makeProducer(t, broker)
  const cluster = await makeCluster(t, broker)
  for (const value of numbered(3)) await producer.send({ topic, value })
  const { topics } = await cluster.send({ kind: 'any' }, DeleteRecords, {
    topics: [{ name: topic, partitions: [{ partitionIndex: 0, offset: 3 }] }],
    timeoutMs: 10_000,
  })
  assert.deepEqual([topics[0]!.partitions[0]!.errorCode, topics[0]!.partitions[0]!.lowWatermark], [0, 3])
  assert.equal((await producer.send({ topic, value: '3' })).offset, 3)
  await Promise.all(numbered(20, 4).map((value) => producer.send({ topic, value })))
  assert.deepEqual(
    await readBack(broker, topic, '%o %s'),
    numbered(21, 3).map((n) => `${n} ${n}`),
  )
})

test(
  'a producer goes on when the broker has forgotten it',
  { skip: skip || notInProcess('forgets producers by number, not by time'), timeout: 120_000 },
  async (t) => {
    const properties = { 'producer.id.expiration.ms': 500, 'producer.id.expiration.check.interval.ms': 500 }
    const started = await startKafka({ properties })
    t.after(() => started.stop())
    const broker = fromCluster(started)
    const topic = await broker.createTopic()
    const producer = makeProducer(t, broker, { lingerMs: 0, batchSize: 1 })
    const cluster = await makeCluster(t, broker)
    const remembered = async (): Promise<number> => {
      const { topics } = await cluster.send({ kind: 'any' }, DescribeProducers, {
        topics: [{ name: topic, partitionIndexes: [0] }],
      })
      return topics[0]!.partitions[0]!.activeProducers.length
    }
    for (const value of numbered(3)) await producer.send({ topic, value })
    const deadline = performance.now() + 60_000
    while ((await remembered()) > 0) {
      assert.ok(performance.now() < deadline, 'the broker still remembers the producer after 60 s')
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    await Promise.all(numbered(20, 3).map((value) => producer.send({ topic, value })))
    assert.deepEqual(await readBack(broker, topic, '%s'), numbered(23))
  },
)
