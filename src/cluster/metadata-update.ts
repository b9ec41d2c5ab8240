/** Makes the next snapshot out of the last one and what was learned: a Metadata answer, a new leader, a broker's address.
 *  Pure: asks nobody and changes nothing. */

import type { BrokerErrorCode } from '../errors/broker-error-codes.ts'
import { brokerErrorName } from '../errors/broker-error.ts'
import { ProtocolError } from '../errors/errors.ts'
import type { TopicPartition } from '../model/topic-partition.ts'
import type { MetadataResponse, MetadataResponseTopic } from '../wire/messages/metadata.ts'
import { zeroUuid } from '../wire/primitives/uuid.ts'
import { MetadataSnapshot, type BrokerAddress, type PartitionMetadata, type TopicMetadata } from './metadata.ts'

/**
 * The snapshot after a Metadata answer, which must name at least one broker.
 *
 * @param isInUse tells which topics of the last snapshot are kept although the answer does not speak of them: those that
 *   came into use while the request was under way
 * @throws ProtocolError when the answer contradicts itself
 */
export function snapshotAfter(
  response: MetadataResponse,
  previous: MetadataSnapshot,
  isInUse: (topic: string) => boolean,
): MetadataSnapshot {
  const topics = new Map<string, TopicMetadata>()
  // The epochs of another cluster say nothing about this one.
  const isSameCluster = response.clusterId === previous.clusterId
  for (const topic of response.topics) {
    if (topic.name === null) continue
    const known = isSameCluster ? previous.topics.get(topic.name) : undefined
    topics.set(topic.name, readTopic(topic, topic.name, known))
  }
  for (const topic of previous.topics.values()) {
    if (!topics.has(topic.name) && isInUse(topic.name)) topics.set(topic.name, topic)
  }
  return new MetadataSnapshot(
    {
      version: previous.version + 1,
      clusterId: response.clusterId,
      controllerId: response.controllerId,
      brokers: response.brokers.map(({ nodeId: id, host, port, rack }) => ({ id, host, port, rack })),
      topics: topics.values(),
    },
    previous,
  )
}

/**
 * The snapshot with a newer leader of one partition (KIP-951), or undefined when that is no news.
 *
 * @param endpoints addresses of brokers, told with it
 */
export function withLeader(
  previous: MetadataSnapshot,
  { topic: name, partition }: TopicPartition,
  { leaderId, leaderEpoch }: { readonly leaderId: number; readonly leaderEpoch: number },
  endpoints: readonly BrokerAddress[],
): MetadataSnapshot | undefined {
  const topic = previous.topics.get(name)
  const current = topic?.partitions[partition]
  if (topic === undefined || current === undefined || leaderId < 0) return withBrokers(previous, endpoints)
  // Answers come from brokers that know more and less than each other: only a later epoch is news.
  if (leaderEpoch <= current.leaderEpoch) return undefined
  const partitions = topic.partitions.with(partition, { ...current, leader: leaderId, leaderEpoch, error: 'NONE' })
  const brokers = new Map(previous.brokers)
  for (const broker of endpoints) brokers.set(broker.id, broker)
  return new MetadataSnapshot(
    {
      version: previous.version + 1,
      clusterId: previous.clusterId,
      controllerId: previous.controllerId,
      brokers: brokers.values(),
      topics: new Map(previous.topics).set(name, { ...topic, partitions }).values(),
    },
    previous,
  )
}

/** The snapshot with these brokers added or at new addresses, or undefined when nothing of it is new. */
export function withBrokers(
  previous: MetadataSnapshot,
  endpoints: readonly BrokerAddress[],
): MetadataSnapshot | undefined {
  const news = endpoints.filter(({ id, host, port }) => {
    const known = previous.brokers.get(id)
    return known === undefined || known.host !== host || known.port !== port
  })
  if (news.length === 0) return undefined
  const brokers = new Map(previous.brokers)
  for (const broker of news)
    brokers.set(broker.id, { ...broker, rack: broker.rack ?? brokers.get(broker.id)?.rack ?? null })
  return new MetadataSnapshot(
    {
      version: previous.version + 1,
      clusterId: previous.clusterId,
      controllerId: previous.controllerId,
      brokers: brokers.values(),
      topics: previous.topics.values(),
    },
    previous,
  )
}

/** Whether something in the snapshot is not as it should be and will probably change: no leader yet, no such topic yet. */
export function isIncomplete(snapshot: MetadataSnapshot, topics: Iterable<string>): boolean {
  for (const name of topics) {
    const topic = snapshot.topics.get(name)
    if (topic === undefined || passing.has(topic.error)) return true
    if (topic.error === 'NONE' && topic.partitions.length === 0) return true
    if (topic.partitions.some(({ leader }) => leader < 0)) return true
  }
  return false
}

const passing: ReadonlySet<BrokerErrorCode> = new Set<BrokerErrorCode>([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'REPLICA_NOT_AVAILABLE',
  'UNKNOWN_SERVER_ERROR',
])

function readTopic(
  { topicId, isInternal, errorCode, partitions }: MetadataResponseTopic,
  name: string,
  previous: TopicMetadata | undefined,
): TopicMetadata {
  // A topic that was deleted and made again begins its epochs anew, so that the old ones say nothing about it.
  const same = previous !== undefined && (previous.topicId === topicId || topicId === zeroUuid) ? previous : undefined
  const read: (PartitionMetadata | undefined)[] = Array.from(partitions, () => undefined)
  for (const { partitionIndex: partition, ...given } of partitions) {
    // Partitions are numbered without gaps; a number beyond their count would make us allocate what it says.
    if (partition < 0 || partition >= partitions.length || read[partition] !== undefined) {
      throw new ProtocolError(
        `the metadata of '${name}' has ${partitions.length} partitions, yet numbers one of them ${partition}`,
      )
    }
    const older = same?.partitions[partition]
    if (older !== undefined && given.leaderEpoch >= 0 && given.leaderEpoch < older.leaderEpoch) {
      // This broker has not heard yet what another one told us.
      read[partition] = older
      continue
    }
    read[partition] = {
      partition,
      leader: given.leaderId,
      leaderEpoch: given.leaderEpoch,
      replicas: given.replicaNodes,
      isr: given.isrNodes,
      offlineReplicas: given.offlineReplicas,
      error: codeName(given.errorCode),
    }
  }
  return { name, topicId, isInternal, error: codeName(errorCode), partitions: read as PartitionMetadata[] }
}

/** A code newer than our table is an error all the same. */
function codeName(errorCode: number): BrokerErrorCode {
  const name = brokerErrorName(errorCode)
  return name.startsWith('UNKNOWN_ERROR_CODE_') ? 'UNKNOWN_SERVER_ERROR' : (name as BrokerErrorCode)
}
