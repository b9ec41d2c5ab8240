/** A group of the classic protocol, on its coordinator's side: who is a member, which generation it is in, and how it gets
 *  from one to the next. States, timers and answers are those of Kafka 4.3 (KIP-62, 345, 394, 814). Knows no offsets and no
 *  messages: members are told their answers through promises. */

import type { Clock, Timer } from '../../async/clock.ts'
import type { Random } from '../../async/random.ts'
import { brokerErrorNumber } from '../../errors/broker-error.ts'
import type { BrokerErrorCode } from '../../errors/broker-error-codes.ts'
import { Member, noAssignment, type JoinAnswer, type JoinRequest, type SyncAnswer } from './member.ts'

export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead'

export interface GroupSettings {
  readonly clock: Clock
  readonly random: Random
  /** `group.initial.rebalance.delay.ms` */
  readonly initialRebalanceDelayMs: () => number
  /** `group.max.size` */
  readonly maxSize: () => number
}

export interface SyncRequest {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly generationId: number
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Buffer }[]
}

/** How long a member that joins for the first time may wait for its first generation before it is given up. */
const newMemberJoinTimeoutMs = 5 * 60 * 1000

const noError = 0

/** What outlives the coordinator: Kafka writes it to its offsets topic when a generation is agreed on. */
interface Agreed {
  readonly generationId: number
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly leaderId: string | null
  readonly members: readonly Member[]
}

export class ClassicGroup {
  readonly groupId: string
  readonly #settings: GroupSettings
  readonly #members = new Map<string, Member>()
  /** Ids that were handed out and have not joined yet, with the timer that forgets them. */
  readonly #pendingMembers = new Map<string, Timer>()
  readonly #memberIdOfInstance = new Map<string, string>()
  #state: GroupState = 'Empty'
  #generationId = 0
  #protocolType: string | null = null
  #protocolName: string | null = null
  #leaderId: string | null = null
  /** Its first generation gathers: more members may come before it begins. */
  #isGathering = false
  #newMemberAdded = false
  /** Who has joined this generation and not asked for its assignment yet. */
  #awaitedSyncs = new Set<string>()
  #joinTimer: Timer | undefined
  #syncTimer: Timer | undefined
  #agreed: Agreed = { generationId: 0, protocolType: null, protocolName: null, leaderId: null, members: [] }

  constructor(groupId: string, settings: GroupSettings) {
    this.groupId = groupId
    this.#settings = settings
  }

  get state(): GroupState {
    return this.#state
  }

  get generationId(): number {
    return this.#generationId
  }

  get protocolType(): string | null {
    return this.#protocolType
  }

  get protocolName(): string | null {
    return this.#protocolName
  }

  get leaderId(): string | null {
    return this.#leaderId
  }

