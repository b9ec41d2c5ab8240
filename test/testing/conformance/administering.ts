/** ApiVersions, Metadata, topics and configs. */

import { ApiVersions } from '#src/wire/messages/api-versions.js'
import { CreatePartitions } from '#src/wire/messages/create-partitions.js'
import { CreateTopics, type CreatableTopic } from '#src/wire/messages/create-topics.js'
import { DeleteTopics } from '#src/wire/messages/delete-topics.js'
import { DescribeCluster } from '#src/wire/messages/describe-cluster.js'
import { DescribeConfigs } from '#src/wire/messages/describe-configs.js'
import { IncrementalAlterConfigs } from '#src/wire/messages/incremental-alter-configs.js'
import { Metadata } from '#src/wire/messages/metadata.js'
import type { Init } from '#src/wire/api.js'
import type { Script } from './scripts.js'

const unknownId = 'c29tZS11bmtub3duLWlkLQ'

/** Where the brokers of our test runs have properties of their own. */
const isAlike = ({ name }: { name: string }): boolean => !['segment.bytes', 'min.insync.replicas'].includes(name)

export const administering: readonly Script[] = [
  {
    name: 'versions are told to whoever asks in whichever',
    async run(stage) {
      const client = await stage.connect()
      const name = { clientSoftwareName: 'raw', clientSoftwareVersion: '1' }
      for (const version of [0, 1, 2, 3, 4]) {
        const { errorCode, apiKeys } = await client.send(ApiVersions, version, name)
        const ours = apiKeys.filter(({ apiKey }) => [0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 18, 19].includes(apiKey))
        stage.transcript.note(`version ${version}`, { errorCode, ours })
      }
      for (const clientSoftwareName of ['bad name!', '', '-raw']) {
        const { errorCode } = await client.send(ApiVersions, 4, { ...name, clientSoftwareName })
        stage.transcript.note(`a client named '${clientSoftwareName}'`, { errorCode })
      }
    },
  },
  {
    name: 'metadata of what there is and is not',
    async run(stage) {
      const { name, id } = await stage.topic({ partitions: 2 })
      for (let version = 0; version <= 13; version++) {
        await stage.ask(`a topic, version ${version}`, Metadata, version, { topics: [{ name }] })
      }
      const ask = (what: string, version: number, topics: object[] | null) =>
        stage.ask(what, Metadata, version, { topics, allowAutoTopicCreation: false })
      await ask('none', 12, [])
      await ask('by id', 12, [{ topicId: id, name: null }])
      await ask('an unknown id', 12, [{ topicId: unknownId, name: null }])
      await ask('an unknown name', 12, [{ name: 'nobody' }])
      await ask('an impossible name', 12, [{ name: 'no body' }])
      await stage.ask('with operations', Metadata, 10, {
        topics: [{ name }],
        includeTopicAuthorizedOperations: true,
        includeClusterAuthorizedOperations: true,
      })
      for (const version of [0, 1, 2]) {
        await stage.ask(`the cluster, version ${version}`, DescribeCluster, version, {
          includeClusterAuthorizedOperations: true,
        })
      }
      await stage.ask('the controllers', DescribeCluster, 2, { endpointType: 2 })
    },
  },
  {
    name: 'topics are made, grown and deleted, or not',
    async run(stage) {
      const name = stage.name('made')
      const create = (what: string, topics: Init<CreatableTopic>[], { version = 7, validateOnly = false } = {}) =>
        stage
          .send(CreateTopics, version, {
            topics: topics.map((topic) => ({ numPartitions: 1, replicationFactor: 1, ...topic })),
            timeoutMs: 10_000,
            validateOnly,
          })
          .then(({ topics: results }) => {
            for (const { topicId } of results) stage.transcript.call(topicId, topicId === zero ? 'no id' : 'an id')
            stage.transcript.note(
              what,
              results.map(({ configs, ...rest }) => ({
                ...rest,
                configs: configs === null ? null : configs.length > 20,
              })),
            )
          })
      const zero = 'AAAAAAAAAAAAAAAAAAAAAA'
      stage.transcript.call(zero, 'no id')
      await create('only checked', [{ name }], { validateOnly: true })
      await create('made', [{ name, numPartitions: 3 }])
      await create('made again', [{ name }])
      await create('made twice at once', [{ name: 'twice' }, { name: 'twice' }])
      await create('defaults', [{ name: stage.name('default'), numPartitions: -1, replicationFactor: -1 }])
      await create('version 4', [{ name: stage.name('old') }], { version: 4 })
      await create('no partitions', [{ name: 'wrong', numPartitions: 0 }])
      await create('minus two partitions', [{ name: 'wrong', numPartitions: -2 }])
      await create('no replicas', [{ name: 'wrong', replicationFactor: 0 }])
      await create('too many replicas', [{ name: 'wrong', replicationFactor: 5 }])
      await create('an impossible name', [{ name: 'no body' }, { name: '..' }, { name: '' }, { name: 'x'.repeat(250) }])
      const dotted = `${name}.a`
      stage.transcript.call(dotted, 'made.a')
      stage.transcript.call(`${name}_a`, 'made_a')
      await create('a dot', [{ name: dotted }])
      await create('an underscore like the dot', [{ name: `${name}_a` }])
      await create('an unknown config', [{ name: 'wrong', configs: [{ name: 'no.such', value: '1' }] }])
      await create('an impossible config', [{ name: 'wrong', configs: [{ name: 'retention.ms', value: 'soon' }] }])
      await create('a null config', [{ name: 'wrong', configs: [{ name: 'retention.ms', value: null }] }])
      const assigned = (assignments: [number, number[]][], more: object = {}) => ({
        name: 'wrong',
        numPartitions: -1,
        replicationFactor: -1,
        assignments: assignments.map(([partitionIndex, brokerIds]) => ({ partitionIndex, brokerIds })),
        ...more,
      })
      await create('replicas on an unknown broker', [assigned([[0, [99]]])])
      await create('a gap in the partitions', [assigned([[1, [1]]])])
      await create('no replicas assigned', [assigned([[0, []]])])
      await create('a replica twice', [assigned([[0, [1, 1]]])])
      await create('numbers beside the assignment', [assigned([[0, [1]]], { numPartitions: 1 })])
      const grow = (what: string, topic: string, count: number, more: object = {}) =>
        stage.ask(what, CreatePartitions, 3, {
          topics: [{ name: topic, count, assignments: null, ...more }],
          timeoutMs: 5_000,
        })
      await grow('grown', name, 5)
      await grow('to as many', name, 5)
      await grow('to less', name, 2)
      await grow('to none', name, 0)
      await grow('nobody', 'nobody', 2)
      await grow('with an unknown broker', name, 6, { assignments: [{ brokerIds: [99] }] })
      await grow('with too few assignments', name, 8, { assignments: [{ brokerIds: [1] }] })
      const remove = async (what: string, version: number, request: object) => {
        const { responses } = await stage.send(DeleteTopics, version, { timeoutMs: 10_000, ...request })
        for (const { topicId } of responses) stage.transcript.call(topicId, topicId === zero ? 'no id' : 'an id')
        stage.transcript.note(what, responses)
      }
      await remove('deleted by name', 6, { topics: [{ name: dotted }] })
      await remove('deleted again', 6, { topics: [{ name: dotted }] })
      await remove('an unknown id', 6, { topics: [{ name: null, topicId: unknownId }] })
      await remove('version 5', 5, { topicNames: [name, 'nobody'] })
    },
  },
  {
    name: "a topic's configs are told and changed",
    async run(stage) {
      const { name } = await stage.topic({ configs: { 'retention.ms': '1000', 'cleanup.policy': 'compact' } })
      const describe = (what: string, more: object = {}, version = 4) =>
        stage
          .send(DescribeConfigs, version, {
            resources: [{ resourceType: 2, resourceName: name, ...more }],
            includeSynonyms: true,
          })
          .then(({ results }) => {
            for (const { configs } of results) {
              configs.sort((a, b) => (a.name < b.name ? -1 : 1))
              // Where Kafka's broker was started with properties of its own, that shows.
              for (const config of configs) if (config.configSource === 4) config.configSource = 5
              for (const { synonyms } of configs)
                for (const synonym of synonyms) if (synonym.source === 4) synonym.source = 5
            }
            stage.transcript.note(what, results)
          })
      const some = ['retention.ms', 'cleanup.policy', 'max.message.bytes', 'compression.type']
      await describe('some', { configurationKeys: some })
      await describe('some, version 1', { configurationKeys: some }, 1)
      await describe('an unknown one', { configurationKeys: ['no.such'] })
      await describe('nobody', { resourceName: 'nobody' })
      await describe('an impossible topic', { resourceName: 'no body' })
      const all = await stage.send(DescribeConfigs, 4, {
        resources: [{ resourceType: 2, resourceName: name, configurationKeys: null }],
      })
      stage.transcript.note(
        'all names and types',
        all.results[0]!.configs.map(({ name: config, configType }) => `${config} ${configType}`).sort(),
      )
      const defaults = all.results[0]!.configs.filter(({ configSource }) => configSource === 5)
      stage.transcript.note(
        'defaults',
        Object.fromEntries(
          defaults
            .filter(isAlike)
            .toSorted((a, b) => (a.name < b.name ? -1 : 1))
            .map((config) => [config.name, config.value]),
        ),
      )
      const alter = (what: string, configs: [string, number, string | null][], more: object = {}) =>
        stage.ask(what, IncrementalAlterConfigs, 1, {
          resources: [
            {
              resourceType: 2,
              resourceName: name,
              configs: configs.map(([config, configOperation, value]) => ({ name: config, configOperation, value })),
              ...more,
            },
          ],
        })
      await alter('set and deleted', [
        ['retention.ms', 1, null],
        ['max.message.bytes', 0, '2000'],
      ])
      await alter('appended', [['cleanup.policy', 2, 'delete']])
      await describe('after that', { configurationKeys: some })
      await alter('subtracted', [['cleanup.policy', 3, 'compact']])
      await alter('appended to what is no list', [['retention.ms', 2, '5']])
      await alter('an unknown one set', [['no.such', 0, '5']])
      await alter('set to nonsense', [['retention.ms', 0, 'soon']])
      await alter('set to null', [['retention.ms', 0, null]])
      await alter('one set twice', [
        ['retention.ms', 0, '5'],
        ['retention.ms', 0, '6'],
      ])
      await alter('of nobody', [['retention.ms', 0, '5']], { resourceName: 'nobody' })
      await describe('at the end', { configurationKeys: some })
    },
  },
]
