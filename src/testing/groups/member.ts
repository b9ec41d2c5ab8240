/** A member of a classic group, as its coordinator knows it: what it supports, what it was given, and which of its requests
 *  wait for the others. Knows no group. */

import type { Timer } from '../../async/clock.ts'

export interface MemberProtocol {
  readonly name: string
  readonly metadata: Buffer
}

/** What a JoinGroup says. */
export interface JoinRequest {
  /** Empty for who has none yet. */
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly protocolType: string
  readonly protocols: readonly MemberProtocol[]
  /** Whether who has no id is told one first, and joins with it (KIP-394). */
  readonly mustKnowItsId: boolean
  /** Whether a static leader that returns may be told to leave the assignment as it is (KIP-814). */
  readonly maySkipAssignment: boolean
}

export interface JoinAnswer {
  readonly errorCode: number
  readonly memberId: string
  readonly generationId: number
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly leader: string
  readonly skipAssignment: boolean
  readonly members: readonly { memberId: string; groupInstanceId: string | null; metadata: Buffer }[]
}

export interface SyncAnswer {
  readonly errorCode: number
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly assignment: Buffer
}

export const noAssignment: Buffer = Buffer.alloc(0)

export class Member {
  readonly memberId: string
  readonly groupInstanceId: string | null
  clientId: string
  clientHost: string
  sessionTimeoutMs: number
  rebalanceTimeoutMs: number
  /** In the order of its preference. */
  protocols: readonly MemberProtocol[]
  assignment: Buffer = noAssignment
  /** Has joined for the first time and waits for its first generation. */
  isNew = true
  /** Answers the JoinGroup that waits. */
  awaitingJoin: ((answer: JoinAnswer) => void) | undefined
  /** Answers the SyncGroup that waits. */
  awaitingSync: ((answer: SyncAnswer) => void) | undefined
  session: Timer | undefined

  constructor(memberId: string, join: Omit<JoinRequest, 'memberId'>) {
    this.memberId = memberId
    this.groupInstanceId = join.groupInstanceId
    this.clientId = join.clientId
    this.clientHost = join.clientHost
    this.sessionTimeoutMs = join.sessionTimeoutMs
    this.rebalanceTimeoutMs = join.rebalanceTimeoutMs
    this.protocols = join.protocols
  }

  update(join: JoinRequest): void {
    this.clientId = join.clientId
    this.clientHost = join.clientHost
    this.sessionTimeoutMs = join.sessionTimeoutMs
    this.rebalanceTimeoutMs = join.rebalanceTimeoutMs
    this.protocols = join.protocols
  }

  /** Whether it would join with what it joined with before. */
  matches(protocols: readonly MemberProtocol[]): boolean {
    return (
      protocols.length === this.protocols.length &&
      protocols.every(({ name, metadata }, i) => {
        const own = this.protocols[i]!
        return own.name === name && own.metadata.equals(metadata)
      })
    )
  }

  metadata(protocolName: string | null): Buffer {
    return this.protocols.find(({ name }) => name === protocolName)?.metadata ?? noAssignment
  }

  /** The most preferred of its protocols among those that all members know. */
  vote(candidates: ReadonlySet<string>): string | undefined {
    return this.protocols.find(({ name }) => candidates.has(name))?.name
  }

  answerJoin(answer: JoinAnswer): void {
    const settle = this.awaitingJoin
    this.awaitingJoin = undefined
    settle?.(answer)
  }

  answerSync(answer: SyncAnswer): void {
    const settle = this.awaitingSync
    this.awaitingSync = undefined
    settle?.(answer)
  }
}
