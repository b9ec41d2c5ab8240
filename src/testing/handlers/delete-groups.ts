/** DeleteGroups: forgets groups that have no members (KIP-229). */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import { DeleteGroups } from '../../wire/messages/delete-groups.ts'
import { defineHandler, type AnyHandler } from './handler.ts'

export const deleteGroups: AnyHandler = defineHandler({
  api: DeleteGroups,
  minVersion: 0,
  maxVersion: 2,

  handle: ({ groupsNames }, { groups, brokerId }) => ({
    results: [...new Set(groupsNames)].map((groupId) => {
      const refused = groups.refusal(groupId, brokerId)
      if (refused !== 0) return { groupId, errorCode: refused }
      const group = groups.group(groupId)
      if (group === undefined) return { groupId, errorCode: brokerErrorNumber('GROUP_ID_NOT_FOUND') }
      if (group.classic.state !== 'Empty') return { groupId, errorCode: brokerErrorNumber('NON_EMPTY_GROUP') }
      groups.delete(groupId)
      return { groupId }
    }),
  }),

  refuse: ({ groupsNames }, errorCode) => ({ results: groupsNames.map((groupId) => ({ groupId, errorCode })) }),
})
