/** DescribeGroups: state and members of classic groups. */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import type { Init } from '../../wire/api.ts'
import { DescribeGroups, type DescribedGroup } from '../../wire/messages/describe-groups.ts'
import { groupOperations } from '../operations.ts'
import { defineHandler, type AnyHandler, type RequestContext } from './handler.ts'

export const describeGroups: AnyHandler = defineHandler({
  api: DescribeGroups,
  minVersion: 0,
  maxVersion: 6,

  handle: ({ groups, includeAuthorizedOperations }, context) => ({
    groups: groups.map((groupId) => describe(groupId, includeAuthorizedOperations, context)),
  }),

  refuse: ({ groups }, errorCode) => ({ groups: groups.map((groupId) => ({ groupId, errorCode })) }),
})

function describe(groupId: string, withOperations: boolean, context: RequestContext): Init<DescribedGroup> {
  const { groups, brokerId, version } = context
  const refused = groups.refusal(groupId, brokerId)
  if (refused !== 0) return { groupId, errorCode: refused }
  const operations = withOperations && version >= 3 ? { authorizedOperations: groupOperations } : {}
  const group = groups.group(groupId)?.classic
  if (group === undefined) {
    const notFound = {
      errorCode: brokerErrorNumber('GROUP_ID_NOT_FOUND'),
      errorMessage: `there is no group '${groupId}'`,
    }
    // Until version 6 a group that does not exist was a dead one.
    return { groupId, groupState: 'Dead', ...(version >= 6 ? notFound : {}), ...operations }
  }
  const isStable = group.state === 'Stable'
  return {
    groupId,
    groupState: group.state,
    protocolType: group.protocolType ?? '',
    protocolData: isStable ? (group.protocolName ?? '') : '',
    members: group.members.map((member) => ({
      memberId: member.memberId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      ...(version >= 4 ? { groupInstanceId: member.groupInstanceId } : {}),
      ...(isStable ? { memberMetadata: member.metadata(group.protocolName), memberAssignment: member.assignment } : {}),
    })),
    ...operations,
  }
}
