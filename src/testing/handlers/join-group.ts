/** JoinGroup: enters a classic group, and waits for the others. */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import type { Init } from '../../wire/api.ts'
import { JoinGroup, type JoinGroupRequest, type JoinGroupResponse } from '../../wire/messages/join-group.ts'
import type { JoinAnswer } from '../groups/member.ts'
import { defineHandler, type AnyHandler, type RequestContext } from './handler.ts'

export const joinGroup: AnyHandler = defineHandler({
  api: JoinGroup,
  minVersion: 0,
  maxVersion: 9,

  async handle(request, context) {
    const { groups, state, version, clientId, connection, brokerId } = context
    const { groupId, memberId, groupInstanceId, sessionTimeoutMs, protocolType, protocols } = request
    if (groupId === '') return refusal(request, brokerErrorNumber('INVALID_GROUP_ID'), context)
    const refused = groups.refusal(groupId, brokerId)
    if (refused !== 0) return refusal(request, refused, context)
    const isTooShort = sessionTimeoutMs < state.properties.number('group.min.session.timeout.ms')
    if (isTooShort || sessionTimeoutMs > state.properties.number('group.max.session.timeout.ms')) {
      return refusal(request, brokerErrorNumber('INVALID_SESSION_TIMEOUT'), context)
    }
    // Only who has no id yet may found a group: the others were members of one that is gone.
    const group = memberId === '' ? groups.groupOrNew(groupId) : groups.group(groupId)
    if (group === undefined) return refusal(request, brokerErrorNumber('UNKNOWN_MEMBER_ID'), context)
    const answer = await group.classic.join({
      memberId,
      groupInstanceId,
      clientId: clientId ?? '',
      clientHost: `/${connection.host}`,
      sessionTimeoutMs,
      // Version 0 had one timeout for both.
      rebalanceTimeoutMs: version === 0 ? sessionTimeoutMs : request.rebalanceTimeoutMs,
      protocolType,
      // Views into a request would keep all of it alive for as long as the member lives.
      protocols: protocols.map(({ name, metadata }) => ({ name, metadata: Buffer.from(metadata) })),
      mustKnowItsId: version >= 4,
      maySkipAssignment: version >= 9,
    })
    return response(answer, version)
  },

  refuse: (request, errorCode, context) => refusal(request, errorCode, context),
})

function refusal(
  { memberId }: JoinGroupRequest,
  errorCode: number,
  { version }: RequestContext,
): Init<JoinGroupResponse> {
  const none = {
    generationId: -1,
    protocolType: null,
    protocolName: null,
    leader: '',
    skipAssignment: false,
    members: [],
  }
  return response({ ...none, errorCode, memberId }, version)
}

function response(answer: JoinAnswer, version: number): Init<JoinGroupResponse> {
  const { protocolType, protocolName, skipAssignment, members, ...rest } = answer
  return {
    ...rest,
    protocolName: protocolName ?? (version >= 7 ? null : ''),
    ...(version >= 7 ? { protocolType } : {}),
    ...(version >= 9 ? { skipAssignment } : {}),
    members: members.map(({ memberId, groupInstanceId, metadata }) => ({
      memberId,
      metadata,
      ...(version >= 5 ? { groupInstanceId } : {}),
    })),
  }
}
