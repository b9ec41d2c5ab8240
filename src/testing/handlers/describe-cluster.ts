/** DescribeCluster: the brokers, and which of them is the controller (KIP-700). */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import { DescribeCluster } from '../../wire/messages/describe-cluster.ts'
import { clusterOperations } from '../operations.ts'
import { defineHandler, type AnyHandler } from './handler.ts'

const brokers = 1
const controllers = 2

export const describeCluster: AnyHandler = defineHandler({
  api: DescribeCluster,
  minVersion: 0,
  maxVersion: 2,

  handle({ endpointType, includeClusterAuthorizedOperations, includeFencedBrokers }, { state, version }) {
    if (version >= 1 && endpointType !== brokers) {
      // Controllers have listeners of their own, which this is not (KIP-919).
      const code = endpointType === controllers ? 'MISMATCHED_ENDPOINT_TYPE' : 'UNSUPPORTED_ENDPOINT_TYPE'
      return { errorCode: brokerErrorNumber(code), endpointType: brokers }
    }
    const listed = includeFencedBrokers ? [...state.brokers.values()].sort((a, b) => a.id - b.id) : state.liveBrokers
    return {
      clusterId: state.clusterId,
      controllerId: state.controllerId,
      brokers: listed.map(({ id, host, port, rack, isUp }) => ({
        brokerId: id,
        host,
        port,
        rack,
        ...(version >= 2 ? { isFenced: !isUp } : {}),
      })),
      ...(includeClusterAuthorizedOperations ? { clusterAuthorizedOperations: clusterOperations } : {}),
    }
  },

  refuse: (_, errorCode) => ({ errorCode }),
})
