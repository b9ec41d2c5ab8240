/** What a producer says when it is not allowed to, to whom it says it, and that it goes on when it is. */

import assert from 'node:assert/strict'
import { after, test, type TestContext } from 'node:test'
import { Cluster } from '#src/cluster/cluster.js'
import { SendBatchError, TransactionalProducer, type KafkaError } from '#src/index.js'
import { CreateAcls } from '#src/wire/messages/create-acls.js'
import { DeleteAcls } from '#src/wire/messages/delete-acls.js'
import { startKafka } from '#scripts/kafka.mjs'
import { fromCluster, uniqueName } from '../support/kafka/kafka.ts'
import { makeProducer } from './producing-support.ts'

/** As the protocol numbers them. */
const resources = { 'topic': 2, 'cluster': 4, 'transactional-id': 5 } as const
const operations = { 'all': 2, 'write': 4, 'create': 5, 'describe': 8, 'idempotent-write': 12 } as const
const permissions = { deny: 2, allow: 3 } as const
const literal = 3
const theCluster = 'kafka-cluster'

const started = await startKafka({
  properties: {
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'allow.everyone.if.no.acl.found': true,
    'auto.create.topics.enable': true,
    'num.partitions': 1,
  },
})
const broker = fromCluster(started)
const cluster = new Cluster({ bootstrapServers: broker.bootstrapServers })
after(async () => {
  await cluster.close()
  await started.stop()
})

type Operation = keyof typeof operations

/** Forbids something to everybody, until the test is over or the returned function is called. Whatever is not forbidden stays
 *  allowed: a resource with any rule is closed to who has none. */
async function forbid(
  t: TestContext,
  resource: keyof typeof resources,
  name: string,
  ...forbidden: Operation[]
): Promise<() => Promise<void>> {
  const rule = (permission: keyof typeof permissions, operation: Operation) => ({
    resourceType: resources[resource],
    resourceName: name,
    resourcePatternType: literal,
    principal: 'User:*',
    host: '*',
    operation: operations[operation],
    permissionType: permissions[permission],
  })
  const creations = [rule('allow', 'all'), ...forbidden.map((operation) => rule('deny', operation))]
  const { results } = await cluster.send({ kind: 'any' }, CreateAcls, { creations })
  for (const { errorCode, errorMessage } of results) assert.equal(errorCode, 0, String(errorMessage))
  let isLifted = false
  const lift = async (): Promise<void> => {
    if (isLifted) return
    isLifted = true
    const filters = creations
      .toReversed()
      .map(({ resourceType, resourceName, resourcePatternType, operation, permissionType }) => ({
        resourceTypeFilter: resourceType,
        resourceNameFilter: resourceName,
        patternTypeFilter: resourcePatternType,
        principalFilter: null,
        hostFilter: null,
        operation,
        permissionType,
      }))
    const { filterResults } = await cluster.send({ kind: 'any' }, DeleteAcls, { filters })
    for (const { errorCode, errorMessage } of filterResults) assert.equal(errorCode, 0, String(errorMessage))
  }
  t.after(lift)
  return lift
}

