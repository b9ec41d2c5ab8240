/** Offsets that are committed with a transaction: who may, what is pending, and what readers of offsets are told meanwhile. */

import { DeleteGroups } from '#src/wire/messages/delete-groups.js'
import { DescribeGroups } from '#src/wire/messages/describe-groups.js'
import { OffsetCommit } from '#src/wire/messages/offset-commit.js'
import { OffsetDelete } from '#src/wire/messages/offset-delete.js'
import { OffsetFetch } from '#src/wire/messages/offset-fetch.js'
import { soleMember } from './grouping.js'
import { before, TransactionalClient, type Topic } from './transactional-client.js'
import type { Script, Stage } from './scripts.js'

async function offsets(stage: Stage, what: string, groupId: string, topic: Topic, partitionIndexes = [0]) {
  for (const requireStable of [true, false]) {
    const which = requireStable ? 'stable' : 'any'
    await stage.ask(`${what}: ${which}`, OffsetFetch, 9, {
      groups: [{ groupId, topics: [{ name: topic.name, partitionIndexes }] }],
      requireStable,
    })
  }
}

function commit(stage: Stage, what: string, groupId: string, topic: Topic, committedOffset: number) {
  return stage.ask(what, OffsetCommit, 9, {
    groupId,
    generationIdOrMemberEpoch: -1,
    topics: [{ name: topic.name, partitions: [{ partitionIndex: 0, committedOffset, committedMetadata: 'plain' }] }],
  })
}