  get members(): readonly Member[] {
    return [...this.#members.values()]
  }

  join(request: JoinRequest): Promise<JoinAnswer> {
    return new Promise((resolve) => {
      this.#join(request, resolve)
    })
  }

  sync(request: SyncRequest): Promise<SyncAnswer> {
    return new Promise((resolve) => {
      this.#sync(request, resolve)
    })
  }

  /** @returns an error code */
  heartbeat(memberId: string, groupInstanceId: string | null, generationId: number): number {
    if (this.#state === 'Dead') return code('COORDINATOR_NOT_AVAILABLE')
    const complaint = this.#complaintAboutMember(memberId, groupInstanceId)
    if (complaint !== noError) return complaint
    if (generationId !== this.#generationId) return code('ILLEGAL_GENERATION')
    if (this.#state === 'Empty') return code('UNKNOWN_MEMBER_ID')
    this.#restartSession(this.#members.get(memberId)!)
    return this.#state === 'PreparingRebalance' ? code('REBALANCE_IN_PROGRESS') : noError
  }

  /** @returns an error code */
  leave(memberId: string, groupInstanceId: string | null): number {
    if (this.#state === 'Dead') return code('COORDINATOR_NOT_AVAILABLE')
    if (groupInstanceId === null && this.#pendingMembers.has(memberId)) {
      this.#forgetPending(memberId)
      this.#completeJoinIfAllJoined()
      return noError
    }
    let id = memberId
    if (groupInstanceId !== null) {
      // Administrators remove static members by their instance alone.
      const known = this.#memberIdOfInstance.get(groupInstanceId)
      if (known === undefined) return code('UNKNOWN_MEMBER_ID')
      if (memberId !== '' && memberId !== known) return code('FENCED_INSTANCE_ID')
      id = known
    }
    const member = this.#members.get(id)
    if (member === undefined) return code('UNKNOWN_MEMBER_ID')
    this.#removeAndGoOn(member)
    return noError
  }

  /**
   * Whether offsets may be committed so.
   *
   * @param isTransactional then whoever names neither member nor generation may commit, as producers did before KIP-447, and
   *   the state of the group does not matter
   * @returns an error code
   */
  checkCommit(
    memberId: string,
    groupInstanceId: string | null,
    generationId: number,
    { isTransactional = false }: { isTransactional?: boolean } = {},
  ): number {
    if (this.#state === 'Dead') return code('COORDINATOR_NOT_AVAILABLE')
    // Tools, and consumers that assign themselves.
    if (generationId < 0 && this.#state === 'Empty') return noError
    if (generationId >= 0 || memberId !== '' || groupInstanceId !== null) {
      const complaint = this.#complaintAboutMember(memberId, groupInstanceId)
      if (complaint !== noError) return complaint
      if (generationId !== this.#generationId) return code('ILLEGAL_GENERATION')
    } else if (!isTransactional && this.#state !== 'Empty') {
      return code('UNKNOWN_MEMBER_ID')
    }
    if (isTransactional) return noError
    if (this.#state === 'CompletingRebalance') return code('REBALANCE_IN_PROGRESS')
    const member = this.#members.get(memberId)
    if (member !== undefined) this.#restartSession(member)
    return noError
  }

  /** Another broker coordinates from now on: whoever waits is told to look for it, and what was agreed on is taken up again,
   *  with fresh sessions; a rebalance that was under way is forgotten. */
  moved(): void {
    const { members, ...agreed } = this.#agreed
    this.#stop(code('NOT_COORDINATOR'))
    this.#generationId = agreed.generationId
    this.#protocolType = agreed.protocolType
    this.#protocolName = agreed.protocolName
    this.#leaderId = agreed.leaderId
    this.#state = members.length === 0 ? 'Empty' : 'Stable'
    for (const member of members) {
      this.#add(member)
      member.isNew = false
      this.#restartSession(member)
    }
  }

  /** The group is no more; whoever waits is answered. */
  die(errorCode: number): void {
    this.#stop(errorCode)
    this.#state = 'Dead'
  }

  // --- joining

  #join(request: JoinRequest, resolve: (answer: JoinAnswer) => void): void {
    const refuse = (name: BrokerErrorCode, memberId = request.memberId): void => {
      resolve(refusal(code(name), memberId))
    }
    if (this.#state === 'Dead') {
      refuse('COORDINATOR_NOT_AVAILABLE')
    } else if (!this.#accepts(request.memberId)) {
      this.#remove(request.memberId)
      refuse('GROUP_MAX_SIZE_REACHED', '')
    } else if (!this.#supports(request)) {
      refuse('INCONSISTENT_GROUP_PROTOCOL')
    } else if (request.memberId === '') {
      this.#joinNew(request, resolve)
    } else {
      this.#joinAgain(request, resolve)
    }
  }

  #joinNew(request: JoinRequest, resolve: (answer: JoinAnswer) => void): void {
    const { groupInstanceId, clientId, sessionTimeoutMs } = request
    const memberId = `${groupInstanceId ?? clientId}-${this.#settings.random.uuid()}`
    if (groupInstanceId !== null) {
      const before = this.#memberIdOfInstance.get(groupInstanceId)
      if (before !== undefined) {
        this.#replaceStatic(this.#members.get(before)!, memberId, request, resolve)
        return
      }
    } else if (request.mustKnowItsId) {
      const timer = this.#settings.clock.setTimer(() => {
        this.#pendingMembers.delete(memberId)
        this.#completeJoinIfAllJoined()
      }, sessionTimeoutMs)
      this.#pendingMembers.set(memberId, timer)
      resolve(refusal(code('MEMBER_ID_REQUIRED'), memberId))
      return
    }
    this.#addAndRebalance(memberId, request, resolve)
  }

  #joinAgain(request: JoinRequest, resolve: (answer: JoinAnswer) => void): void {
    const { memberId, groupInstanceId, protocols } = request
    if (this.#pendingMembers.has(memberId)) {
      this.#forgetPending(memberId)
      this.#addAndRebalance(memberId, request, resolve)
      return
    }
    const complaint = this.#complaintAboutMember(memberId, groupInstanceId)
    const member = this.#members.get(memberId)
    if (complaint !== noError || member === undefined) {
      resolve(refusal(complaint, memberId))
      return
    }
    const knowsItAll =
      (this.#state === 'CompletingRebalance' || (this.#state === 'Stable' && memberId !== this.#leaderId)) &&
      member.matches(protocols)
    if (knowsItAll) {
      // It may have missed our answer. A leader that asks again while the group is stable wants a rebalance.
      resolve(this.#generationFor(member))
    } else if (this.#state === 'Empty') {
      resolve(refusal(code('UNKNOWN_MEMBER_ID'), memberId))
    } else {
      member.update(request)
      this.#awaitJoin(member, resolve)
      this.#rebalanceOrComplete()
    }
  }

  #addAndRebalance(memberId: string, request: JoinRequest, resolve: (answer: JoinAnswer) => void): void {
    const member = new Member(memberId, request)
    // Who comes while a first generation gathers prolongs the gathering.
    if (this.#state === 'PreparingRebalance' && this.#generationId === 0) this.#newMemberAdded = true
    if (this.#members.size === 0) this.#protocolType = request.protocolType
    this.#add(member)
    this.#leaderId ??= memberId
    this.#awaitJoin(member, resolve)
    this.#restartSession(member, newMemberJoinTimeoutMs)
    this.#rebalanceOrComplete()
  }

  /** A static member came back under a new id: it takes its own place, and who still uses the old id is fenced (KIP-345). */
  #replaceStatic(old: Member, memberId: string, request: JoinRequest, resolve: (answer: JoinAnswer) => void): void {
    const leaderBefore = this.#leaderId
    const fenced = code('FENCED_INSTANCE_ID')
    this.#settings.clock.clearTimer(old.session)
    old.answerJoin(refusal(fenced, old.memberId))
    old.answerSync(noSync(fenced))
    const member = new Member(memberId, request)
    member.assignment = old.assignment
    member.isNew = old.isNew
    // In the same place: the order of members decides votes and leaders.
    const members = [...this.#members.values()].map((other) => (other === old ? member : other))
    this.#members.clear()
    for (const each of members) this.#members.set(each.memberId, each)
    this.#memberIdOfInstance.set(request.groupInstanceId!, memberId)
    if (this.#leaderId === old.memberId) this.#leaderId = memberId
    this.#restartSession(member)
    if (this.#state === 'Stable' && this.#selectProtocol() === this.#protocolName) {
      this.#agree()
      const isLeader = this.#leaderId === memberId
      const answer = this.#generationFor(member)
      resolve(
        request.maySkipAssignment
          ? { ...answer, skipAssignment: isLeader }
          : // An older one that read that it leads would assign: it is told of the id that led before.
            { ...answer, leader: leaderBefore ?? '', members: [] },
      )
      return
    }
    this.#awaitJoin(member, resolve)
    this.#rebalanceOrComplete()
  }

  #awaitJoin(member: Member, resolve: (answer: JoinAnswer) => void): void {
    // A member that asks again has given up its first question; nobody reads the answer.
    member.answerJoin(refusal(code('REBALANCE_IN_PROGRESS'), member.memberId))
    member.awaitingJoin = resolve
  }

  #rebalanceOrComplete(): void {
    if (this.#state === 'PreparingRebalance') this.#completeJoinIfAllJoined()
    else this.#prepareRebalance()
  }

  #prepareRebalance(): void {
    const { clock, initialRebalanceDelayMs } = this.#settings
    if (this.#state === 'CompletingRebalance') {
      for (const member of this.#members.values()) member.assignment = noAssignment
      this.#propagateAssignment(code('REBALANCE_IN_PROGRESS'))
    }
    clock.clearTimer(this.#syncTimer)
    const isFirst = this.#state === 'Empty'
    this.#state = 'PreparingRebalance'
    if (isFirst) {
      const delayMs = initialRebalanceDelayMs()
      this.#gather(delayMs, Math.max(this.#rebalanceTimeoutMs() - delayMs, 0))
    } else if (this.#allJoined()) {
      this.#completeJoin()
    } else {
      this.#completeJoinLater()
    }
  }

  /** Gives the members of a new group time to come, and more of it as long as they do (KIP-134). */
  #gather(delayMs: number, remainingMs: number): void {
    this.#isGathering = true
    this.#setJoinTimer(delayMs, () => {
      if (this.#newMemberAdded && remainingMs !== 0) {
        this.#newMemberAdded = false
        const next = Math.min(this.#settings.initialRebalanceDelayMs(), remainingMs)
        this.#gather(next, Math.max(remainingMs - delayMs, 0))
      } else {
        this.#completeJoin()
      }
    })
  }

  #completeJoinIfAllJoined(): void {
    if (this.#state === 'PreparingRebalance' && !this.#isGathering && this.#allJoined()) this.#completeJoin()
  }

  #allJoined(): boolean {
    return (
      this.#pendingMembers.size === 0 &&
      [...this.#members.values()].every((member) => member.awaitingJoin !== undefined)
    )
  }

  #completeJoinLater(): void {
    this.#setJoinTimer(this.#rebalanceTimeoutMs(), () => {
      this.#completeJoin()
    })
  }

  #completeJoin(): void {
    const { clock } = this.#settings
    clock.clearTimer(this.#joinTimer)
    this.#isGathering = false
    this.#newMemberAdded = false
    for (const member of this.members) {
      if (member.awaitingJoin === undefined && member.groupInstanceId === null) this.#remove(member.memberId)
    }
    if (this.#members.size > 0 && !this.#electLeader()) {
      // Only static members are left, and none of them has come: their sessions decide.
      this.#completeJoinLater()
      return
    }
    this.#generationId++
    if (this.#members.size === 0) {
      this.#protocolName = null
      this.#state = 'Empty'
      this.#agree()
      return
    }
    this.#protocolName = this.#selectProtocol()
    this.#state = 'CompletingRebalance'
    for (const member of this.members) {
      member.answerJoin(this.#generationFor(member))
      member.isNew = false
      this.#restartSession(member)
    }
    const generationId = this.#generationId
    clock.clearTimer(this.#syncTimer)
    const awaited = new Set(this.#members.keys())
    this.#awaitedSyncs = awaited
    this.#syncTimer = clock.setTimer(() => {
      if (generationId === this.#generationId) this.#dropWhoDidNotSync(awaited)
    }, this.#rebalanceTimeoutMs())
  }

  /** Members that joined and then were not heard of would keep their partitions unread (KIP-394's sibling for SyncGroup). */
  #dropWhoDidNotSync(awaited: ReadonlySet<string>): void {
    if (this.#state !== 'CompletingRebalance' && this.#state !== 'Stable') return
    if (awaited.size === 0) return
    for (const memberId of awaited) this.#remove(memberId)
    this.#prepareRebalance()
  }

  /** Keeps a leader that has joined again; otherwise the first who has. */
  #electLeader(): boolean {
    if (this.#leaderId !== null && this.#members.get(this.#leaderId)?.awaitingJoin !== undefined) return true
    const next = [...this.#members.values()].find((member) => member.awaitingJoin !== undefined)
    if (next === undefined) return false
    this.#leaderId = next.memberId
    return true
  }

  /** Every member votes for the first of its protocols that all know; the most votes win. */
  #selectProtocol(): string | null {
    const candidates = this.#commonProtocols()
    const votes = new Map<string, number>()
    for (const member of this.#members.values()) {
      const vote = member.vote(candidates)
      if (vote !== undefined) votes.set(vote, (votes.get(vote) ?? 0) + 1)
    }
    let winner: string | null = null
    for (const [name, count] of votes) if (winner === null || count > votes.get(winner)!) winner = name
    return winner
  }

  #commonProtocols(): Set<string> {
    const members = [...this.#members.values()]
    const names = members[0]?.protocols.map(({ name }) => name) ?? []
    return new Set(
      names.filter((name) => members.every(({ protocols }) => protocols.some((other) => other.name === name))),
    )
  }

  #supports({ protocolType, protocols }: JoinRequest): boolean {
    if (protocolType === '' || protocols.length === 0) return false
    if (this.#members.size === 0) return true
    const common = this.#commonProtocols()
    return protocolType === this.#protocolType && protocols.some(({ name }) => common.has(name))
  }

  #accepts(memberId: string): boolean {
    const maxSize = this.#settings.maxSize()
    const member = this.#members.get(memberId)
    if (this.#state === 'Empty') return true
    if (this.#state === 'PreparingRebalance') {
      const waiting = [...this.#members.values()].filter(({ awaitingJoin }) => awaitingJoin !== undefined).length
      return member?.awaitingJoin !== undefined || waiting < maxSize
    }
    return member !== undefined || this.#members.size < maxSize
  }

  // --- syncing

  #sync(request: SyncRequest, resolve: (answer: SyncAnswer) => void): void {
    const { memberId, groupInstanceId, generationId, protocolType, protocolName, assignments } = request
    const refuse = (errorCode: number): void => {
      resolve(noSync(errorCode))
    }
    if (this.#state === 'Dead') return refuse(code('COORDINATOR_NOT_AVAILABLE'))
    const complaint = this.#complaintAboutMember(memberId, groupInstanceId)
    if (complaint !== noError) return refuse(complaint)
    if (generationId !== this.#generationId) return refuse(code('ILLEGAL_GENERATION'))
    const isOther = (given: string | null, ours: string | null): boolean => given !== null && given !== ours
    if (isOther(protocolType, this.#protocolType) || isOther(protocolName, this.#protocolName)) {
      return refuse(code('INCONSISTENT_GROUP_PROTOCOL'))
    }
    const member = this.#members.get(memberId)!
    switch (this.#state) {
      case 'Empty':
        return refuse(code('UNKNOWN_MEMBER_ID'))
      case 'PreparingRebalance':
        return refuse(code('REBALANCE_IN_PROGRESS'))
      case 'Stable':
        this.#awaitedSyncs.delete(memberId)
        resolve(this.#assignmentOf(member))
        this.#restartSession(member)
        return
      case 'CompletingRebalance':
        this.#awaitedSyncs.delete(memberId)
        member.answerSync(noSync(code('REBALANCE_IN_PROGRESS')))
        member.awaitingSync = resolve
        if (memberId !== this.#leaderId) return
        for (const each of this.#members.values()) {
          each.assignment = assignments.find((given) => given.memberId === each.memberId)?.assignment ?? noAssignment
        }
        this.#state = 'Stable'
        this.#agree()
        this.#propagateAssignment(noError)
        return
      default:
        this.#state satisfies never
    }
  }

  #propagateAssignment(errorCode: number): void {
    for (const member of this.members) {
      if (member.awaitingSync === undefined) continue
      member.answerSync(errorCode === noError ? this.#assignmentOf(member) : noSync(errorCode))
      this.#restartSession(member)
    }
  }

  #assignmentOf(member: Member): SyncAnswer {
    return {
      errorCode: noError,
      protocolType: this.#protocolType,
      protocolName: this.#protocolName,
      assignment: member.assignment,
    }
  }

  // --- members

  #complaintAboutMember(memberId: string, groupInstanceId: string | null): number {
    if (groupInstanceId !== null) {
      const known = this.#memberIdOfInstance.get(groupInstanceId)
      if (known === undefined) return code('UNKNOWN_MEMBER_ID')
      if (known !== memberId) return code('FENCED_INSTANCE_ID')
    }
    return this.#members.has(memberId) ? noError : code('UNKNOWN_MEMBER_ID')
  }

  #add(member: Member): void {
    this.#members.set(member.memberId, member)
    if (member.groupInstanceId !== null) this.#memberIdOfInstance.set(member.groupInstanceId, member.memberId)
  }

  /** Takes a member out, and nothing follows from it yet. */
  #remove(memberId: string): void {
    const member = this.#members.get(memberId)
    if (member === undefined) return
    this.#settings.clock.clearTimer(member.session)
    this.#members.delete(memberId)
    this.#awaitedSyncs.delete(memberId)
    if (member.groupInstanceId !== null) this.#memberIdOfInstance.delete(member.groupInstanceId)
    if (this.#leaderId === memberId) this.#leaderId = this.#members.keys().next().value ?? null
    member.answerJoin(refusal(code('UNKNOWN_MEMBER_ID'), ''))
    member.answerSync(noSync(code('UNKNOWN_MEMBER_ID')))
  }

  #removeAndGoOn(member: Member): void {
    this.#remove(member.memberId)
    if (this.#state === 'Stable' || this.#state === 'CompletingRebalance') this.#prepareRebalance()
    else this.#completeJoinIfAllJoined()
  }

  #forgetPending(memberId: string): void {
    this.#settings.clock.clearTimer(this.#pendingMembers.get(memberId))
    this.#pendingMembers.delete(memberId)
  }

  #restartSession(member: Member, timeoutMs: number = member.sessionTimeoutMs): void {
    const { clock } = this.#settings
    clock.clearTimer(member.session)
    member.session = clock.setTimer(() => {
      // Who waits for our answer cannot be heard; only the first wait of all has an end.
      const mayWait = !member.isNew && (member.awaitingJoin !== undefined || member.awaitingSync !== undefined)
      if (!mayWait && this.#members.get(member.memberId) === member) this.#removeAndGoOn(member)
    }, timeoutMs)
  }

  #rebalanceTimeoutMs(): number {
    return Math.max(0, ...Array.from(this.#members.values(), ({ rebalanceTimeoutMs }) => rebalanceTimeoutMs))
  }

  #generationFor(member: Member): JoinAnswer {
    const isLeader = member.memberId === this.#leaderId
    return {
      errorCode: noError,
      memberId: member.memberId,
      generationId: this.#generationId,
      protocolType: this.#protocolType,
      protocolName: this.#protocolName,
      leader: this.#leaderId ?? '',
      skipAssignment: false,
      members: isLeader
        ? this.members.map(({ memberId, groupInstanceId, ...rest }) => ({
            memberId,
            groupInstanceId,
            metadata: rest.protocols.find(({ name }) => name === this.#protocolName)?.metadata ?? noAssignment,
          }))
        : [],
    }
  }

  #agree(): void {
    this.#agreed = {
      generationId: this.#generationId,
      protocolType: this.#protocolType,
      protocolName: this.#protocolName,
      leaderId: this.#leaderId,
      members: this.members,
    }
  }

  #setJoinTimer(delayMs: number, callback: () => void): void {
    const { clock } = this.#settings
    clock.clearTimer(this.#joinTimer)
    this.#joinTimer = clock.setTimer(callback, delayMs)
  }

  /** Ends every timer and every wait, and forgets all members. */
  #stop(errorCode: number): void {
    const { clock } = this.#settings
    clock.clearTimer(this.#joinTimer)
    clock.clearTimer(this.#syncTimer)
    this.#isGathering = false
    for (const memberId of [...this.#pendingMembers.keys()]) this.#forgetPending(memberId)
    const members = this.members
    this.#members.clear()
    this.#memberIdOfInstance.clear()
    this.#awaitedSyncs.clear()
    this.#leaderId = null
    for (const member of members) {
      clock.clearTimer(member.session)
      member.answerJoin(refusal(errorCode, member.memberId))
      member.answerSync(noSync(errorCode))
    }
  }
}

function code(name: BrokerErrorCode): number {
  return brokerErrorNumber(name)
}

function refusal(errorCode: number, memberId: string): JoinAnswer {
  return {
    errorCode,
    memberId,
    generationId: -1,
    protocolType: null,
    protocolName: null,
    leader: '',
    skipAssignment: false,
    members: [],
  }
}

function noSync(errorCode: number): SyncAnswer {
  return { errorCode, protocolType: null, protocolName: null, assignment: noAssignment }
}