/** Rules reach the broker a moment after they were made: asks until it is so. */
async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!(await isSo())) {
    if (performance.now() > deadline) assert.fail(`still not so after 20 s: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const codeOf = (sending: Promise<unknown>): Promise<string | undefined> =>
  sending.then(
    () => undefined,
    (error: unknown) => (error as KafkaError).code,
  )

test('a topic that may be seen and not written to fails its records by name, and no others', async (t) => {
  const [mine, theirs] = await Promise.all([broker.createTopic(), broker.createTopic()])
  const told: string[] = []
  const producer = makeProducer(t, broker, { onDeliveryError: (error) => told.push(error.message) })
  await producer.send({ topic: theirs, value: 'before' })
  const lift = await forbid(t, 'topic', theirs, 'write')
  await until(
    'writing is refused',
    async () => (await codeOf(producer.send({ topic: theirs, value: 'x' }))) !== undefined,
  )

  const startedAt = performance.now()
  const single = producer.send({ topic: theirs, value: 'x' })
  const batch = producer.sendBatch(theirs, [{ value: 'a' }, { value: 'b' }])
  assert.equal(producer.enqueue({ topic: theirs, value: 'x' }), true)
  const allowed = producer.send({ topic: mine, value: 'x' })
  const expected = {
    code: 'TOPIC_AUTHORIZATION_FAILED',
    persistence: 'not-persisted',
    retriable: false,
    message: new RegExp(`'${theirs}'.*TOPIC_AUTHORIZATION_FAILED`),
  }
  await assert.rejects(single, expected)
  await assert.rejects(batch, (error) => {
    assert.ok(error instanceof SendBatchError)
    assert.deepEqual(
      error.failures.map(({ index, error: { message } }) => [index, expected.message.test(message)]),
      [
        [0, true],
        [1, true],
      ],
    )
    return true
  })
  await assert.rejects(producer.flush(), { code: 'DELIVERY_FAILED' })
  assert.equal(told.length, 1)
  assert.match(told[0]!, expected.message)
  assert.equal((await allowed).offset, 0)
  assert.ok(performance.now() - startedAt < 10_000, 'it is no matter of time')

  await lift()
  await until(
    'writing is allowed',
    async () => (await codeOf(producer.send({ topic: theirs, value: 'x' }))) === undefined,
  )
  await producer.close()
})

test('a topic that may not be seen is refused by name at once, and others go on', async (t) => {
  const [mine, theirs] = await Promise.all([broker.createTopic(), broker.createTopic()])
  const lift = await forbid(t, 'topic', theirs, 'describe', 'write')
  await until('it is hidden', async () => (await codeOf(makeProducer(t, broker).partitionsFor(theirs))) !== undefined)
  const producer = makeProducer(t, broker)
  const startedAt = performance.now()
  const expected = {
    code: 'TOPIC_AUTHORIZATION_FAILED',
    persistence: 'not-persisted',
    message: new RegExp(`'${theirs}'`),
  }
  await Promise.all([
    assert.rejects(producer.send({ topic: theirs, value: 'x' }), expected),
    assert.rejects(producer.partitionsFor(theirs), { code: expected.code, message: expected.message }),
    producer.send({ topic: mine, value: 'x' }),
  ])
  // Not even while one that is refused is asked for again and again.
  await Promise.all([
    assert.rejects(producer.send({ topic: theirs, value: 'x' }), expected),
    producer.send({ topic: mine, value: 'x' }),
  ])
  assert.ok(performance.now() - startedAt < 10_000, 'nobody waited for maxBlockMs')
  await lift()
  await until('it can be seen', async () => (await codeOf(producer.send({ topic: theirs, value: 'x' }))) === undefined)
  await producer.close()
})

test('a topic that is not there and may not be made is refused by name at once', async (t) => {
  const topic = uniqueName('forbidden')
  const liftCluster = await forbid(t, 'cluster', theCluster, 'create')
  await forbid(t, 'topic', topic, 'create')
  const probe = uniqueName('probe')
  await forbid(t, 'topic', probe, 'create')
  await until('making topics is refused', async () => {
    const code = await codeOf(makeProducer(t, broker, { maxBlockMs: 300 }).send({ topic: probe, value: 'x' }))
    return code === 'TOPIC_AUTHORIZATION_FAILED'
  })
  const producer = makeProducer(t, broker)
  const startedAt = performance.now()
  await assert.rejects(producer.send({ topic, value: 'x' }), {
    code: 'TOPIC_AUTHORIZATION_FAILED',
    message: new RegExp(`'${topic}'`),
    persistence: 'not-persisted',
  })
  assert.ok(performance.now() - startedAt < 10_000, 'nobody waited for maxBlockMs')
  await liftCluster()
  await producer.close()
})

test('a producer that may not have an id says so at once, names the cluster, and works when it may', async (t) => {
  const topic = await broker.createTopic()
  const liftCluster = await forbid(t, 'cluster', theCluster, 'idempotent-write')
  // Whoever may write to any topic may have an id (KIP-679).
  const liftTopics = await forbid(t, 'topic', '*', 'write')
  await until('ids are refused', async () => {
    const code = await codeOf(makeProducer(t, broker, { maxBlockMs: 2_000 }).send({ topic, value: 'x' }))
    return code === 'CLUSTER_AUTHORIZATION_FAILED'
  })
  const producer = makeProducer(t, broker)
  const startedAt = performance.now()
  await assert.rejects(producer.send({ topic, value: 'x' }), {
    code: 'CLUSTER_AUTHORIZATION_FAILED',
    persistence: 'not-persisted',
    message: /gave the producer an id.*IDEMPOTENT_WRITE on the cluster/,
  })
  assert.ok(performance.now() - startedAt < 10_000, 'it is no matter of time')
  await liftTopics()
  await liftCluster()
  await until(
    'ids are given',
    async () => (await codeOf(makeProducer(t, broker).send({ topic, value: 'x' }))) === undefined,
  )
})

test('a transactional id that is not ours is refused by name', async (t) => {
  const id = uniqueName('billing')
  const lift = await forbid(t, 'transactional-id', id, 'write')
  const make = (): TransactionalProducer => {
    const producer = new TransactionalProducer({ bootstrapServers: broker.bootstrapServers, transactionalId: id })
    t.after(() => {
      producer.destroy()
    })
    return producer
  }
  await until('it is refused', async () => (await codeOf(make().begin())) !== undefined)
  const startedAt = performance.now()
  await assert.rejects(make().begin(), {
    code: 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
    message: new RegExp(`'${id}'`),
  })
  assert.ok(performance.now() - startedAt < 10_000, 'it is no matter of time')
  await lift()
  const topic = await broker.createTopic()
  await until(
    'it is allowed',
    async () => (await codeOf(make().transaction((tx) => tx.send({ topic, value: 'x' })))) === undefined,
  )
})
