/** The four requests of the classic protocol, each sent once to whoever coordinates the group. What their answers mean
 *  is decided by the membership. */

import type { Cluster } from '../../cluster/cluster.ts'
import type { Target } from '../../cluster/target.ts'
import type { Init } from '../../wire/api.ts'
import { Heartbeat } from '../../wire/messages/heartbeat.ts'
import { JoinGroup, type JoinGroupRequest, type JoinGroupResponse } from '../../wire/messages/join-group.ts'
import { LeaveGroup } from '../../wire/messages/leave-group.ts'
import { SyncGroup, type SyncGroupRequest, type SyncGroupResponse } from '../../wire/messages/sync-group.ts'

export interface MemberIdentity {
  readonly memberId: string
  readonly generationId: number
}

export interface CoordinatorOptions {
  readonly groupId: string
  /** Behind the colon of the lanes: requests that wait long must not hold up those that do not. */
  readonly laneName: string
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
}

/** JoinGroup is answered when the rebalance timeout is over at the latest; this much later the coordinator is deemed dead. */
const joinGraceMs = 5_000

export class CoordinatorRequests {
  readonly target: Target
  readonly #cluster: Cluster
  readonly #options: CoordinatorOptions
  readonly #briefTimeoutMs: number

  constructor(cluster: Cluster, options: CoordinatorOptions) {
    this.target = { kind: 'coordinator', of: 'group', key: options.groupId }
    this.#cluster = cluster
    this.#options = options
    // A coordinator that hangs must be left while there is time in the session to find another one.
    this.#briefTimeoutMs = Math.min(cluster.options.requestTimeoutMs, Math.ceil(options.sessionTimeoutMs / 3))
  }

  join(
    request: Pick<Init<JoinGroupRequest>, 'memberId' | 'protocols' | 'reason'>,
    signal: AbortSignal,
  ): Promise<JoinGroupResponse> {
    const { groupId, sessionTimeoutMs, rebalanceTimeoutMs } = this.#options
    const message = { groupId, sessionTimeoutMs, rebalanceTimeoutMs, protocolType: 'consumer', ...request }
    return this.#cluster.send(this.target, JoinGroup, message, this.#slowly(signal))
  }

  sync(
    { memberId, generationId }: MemberIdentity,
    request: Pick<Init<SyncGroupRequest>, 'protocolName' | 'assignments'>,
    signal: AbortSignal,
  ): Promise<SyncGroupResponse> {
    const { groupId } = this.#options
    const message = { groupId, memberId, generationId, protocolType: 'consumer', ...request }
    return this.#cluster.send(this.target, SyncGroup, message, this.#slowly(signal))
  }

  /** Resolves to the error code. */
  async heartbeat({ memberId, generationId }: MemberIdentity, signal: AbortSignal): Promise<number> {
    const message = { groupId: this.#options.groupId, memberId, generationId }
    const { errorCode } = await this.#cluster.send(this.target, Heartbeat, message, this.#briefly(signal))
    return errorCode
  }

  /** Resolves to the error code. */
  async leave(memberId: string, reason: string, signal: AbortSignal): Promise<number> {
    const { groupId } = this.#options
    const message = (version: number) =>
      version < 3 ? { groupId, memberId } : { groupId, members: [{ memberId, reason }] }
    const { errorCode, members } = await this.#cluster.send(this.target, LeaveGroup, message, this.#briefly(signal))
    return errorCode === 0 ? (members[0]?.errorCode ?? 0) : errorCode
  }

  #slowly(signal: AbortSignal) {
    const timeoutMs = this.#options.rebalanceTimeoutMs + joinGraceMs
    return { lane: `join:${this.#options.laneName}`, timeoutMs, signal } as const
  }

  #briefly(signal: AbortSignal) {
    return { lane: `group:${this.#options.laneName}`, timeoutMs: this.#briefTimeoutMs, signal } as const
  }
}
