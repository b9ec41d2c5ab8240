/** FindCoordinator: which broker coordinates a group or a transactional id: the leader of its partition of an internal topic. */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import type { Init } from '../../wire/api.ts'
import {
  FindCoordinator,
  type Coordinator,
  type FindCoordinatorResponse,
} from '../../wire/messages/find-coordinator.ts'
import { groupsTopic, transactionsTopic } from '../cluster-state.ts'
import { defineHandler, type AnyHandler, type RequestContext } from './handler.ts'

const topics: ReadonlyMap<number, typeof groupsTopic | typeof transactionsTopic> = new Map([
  [0, groupsTopic],
  [1, transactionsTopic],
])
/** Several keys at once since then (KIP-699). */
const batchedSince = 4

export const findCoordinator: AnyHandler = defineHandler({
  api: FindCoordinator,
  minVersion: 0,
  maxVersion: 6,

  handle({ key, keyType, coordinatorKeys }, context) {
    if (context.version >= batchedSince) {
      return { coordinators: coordinatorKeys.map((each) => find(each, keyType, context)) }
    }
    return single(find(key, keyType, context), context.version)
  },

  refuse: ({ key, coordinatorKeys }, errorCode, { version }) =>
    version >= batchedSince
      ? { coordinators: coordinatorKeys.map((each) => refused(each, errorCode)) }
      : single(refused(key, errorCode), version),
})

function find(key: string, keyType: number, { state }: RequestContext): Init<Coordinator> & { errorCode: number } {
  const topic = topics.get(keyType)
  if (topic === undefined) return refused(key, brokerErrorNumber('INVALID_REQUEST'))
  const broker = state.brokers.get(state.coordinatingPartition(topic, key).leaderId)
  if (broker === undefined) return refused(key, brokerErrorNumber('COORDINATOR_NOT_AVAILABLE'))
  return { key, errorCode: 0, nodeId: broker.id, host: broker.host, port: broker.port }
}

function refused(key: string, errorCode: number): Init<Coordinator> & { errorCode: number } {
  return { key, errorCode, nodeId: -1, host: '', port: -1 }
}

function single({ errorCode, nodeId, host, port }: Init<Coordinator>, version: number): Init<FindCoordinatorResponse> {
  return { errorCode, nodeId, host, port, ...(version >= 1 ? { errorMessage: null } : {}) }
}
