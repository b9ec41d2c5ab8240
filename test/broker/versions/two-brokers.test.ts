/** Two brokers of 1.1.1, which agree through ZooKeeper: only one takes changes, and nobody says who leads now. */

import assert from 'node:assert/strict'
import { after, test } from 'node:test'

import { askMetadata, startKafka, type KafkaNode } from '#scripts/kafka.mjs'
import { fromCluster, uniqueName } from '../../support/kafka/kafka.js'
import { consumerOn, numbered, soon, take, valuesOf } from '../consumer-support.js'
import { adminOn, partitionsOf, producerOn } from './support.js'

const cluster = await startKafka({ version: '1.1.1', nodes: 2 })
after(() => cluster.stop())
const kafka = fromCluster(cluster)

async function controller(): Promise<KafkaNode> {
  const { controllerId } = await askMetadata(addressOf(cluster.nodes.find(({ pid }) => pid !== undefined)!))
  return cluster.nodes.find(({ id }) => id === controllerId)!
}

function addressOf({ port }: KafkaNode): string {
  return `127.0.0.1:${port}`
}

test('a change goes to the controller, whoever is asked first', async (t) => {
  const other = cluster.nodes[(await controller()).id === 1 ? 1 : 0]!
  const admin = adminOn(t, kafka, { bootstrapServers: addressOf(other) })
  const name = uniqueName('topic')
  const [created] = await admin.createTopics([{ name, partitions: 1, replicationFactor: 2 }])
  assert.equal(created!.error, null)
  await partitionsOf(kafka, name, 1)
  const [deleted] = await admin.deleteTopics([name])
  assert.equal(deleted!.error, null)
})

test('when the controller, leader and coordinator crashes, all goes on with the other broker, in order', async (t) => {
  const crashed = await controller()
  const topic = uniqueName('topic')
  const admin = adminOn(t, kafka)
  const assignments = [[crashed.id, 3 - crashed.id]]
  assert.equal((await admin.createTopics([{ name: topic, assignments }]))[0]!.error, null)
  await partitionsOf(kafka, topic, 1)
  const producer = producerOn(t, kafka)
  const consumer = consumerOn(t, kafka, { groupId: uniqueName('group'), autoCommit: false })
  await consumer.subscribe([topic])
  const values = numbered('v', 60)
  const sent: Promise<unknown>[] = []
  const send = (from: number, to: number): void => {
    for (const value of values.slice(from, to)) sent.push(producer.send({ topic, value }))
  }
  send(0, 20)
  assert.deepEqual(valuesOf(await take(consumer, 20)), values.slice(0, 20))
  await consumer.commit()
  await crashed.kill()
  send(20, 60)
  await Promise.all(sent)
  const seen = new Set<string>()
  while (seen.size < 40) seen.add((await consumer.getOne(soon())).value!.toString())
  // Nobody is idempotent here: what was on its way may be there twice, but nothing is missing or out of order.
  assert.deepEqual([...seen], values.slice(20))
  await consumer.commit()
  const name = uniqueName('topic')
  const [created] = await admin.createTopics([{ name, partitions: 1, replicationFactor: 1 }])
  assert.equal(created!.error, null)
  // It comes back although ZooKeeper still has its name from before the crash.
  await crashed.restart({ nodes: 2 })
})
