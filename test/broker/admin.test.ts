import { after, before, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { Admin, BrokerError, Cluster, type NewTopic } from '#src/index.js'
import { kafka, notInProcess, uniqueName, type Kafka } from '../support/kafka/kafka.js'

let broker: Kafka
let admin: Admin

before(async () => {
  broker = await kafka()
  admin = await new Admin({ bootstrapServers: broker.bootstrapServers }).start()
})
after(() => admin.close())

/** Creates and waits until the broker that answers knows it: a change is answered before it is known everywhere. */
async function create(topic: NewTopic): Promise<void> {
  const [result] = await admin.createTopics([topic])
  assert.equal(result?.error, null)
  await known(topic.name)
}

async function known(name: string): Promise<void> {
  for (;;) {
    const [result] = await admin.describeTopics([name])
    if (result?.error === null && result.partitions.every(({ leader }) => leader !== null)) return
    assert.ok(result?.error == null || result.error.code === 'UNKNOWN_TOPIC_OR_PARTITION', result?.error?.message)
  }
}

describe('createTopics', () => {
  test('a new topic is created beside one that exists and one that cannot be', async () => {
    const [fresh, existing] = [uniqueName('fresh'), uniqueName('existing')]
    await create({ name: existing, partitions: 1 })
    const results = await admin.createTopics([
      { name: existing, partitions: 2 },
      {
        name: fresh,
        partitions: 3,
        replicationFactor: 1,
        configs: { 'retention.ms': 60_000, 'cleanup.policy': 'compact' },
      },
      { name: 'not a name', partitions: 1 },
      { name: uniqueName('config'), configs: { 'retention.ms': 'soon' } },
      { name: uniqueName('wide'), replicationFactor: 7 },
    ])
    assert.deepEqual(
      results.map(({ error }) => error?.code ?? null),
      ['TOPIC_ALREADY_EXISTS', null, 'INVALID_TOPIC_EXCEPTION', 'INVALID_CONFIG', 'INVALID_REPLICATION_FACTOR'],
    )
    assert.ok(results[0]!.error instanceof BrokerError)
    assert.match(results[0]!.error.message, new RegExp(`^cannot create topic '${existing}': TOPIC_ALREADY_EXISTS \\(`))
    const made = results[1]!
    assert.equal(made.name, fresh)
    assert.equal(made.partitions, 3)
    assert.equal(made.replicationFactor, 1)
    assert.match(made.topicId!, /^[\w-]{22}$/)
    const retention = made.configs?.find(({ name }) => name === 'retention.ms')
    assert.deepEqual(retention, {
      name: 'retention.ms',
      value: '60000',
      source: 'dynamic-topic',
      isDefault: false,
      isReadOnly: false,
      isSensitive: false,
    })
    await known(fresh)
  })

  test("what is left out is the broker's default", async () => {
    const [result] = await admin.createTopics([{ name: uniqueName('defaults') }])
    assert.equal(result?.partitions, 3)
    assert.equal(result?.replicationFactor, 1)
  })

  test('assignments say which broker keeps which partition', async () => {
    const { brokers } = await admin.describeCluster()
    const { id } = brokers[0]!
    const name = uniqueName('assigned')
    await create({ name, assignments: [[id], [id]] })
    const [described] = await admin.describeTopics([name])
    assert.deepEqual(
      described?.partitions?.map(({ replicas }) => replicas),
      [[id], [id]],
    )
  })

  test('validateOnly creates nothing', async () => {
    const name = uniqueName('validated')
    const [result] = await admin.createTopics([{ name, partitions: 2 }], { validateOnly: true })
    assert.equal(result?.error, null)
    assert.equal(result?.topicId, null)
    const [described] = await admin.describeTopics([name])
    assert.equal(described?.error?.code, 'UNKNOWN_TOPIC_OR_PARTITION')
  })
})

test('listTopics tells of topics, and of internal ones when asked', async () => {
  const name = uniqueName('listed')
  await create({ name, partitions: 1 })
  const listed = await admin.listTopics()
  const found = listed.find((topic) => topic.name === name)
  assert.match(found!.topicId!, /^[\w-]{22}$/)
  assert.equal(found!.isInternal, false)
  assert.deepEqual(
    [...listed].map((topic) => topic.name).sort(),
    listed.map((topic) => topic.name),
  )
  assert.ok(listed.every(({ isInternal }) => !isInternal))
  // Whoever looks for a group's coordinator makes the broker create its offsets topic.
  await broker.tool('ConsumerGroupCommand', ['--describe', '--group', uniqueName('group')])
  for (;;) {
    const internal = await admin.listTopics({ listInternal: true })
    if (internal.some((topic) => topic.name === '__consumer_offsets' && topic.isInternal)) break
  }
  assert.ok((await admin.listTopics()).every(({ isInternal }) => !isInternal))
})

test('describeTopics describes by name and by id, beside a topic that there is not', async () => {
  const name = uniqueName('described')
  await create({ name, partitions: 2 })
  const missing = uniqueName('missing')
  const [byName, unknown] = await admin.describeTopics([name, missing])
  const { brokers } = await admin.describeCluster()
  const { id } = brokers[0]!
  assert.equal(unknown?.error?.code, 'UNKNOWN_TOPIC_OR_PARTITION')
  assert.match(unknown!.error!.message, new RegExp(`^cannot describe topic '${missing}'`))
  assert.deepEqual(byName, {
    name,
    topicId: byName!.topicId,
    error: null,
    isInternal: false,
    partitions: [0, 1].map((partition) => ({
      partition,
      leader: id,
      leaderEpoch: 0,
      replicas: [id],
      isr: [id],
      offlineReplicas: [],
    })),
    authorizedOperations: null,
  })
  const nothing = 'AAAAAAAAAAAAAAAAAAAAAQ'
  const [byId, unknownId] = await admin.describeTopics([{ topicId: byName!.topicId! }, { topicId: nothing }], {
    includeAuthorizedOperations: true,
  })
  assert.equal(byId?.name, name)
  assert.equal(byId?.partitions?.length, 2)
  assert.ok(byId?.authorizedOperations?.includes('read'))
  assert.equal(unknownId?.error?.code, 'UNKNOWN_TOPIC_ID')
  assert.equal(unknownId?.topicId, nothing)
})

test('deleteTopics deletes by name and by id, beside a topic that there is not', async () => {
  const [first, second, missing] = [uniqueName('deleted'), uniqueName('deleted'), uniqueName('missing')]
  await create({ name: first, partitions: 1 })
  await create({ name: second, partitions: 1 })
  const [described] = await admin.describeTopics([second])
  const results = await admin.deleteTopics([first, missing, { topicId: described!.topicId! }])
  assert.deepEqual(
    results.map(({ name, error }) => [name, error?.code ?? null]),
    [
      [first, null],
      [missing, 'UNKNOWN_TOPIC_OR_PARTITION'],
      [second, null],
    ],
  )
  const listed = (await admin.listTopics()).map(({ name }) => name)
  assert.ok(!listed.includes(first) && !listed.includes(second))
})

test('createPartitions adds partitions, and refuses to take any away', async () => {
  const [grown, kept, missing] = [uniqueName('grown'), uniqueName('kept'), uniqueName('missing')]
  await create({ name: grown, partitions: 1 })
  await create({ name: kept, partitions: 3 })
  const results = await admin.createPartitions([
    { name: grown, totalCount: 4 },
    { name: kept, totalCount: 2 },
    { name: missing, totalCount: 2 },
  ])
  assert.deepEqual(
    results.map(({ error }) => error?.code ?? null),
    [null, 'INVALID_PARTITIONS', 'UNKNOWN_TOPIC_OR_PARTITION'],
  )
  assert.match(results[1]!.error!.message, new RegExp(`^cannot give topic '${kept}' 2 partitions: INVALID_PARTITIONS`))
  const [valid] = await admin.createPartitions([{ name: kept, totalCount: 9 }], { validateOnly: true })
  assert.equal(valid?.error, null)
  for (;;) {
    const [one, other] = await admin.describeTopics([grown, kept])
    assert.equal(other?.partitions?.length, 3)
    if (one?.partitions?.length === 4) break
  }
})

test('describeCluster tells of the brokers and the controller', async () => {
  const cluster = await admin.describeCluster({ includeAuthorizedOperations: true, includeFencedBrokers: true })
  assert.match(cluster.clusterId!, /^[\w-]{22}$/)
  const [host, port] = broker.bootstrapServers.split(',')[0]!.split(':')
  assert.deepEqual(cluster.brokers, [{ id: 1, host, port: Number(port), rack: null, isFenced: false }])
  assert.equal(cluster.controllerId, 1)
  assert.ok(cluster.authorizedOperations?.includes('alter-configs'))
  assert.equal((await admin.describeCluster()).authorizedOperations, null)
})

describe('configs', () => {
  test('of a topic are set, appended to, subtracted from and deleted, and the others stay', async () => {
    const name = uniqueName('configured')
    await create({ name, partitions: 1, configs: { 'retention.ms': 60_000, 'segment.ms': 70_000 } })
    const alter = async (operations: Parameters<Admin['incrementalAlterConfigs']>[0][number]['operations']) => {
      const [result] = await admin.incrementalAlterConfigs([{ type: 'topic', name, operations }])
      assert.equal(result?.error, null)
    }
    // The broker that is asked learns of a change a moment after the controller has answered it.
    const becomes = async (wanted: Record<string, string>) => {
      let own: Record<string, string | null> = {}
      for (let i = 0; i < 500; i++) {
        const [result] = await admin.describeConfigs([{ type: 'topic', name }])
        const entries = result!.configs!.filter(({ source }) => source === 'dynamic-topic')
        own = Object.fromEntries(entries.map((entry) => [entry.name, entry.value]))
        if (Object.keys(wanted).every((key) => own[key] === wanted[key])) break
      }
      assert.deepEqual(own, wanted)
    }
    await alter([
      { name: 'retention.ms', op: 'set', value: 90_000 },
      { name: 'cleanup.policy', op: 'append', value: 'compact' },
    ])
    await becomes({ 'cleanup.policy': 'delete,compact', 'retention.ms': '90000', 'segment.ms': '70000' })
    await alter([
      { name: 'cleanup.policy', op: 'subtract', value: 'delete' },
      { name: 'segment.ms', op: 'delete' },
    ])
    await becomes({ 'cleanup.policy': 'compact', 'retention.ms': '90000' })
  })

  test('that are wrong are refused for their resource alone', async () => {
    const [good, bad, missing] = [uniqueName('good'), uniqueName('bad'), uniqueName('missing')]
    await create({ name: good, partitions: 1 })
    await create({ name: bad, partitions: 1 })
    const change = (name: string, value: string) =>
      ({ type: 'topic', name, operations: [{ name: 'retention.ms', op: 'set', value }] }) as const
    const results = await admin.incrementalAlterConfigs([
      change(bad, 'soon'),
      change(good, '1000'),
      change(missing, '1'),
    ])
    assert.deepEqual(
      results.map(({ type, name, error }) => [type, name, error?.code ?? null]),
      [
        ['topic', bad, 'INVALID_CONFIG'],
        ['topic', good, null],
        ['topic', missing, 'UNKNOWN_TOPIC_OR_PARTITION'],
      ],
    )
    assert.match(
      results[0]!.error!.message,
      new RegExp(`^cannot alter the configs of topic '${bad}': INVALID_CONFIG \\(`),
    )
    const [valid] = await admin.incrementalAlterConfigs([change(good, '2000')], { validateOnly: true })
    assert.equal(valid?.error, null)
    const [described, unknown] = await admin.describeConfigs([
      { type: 'topic', name: good, configNames: ['retention.ms'] },
      { type: 'topic', name: missing },
    ])
    assert.deepEqual(
      described?.configs?.map(({ name, value }) => [name, value]),
      [['retention.ms', '1000']],
    )
    assert.equal(unknown?.error?.code, 'UNKNOWN_TOPIC_OR_PARTITION')
  })

  const undocumented = notInProcess('has no prose about configs')
  test('come with synonyms and documentation when asked for, and without when not', async () => {
    const name = uniqueName('synonyms')
    await create({ name, partitions: 1, configs: { 'max.message.bytes': 1234 } })
    const query = [{ type: 'topic', name, configNames: ['max.message.bytes'] }] as const
    const [rich] = await admin.describeConfigs(query, { includeSynonyms: true, includeDocumentation: true })
    const [entry] = rich!.configs!
    assert.equal(entry?.type, 'int')
    assert.equal(entry?.value, '1234')
    assert.ok((entry?.documentation?.length ?? 0) > 20 || undocumented)
    assert.deepEqual(entry?.synonyms[0], { name: 'max.message.bytes', value: '1234', source: 'dynamic-topic' })
    assert.ok(entry!.synonyms.some(({ source }) => source === 'default'))
    const [poor] = await admin.describeConfigs(query)
    assert.deepEqual(poor?.configs?.[0]?.synonyms, [])
    assert.equal(poor?.configs?.[0]?.documentation, null)
  })

  const skip = notInProcess('has no loggers of its own')
  test('of a broker and of its loggers are asked of that broker, beside what any can answer', { skip }, async () => {
    const name = uniqueName('beside')
    await create({ name, partitions: 1 })
    const results = await admin.describeConfigs([
      { type: 'broker', name: '1' },
      { type: 'topic', name },
      { type: 'broker-logger', name: '1' },
      { type: 'broker', name: '' },
    ])
    const [own, topic, loggers, shared] = results
    assert.equal(own?.configs?.find((entry) => entry.name === 'node.id')?.value, '1')
    assert.equal(own?.configs?.find((entry) => entry.name === 'node.id')?.source, 'static-broker')
    assert.equal(topic?.error, null)
    assert.equal(loggers?.configs?.find((entry) => entry.name === 'root')?.source, 'dynamic-broker-logger')
    assert.equal(shared?.error, null)
  })

  test('of a broker that is not there fail at the deadline, and for that broker alone', async () => {
    const resources = ['42', '1'].map((name) => ({ type: 'broker', name, configNames: ['node.id'] }) as const)
    const [missing, there] = await admin.describeConfigs(resources, { timeoutMs: 500 })
    assert.equal(missing?.error?.code, 'TIMEOUT')
    assert.match(missing!.error!.message, /^timed out after 500 ms describing configs: .*42/)
    assert.equal(there?.configs?.[0]?.value, '1')
  })
})

test('an Admin shares a Cluster and leaves it open', async () => {
  const cluster = await new Cluster({ bootstrapServers: broker.bootstrapServers }).start()
  const shared = new Admin({ cluster })
  assert.ok(Array.isArray(await shared.listTopics()))
  await shared.close()
  const other = new Admin({ cluster })
  assert.ok(Array.isArray(await other.listTopics()))
  await cluster.close()
})

test('destroy ends what is running with its reason', async () => {
  const doomed = await new Admin({ bootstrapServers: broker.bootstrapServers }).start()
  const call = doomed.createTopics([{ name: uniqueName('doomed') }])
  const reason = new Error('enough')
  doomed.destroy(reason)
  await assert.rejects(call, reason)
  await assert.rejects(doomed.listTopics(), { name: 'ClosedError' })
})
