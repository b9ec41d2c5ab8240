/** ListGroups: the groups that this broker coordinates. */

import { ListGroups } from '../../wire/messages/list-groups.ts'
import { defineHandler, type AnyHandler } from './handler.ts'

export const listGroups: AnyHandler = defineHandler({
  api: ListGroups,
  minVersion: 0,
  maxVersion: 5,

  handle({ statesFilter, typesFilter }, { groups, brokerId, version }) {
    const admits = (filter: readonly string[], value: string): boolean =>
      filter.length === 0 || filter.some((wanted) => wanted.toLowerCase() === value.toLowerCase())
    const listed = groups.groupIds
      .filter((groupId) => groups.refusal(groupId, brokerId) === 0)
      .map((groupId) => ({ groupId, classic: groups.group(groupId)!.classic }))
      .filter(({ classic }) => admits(statesFilter, classic.state) && admits(typesFilter, 'classic'))
    return {
      groups: listed.map(({ groupId, classic }) => ({
        groupId,
        protocolType: classic.protocolType ?? '',
        ...(version >= 4 ? { groupState: classic.state } : {}),
        ...(version >= 5 ? { groupType: 'classic' } : {}),
      })),
    }
  },

  refuse: (_, errorCode) => ({ errorCode }),
})
