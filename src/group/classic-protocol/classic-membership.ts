/**
 * Membership by the classic protocol: join, be told what is ours, beat, and join again whenever something changes.
 *
 * One loop does the joining, so that there is never more than one attempt; another one beats, whatever the application
 * or the first loop wait for. Everybody else only leaves a note (`#rejoin`, `#wanted`) and rings. What joining asks of the
 * partitions we hold stands in `#prepare` alone: an eager assignor gives all of them up.
 */

import { Loop } from '../../async/loop.ts'
import { Signal } from '../../async/signal.ts'
import { before, sleep } from '../../async/wait.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import { BrokerError } from '../../errors/broker-error.ts'
import { AuthenticationError, ClosedError, IllegalStateError, UnsupportedVersionError } from '../../errors/errors.ts'
import { KafkaError } from '../../errors/kafka-error.ts'
import type { ConsumerGroupMetadata } from '../../model/consumer-group-metadata.ts'
import type { TopicPartition } from '../../model/topic-partition.ts'
import type { JoinGroupResponse } from '../../wire/messages/join-group.ts'
import type { Assignor } from '../assignor.ts'
import { groupCure } from '../group-cures.ts'
import type { LeaveOptions, Membership, MembershipHost, MembershipMetrics } from '../membership.ts'
import { CoordinatorRequests, type MemberIdentity } from './coordinator-requests.ts'
import { GroupLeader } from './group-leader.ts'
import { decodeAssignment, encodeSubscription } from './member-metadata.ts'
import { beats, canGo, type MemberState } from './member-state.ts'

export interface ClassicMembershipOptions {
  readonly groupId: string
  readonly laneName: string
  /** In the order of preference; the group takes the first that all its members have. */
  readonly assignors: readonly Assignor[]
  readonly sessionTimeoutMs: number
  readonly heartbeatIntervalMs: number
  readonly rebalanceTimeoutMs: number
}

/** A note to the joining loop. */
interface Rejoin {
  readonly reason: string
  /** What was held is another member's already. */
  readonly lost: boolean
}

/** How long the coordinator is told good-bye to before its session timeout is left to do it. */
const farewellMs = 5_000

export class ClassicMembership implements Membership {
  readonly #cluster: Cluster
  readonly #host: MembershipHost
  readonly #options: ClassicMembershipOptions
  readonly #requests: CoordinatorRequests
  readonly #leader: GroupLeader
  readonly #joining: Loop
  readonly #beating: Loop
  readonly #bell: Signal
  readonly #beatBell: Signal
  #state: MemberState = 'unjoined'
  #memberId = ''
  #generationId = -1
  #wanted = false
  #awayReason = ''
  #rejoin: Rejoin | undefined = { reason: 'the consumer starts', lost: false }
  /** Ends the step that the joining loop is at, when it has become pointless. */
  #step = new AbortController()
  #leaving: Promise<void> | undefined
  #refusals = 0
  #rebalances = 0
  #heartbeats = 0
  #failedHeartbeats = 0

