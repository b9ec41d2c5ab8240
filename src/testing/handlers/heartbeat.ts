/** Heartbeat: a member is alive, and hears whether its generation still is. */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import { Heartbeat } from '../../wire/messages/heartbeat.ts'
import { defineHandler, type AnyHandler } from './handler.ts'

export const heartbeat: AnyHandler = defineHandler({
  api: Heartbeat,
  minVersion: 0,
  maxVersion: 4,

  handle({ groupId, memberId, groupInstanceId, generationId }, { groups, brokerId }) {
    if (groupId === '') return { errorCode: brokerErrorNumber('INVALID_GROUP_ID') }
    const refused = groups.refusal(groupId, brokerId)
    // Who finds its coordinator loading is told that all is well: it would only ask again.
    if (refused === brokerErrorNumber('COORDINATOR_LOAD_IN_PROGRESS')) return { errorCode: 0 }
    if (refused !== 0) return { errorCode: refused }
    const group = groups.group(groupId)
    return {
      errorCode:
        group === undefined
          ? brokerErrorNumber('UNKNOWN_MEMBER_ID')
          : group.classic.heartbeat(memberId, groupInstanceId, generationId),
    }
  },

  refuse: (_, errorCode) => ({ errorCode }),
})
