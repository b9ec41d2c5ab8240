/** Classic groups: joining, syncing, beating, leaving, committing, and what is refused when. */

import { DeleteGroups } from '#src/wire/messages/delete-groups.js'
import { DescribeGroups } from '#src/wire/messages/describe-groups.js'
import { FindCoordinator } from '#src/wire/messages/find-coordinator.js'
import { Heartbeat } from '#src/wire/messages/heartbeat.js'
import { JoinGroup, type JoinGroupRequest } from '#src/wire/messages/join-group.js'
import { LeaveGroup } from '#src/wire/messages/leave-group.js'
import { ListGroups } from '#src/wire/messages/list-groups.js'
import { OffsetCommit } from '#src/wire/messages/offset-commit.js'
import { OffsetDelete } from '#src/wire/messages/offset-delete.js'
import { OffsetFetch } from '#src/wire/messages/offset-fetch.js'
import { SyncGroup } from '#src/wire/messages/sync-group.js'
import type { Init } from '#src/wire/api.js'
import type { RawClient } from '../raw-client.js'
import type { Script, Stage } from './scripts.js'

const metadata = Buffer.from([0, 0, 0, 0, 0, 0, 255, 255, 255, 255])
const range = [{ name: 'range', metadata }]
const assignment = Buffer.from('yours')
const unknownId = 'c29tZS11bmtub3duLWlkLQ'

function joining(groupId: string, more: Init<JoinGroupRequest> = {}): Init<JoinGroupRequest> {
  return {
    groupId,
    sessionTimeoutMs: 30_000,
    rebalanceTimeoutMs: 30_000,
    protocolType: 'consumer',
    protocols: range,
    ...more,
  }
}

/** A member that has joined alone and synced. */
export async function soleMember(stage: Stage, groupId: string, more: Init<JoinGroupRequest> = {}): Promise<string> {
  let memberId = ''
  const isStatic = more.groupInstanceId !== undefined
  if (!isStatic) memberId = (await stage.send(JoinGroup, 9, joining(groupId, more))).memberId
  const joined = await stage.send(JoinGroup, 9, joining(groupId, { ...more, memberId }))
  memberId = joined.memberId
  stage.transcript.call(memberId, 'the member')
  await stage.send(SyncGroup, 5, {
    groupId,
    memberId,
    ...(isStatic ? { groupInstanceId: more.groupInstanceId } : {}),
    generationId: joined.generationId,
    protocolType: 'consumer',
    protocolName: 'range',
    assignments: [{ memberId, assignment }],
  })
  return memberId
}

