import { test, type TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { Admin, type AdminOptions } from '#src/index.js'
import { CreateTopics, type CreateTopicsRequest } from '#src/wire/messages/create-topics.js'
import { DeleteTopics } from '#src/wire/messages/delete-topics.js'
import { DescribeCluster } from '#src/wire/messages/describe-cluster.js'
import { DescribeConfigs, type DescribeConfigsRequest } from '#src/wire/messages/describe-configs.js'
import { Metadata } from '#src/wire/messages/metadata.js'
import { ScriptedBroker, ScriptedCluster, type ScriptedBrokerOptions } from '../support/scripted-broker.js'

const [notController, throttled, alreadyExists, requestTimedOut] = [41, 89, 36, 7]

async function brokerAndAdmin(
  t: TestContext,
  { broker: brokerOptions, ...options }: AdminOptions & { broker?: ScriptedBrokerOptions } = {},
): Promise<{ broker: ScriptedBroker; admin: Admin }> {
  const broker = await ScriptedBroker.start({}, brokerOptions)
  t.after(() => broker.close())
  return { broker, admin: adminOf(t, broker.address, options) }
}

function adminOf(t: TestContext, bootstrapServers: string, options: AdminOptions = {}): Admin {
  const admin = new Admin({ ...options, bootstrapServers, retryBackoffMs: 1, retryBackoffMaxMs: 5 } as AdminOptions)
  t.after(() => {
    admin.destroy()
  })
  return admin
}

/** Answers for every topic with the code that is given for it, else 0. */
const answering =
  (codes: Record<string, number>, throttleTimeMs = 0) =>
  ({ topics }: CreateTopicsRequest) => ({
    throttleTimeMs,
    topics: topics.map(({ name }) => ({ name, errorCode: codes[name] ?? 0 })),
  })

const namesAsked = (broker: ScriptedBroker) =>
  broker.requests(CreateTopics).map(({ request }) => request.topics.map(({ name }) => name))

const codesOf = (results: readonly { error: { code: string } | null }[]) =>
  results.map(({ error }) => error?.code ?? null)

test('what can be tried again is, for those entities only, and the results keep their order', async (t) => {
  const { broker, admin } = await brokerAndAdmin(t)
  broker
    .once(CreateTopics, answering({ a: requestTimedOut, b: alreadyExists, d: requestTimedOut }))
    .once(CreateTopics, answering({ d: requestTimedOut }))
    .on(CreateTopics, answering({}))
  const results = await admin.createTopics([{ name: 'a' }, { name: 'b' }, { name: 'c' }, { name: 'd' }])
  assert.deepEqual(
    results.map(({ name }) => name),
    ['a', 'b', 'c', 'd'],
  )
  assert.deepEqual(codesOf(results), [null, 'TOPIC_ALREADY_EXISTS', null, null])
  assert.deepEqual(namesAsked(broker), [['a', 'b', 'c', 'd'], ['a', 'd'], ['d']])
})

test('a controller that moved is found', async (t) => {
  const cluster = await ScriptedCluster.start({}, { brokers: 2 })
  t.after(() => cluster.close())
  cluster.state.controllerId = 1
  const [first, second] = [cluster.broker(1), cluster.broker(2)]
  first.on(CreateTopics, (request) => {
    cluster.state.controllerId = 2
    return answering({ a: notController })(request)
  })
  second.on(CreateTopics, answering({}))
  const admin = adminOf(t, first.address)
  assert.deepEqual(codesOf(await admin.createTopics([{ name: 'a' }])), [null])
  assert.equal(second.requests(CreateTopics).length, 1)
})

test('a connection that breaks before the answer is made anew, and the request sent again', async (t) => {
  const { broker, admin } = await brokerAndAdmin(t)
  broker.once(CreateTopics, () => 'drop').on(CreateTopics, answering({}))
  assert.deepEqual(codesOf(await admin.createTopics([{ name: 'a' }])), [null])
  assert.equal(broker.requests(CreateTopics).length, 2)
})

test('over its quota, the call stays away as long as the broker says', async (t) => {
  const { broker, admin } = await brokerAndAdmin(t)
  const times: number[] = []
  broker
    .once(CreateTopics, (request) => {
      times.push(performance.now())
      return answering({ b: throttled }, 200)(request)
    })
    .once(CreateTopics, (request) => {
      times.push(performance.now())
      return answering({})(request)
    })
  assert.deepEqual(codesOf(await admin.createTopics([{ name: 'a' }, { name: 'b' }])), [null, null])
  assert.deepEqual(namesAsked(broker), [['a', 'b'], ['b']])
  assert.ok(times[1]! - times[0]! >= 199, `${times[1]! - times[0]!} ms`)
})

test('when the quota outlasts the deadline, the call ends at once, with what succeeded', async (t) => {
  const { broker, admin } = await brokerAndAdmin(t)
  broker.on(CreateTopics, answering({ b: throttled }, 3_600_000))
  const [done, late] = await admin.createTopics([{ name: 'a' }, { name: 'b' }], { timeoutMs: 60_000 })
  assert.equal(done?.error, null)
  assert.equal(late?.error?.code, 'TIMEOUT')
  assert.match(late!.error!.message, /^timed out after 60000 ms creating topics: cannot create topic 'b': THROTTLING_/)
  assert.equal((late!.error!.cause as { code: string }).code, 'THROTTLING_QUOTA_EXCEEDED')
})

test('what succeeded before the broker fell silent is kept', async (t) => {
  const { broker, admin } = await brokerAndAdmin(t)
  broker.once(CreateTopics, answering({ b: requestTimedOut })).on(CreateTopics, () => 'silence')
  const [done, late] = await admin.createTopics([{ name: 'a' }, { name: 'b' }], { timeoutMs: 300 })
  assert.equal(done?.error, null)
  assert.equal(late?.error?.code, 'TIMEOUT')
})

test('the call rejects when nothing was answered before the deadline', async (t) => {
  const { broker, admin } = await brokerAndAdmin(t)
  broker.on(CreateTopics, () => 'silence')
  await assert.rejects(admin.createTopics([{ name: 'a' }], { timeoutMs: 100 }), {
    name: 'TimeoutError',
    message: /^timed out after \d+ ms creating topics/,
  })
})

test('the broker is asked to give up a little before we do', async (t) => {
  const { broker, admin } = await brokerAndAdmin(t)
  broker.on(CreateTopics, answering({}))
  await admin.createTopics([{ name: 'a' }], { timeoutMs: 10_000 })
  const { timeoutMs } = broker.requests(CreateTopics)[0]!.request
  assert.ok(timeoutMs > 8_000 && timeoutMs <= 9_000, String(timeoutMs))
})

test('an entity that the answer does not mention has an error of its own', async (t) => {
  const { broker, admin } = await brokerAndAdmin(t)
  broker.on(CreateTopics, () => ({ topics: [{ name: 'b' }] }))
  const [missing, there] = await admin.createTopics([{ name: 'a' }, { name: 'b' }])
  assert.equal(there?.error, null)
  assert.equal(missing?.error?.message, "cannot create topic 'a': the broker's answer does not mention it")
})

test('each broker is asked for its own settings, and one that is silent takes nothing from the others', async (t) => {
  const cluster = await ScriptedCluster.start({}, { brokers: 3 })
  t.after(() => cluster.close())
  cluster.on(DescribeConfigs, ({ resources }: DescribeConfigsRequest, { broker }) =>
    broker.id === 3
      ? 'silence'
      : {
          results: resources.map(({ resourceType, resourceName }) => ({
            resourceType,
            resourceName,
            configs: [{ name: 'answered.by', value: String(broker.id), configSource: 4 }],
          })),
        },
  )
  const admin = adminOf(t, cluster.address)
  const resources = ['2', '3', '1'].map((name) => ({ type: 'broker', name }) as const)
  const results = await admin.describeConfigs(resources, { timeoutMs: 300 })
  assert.deepEqual(
    results.map(({ name, configs }) => [name, configs?.[0]?.value]),
    [
      ['2', '2'],
      ['3', undefined],
      ['1', '1'],
    ],
  )
  assert.equal(results[1]?.error?.code, 'TIMEOUT')
})

test('an aborted call rejects with its reason and leaves the others alone', async (t) => {
  const { broker, admin } = await brokerAndAdmin(t)
  let answer = (): void => {}
  const mayAnswer = new Promise<void>((resolve) => (answer = resolve))
  broker.on(CreateTopics, async (request) => {
    await mayAnswer
    return answering({})(request)
  })
  const abort = new AbortController()
  const call = admin.createTopics([{ name: 'a' }], { signal: abort.signal })
  await broker.untilReceived(CreateTopics)
  const reason = new Error('no longer wanted')
  abort.abort(reason)
  await assert.rejects(call, reason)
  answer()
  assert.deepEqual(await admin.listTopics(), [])
})

test('close lets a running call end', async (t) => {
  const { broker, admin } = await brokerAndAdmin(t)
  let answer = (): void => {}
  const mayAnswer = new Promise<void>((resolve) => (answer = resolve))
  broker.on(CreateTopics, async (request) => {
    await mayAnswer
    return answering({})(request)
  })
  const call = admin.createTopics([{ name: 'a' }])
  await broker.untilReceived(CreateTopics)
  const closed = admin.close()
  answer()
  assert.deepEqual(codesOf(await call), [null])
  await closed
})

test('close gives up on a call that does not end in time', async (t) => {
  const { broker, admin } = await brokerAndAdmin(t, { closeTimeoutMs: 50 } as AdminOptions)
  broker.on(CreateTopics, () => 'silence')
  const call = admin.createTopics([{ name: 'a' }])
  const rejected = assert.rejects(call, { name: 'ClosedError', message: /was closed before the call had its answer/ })
  await broker.untilReceived(CreateTopics)
  await admin.close()
  await rejected
})

test('brokers that know topics only by name are asked by name, and for an id they are refused', async (t) => {
  const versions = { DeleteTopics: [1, 5], Metadata: [0, 9] } as const
  const { broker, admin } = await brokerAndAdmin(t, { broker: { versions } })
  broker.on(DeleteTopics, ({ topicNames }) => ({ responses: topicNames.map((name) => ({ name })) }))
  assert.deepEqual(codesOf(await admin.deleteTopics(['a', 'b'])), [null, null])
  await assert.rejects(admin.deleteTopics(['a', { topicId: 'AAAAAAAAAAAAAAAAAAAAAQ' }]), {
    name: 'UnsupportedVersionError',
  })
  assert.equal(broker.requests(DeleteTopics).length, 1)
})

test('brokers without DescribeCluster tell by their metadata, except of fenced brokers', async (t) => {
  const { broker, admin } = await brokerAndAdmin(t, { broker: { versions: { DescribeCluster: null } } })
  const cluster = await admin.describeCluster()
  assert.equal(cluster.clusterId, 'scripted')
  assert.deepEqual(cluster.brokers, [{ id: 1, host: '127.0.0.1', port: broker.port, rack: null, isFenced: false }])
  await assert.rejects(admin.describeCluster({ includeFencedBrokers: true }), { name: 'UnsupportedVersionError' })
  assert.equal(broker.requests(DescribeCluster).length, 0)
  assert.ok(broker.requests(Metadata).length > 0)
})
