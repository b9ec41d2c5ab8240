/** The cluster: its id, its brokers, its controller. */

import { BrokerError } from '../errors/broker-error.ts'
import { UnsupportedVersionError } from '../errors/errors.ts'
import { DescribeCluster } from '../wire/messages/describe-cluster.ts'
import { Metadata } from '../wire/messages/metadata.ts'
import type { AdminCall, AdminCallOptions } from './admin-call.ts'
import { checkOptions } from './arguments.ts'
import { askUntilAnswered } from './ask-until-answered.ts'
import { authorizedOperations, type AclOperation } from './authorized-operations.ts'

export interface DescribeClusterOptions extends AdminCallOptions {
  /** Also what we may do to the cluster (KIP-430, Kafka 2.3). Default false. */
  includeAuthorizedOperations?: boolean | undefined
  /** Also brokers that are registered but fenced off (KIP-1073, Kafka 4.0). Default false. */
  includeFencedBrokers?: boolean | undefined
}

export interface BrokerDescription {
  readonly id: number
  /** As the broker advertises it. */
  readonly host: string
  readonly port: number
  readonly rack: string | null
  /** Whether it is registered but kept out of the cluster's work. */
  readonly isFenced: boolean
}

export interface ClusterDescription {
  readonly clusterId: string | null
  /** The broker to ask for changes; null while there is none. Since KRaft any broker will do, and this is one of them. */
  readonly controllerId: number | null
  /** By id. */
  readonly brokers: readonly BrokerDescription[]
  /** Null unless asked for. */
  readonly authorizedOperations: readonly AclOperation[] | null
}

export async function describeCluster(call: AdminCall, options: DescribeClusterOptions): Promise<ClusterDescription> {
  checkOptions('describeCluster', options, ['includeAuthorizedOperations', 'includeFencedBrokers'])
  try {
    return await askDescribeCluster(call, options)
  } catch (error) {
    // Before Kafka 2.8 only Metadata tells, and it knows nothing of fenced brokers.
    if (!(error instanceof UnsupportedVersionError) || options.includeFencedBrokers === true) throw error
    return await askMetadata(call, options)
  }
}

async function askDescribeCluster(
  call: AdminCall,
  { includeAuthorizedOperations = false, includeFencedBrokers = false }: DescribeClusterOptions,
): Promise<ClusterDescription> {
  const request = { includeClusterAuthorizedOperations: includeAuthorizedOperations, includeFencedBrokers }
  const response = await askUntilAnswered(call, { kind: 'any' }, async () => {
    const answer = await call.ask({ kind: 'any' }, DescribeCluster, request)
    const { errorCode, errorMessage } = answer
    if (errorCode !== 0) {
      throw new BrokerError(errorCode, 'cannot describe the cluster', { brokerMessage: errorMessage })
    }
    return answer
  })
  return {
    clusterId: response.clusterId,
    controllerId: response.controllerId < 0 ? null : response.controllerId,
    brokers: byId(response.brokers.map(({ brokerId, ...broker }) => ({ ...broker, id: brokerId }))),
    authorizedOperations: authorizedOperations(response.clusterAuthorizedOperations),
  }
}

async function askMetadata(
  call: AdminCall,
  { includeAuthorizedOperations = false }: DescribeClusterOptions,
): Promise<ClusterDescription> {
  const request = {
    topics: [],
    allowAutoTopicCreation: false,
    includeClusterAuthorizedOperations: includeAuthorizedOperations,
  }
  const response = await askUntilAnswered(call, { kind: 'any' }, () =>
    call.ask({ kind: 'any' }, Metadata, request, { minVersion: 4, maxVersion: 10 }),
  )
  return {
    clusterId: response.clusterId,
    controllerId: response.controllerId < 0 ? null : response.controllerId,
    brokers: byId(response.brokers.map(({ nodeId, ...broker }) => ({ ...broker, id: nodeId, isFenced: false }))),
    authorizedOperations: authorizedOperations(response.clusterAuthorizedOperations),
  }
}

function byId(brokers: readonly BrokerDescription[]): BrokerDescription[] {
  return brokers
    .map(({ id, host, port, rack, isFenced }) => ({ id, host, port, rack, isFenced }))
    .sort((one, other) => one.id - other.id)
}