  constructor(cluster: Cluster, host: MembershipHost, options: ClassicMembershipOptions) {
    this.#cluster = cluster
    this.#host = host
    this.#options = options
    this.#requests = new CoordinatorRequests(cluster, options)
    this.#leader = new GroupLeader(cluster, options.groupId, (reason) => {
      this.#joinAgain(reason)
    })
    this.#bell = new Signal(cluster.clock)
    this.#beatBell = new Signal(cluster.clock)
    const onFailure = (error: unknown): void => {
      this.#fail(error)
    }
    this.#joining = new Loop({
      name: `joining of group '${options.groupId}'`,
      run: (s) => this.#keepJoined(s),
      onFailure,
    })
    this.#beating = new Loop({ name: `heartbeat of group '${options.groupId}'`, run: (s) => this.#beat(s), onFailure })
  }

  get state(): MemberState {
    return this.#state
  }

  get metrics(): MembershipMetrics {
    return {
      rebalances: this.#rebalances,
      heartbeats: this.#heartbeats,
      failedHeartbeats: this.#failedHeartbeats,
    }
  }

  identity(): ConsumerGroupMetadata {
    const { groupId } = this.#options
    return { groupId, generationId: this.#generationId, memberId: this.#memberId, groupInstanceId: null }
  }

  join(): void {
    if (this.#wanted) return
    this.#wanted = true
    this.#joining.start()
    this.#beating.start()
    this.#bell.ring()
  }

  subscriptionChanged(): void {
    this.#joinAgain('the subscription changed')
  }

  heard(errorCode: number, { memberId, generationId }: MemberIdentity): void {
    // The answer may speak of a generation that a join has replaced; and while we join, the join's own answer counts.
    if (memberId !== this.#memberId || generationId !== this.#generationId || !beats(this.#state)) return
    switch (groupCure(errorCode)) {
      case 'join-again':
        this.#joinAgain('the group is rebalancing')
        break
      case 'join-after-loss':
        this.#lose(`the generation is over`, false)
        break
      case 'join-as-new':
        this.#lose(`the coordinator does not know the member`, true)
        break
      case 'give-up':
        this.#fail(new BrokerError(errorCode, `membership in group '${this.#options.groupId}' failed`))
        break
      case 'find-coordinator':
      case 'try-again':
        break
    }
  }

  expire(reason: string): void {
    if (!this.#wanted) return
    this.#wanted = false
    this.#awayReason = reason
    // Should the application ask again before the loop has looked, what was withheld from it must still be given up.
    this.#rejoin ??= { reason, lost: false }
    this.#step.abort(new IllegalStateError(reason))
    this.#bell.ring()
  }

  leave(options: LeaveOptions): Promise<void> {
    this.#leaving ??= this.#leave(options)
    return this.#leaving
  }

  async #leave({ reason, deadline, tellGroup }: LeaveOptions): Promise<void> {
    this.#wanted = false
    const { clock, logger } = this.#cluster
    // The application's callbacks have most of the time, the first of them half: the group must hear of it in any case.
    const leftMs = deadline - clock.now()
    const callbacksUntil = deadline - Math.min(farewellMs, leftMs / 4)
    await before(this.#joining.stop(), { clock, deadline: deadline - leftMs / 2, what: 'stopping to join' }).catch(
      () => {
        this.#step.abort(new IllegalStateError('the member is leaving'))
      },
    )
    const owned = this.#host.owned()
    const { signal } = new AbortController()
    const giveUp =
      this.#state === 'failed' ? this.#host.lose(owned) : this.#host.revoke(owned, { deadline, signal, leaving: true })
    await before(giveUp, { clock, deadline: callbacksUntil, what: 'giving up partitions' }).catch((error: unknown) => {
      logger.warn(`group '${this.#options.groupId}' is left in disorder: ${String(error)}`)
    })
    await this.#beating.stop()
    if (tellGroup) await this.#sayGoodbye(reason, deadline)
    this.#leader.resign()
    this.#go('left')
  }

  /** The joining loop. */
  async #keepJoined(signal: AbortSignal): Promise<void> {
    const backoff = this.#cluster.newBackoff()
    while (!signal.aborted) {
      if (this.#state === 'failed') return
      if (!this.#wanted) {
        if (this.#memberId !== '' || this.#host.owned().length > 0) await this.#goAway()
        else await this.#bell.wait(undefined, signal)
        continue
      }
      if (this.#rejoin === undefined) {
        await this.#bell.wait(undefined, signal)
        continue
      }
      this.#step = new AbortController()
      try {
        await this.#joinOnce(this.#rejoin, AbortSignal.any([signal, this.#step.signal]))
        backoff.reset()
        this.#refusals = 0
      } catch (error) {
        if (signal.aborted || !this.#wanted) continue
        await this.#recover(error, () => sleep(this.#cluster.clock, backoff.nextMs(), { signal }).catch(() => {}))
      }
    }
  }

  async #joinOnce(note: Rejoin, signal: AbortSignal): Promise<void> {
    this.#go('preparing')
    await this.#prepare(note, signal)
    // What was noted until here is answered by the join that now begins.
    const { reason } = this.#rejoin ?? note
    this.#rejoin = undefined
    this.#go('joining')
    this.#leader.resign()
    try {
      const joined = await this.#joinGroup(reason, signal)
      this.#go('syncing')
      const assignment = await this.#syncGroup(joined, signal)
      this.#go('assigning')
      this.#beatBell.ring()
      this.#rebalances++
      // Not the loop's own signal: a member that leaves waits for the application's callback, for a while.
      await this.#host.assign(assignment, { signal: this.#step.signal })
      this.#go('stable')
    } catch (error) {
      this.#rejoin ??= { reason, lost: false }
      throw error
    }
  }

  /** Eager: everything is given up before joining. A loss that is noticed meanwhile ends the wait for the application. */
  async #prepare(note: Rejoin, signal: AbortSignal): Promise<void> {
    const owned = this.#host.owned()
    if (owned.length === 0) return
    if (!note.lost) {
      const deadline = this.#cluster.clock.now() + this.#options.rebalanceTimeoutMs
      try {
        await this.#host.revoke(owned, { deadline, signal, leaving: false })
        return
      } catch (error) {
        if (!signal.aborted || this.#rejoin?.lost !== true) throw error
      }
    }
    const left = this.#host.owned()
    if (left.length > 0) await this.#host.lose(left)
  }

  async #joinGroup(reason: string, signal: AbortSignal): Promise<JoinGroupResponse> {
    const { assignors, groupId } = this.#options
    const subscription = {
      topics: this.#host.topics(),
      userData: null,
      ownedPartitions: this.#host.owned(),
      generationId: this.#generationId,
      rackId: null,
    }
    const metadata = encodeSubscription(subscription)
    const protocols = assignors.map(({ name }) => ({ name, metadata }))
    const answer = await this.#requests.join({ memberId: this.#memberId, protocols, reason }, signal)
    if (answer.errorCode !== 0) {
      // KIP-394: the first join is only answered with an id, so that a join that is repeated makes no second member.
      if (answer.memberId !== '') this.#memberId = answer.memberId
      throw new BrokerError(answer.errorCode, `joining group '${groupId}' failed`)
    }
    this.#memberId = answer.memberId
    this.#generationId = answer.generationId
    return answer
  }

  async #syncGroup(joined: JoinGroupResponse, signal: AbortSignal): Promise<readonly TopicPartition[]> {
    const { groupId } = this.#options
    const assignor = this.#options.assignors.find(({ name }) => name === joined.protocolName)
    if (assignor === undefined) {
      throw new IllegalStateError(`group '${groupId}' chose assignor '${joined.protocolName}', which was not offered`)
    }
    const leads = joined.leader === joined.memberId && !joined.skipAssignment
    const assignments = leads ? await this.#leader.divide(assignor, joined.members, signal) : []
    const identity = { memberId: joined.memberId, generationId: joined.generationId }
    const answer = await this.#requests.sync(identity, { protocolName: assignor.name, assignments }, signal)
    if (answer.errorCode !== 0) throw new BrokerError(answer.errorCode, `syncing with group '${groupId}' failed`)
    const { partitions } = decodeAssignment(answer.assignment)
    this.#cluster.logger.info(
      `joined group '${groupId}' as '${joined.memberId}' in generation ${joined.generationId} with ${partitions.length} partitions`,
    )
    return partitions
  }

  /** After a failed attempt: what the error asks for, so that the loop may go on; or the end of the membership. */
  async #recover(error: unknown, wait: () => Promise<void>): Promise<void> {
    const { target } = this.#requests
    if (!(error instanceof BrokerError)) {
      if (this.#step.signal.aborted) return
      if (isFinal(error) || !(error instanceof KafkaError)) {
        this.#fail(error)
        return
      }
      this.#cluster.remedy(target, error)
      this.#cluster.logger.warn(`group '${this.#options.groupId}' could not be joined yet: ${String(error)}`)
      await wait()
      return
    }
    this.#cluster.logger.debug(`group '${this.#options.groupId}' refuses this member: ${error.message}`)
    switch (groupCure(error.errorCode)) {
      case 'join-again':
        await this.#unlessFirst(wait)
        return
      case 'join-after-loss':
        this.#generationId = -1
        await this.#unlessFirst(wait)
        return
      case 'join-as-new':
        this.#generationId = -1
        this.#memberId = ''
        await this.#unlessFirst(wait)
        return
      case 'find-coordinator':
      case 'try-again':
        this.#cluster.remedy(target, error)
        await wait()
        return
      case 'give-up':
        this.#fail(error)
        return
    }
  }

  /** Joining again at once is right, but a coordinator that refuses every time must not be asked without pause. */
  async #unlessFirst(wait: () => Promise<void>): Promise<void> {
    if (++this.#refusals > 2) await wait()
  }

  async #goAway(): Promise<void> {
    const reason = this.#awayReason
    this.#cluster.logger.warn(`leaving group '${this.#options.groupId}': ${reason}`)
    const owned = this.#host.owned()
    await this.#sayGoodbye(reason, this.#cluster.clock.now() + farewellMs)
    this.#leader.resign()
    if (this.#state !== 'unjoined') this.#go('unjoined')
    this.#rejoin = { reason: 'the application polls again', lost: false }
    if (owned.length > 0) await this.#host.lose(owned)
  }

  /** A courtesy: without it the group waits for the session to time out. So failures are told and forgotten. */
  async #sayGoodbye(reason: string, deadline: number): Promise<void> {
    const memberId = this.#memberId
    this.#memberId = ''
    this.#generationId = -1
    if (memberId === '') return
    const { clock, logger } = this.#cluster
    const giveUp = new AbortController()
    const farewell = async (): Promise<void> => {
      const errorCode = await this.#requests.leave(memberId, reason, giveUp.signal)
      if (errorCode === 0) return
      const error = new BrokerError(errorCode, `leaving group '${this.#options.groupId}' failed`)
      if (groupCure(errorCode) !== 'find-coordinator') throw error
      this.#cluster.remedy(this.#requests.target, error)
      const again = await this.#requests.leave(memberId, reason, giveUp.signal)
      if (again !== 0) throw new BrokerError(again, `leaving group '${this.#options.groupId}' failed`)
    }
    try {
      const until = Math.min(deadline, clock.now() + farewellMs)
      await before(farewell(), { clock, deadline: until, what: 'leaving the group' })
    } catch (error) {
      giveUp.abort(error)
      logger.warn(`the session timeout must end membership '${memberId}': ${String(error)}`)
    }
  }

  /** The beating loop. */
  async #beat(signal: AbortSignal): Promise<void> {
    const { clock } = this.#cluster
    const backoff = this.#cluster.newBackoff()
    let waitMs = this.#options.heartbeatIntervalMs
    while (!signal.aborted) {
      await this.#beatBell.wait(waitMs, signal)
      waitMs = this.#options.heartbeatIntervalMs
      if (signal.aborted || this.#generationId < 0 || !beats(this.#state)) continue
      const identity = { memberId: this.#memberId, generationId: this.#generationId }
      const askedAt = clock.now()
      try {
        this.#heartbeats++
        const errorCode = await this.#requests.heartbeat(identity, signal)
        if (errorCode === 0) {
          backoff.reset()
          waitMs = Math.max(0, this.#options.heartbeatIntervalMs - (clock.now() - askedAt))
          continue
        }
        this.#failedHeartbeats++
        this.heard(errorCode, identity)
        const cure = groupCure(errorCode)
        if (cure === 'find-coordinator' || cure === 'try-again') {
          this.#cluster.remedy(this.#requests.target, new BrokerError(errorCode, 'heartbeat refused'))
          waitMs = backoff.nextMs()
        }
      } catch (error) {
        if (signal.aborted) return
        this.#failedHeartbeats++
        if (isFinal(error)) {
          this.#fail(error)
          continue
        }
        if (error instanceof KafkaError) this.#cluster.remedy(this.#requests.target, error)
        this.#cluster.logger.debug(`heartbeat to group '${this.#options.groupId}' failed: ${String(error)}`)
        waitMs = backoff.nextMs()
      }
    }
  }

  #joinAgain(reason: string): void {
    if (this.#rejoin !== undefined) return
    this.#rejoin = { reason, lost: false }
    this.#bell.ring()
  }

  #lose(reason: string, forget: boolean): void {
    this.#generationId = -1
    if (forget) this.#memberId = ''
    this.#rejoin = { reason, lost: true }
    this.#cluster.logger.warn(`membership in group '${this.#options.groupId}' was lost: ${reason}`)
    if (this.#state === 'preparing' || this.#state === 'assigning') this.#step.abort(new IllegalStateError(reason))
    this.#bell.ring()
  }

  #fail(error: unknown): void {
    if (this.#state === 'failed' || this.#state === 'left') return
    this.#go('failed')
    const failure =
      error instanceof KafkaError
        ? error
        : new IllegalStateError(`membership in group '${this.#options.groupId}' failed`, { cause: error })
    this.#cluster.logger.error(`membership in group '${this.#options.groupId}' failed: ${failure.message}`)
    this.#step.abort(failure)
    this.#bell.ring()
    this.#host.fail(failure)
  }

  #go(to: MemberState): void {
    if (!canGo(this.#state, to)) {
      throw new IllegalStateError(`a group member cannot go from '${this.#state}' to '${to}'`)
    }
    this.#state = to
  }
}

/** Waiting changes nothing about these. `ClosedError`: a shared cluster was closed by its owner. */
function isFinal(error: unknown): boolean {
  return (
    error instanceof AuthenticationError || error instanceof UnsupportedVersionError || error instanceof ClosedError
  )
}
