/** SyncGroup: the leader hands in the assignment of a generation, and every member gets its part. */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import type { Init } from '../../wire/api.ts'
import { SyncGroup, type SyncGroupResponse } from '../../wire/messages/sync-group.ts'
import { noAssignment, type SyncAnswer } from '../groups/member.ts'
import { defineHandler, type AnyHandler } from './handler.ts'

export const syncGroup: AnyHandler = defineHandler({
  api: SyncGroup,
  minVersion: 0,
  maxVersion: 5,

  async handle(request, { groups, brokerId, version }) {
    const { groupId, assignments } = request
    // Since version 5 the member says which protocol it means (KIP-559).
    if (version >= 5 && (request.protocolType === null || request.protocolName === null)) {
      return refusal(brokerErrorNumber('INCONSISTENT_GROUP_PROTOCOL'))
    }
    if (groupId === '') return refusal(brokerErrorNumber('INVALID_GROUP_ID'))
    const refused = groups.refusal(groupId, brokerId)
    if (refused !== 0) return refusal(refused)
    const group = groups.group(groupId)
    if (group === undefined) return refusal(brokerErrorNumber('UNKNOWN_MEMBER_ID'))
    const copied = assignments.map(({ memberId, assignment }) => ({ memberId, assignment: Buffer.from(assignment) }))
    return response(await group.classic.sync({ ...request, assignments: copied }), version)
  },

  refuse: (_, errorCode) => refusal(errorCode),
})

function refusal(errorCode: number): Init<SyncGroupResponse> {
  return { errorCode, assignment: noAssignment }
}

function response(
  { errorCode, assignment, protocolType, protocolName }: SyncAnswer,
  version: number,
): Init<SyncGroupResponse> {
  return { errorCode, assignment, ...(version >= 5 ? { protocolType, protocolName } : {}) }
}
