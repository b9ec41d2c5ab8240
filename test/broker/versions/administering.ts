/** What administering must do on every broker, and say of brokers that cannot. */

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { UnsupportedVersionError } from '#src/errors/errors.js'
import { uniqueName } from '../../support/kafka/kafka.js'
import { adminOn, partitionsOf, producerOn, type BrokerAbilities, type OldBroker } from './support.js'

/** An error that says what the broker offers and what we speak. */
function naming(broker: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof UnsupportedVersionError, String(error))
    assert.match(error.message, broker)
    assert.match(error.message, /Jackdaw speaks versions? \d/)
    assert.equal(error.retriable, false)
    return true
  }
}

export function administeringScenarios({ kafka }: OldBroker, abilities: BrokerAbilities): void {
  test('a topic is created, described, listed, given partitions, and deleted', async (t) => {
    const admin = adminOn(t, kafka)
    const name = uniqueName('topic')
    const [created] = await admin.createTopics([
      { name, partitions: 2, replicationFactor: 1, configs: { 'retention.ms': 3_600_000 } },
    ])
    assert.equal(created!.error, null)
    assert.equal(typeof created!.topicId, abilities.topicIds ? 'string' : 'object')
    assert.equal(created!.partitions, abilities.documents ? 2 : null)
    const [again] = await admin.createTopics([{ name, partitions: 1, replicationFactor: 1 }])
    assert.equal(again!.error?.code, 'TOPIC_ALREADY_EXISTS')
    await partitionsOf(kafka, name, 2)
    const [described, missing] = await admin.describeTopics([name, uniqueName('none')])
    assert.equal(described!.error, null)
    assert.deepEqual(
      described!.partitions?.map(({ partition, leader, replicas, isr }) => ({ partition, leader, replicas, isr })),
      [0, 1].map((partition) => ({ partition, leader: 1, replicas: [1], isr: [1] })),
    )
    assert.equal(missing!.error?.code, 'UNKNOWN_TOPIC_OR_PARTITION')
    assert.ok((await admin.listTopics()).some((topic) => topic.name === name))
    const [grown] = await admin.createPartitions([{ name, totalCount: 3 }])
    assert.equal(grown!.error, null)
    await partitionsOf(kafka, name, 3)
    const producer = producerOn(t, kafka)
    await producer.send({ topic: name, partition: 2, value: 'x' })
    const [deleted] = await admin.deleteTopics([name])
    assert.equal(deleted!.error, null)
    await partitionsOf(kafka, name, 0)
    assert.ok(!(await admin.listTopics()).some((topic) => topic.name === name))
  })

  test('the cluster is described', async (t) => {
    const { clusterId, controllerId, brokers } = await adminOn(t, kafka).describeCluster()
    assert.equal(typeof clusterId, 'string')
    assert.equal(controllerId, 1)
    const port = Number(kafka.bootstrapServers.split(':')[1])
    assert.deepEqual(brokers, [{ id: 1, host: '127.0.0.1', port, rack: null, isFenced: false }])
  })

  test('settings of topics and brokers are described, with their sources', async (t) => {
    const admin = adminOn(t, kafka)
    const name = await kafka.createTopic({ configs: { 'retention.ms': 123_456 } })
    const [topic, broker] = await admin.describeConfigs(
      [
        { type: 'topic', name, configNames: ['retention.ms', 'cleanup.policy'] },
        { type: 'broker', name: '1', configNames: ['num.partitions'] },
      ],
      { includeSynonyms: true },
    )
    const byName = new Map(topic!.configs?.map((config) => [config.name, config]))
    assert.equal(byName.get('retention.ms')?.value, '123456')
    assert.equal(byName.get('retention.ms')?.source, 'dynamic-topic')
    assert.equal(byName.get('retention.ms')?.synonyms[0]?.value, '123456')
    assert.equal(byName.get('cleanup.policy')?.isDefault, true)
    assert.equal(broker!.configs?.find((config) => config.name === 'num.partitions')?.value, '3')
  })

  if (abilities.incrementalAlterConfigs) {
    test('single settings are altered, the others left alone', async (t) => {
      const admin = adminOn(t, kafka)
      const name = await kafka.createTopic({ configs: { 'retention.ms': 123_456 } })
      const [altered] = await admin.incrementalAlterConfigs([
        { type: 'topic', name, operations: [{ name: 'segment.bytes', op: 'set', value: 1_048_576 }] },
      ])
      assert.equal(altered!.error, null)
      const [{ configs } = { configs: null }] = await admin.describeConfigs([
        { type: 'topic', name, configNames: ['retention.ms', 'segment.bytes'] },
      ])
      assert.deepEqual(configs?.map(({ name: config, value }) => `${config}=${value}`).toSorted(), [
        'retention.ms=123456',
        'segment.bytes=1048576',
      ])
    })
  } else {
    test('single settings cannot be altered, which is said', async (t) => {
      const name = await kafka.createTopic()
      const operations = [{ name: 'segment.bytes', op: 'set', value: 1_048_576 }] as const
      await assert.rejects(
        adminOn(t, kafka).incrementalAlterConfigs([{ type: 'topic', name, operations }]),
        naming(/does not offer IncrementalAlterConfigs/),
      )
    })
  }

  if (!abilities.defaultPartitions) {
    test('a topic without numbers is refused: such a broker would take -1 for one', async (t) => {
      await assert.rejects(
        adminOn(t, kafka).createTopics([{ name: uniqueName('topic') }]),
        naming(
          /must be told partitions and replicationFactor.*offers CreateTopics versions 0 to 2, .*at least version 4 is needed/,
        ),
      )
    })
  }

  if (abilities.topicIds) {
    test('a topic is deleted by its id', async (t) => {
      const admin = adminOn(t, kafka)
      const name = uniqueName('topic')
      const [created] = await admin.createTopics([{ name, partitions: 1, replicationFactor: 1 }])
      await partitionsOf(kafka, name, 1)
      const [deleted] = await admin.deleteTopics([{ topicId: created!.topicId! }])
      assert.equal(deleted!.error, null)
      await partitionsOf(kafka, name, 0)
    })
  } else {
    test('what needs ids of topics is refused, in words that name both ranges of versions', async (t) => {
      const admin = adminOn(t, kafka)
      const topicId = 'AAAAAAAAAAAAAAAAAAAABA'
      await assert.rejects(admin.deleteTopics([{ topicId }]), naming(/offers DeleteTopics versions 0 to 1/))
    })
  }

  if (!abilities.describesById) {
    test('a topic cannot be described by its id, which is said', async (t) => {
      await assert.rejects(
        adminOn(t, kafka).describeTopics([{ topicId: 'AAAAAAAAAAAAAAAAAAAABA' }]),
        naming(/offers Metadata versions 0 to \d+, .*at least version 12 is needed/),
      )
    })
  }

  if (!abilities.documents) {
    test('what later versions tell beside is refused when it is asked for, not silently left out', async (t) => {
      const admin = adminOn(t, kafka)
      const name = await kafka.createTopic()
      await assert.rejects(
        admin.describeConfigs([{ type: 'topic', name }], { includeDocumentation: true }),
        naming(/offers DescribeConfigs versions 0 to 1/),
      )
      await assert.rejects(
        admin.describeTopics([name], { includeAuthorizedOperations: true }),
        naming(/offers Metadata versions 0 to 5/),
      )
      await assert.rejects(
        admin.describeCluster({ includeAuthorizedOperations: true }),
        naming(/offers Metadata versions 0 to 5/),
      )
      await assert.rejects(
        admin.describeCluster({ includeFencedBrokers: true }),
        naming(/does not offer DescribeCluster/),
      )
    })
  }
}
