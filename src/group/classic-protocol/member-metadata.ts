/** The two messages that members of a group write to each other through the coordinator, which does not read them: a
 *  member's subscription and its assignment. Each opens with the version it is written in. */

import { ProtocolError } from '../../errors/errors.ts'
import type { TopicPartition } from '../../model/topic-partition.ts'
import type { Init, MessageCodec } from '../../wire/api.ts'
import { ConsumerProtocolAssignment } from '../../wire/messages/consumer-protocol-assignment.ts'
import { ConsumerProtocolSubscription } from '../../wire/messages/consumer-protocol-subscription.ts'
import { Reader } from '../../wire/primitives/reader.ts'
import { Writer } from '../../wire/primitives/writer.ts'

const newestVersion = 3

export interface MemberSubscription {
  readonly topics: readonly string[]
  readonly userData: Buffer | null
  readonly ownedPartitions: readonly TopicPartition[]
  readonly generationId: number
  readonly rackId: string | null
}

export interface MemberAssignment {
  readonly partitions: readonly TopicPartition[]
  readonly userData: Buffer | null
}

/** Topics and partitions are sorted, so that the same subscription is the same bytes: the coordinator compares them. */
export function encodeSubscription(subscription: MemberSubscription): Buffer {
  return encode(ConsumerProtocolSubscription, {
    topics: subscription.topics.toSorted(),
    userData: subscription.userData,
    ownedPartitions: byTopic(subscription.ownedPartitions),
    generationId: subscription.generationId,
    rackId: subscription.rackId,
  })
}

export function decodeSubscription(bytes: Buffer): MemberSubscription {
  const { topics, userData, ownedPartitions, generationId, rackId } = decode(ConsumerProtocolSubscription, bytes)
  return { topics: [...new Set(topics)], userData, ownedPartitions: flatten(ownedPartitions), generationId, rackId }
}

export function encodeAssignment(assignment: MemberAssignment): Buffer {
  return encode(ConsumerProtocolAssignment, {
    assignedPartitions: byTopic(assignment.partitions),
    userData: assignment.userData,
  })
}

/** An empty block means no partitions: that is what a member gets that the leader did not know of. */
export function decodeAssignment(bytes: Buffer): MemberAssignment {
  if (bytes.length === 0) return { partitions: [], userData: null }
  const { assignedPartitions, userData } = decode(ConsumerProtocolAssignment, bytes)
  return { partitions: flatten(assignedPartitions), userData }
}

function encode<T>(codec: MessageCodec<T>, message: Init<T>): Buffer {
  const writer = new Writer()
  writer.int16(newestVersion)
  codec.encode(writer, message, newestVersion)
  return writer.toBuffer()
}

/** Reads what a newer client wrote as the newest version we know: later ones only append. */
function decode<T>(codec: MessageCodec<T>, bytes: Buffer): T {
  const reader = new Reader(bytes)
  const version = reader.int16()
  if (version < 0) throw new ProtocolError(`a group member wrote its metadata in version ${version}`)
  return codec.decode(reader, Math.min(version, newestVersion))
}

interface PartitionsOfTopic {
  topic: string
  partitions: number[]
}

function byTopic(partitions: readonly TopicPartition[]): PartitionsOfTopic[] {
  const topics = new Map<string, number[]>()
  for (const { topic, partition } of partitions) {
    const list = topics.get(topic)
    if (list === undefined) topics.set(topic, [partition])
    else list.push(partition)
  }
  return Array.from(topics, ([topic, list]) => ({ topic, partitions: list.sort((a, b) => a - b) })).sort((a, b) =>
    a.topic < b.topic ? -1 : 1,
  )
}

/** Members are told apart by code we did not write: numbers that no partition has, and repeats, are refused. */
function flatten(topics: readonly PartitionsOfTopic[]): TopicPartition[] {
  const flat: TopicPartition[] = []
  const seen = new Set<string>()
  for (const { topic, partitions } of topics) {
    for (const partition of partitions) {
      const name = `${partition} ${topic}`
      if (partition < 0 || seen.has(name)) {
        throw new ProtocolError(`a group member's metadata names partition ${partition} of '${topic}' wrongly`)
      }
      seen.add(name)
      flat.push({ topic, partition })
    }
  }
  return flat
}
