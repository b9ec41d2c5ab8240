/** What must happen before a failed request is worth sending again, said as data. Does nothing itself: `cluster.ts` acts. */

import type { BrokerErrorCode } from '../errors/broker-error-codes.ts'
import { BrokerError, brokerErrorName } from '../errors/broker-error.ts'
import { ConnectionError, TimeoutError } from '../errors/errors.ts'
import type { KafkaError } from '../errors/kafka-error.ts'
import type { Target } from './target.ts'

/**
 * - `refresh-metadata`: the broker asked is not (any more) the right one; ask for newer metadata
 * - `find-coordinator`: the coordinator moved; look it up again
 * - `rebootstrap`: forget the brokers known and ask the bootstrap servers (KIP-1102)
 * - `backoff`: it passes by itself
 * - `none`: sending the same again gives the same answer; whoever sent it must do something else
 */
export type Remedy = 'refresh-metadata' | 'find-coordinator' | 'rebootstrap' | 'backoff' | 'none'

/** Every code of Kafka's with a remedy; all others have `none`, since the same request would fail in the same way. */
const remedies: Readonly<Partial<Record<BrokerErrorCode, Exclude<Remedy, 'none'>>>> = {
  // The leader, the replica or the controller is somewhere else, or not chosen yet.
  UNKNOWN_TOPIC_OR_PARTITION: 'refresh-metadata',
  UNKNOWN_TOPIC_ID: 'refresh-metadata',
  INCONSISTENT_TOPIC_ID: 'refresh-metadata',
  LEADER_NOT_AVAILABLE: 'refresh-metadata',
  NOT_LEADER_OR_FOLLOWER: 'refresh-metadata',
  REPLICA_NOT_AVAILABLE: 'refresh-metadata',
  FENCED_LEADER_EPOCH: 'refresh-metadata',
  LISTENER_NOT_FOUND: 'refresh-metadata',
  KAFKA_STORAGE_ERROR: 'refresh-metadata',
  NETWORK_EXCEPTION: 'refresh-metadata',
  PREFERRED_LEADER_NOT_AVAILABLE: 'refresh-metadata',
  ELIGIBLE_LEADERS_NOT_AVAILABLE: 'refresh-metadata',
  ELECTION_NOT_NEEDED: 'refresh-metadata',
  NOT_CONTROLLER: 'refresh-metadata',
  // The coordinator is somewhere else, or not ready where it was.
  COORDINATOR_NOT_AVAILABLE: 'find-coordinator',
  NOT_COORDINATOR: 'find-coordinator',
  // The cluster behind these addresses is another one.
  REBOOTSTRAP_REQUIRED: 'rebootstrap',
  // The right broker, which cannot do it now. UNKNOWN_LEADER_EPOCH: we know more than it does; it will learn.
  COORDINATOR_LOAD_IN_PROGRESS: 'backoff',
  CORRUPT_MESSAGE: 'backoff',
  REQUEST_TIMED_OUT: 'backoff',
  NOT_ENOUGH_REPLICAS: 'backoff',
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: 'backoff',
  CONCURRENT_TRANSACTIONS: 'backoff',
  UNKNOWN_LEADER_EPOCH: 'backoff',
  OFFSET_NOT_AVAILABLE: 'backoff',
  UNSTABLE_OFFSET_COMMIT: 'backoff',
  THROTTLING_QUOTA_EXCEEDED: 'backoff',
  // Sessions begin anew with the next request, which is for the fetcher to make.
  FETCH_SESSION_ID_NOT_FOUND: 'backoff',
  INVALID_FETCH_SESSION_EPOCH: 'backoff',
  FETCH_SESSION_TOPIC_ID_ERROR: 'refresh-metadata',
  SHARE_SESSION_NOT_FOUND: 'backoff',
  INVALID_SHARE_SESSION_EPOCH: 'backoff',
  SHARE_SESSION_LIMIT_REACHED: 'backoff',
}

/** The remedy for a code that a broker answered with. */
export function remedyForCode(errorCode: number): Remedy {
  return remedies[brokerErrorName(errorCode) as BrokerErrorCode] ?? 'none'
}

/** The remedy for a failed send to this target, or for the error code found in its answer. */
export function remedyFor(target: Target, error: KafkaError | number): Remedy {
  if (typeof error === 'number') return remedyForCode(error)
  if (error instanceof BrokerError) return remedyForCode(error.errorCode)
  if (!error.retriable) return 'none'
  // A broker that is gone: whoever took over its work is known to the rest of the cluster.
  if (error instanceof ConnectionError || error instanceof TimeoutError) {
    return target.kind === 'coordinator' ? 'find-coordinator' : 'refresh-metadata'
  }
  return 'backoff'
}
