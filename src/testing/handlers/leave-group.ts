/** LeaveGroup: members go, by themselves or by an administrator's hand (KIP-345). */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import { LeaveGroup } from '../../wire/messages/leave-group.ts'
import { defineHandler, type AnyHandler } from './handler.ts'

/** Several members at once since then. */
const batchedSince = 3

export const leaveGroup: AnyHandler = defineHandler({
  api: LeaveGroup,
  minVersion: 0,
  maxVersion: 5,

  handle({ groupId, memberId, members }, { groups, brokerId, version }) {
    if (groupId === '') return { errorCode: brokerErrorNumber('INVALID_GROUP_ID') }
    const refused = groups.refusal(groupId, brokerId)
    if (refused !== 0) return { errorCode: refused }
    const leave = (id: string, instance: string | null): number =>
      groups.group(groupId)?.classic.leave(id, instance) ?? brokerErrorNumber('UNKNOWN_MEMBER_ID')
    if (version < batchedSince) return { errorCode: leave(memberId, null) }
    return {
      members: members.map(({ memberId: id, groupInstanceId }) => ({
        memberId: id,
        groupInstanceId,
        errorCode: leave(id, groupInstanceId),
      })),
    }
  },

  refuse: (_, errorCode) => ({ errorCode }),
})
