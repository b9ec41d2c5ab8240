/** Three brokers, one of which hangs or is away: what of the others' partitions, and of its own. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KafkaError } from '#src/errors/kafka-error.js'
import { without } from '../../support/kafka/foreign-tools.ts'
import { notInProcess } from '../../support/kafka/kafka.ts'
import { kafkaCluster } from '../../support/kafka/kafka-cluster.ts'
import { makeProducer, numbered, readBack, Writer } from '../producing-support.ts'

const skip = notInProcess('cannot be stopped by a signal') || without('kcat')

test(
  'a broker that hangs stalls the partitions of no other, and has its own when it is back',
  { skip, timeout: 120_000 },
  async (t) => {
    const cluster = await kafkaCluster(t)
    // One replica each: what the hanging broker leads, nobody else can.
    const topic = await cluster.createTopic({ partitions: 3, replicationFactor: 1 })
    const leaders = await Promise.all([0, 1, 2].map((partition) => cluster.leaderOf(topic, partition)))
    assert.equal(new Set(leaders.map((node) => node!.id)).size, 3, 'each broker leads one')
    const producer = makeProducer(t, cluster, { requestTimeoutMs: 5_000, deliveryTimeoutMs: 60_000 })
    const writers = [1, 2].map((partition) => new Writer(t, producer, topic, { partition, ahead: 5 }))
    await Promise.all(writers.map((writer) => writer.more(100)))

    await leaders[0]!.kill('SIGSTOP')
    const stuck = numbered(200).map((value) => producer.send({ topic, partition: 0, value }))
    try {
      // Longer than its request may take, and than the cluster needs to see that it is gone.
      const until = performance.now() + 12_000
      let slowestMs = 0
      while (performance.now() < until) {
        const startedAt = performance.now()
        await Promise.all(writers.map((writer) => writer.more(100)))
        slowestMs = Math.max(slowestMs, performance.now() - startedAt)
      }
      t.diagnostic(`the slowest 200 records of the other brokers took ${Math.round(slowestMs)} ms`)
      assert.ok(slowestMs < 4_000, `200 records of the other brokers took ${slowestMs} ms`)
    } finally {
      await leaders[0]!.kill('SIGCONT')
    }
    for (const writer of writers) assert.deepEqual(await writer.stop(), [])
    const places = await Promise.all(stuck)
    await cluster.healthy()
    const log = (await readBack(cluster, topic, '%p %o %s')).map((line) => line.split(' ') as [string, string, string])
    const own = log.filter(([partition]) => partition === '0')
    assert.deepEqual(
      own.map(([, , value]) => value),
      numbered(200),
      'all there, once each, and in order',
    )
    places.forEach(({ offset }, i) => {
      assert.deepEqual(own[offset!], ['0', `${offset}`, `${i}`])
    })
    await producer.close()
  },
)

test(
  'too few replicas in sync: a record fails at deliveryTimeoutMs with that as its cause, and others are written when they are back',
  { skip, timeout: 120_000 },
  async (t) => {
    const cluster = await kafkaCluster(t)
    const topic = await cluster.createTopic({ replicationFactor: 3, configs: { 'min.insync.replicas': 3 } })
    const leader = await cluster.leaderOf(topic, 0)
    const follower = cluster.nodes.find((node) => node !== leader)!
    const options = { lingerMs: 0, retryBackoffMs: 50 }
    const impatient = makeProducer(t, cluster, { ...options, requestTimeoutMs: 1_000, deliveryTimeoutMs: 1_500 })
    const patient = makeProducer(t, cluster, options)
    await Promise.all([impatient, patient].map((producer) => producer.send({ topic, value: 'before' })))
    await follower.stop()
    const waiting = patient.send({ topic, value: 'waits' })
    const startedAt = performance.now()
    await assert.rejects(impatient.send({ topic, value: 'x' }), (error) => {
      assert.ok(error instanceof KafkaError)
      assert.equal(error.code, 'TIMEOUT')
      assert.equal(error.persistence, 'not-persisted')
      assert.match(error.message, new RegExp(`partition 0 of '${topic}'.*1500 ms.*failed \\d+ times`))
      assert.equal((error.cause as KafkaError).code, 'NOT_ENOUGH_REPLICAS')
      return true
    })
    const tookMs = performance.now() - startedAt
    assert.ok(tookMs >= 1_400 && tookMs < 10_000, `${tookMs} ms`)
    // Who asks for less is served meanwhile.
    await makeProducer(t, cluster, { acks: 1 }).send({ topic, value: 'acks 1' })
    await follower.restart({ nodes: 3 })
    await waiting
    assert.deepEqual((await readBack(cluster, topic, '%s')).toSorted(), ['acks 1', 'before', 'before', 'waits'])
  },
)