export const transactionalOffsets: readonly Script[] = [
  {
    name: 'offsets of a transaction are pending until its end',
    async run(stage) {
      const topic = await stage.topic({ partitions: 2 })
      for (const versions of [undefined, before] as const) {
        const which = versions === undefined ? 'version 2' : 'version 1'
        const groupId = await stage.group()
        const client = await TransactionalClient.start(stage, versions)
        await commit(stage, `${which}: a plain commit`, groupId, topic, 3)
        if (versions !== undefined) {
          await client.commitOffset(`${which}: group not added`, groupId, topic, 5)
          await client.commitOffset(`${which}: group not added, version 3`, groupId, topic, 5, { version: 3 })
          await client.addOffsets(`${which}: add`, groupId)
          await client.addOffsets(`${which}: add again`, groupId)
        }
        await client.commitOffset(`${which}: commit`, groupId, topic, 10, { metadata: 'first' })
        await client.describe(`${which}: described`)
        await offsets(stage, `${which}: pending`, groupId, topic, [0, 1])
        for (const version of [6, 7]) {
          await stage.ask(`${which}: pending, version ${version}`, OffsetFetch, version, {
            groupId,
            topics: [{ name: topic.name, partitionIndexes: [0] }],
            ...(version >= 7 ? { requireStable: true } : {}),
          })
        }
        await stage.ask(`${which}: all that is pending`, OffsetFetch, 9, {
          groups: [{ groupId, topics: null }],
          requireStable: true,
        })
        await commit(stage, `${which}: a plain commit while it is pending`, groupId, topic, 4)
        await offsets(stage, `${which}: still pending`, groupId, topic)
        await client.commitOffset(`${which}: commit again`, groupId, topic, 11, { metadata: 'second' })
        await client.commitOffset(`${which}: commit of another partition`, groupId, topic, 20, { partition: 1 })
        await commit(stage, `${which}: another group's plain commit`, await stage.group(), topic, 1)
        await client.end(`${which}: committed`, true)
        await offsets(stage, `${which}: committed offsets`, groupId, topic, [0, 1])
        if (versions !== undefined) await client.addOffsets(`${which}: add to the next`, groupId)
        await client.commitOffset(`${which}: to be aborted`, groupId, topic, 99)
        await offsets(stage, `${which}: pending again`, groupId, topic)
        await commit(stage, `${which}: a plain commit behind it`, groupId, topic, 12)
        await client.end(`${which}: aborted`, false)
        await offsets(stage, `${which}: as before`, groupId, topic)
        if (versions !== undefined) await client.addOffsets(`${which}: add to the third`, groupId)
        await client.commitOffset(`${which}: before a plain commit`, groupId, topic, 30)
        await commit(stage, `${which}: a plain commit behind what will be committed`, groupId, topic, 13)
        await client.end(`${which}: committed the third`, true)
        await offsets(stage, `${which}: the later commit`, groupId, topic)
        await stage.ask(`${which}: the group`, DescribeGroups, 5, { groups: [groupId] })
      }
    },
  },
  {
    name: 'offsets of a transaction are refused for what is wrong with them',
    async run(stage) {
      const topic = await stage.topic()
      const groupId = await stage.group()
      const client = await TransactionalClient.start(stage)
      await client.commitOffset('no group', '', topic, 5)
      await client.commitOffset('no such topic', groupId, { name: stage.name('missing') }, 5)
      await client.commitOffset('no such partition', groupId, topic, 5, { partition: 7 })
      await client.commitOffset('a generation of nobody', groupId, topic, 5, { generationId: 3, memberId: 'me' })
      await client.commitOffset('a member without a generation', groupId, topic, 5, { memberId: 'me' })
      await client.commitOffset('too much metadata', groupId, topic, 5, { metadata: 'x'.repeat(5_000) })
      await client.describe('after what was refused')
      const unknown = { ...client.identity, producerId: 1_000_000 }
      const late = { ...client.identity, producerEpoch: 7 }
      for (const version of [0, 3, 4, 5]) {
        await client.commitOffset(`another producer, version ${version}`, groupId, topic, 5, {
          version,
          identity: unknown,
        })
        await client.commitOffset(`another epoch, version ${version}`, groupId, topic, 5, { version, identity: late })
      }
      await client.commitOffset('nobody', groupId, topic, 5, { transactionalId: 'nobody' })
      await client.end('abort', false)

      const live = await stage.group()
      const memberId = await soleMember(stage, live)
      await client.commitOffset('no member of a live group', live, topic, 5)
      await client.commitOffset('a stranger', live, topic, 6, { memberId: 'me', generationId: 1 })
      await client.commitOffset('a generation that is over', live, topic, 7, { memberId, generationId: 0 })
      await client.commitOffset('a generation to come', live, topic, 7, { memberId, generationId: 2 })
      await client.commitOffset('a member without its generation', live, topic, 7, { memberId })
      await client.commitOffset('an instance that nobody has', live, topic, 7, {
        memberId,
        generationId: 1,
        groupInstanceId: 'i',
      })
      await client.commitOffset('the member', live, topic, 8, { memberId, generationId: 1 })
      await client.end('commit', true)
      await offsets(stage, 'of the live group', live, topic)

      const instances = await stage.group()
      const instance = stage.name('instance')
      const fixed = await soleMember(stage, instances, { groupInstanceId: instance })
      await client.commitOffset('a fenced instance', instances, topic, 9, {
        memberId: 'me',
        generationId: 1,
        groupInstanceId: instance,
      })
      await client.commitOffset('the instance', instances, topic, 9, {
        memberId: fixed,
        generationId: 1,
        groupInstanceId: instance,
      })
      await client.end('commit of the instance', true)
      await offsets(stage, 'of the instance', instances, topic)
    },
  },
  {
    name: 'groups and offsets are deleted under a transaction',
    async run(stage) {
      const topic = await stage.topic()
      const client = await TransactionalClient.start(stage)
      const groupId = await stage.group()
      await client.commitOffset('pending', groupId, topic, 5)
      await stage.ask('offsets deleted', OffsetDelete, 0, {
        groupId,
        topics: [{ name: topic.name, partitions: [{ partitionIndex: 0 }] }],
      })
      await offsets(stage, 'after offsets were deleted', groupId, topic)
      await client.end('commit', true)
      await offsets(stage, 'committed', groupId, topic)
      await client.commitOffset('pending again', groupId, topic, 6)
      await stage.ask('group deleted', DeleteGroups, 2, { groupsNames: [groupId] })
      await offsets(stage, 'after the group was deleted', groupId, topic)
      await client.end('commit again', true)
      await offsets(stage, 'after the end', groupId, topic)
      await stage.ask('the group', DescribeGroups, 6, { groups: [groupId] })
      const two = await TransactionalClient.start(stage)
      const shared = await stage.group()
      await client.commitOffset('one of two', shared, topic, 7)
      await two.commitOffset('two of two', shared, topic, 8)
      await client.end('one is committed', true)
      await offsets(stage, 'two is pending', shared, topic)
      await two.end('two is aborted', false)
      await offsets(stage, 'both are over', shared, topic)
      const both = await stage.group()
      await client.commitOffset('the later one of two', both, topic, 7)
      await two.commitOffset('the earlier one of two', both, topic, 8)
      await two.end('the earlier is committed first', true)
      await client.end('the later is committed last', true)
      await offsets(stage, 'the order of commits', both, topic)
    },
  },
]
