/** The transaction coordinator: producer ids and epochs, what belongs to a transaction, how one ends, and who is fenced. */

import { AddOffsetsToTxn } from '#src/wire/messages/add-offsets-to-txn.js'
import { AddPartitionsToTxn } from '#src/wire/messages/add-partitions-to-txn.js'
import { ApiVersions } from '#src/wire/messages/api-versions.js'
import { EndTxn } from '#src/wire/messages/end-txn.js'
import { FindCoordinator } from '#src/wire/messages/find-coordinator.js'
import { ListTransactions } from '#src/wire/messages/list-transactions.js'
import { WriteTxnMarkers } from '#src/wire/messages/write-txn-markers.js'
import {
  before,
  describe,
  describeProducers,
  TransactionalClient,
  transactionalId,
  type Identity,
} from './transactional-client.js'
import type { Script } from './scripts.js'

/** APIs of which brokers say which versions they speak. */
const transactionalApis = [22, 24, 25, 26, 27, 28, 61, 65, 66]

export const transacting: readonly Script[] = [
  {
    name: 'what brokers speak of transactions, and which version of them is in force',
    async run(stage) {
      await transactionalId(stage)
      const { apiKeys, supportedFeatures, finalizedFeatures } = await stage.send(ApiVersions, 4, {
        clientSoftwareName: 'raw',
        clientSoftwareVersion: '1',
      })
      stage.transcript.note('versions', {
        apiKeys: apiKeys.filter(({ apiKey }) => transactionalApis.includes(apiKey)),
        supported: supportedFeatures.filter(({ name }) => name === 'transaction.version'),
        finalized: finalizedFeatures.filter(({ name }) => name === 'transaction.version'),
      })
      for (const version of [1, 6]) {
        const key = version >= 4 ? { coordinatorKeys: ['t'] } : { key: 't' }
        await stage.ask(`the coordinator, version ${version}`, FindCoordinator, version, { keyType: 1, ...key })
      }
    },
  },
  {
    name: 'a producer id, and the next epoch of it',
    async run(stage) {
      const client = new TransactionalClient(stage, await transactionalId(stage))
      await client.initialize('an empty id', { transactionalId: '' })
      await client.initialize('no time for a transaction', { transactionTimeoutMs: 0 })
      await client.initialize('too much time for a transaction', { transactionTimeoutMs: 900_001 })
      await client.initialize('an id without an epoch', { producerId: 7 })
      await client.initialize('an epoch without an id', { producerEpoch: 7 })
      await client.describe('one that nobody knows')
      for (const version of [0, 1, 2, 3, 4, 5]) await client.initialize(`version ${version}`, {}, version)
      await client.describe('one that has begun nothing')
      const first = client.identity
      await client.initialize('with what it has', first)
      await client.initialize('with what it had, again', first)
      await client.initialize('with what it has, second time', client.identity)
      await client.initialize('with an epoch long gone', first)
      await client.initialize('with an epoch long gone, version 3', first, 3)
      await client.initialize('with an epoch that nobody has', { ...client.identity, producerEpoch: 100 })
      await client.initialize('with an id that is not its own', { ...client.identity, producerId: 1_000_000 })
      await client.initialize('anew')
      await client.initialize('with what a new one took', first)
      await client.initialize('no transactional id', { transactionalId: null })
      await client.initialize('no transactional id, with what it has', {
        transactionalId: null,
        ...client.identity,
      })
      const other = new TransactionalClient(stage, await transactionalId(stage))
      await other.initialize('an id of which nothing is known', { producerId: 5, producerEpoch: 5 })
    },
  },
  {
    name: 'a transaction of version 2, from its first batch to its end',
    async run(stage) {
      const topic = await stage.topic({ partitions: 2 })
      const client = await TransactionalClient.start(stage)
      await client.end('nothing to commit', true)
      await client.end('nothing to abort', false)
      await client.describe('after nothing')
      await client.produce('first', topic, 0, { count: 2 })
      await client.produce('second', topic, 2)
      await client.produce('first, again', topic, 0, { count: 2 })
      await client.produce('a gap', topic, 9)
      await client.describe('under way')
      await describeProducers(stage, 'producers under way', topic, [0, 1, 2])
      const during = client.identity
      await client.end('commit', true)
      await client.describe('committed')
      await describeProducers(stage, 'producers of what was committed', topic)
      await client.end('commit again, with the old epoch', true, { identity: during })
      await client.end('abort, with the old epoch', false, { identity: during })
      await client.end('commit again, with the new epoch', true)
      await client.produce('with the old epoch', topic, 3, { identity: during })
      await client.produce('the next transaction goes on counting', topic, 3)
      await client.produce('the next transaction begins at 0', topic, 0)
      const aborted = client.identity
      await client.end('abort', false)
      await client.end('abort again, with the old epoch', false, { identity: aborted })
      await client.end('commit, with the old epoch', true, { identity: aborted })
      await client.end('commit of what was aborted', true)
      await client.end('abort of nothing', false)
      await client.end('abort with an epoch long gone', false, { identity: during })
      await client.end('abort with an epoch to come', false, {
        identity: { ...client.identity, producerEpoch: client.producerEpoch + 1 },
      })
      await client.produce('another partition, not from 0', topic, 5, { partition: 1 })
      await client.produce('another partition', topic, 0, { partition: 1 })
      await client.end('the third', true)
      await client.describe('after three')
      await client.end('of another producer', true, { identity: { producerId: 1_000_000, producerEpoch: 0 } })
      for (const [what, id] of [
        ['nobody', await transactionalId(stage)],
        ['nothing', ''],
      ] as const) {
        await stage.ask(`an end of ${what}`, EndTxn, 5, { transactionalId: id, ...client.identity, committed: true })
      }
      for (const version of [0, 1, 2, 3, 4]) {
        await client.end(`a fenced end, version ${version}`, true, { version, identity: during })
      }
    },
  },
  {
    name: 'a transaction of version 1, in which partitions are added first',
    async run(stage) {
      const topic = await stage.topic({ partitions: 3 })
      const client = await TransactionalClient.start(stage, before)
      await client.end('nothing to commit', true)
      await client.end('nothing to abort', false)
      await client.produce('not added, version 11', topic, 0)
      await client.produce('not added, version 10', topic, 0, { version: 10 })
      await client.addPartitions('add', topic, [0])
      await client.describe('under way')
      await client.produce('added', topic, 0)
      await client.produce('another one, not added', topic, 0, { partition: 1 })
      await client.addPartitions('add two, one again', topic, [0, 1])
      await client.produce('now it is', topic, 0, { partition: 1 })
      await client.addPartitions('add what there is not, and what there is', topic, [1, 2, 7])
      await client.addPartitions('add no partitions', topic, [])
      await client.describe('nothing was added')
      const unknown = { ...client.identity, producerId: 1_000_000 }
      const late = { ...client.identity, producerEpoch: 7 }
      for (const version of [0, 1, 2, 3]) {
        await client.addPartitions(`another producer, version ${version}`, topic, [0], { version, identity: unknown })
        await client.addPartitions(`another epoch, version ${version}`, topic, [0], { version, identity: late })
      }
      for (const version of [0, 1, 2, 3, 4]) {
        await client.addOffsets(`offsets of another producer, version ${version}`, 'g', { version, identity: unknown })
        await client.addOffsets(`offsets in another epoch, version ${version}`, 'g', { version, identity: late })
      }
      await client.end('commit', true)
      await client.describe('committed')
      await describeProducers(stage, 'producers of what was committed', topic, [0, 1])
      await client.end('commit again', true)
      await client.end('abort of what was committed', false)
      await client.produce('not added to the next', topic, 1)
      await client.addPartitions('the next', topic, [0])
      await client.produce('goes on counting', topic, 1)
      await client.end('abort', false)
      await client.end('abort again', false)
      await client.end('commit of what was aborted', true)
      await client.produce('after the end', topic, 2)
      await client.addPartitions('a third', topic, [0, 2])
      await client.produce('goes on after an abort', topic, 2)
      await client.end('the third', true)
      const stranger = new TransactionalClient(stage, await transactionalId(stage), before)
      await stranger.addPartitions('nobody adds', topic, [0])
      await stranger.addOffsets('nobody adds offsets', 'g')
      await stranger.end('nobody ends', true)
      await stage.ask('the empty id', AddOffsetsToTxn, 4, { transactionalId: '', groupId: 'g' })
    },
  },
  {
    name: 'brokers ask about several transactions at once',
    async run(stage) {
      const topic = await stage.topic({ partitions: 2 })
      const one = await TransactionalClient.start(stage, before)
      const two = await TransactionalClient.start(stage, before)
      const of = (
        { transactionalId: id, identity }: TransactionalClient,
        partitions: number[],
        verifyOnly = false,
      ) => ({
        transactionalId: id,
        ...identity,
        verifyOnly,
        topics: [{ name: topic.name, partitions }],
      })
      const ask = (what: string, transactions: object[], version = 5) =>
        stage.ask(what, AddPartitionsToTxn, version, { transactions })
      await ask('is it in nothing', [of(one, [0], true)])
      await ask('add to two', [of(one, [0]), of(two, [1])])
      await ask('add to one, verify of the other, version 4', [of(one, [1]), of(two, [0, 1], true)], 4)
      await ask('what there is not', [of(one, [0, 7], true), of(two, [7])])
      await ask('wrong producers', [
        { ...of(one, [0], true), producerId: 1_000_000 },
        { ...of(two, [0]), producerEpoch: 9 },
      ])
      await ask('a wrong epoch', [{ ...of(one, [0], true), producerEpoch: 9 }])
      await ask('nobody', [{ ...of(one, [0], true), transactionalId: await transactionalId(stage) }])
      await ask('the empty id', [{ ...of(one, [0], true), transactionalId: '' }])
      await one.describe('one')
      await two.describe('two')
      await one.end('one is committed', true)
      await ask('verify of what is committed', [of(one, [0], true)])
    },
  },
  {
    name: 'who takes a transactional id fences who had it',
    async run(stage) {
      const topic = await stage.topic()
      const group = await stage.group()
      for (const versions of [undefined, before] as const) {
        const which = versions === undefined ? 'version 2' : 'version 1'
        const client = await TransactionalClient.start(stage, versions)
        if (versions !== undefined) await client.addPartitions(`${which}: add`, topic, [0])
        await client.produce(`${which}: under way`, topic, 0)
        const old = client.identity
        await client.initialize(`${which}: another one comes`)
        await client.untilState('CompleteAbort')
        await client.describe(`${which}: what was under way is aborted`)
        await describeProducers(stage, `${which}: the partition knows`, topic)
        await client.initialize(`${which}: it comes again`)
        await client.describe(`${which}: it has an id`)
        await describeProducers(stage, `${which}: the partition does not know`, topic)
        await fenced(client, which, old, { topic, group })
        if (versions !== undefined) await client.addPartitions(`${which}: it adds`, topic, [0])
        await client.produce(`${which}: it produces`, topic, 0)
        await client.end(`${which}: it commits`, true)
      }
    },
  },
  {
    name: 'who continues after an error has its transaction aborted',
    async run(stage) {
      const topic = await stage.topic()
      const client = await TransactionalClient.start(stage)
      await client.produce('under way', topic, 0)
      const old = client.identity
      await client.initialize('with what it has', old)
      await client.untilState('CompleteAbort')
      await client.initialize('again', old)
      await client.describe('it was refused')
      await client.initialize('without')
      await client.initialize('with what it has now', client.identity)
      await client.describe('goes on')
    },
  },
  {
    name: 'a transaction that takes too long is aborted',
    async run(stage) {
      const topic = await stage.topic()
      for (const versions of [undefined, before] as const) {
        const which = versions === undefined ? 'version 2' : 'version 1'
        const client = new TransactionalClient(stage, await transactionalId(stage), versions)
        await client.takeId({ transactionTimeoutMs: 300 })
        if (versions !== undefined) await client.addPartitions(`${which}: add`, topic, [0])
        await client.produce(`${which}: under way`, topic, 0)
        await client.untilState('CompleteAbort')
        await client.describe(`${which}: aborted`)
        await describeProducers(stage, `${which}: the partition knows`, topic)
        await client.produce(`${which}: too late`, topic, 1)
        await client.end(`${which}: too late to commit`, true)
        await client.end(`${which}: too late to abort`, false)
        if (versions !== undefined) await client.addPartitions(`${which}: too late to add`, topic, [0])
        await client.initialize(`${which}: with what it had`, client.identity)
        await client.initialize(`${which}: anew`)
        if (versions !== undefined) await client.addPartitions(`${which}: add anew`, topic, [0])
        await client.produce(`${which}: goes on`, topic, 0)
        await client.end(`${which}: in time`, true)
      }
    },
  },
  {
    name: 'transactions are listed by state, producer, age and name',
    async run(stage) {
      const topic = await stage.topic()
      const idle = await TransactionalClient.start(stage)
      const busy = await TransactionalClient.start(stage)
      await busy.produce('to be left open', topic, 0)
      const done = await TransactionalClient.start(stage)
      await done.produce('to be committed', topic, 0)
      await done.end('committed', true)
      const ours = [idle, busy, done]
      const list = async (what: string, version: number, filters: object) => {
        const { transactionStates, ...rest } = await stage.send(ListTransactions, version, filters)
        const known = transactionStates.filter(({ transactionalId: id }) =>
          ours.some((client) => client.transactionalId === id),
        )
        stage.transcript.note(what, { ...rest, transactionStates: known })
      }
      for (const version of [0, 1, 2]) await list(`all, version ${version}`, version, {})
      await list('under way', 2, { stateFilters: ['Ongoing'] })
      await list('states that there are not', 2, { stateFilters: ['Ongoing', 'Sleeping', 'Dead'] })
      await list('one producer', 2, { producerIdFilters: [idle.producerId, 1_000_000] })
      await list('older than an hour', 2, { durationFilter: 3_600_000 })
      await list('by name', 2, { transactionalIdPattern: `.*${busy.transactionalId.slice(5)}` })
      await list('by half of its name', 2, { transactionalIdPattern: busy.transactionalId.slice(0, 5) })
      await list('by no pattern', 2, { transactionalIdPattern: '' })
      await list('by what is no pattern', 2, { transactionalIdPattern: '(' })
      const ids = [...ours.map((client) => client.transactionalId), await transactionalId(stage), '']
      await describe(stage, 'described together', ids)
    },
  },
  {
    name: 'markers that somebody else writes',
    async run(stage) {
      const topic = await stage.topic({ partitions: 2 })
      const client = await TransactionalClient.start(stage)
      await client.produce('to be committed', topic, 0)
      await client.end('commit', true)
      await client.produce('under way', topic, 0)
      const write = (what: string, version: number, marker: object, partitionIndexes = [0]) =>
        stage.ask(what, WriteTxnMarkers, version, {
          markers: [
            { ...client.identity, coordinatorEpoch: 0, topics: [{ name: topic.name, partitionIndexes }], ...marker },
          ],
        })
      await write('of no epoch', 1, { producerEpoch: -1 })
      await write('of an epoch that is over', 1, { producerEpoch: 0 })
      await write('of version 2, in the epoch of the batches', 2, { transactionVersion: 2 })
      await write('an abort, and what there is not', 1, {}, [0, 1, 7])
      await describeProducers(stage, 'the partitions know', topic, [0, 1])
      await write('again', 1, {})
      await write('of a coordinator long gone', 1, { coordinatorEpoch: -1 })
      await write('again, of version 2', 2, { transactionVersion: 2 })
      await client.produce('the coordinator thinks that it goes on', topic, 1)
      await client.end('and ends it', true)
      await describeProducers(stage, 'the partitions know the end', topic, [0, 1])
      await write('a commit of the epoch to come', 2, {
        producerEpoch: client.producerEpoch + 1,
        transactionResult: true,
        transactionVersion: 2,
      })
      await describeProducers(stage, 'the partitions know more than the coordinator', topic, [0])
      await client.produce('and its producer is fenced', topic, 0)
      await stage.ask('no markers', WriteTxnMarkers, 2, { markers: [] })
    },
  },
]

/** Everything that one can try whose epoch is over. */
async function fenced(
  client: TransactionalClient,
  which: string,
  old: Identity,
  { topic, group }: { topic: { name: string; id: string }; group: string },
): Promise<void> {
  const identity = old
  await client.produce(`${which}: fenced produce`, topic, 1, { identity })
  await client.produce(`${which}: fenced produce, version 11`, topic, 1, { identity, version: 11 })
  await client.produce(`${which}: fenced produce, version 3`, topic, 1, { identity, version: 3 })
  await client.end(`${which}: fenced commit`, true, { identity })
  await client.end(`${which}: fenced abort`, false, { identity })
  await client.addPartitions(`${which}: fenced add`, topic, [0], { identity })
  await client.addOffsets(`${which}: fenced add of offsets`, group, { identity })
  for (const version of [3, 4, 5]) {
    await client.commitOffset(`${which}: fenced offsets, version ${version}`, group, topic, 5, { identity, version })
  }
  await client.initialize(`${which}: fenced continuation`, identity)
}
