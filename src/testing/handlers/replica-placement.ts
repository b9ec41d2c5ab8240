/** Checks replicas that a client assigned by hand. */

import type { ClusterState } from '../cluster-state.ts'
import { Refusal } from './refusal.ts'

/** Throws `Refusal`. @param replicas how many each partition must have; by default as many as the first */
export function placementOf(
  assignments: readonly { readonly brokerIds: readonly number[] }[],
  state: ClusterState,
  replicas: number = assignments[0]?.brokerIds.length ?? 0,
): number[][] {
  for (const { brokerIds } of assignments) {
    if (brokerIds.length === 0) throw new Refusal('INVALID_REPLICA_ASSIGNMENT', 'a partition has at least one replica')
    if (new Set(brokerIds).size < brokerIds.length) {
      throw new Refusal('INVALID_REPLICA_ASSIGNMENT', `a broker has at most one replica: ${brokerIds.join(', ')}`)
    }
    if (brokerIds.length !== replicas) {
      throw new Refusal(
        'INVALID_REPLICA_ASSIGNMENT',
        `every partition has ${replicas} replicas, not ${brokerIds.length}`,
      )
    }
    const unknown = brokerIds.find((id) => !state.brokers.has(id))
    if (unknown !== undefined) throw new Refusal('INVALID_REPLICA_ASSIGNMENT', `there is no broker ${unknown}`)
  }
  return assignments.map(({ brokerIds }) => [...brokerIds])
}
