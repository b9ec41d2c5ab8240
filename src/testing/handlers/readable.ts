/** Whether a partition may be read here by a client that knows a leader epoch (KIP-320, KIP-392). */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import type { Partition } from '../topics.ts'

/**
 * @param epoch the leader epoch that the client knows, -1 when it knows none
 * @returns an error code, or 0
 */
export function readable(
  partition: Partition,
  epoch: number,
  brokerId: number,
  by: 'the leader' | 'any replica',
): number {
  const { leaderId, leaderEpoch, replicas } = partition
  if (!replicas.includes(brokerId)) return brokerErrorNumber('NOT_LEADER_OR_FOLLOWER')
  if (epoch >= 0 && epoch < leaderEpoch) return brokerErrorNumber('FENCED_LEADER_EPOCH')
  if (epoch > leaderEpoch) return brokerErrorNumber('UNKNOWN_LEADER_EPOCH')
  return leaderId === brokerId || by === 'any replica' ? 0 : brokerErrorNumber('NOT_LEADER_OR_FOLLOWER')
}