export const grouping: readonly Script[] = [
  {
    name: 'a join is refused for what is wrong with it',
    async run(stage) {
      const groupId = await stage.group()
      const join = (what: string, more: Init<JoinGroupRequest>, version = 9) =>
        stage.ask(what, JoinGroup, version, joining(groupId, more))
      await join('no group id', { groupId: '' })
      await join('too short a session', { sessionTimeoutMs: 10 })
      await join('too long a session', { sessionTimeoutMs: 2_000_000_000 })
      await join('a member id that nobody gave', { memberId: 'me' })
      await join('no protocols', { protocols: [] })
      await join('no protocol type', { protocolType: '' })
      await join('no member id', {})
      await join('no member id, version 4', {}, 4)
      await stage.ask('what these left', DescribeGroups, 6, { groups: [groupId] })
      await stage.ask('a stranger beats', Heartbeat, 4, { groupId, generationId: 1, memberId: 'me' })
      await stage.ask('a stranger syncs', SyncGroup, 5, {
        groupId,
        generationId: 1,
        memberId: 'me',
        protocolType: 'consumer',
        protocolName: 'range',
      })
      await stage.ask('a stranger leaves', LeaveGroup, 5, { groupId, members: [{ memberId: 'me' }] })
      await stage.ask('a stranger leaves, version 2', LeaveGroup, 2, { groupId, memberId: 'me' })
      const other = stage.name('other group')
      await stage.ask('beating in no group', Heartbeat, 4, { groupId: other, generationId: 1, memberId: 'me' })
      await stage.ask('leaving no group', LeaveGroup, 5, { groupId: other, members: [{ memberId: 'me' }] })
      await stage.ask('leaving no group, version 0', LeaveGroup, 0, { groupId: other, memberId: 'me' })
      await stage.ask('a group without a name beats', Heartbeat, 4, { groupId: '', generationId: 1, memberId: 'me' })
      await stage.ask('a group without a name syncs', SyncGroup, 5, { groupId: '', memberId: 'me' })
      await stage.ask('a group without a name leaves', LeaveGroup, 5, { groupId: '' })
    },
  },
  {
    name: 'a member alone: its generation, its errors, its end',
    async run(stage) {
      const groupId = await stage.group()
      const { memberId } = await stage.ask('the first answer', JoinGroup, 9, joining(groupId))
      await stage.ask('the second answer', JoinGroup, 9, joining(groupId, { memberId }))
      await stage.ask('described while it syncs', DescribeGroups, 6, { groups: [groupId] })
      await stage.ask('beats before it syncs', Heartbeat, 4, { groupId, generationId: 1, memberId })
      await stage.ask('commits before it syncs', OffsetCommit, 9, {
        groupId,
        memberId,
        generationIdOrMemberEpoch: 1,
        topics: [],
      })
      await stage.ask('joins again before it syncs', JoinGroup, 9, joining(groupId, { memberId }))
      const sync = (what: string, more: object) =>
        stage.ask(what, SyncGroup, 5, {
          groupId,
          memberId,
          generationId: 1,
          protocolType: 'consumer',
          protocolName: 'range',
          assignments: [{ memberId, assignment }],
          ...more,
        })
      await sync('syncs an old generation', { generationId: 0 })
      await sync('syncs another protocol', { protocolName: 'sticky' })
      await sync('syncs another type', { protocolType: 'connect' })
      await sync('syncs without a protocol', { protocolType: null, protocolName: null })
      await sync('syncs', {})
      await sync('syncs again', { assignments: [] })
      await stage.ask('beats', Heartbeat, 4, { groupId, generationId: 1, memberId })
      await stage.ask('beats in an old generation', Heartbeat, 4, { groupId, generationId: 0, memberId })
      await stage.ask('beats as another instance', Heartbeat, 4, {
        groupId,
        generationId: 1,
        memberId,
        groupInstanceId: 'one',
      })
      for (const version of [0, 4, 6]) {
        await stage.ask(`described, version ${version}`, DescribeGroups, version, {
          groups: [groupId, 'no-such-group'],
        })
      }
      const { groups } = await stage.send(ListGroups, 5, {})
      stage.transcript.note(
        'listed',
        groups.find((group) => group.groupId === groupId),
      )
      const stable = await stage.send(ListGroups, 5, { statesFilter: ['Stable'], typesFilter: ['classic'] })
      stage.transcript.note(
        'listed as stable',
        stable.groups.some((group) => group.groupId === groupId),
      )
      await stage.ask('another type of group', JoinGroup, 9, joining(groupId, { protocolType: 'connect' }))
      await stage.ask('another protocol', JoinGroup, 9, joining(groupId, { protocols: [{ name: 'sticky', metadata }] }))
      await stage.ask('deleted with a member', DeleteGroups, 2, { groupsNames: [groupId] })
      await stage.ask('leaves', LeaveGroup, 5, { groupId, members: [{ memberId, reason: 'enough' }] })
      await stage.ask('leaves again', LeaveGroup, 5, { groupId, members: [{ memberId }] })
      await stage.ask('beats after the end', Heartbeat, 4, { groupId, generationId: 1, memberId })
      await stage.ask('described empty', DescribeGroups, 6, { groups: [groupId] })
      await stage.ask('joins with the old id', JoinGroup, 9, joining(groupId, { memberId }))
      await stage.ask('deleted', DeleteGroups, 2, { groupsNames: [groupId, groupId] })
      await stage.ask('described no more', DescribeGroups, 5, { groups: [groupId] })
    },
  },
  {
    name: 'two members: votes, leader, assignment, and a rebalance',
    async run(stage) {
      const groupId = await stage.group()
      const [one, two] = [await stage.connect(), await stage.connect()]
      const protocolsOfOne = [
        { name: 'a', metadata },
        { name: 'b', metadata },
        { name: 'c', metadata },
      ]
      const protocolsOfTwo = [
        { name: 'c', metadata },
        { name: 'b', metadata },
      ]
      const begin = async (client: RawClient, protocols: typeof protocolsOfOne) => {
        const { memberId } = await client.send(JoinGroup, 9, joining(groupId, { protocols }))
        return memberId
      }
      const idOfOne = await begin(one, protocolsOfOne)
      stage.transcript.call(idOfOne, 'the first')
      stage.transcript.note(
        'the first alone',
        await one.send(JoinGroup, 9, joining(groupId, { memberId: idOfOne, protocols: protocolsOfOne })),
      )
      const idOfTwo = await begin(two, protocolsOfTwo)
      stage.transcript.call(idOfTwo, 'the second')
      const waiting = two.send(JoinGroup, 9, joining(groupId, { memberId: idOfTwo, protocols: protocolsOfTwo }))
      await untilState(stage, groupId, 'PreparingRebalance')
      stage.transcript.note(
        'the first beats',
        await one.send(Heartbeat, 4, { groupId, generationId: 1, memberId: idOfOne }),
      )
      stage.transcript.note(
        'the first syncs too late',
        await one.send(SyncGroup, 5, {
          groupId,
          generationId: 1,
          memberId: idOfOne,
          protocolType: 'consumer',
          protocolName: 'a',
        }),
      )
      stage.transcript.note(
        'the first may still commit',
        await one.send(OffsetCommit, 9, { groupId, memberId: idOfOne, generationIdOrMemberEpoch: 1, topics: [] }),
      )
      const rejoined = await one.send(JoinGroup, 9, joining(groupId, { memberId: idOfOne, protocols: protocolsOfOne }))
      const joined = await waiting
      stage.transcript.note('the first in generation 2', { ...rejoined, members: rejoined.members.length })
      stage.transcript.note('the second in generation 2', joined)
      const sync = { groupId, generationId: 2, protocolType: 'consumer', protocolName: rejoined.protocolName }
      const early = two.send(SyncGroup, 5, { ...sync, memberId: idOfTwo })
      const assignments = [
        { memberId: idOfOne, assignment: Buffer.from('1') },
        { memberId: idOfTwo, assignment: Buffer.from('22') },
      ]
      stage.transcript.note(
        'the first syncs',
        await one.send(SyncGroup, 5, { ...sync, memberId: idOfOne, assignments }),
      )
      stage.transcript.note('the second syncs', await early)
      stage.transcript.note(
        'the second joins again, unchanged',
        await two.send(JoinGroup, 9, joining(groupId, { memberId: idOfTwo, protocols: protocolsOfTwo })),
      )
      stage.transcript.note(
        'the second beats',
        await two.send(Heartbeat, 4, { groupId, generationId: 2, memberId: idOfTwo }),
      )
      stage.transcript.note(
        'the first leaves',
        await one.send(LeaveGroup, 5, { groupId, members: [{ memberId: idOfOne }] }),
      )
      stage.transcript.note(
        'the second hears of it',
        await two.send(Heartbeat, 4, { groupId, generationId: 2, memberId: idOfTwo }),
      )
      const alone = await two.send(JoinGroup, 9, joining(groupId, { memberId: idOfTwo, protocols: protocolsOfTwo }))
      stage.transcript.note('the second alone', { ...alone, members: alone.members.length })
      await two.send(LeaveGroup, 5, { groupId, members: [{ memberId: idOfTwo }] })
    },
  },
  {
    name: 'a static member comes back in its place, and its older self is fenced',
    async run(stage) {
      const groupId = await stage.group()
      const groupInstanceId = 'instance'
      const first = await soleMember(stage, groupId, { groupInstanceId })
      stage.transcript.call(first, 'the first self')
      const back = await stage.send(JoinGroup, 9, joining(groupId, { groupInstanceId }))
      stage.transcript.call(back.memberId, 'the second self')
      stage.transcript.note('comes back, version 9', back)
      const older = await stage.send(JoinGroup, 8, joining(groupId, { groupInstanceId }))
      stage.transcript.call(older.memberId, 'the third self')
      stage.transcript.note('comes back, version 8', older)
      const as = (memberId: string) => ({ groupId, memberId, groupInstanceId })
      await stage.ask('the first self beats', Heartbeat, 4, { ...as(first), generationId: 1 })
      await stage.ask('the third self beats', Heartbeat, 4, { ...as(older.memberId), generationId: 1 })
      await stage.ask('the first self joins', JoinGroup, 9, joining(groupId, as(first)))
      await stage.ask('the first self syncs', SyncGroup, 5, {
        ...as(first),
        generationId: 1,
        protocolType: 'consumer',
        protocolName: 'range',
      })
      await stage.ask('the first self commits', OffsetCommit, 9, {
        ...as(first),
        generationIdOrMemberEpoch: 1,
        topics: [{ name: 'nobody', partitions: [{ partitionIndex: 0, committedOffset: 1 }] }],
      })
      await stage.ask('the third self syncs', SyncGroup, 5, {
        ...as(older.memberId),
        generationId: 1,
        protocolType: 'consumer',
        protocolName: 'range',
      })
      await stage.ask('the first self leaves', LeaveGroup, 5, {
        groupId,
        members: [{ memberId: first, groupInstanceId }],
      })
      await stage.ask('another instance leaves', LeaveGroup, 5, {
        groupId,
        members: [{ memberId: '', groupInstanceId: 'other' }],
      })
      await stage.ask('the instance leaves', LeaveGroup, 5, { groupId, members: [{ memberId: '', groupInstanceId }] })
    },
  },
  {
    name: 'commits: who may, of what, and what is told of them',
    async run(stage) {
      const groupId = await stage.group()
      const { name, id } = await stage.topic({ partitions: 2 })
      const one = (partitionIndex: number, committedOffset: number, more: object = {}) => ({
        partitionIndex,
        committedOffset,
        ...more,
      })
      const commit = (what: string, more: object = {}, version = 9, partitions: object[] = [one(0, 5)]) =>
        stage.ask(what, OffsetCommit, version, {
          groupId,
          generationIdOrMemberEpoch: -1,
          topics: [{ ...(version >= 10 ? { topicId: id } : { name }), partitions }],
          ...more,
        })
      await commit('without a group', {}, 9, [
        one(0, 5, { committedLeaderEpoch: 3, committedMetadata: 'note' }),
        one(1, 7),
        one(9, 1),
        one(1, 8, { committedMetadata: 'x'.repeat(5_000) }),
      ])
      await commit('by id', {}, 10, [one(1, 6)])
      await commit('an unknown id', { topics: [{ topicId: unknownId, partitions: [one(0, 1)] }] }, 10)
      await commit('an unknown topic', { topics: [{ name: 'nobody', partitions: [one(0, 1)] }] })
      await commit('a generation that is not', { generationIdOrMemberEpoch: 3, memberId: 'me' })
      await commit('a group that is not', {
        groupId: stage.name('other'),
        generationIdOrMemberEpoch: 3,
        memberId: 'me',
      })
      const fetch = (what: string, version: number, topics: object[] | null) =>
        stage.ask(
          what,
          OffsetFetch,
          version,
          (version >= 8 ? { groups: [{ groupId, topics }] } : { groupId, topics }) as object,
        )
      for (const version of [1, 2, 4, 5, 7, 8, 9]) {
        await fetch(`read, version ${version}`, version, [{ name, partitionIndexes: [0, 1] }])
      }
      await fetch('read by id', 10, [
        { topicId: id, partitionIndexes: [0, 1, 9] },
        { topicId: unknownId, partitionIndexes: [0] },
      ])
      await fetch('read an unknown topic', 9, [{ name: 'nobody', partitionIndexes: [0] }])
      const all = await stage.send(OffsetFetch, 10, { groups: [{ groupId, topics: null }] })
      for (const topic of all.groups[0]!.topics) topic.partitions.sort((a, b) => a.partitionIndex - b.partitionIndex)
      stage.transcript.note('read all', all)
      await stage.ask('read of a group that is not', OffsetFetch, 9, {
        groups: [{ groupId: stage.name('none'), topics: [{ name, partitionIndexes: [0] }] }],
      })
      const remove = (what: string, more: object = {}) =>
        stage.ask(what, OffsetDelete, 0, {
          groupId,
          topics: [
            { name, partitions: [{ partitionIndex: 1 }] },
            { name: 'nobody', partitions: [{ partitionIndex: 0 }] },
          ],
          ...more,
        })
      await remove('forgotten')
      await remove('forgotten of a group that is not', { groupId: 'no-such-group' })
      await fetch('read after that', 9, [{ name, partitionIndexes: [0, 1] }])
      const memberId = await soleMember(stage, groupId)
      await commit('from outside while there is a member')
      await commit('by the member', { memberId, generationIdOrMemberEpoch: 1 })
      await commit('by the member, of another generation', { memberId, generationIdOrMemberEpoch: 9 })
      await commit('by a stranger', { memberId: 'me', generationIdOrMemberEpoch: 1 })
      await commit('by the member without a generation', { memberId })
      await stage.send(LeaveGroup, 5, { groupId, members: [{ memberId }] })
      await commit('from outside after that')
    },
  },
  {
    name: 'who coordinates what',
    async run(stage) {
      const groupId = await stage.group()
      stage.transcript.call('', '')
      for (const version of [0, 1, 3, 4, 6]) {
        const request = version >= 4 ? { coordinatorKeys: [groupId, groupId] } : { key: groupId }
        await stage.ask(`a group, version ${version}`, FindCoordinator, version, request)
      }
      await stage.ask('an unknown type', FindCoordinator, 6, { keyType: 9, coordinatorKeys: [groupId] })
      await stage.ask('an unknown type, version 3', FindCoordinator, 3, { keyType: 9, key: groupId })
    },
  },
]

async function untilState(stage: Stage, groupId: string, state: string): Promise<void> {
  for (;;) {
    const { groups } = await stage.send(DescribeGroups, 5, { groups: [groupId] })
    if (groups[0]?.groupState === state) return
  }
}
