/** What the coordinator's error codes ask of a member. A table, so that join, sync, heartbeat and commit agree. */

import { brokerErrorName, isRetriable } from '../errors/broker-error.ts'

export type GroupCure =
  /** Nothing that the member can do helps: the application must be told. */
  | 'give-up'
  /** The group is rebalancing: join again, with the identity we have. */
  | 'join-again'
  /** Our generation is over: what we held is lost; join again as the same member. */
  | 'join-after-loss'
  /** The coordinator does not know us: what we held is lost; join again as a new member. */
  | 'join-as-new'
  /** Ask again who coordinates, then try again. */
  | 'find-coordinator'
  /** Try again after a while. */
  | 'try-again'

const cures: Readonly<Record<string, GroupCure>> = {
  REBALANCE_IN_PROGRESS: 'join-again',
  MEMBER_ID_REQUIRED: 'join-again',
  ILLEGAL_GENERATION: 'join-after-loss',
  UNKNOWN_MEMBER_ID: 'join-as-new',
  COORDINATOR_NOT_AVAILABLE: 'find-coordinator',
  NOT_COORDINATOR: 'find-coordinator',
  COORDINATOR_LOAD_IN_PROGRESS: 'try-again',
  // KIP-848: the member's epoch has moved on since it was asked.
  STALE_MEMBER_EPOCH: 'try-again',
  // A coordinator that stumbled once need not stumble again, and a group must not end because of it.
  UNKNOWN_SERVER_ERROR: 'try-again',
  INCONSISTENT_GROUP_PROTOCOL: 'give-up',
  INVALID_GROUP_ID: 'give-up',
  INVALID_SESSION_TIMEOUT: 'give-up',
  GROUP_AUTHORIZATION_FAILED: 'give-up',
  GROUP_MAX_SIZE_REACHED: 'give-up',
  FENCED_INSTANCE_ID: 'give-up',
}

/** The cure for a code other than 0. */
export function groupCure(errorCode: number): GroupCure {
  return cures[brokerErrorName(errorCode)] ?? (isRetriable(errorCode) ? 'try-again' : 'give-up')
}
