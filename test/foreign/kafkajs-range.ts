/** Kafka's range assignor for kafkajs, whose own knows no client but kafkajs. */

import { AssignerProtocol, type PartitionAssigner } from 'kafkajs'

const version = 0
const userData = Buffer.alloc(0)

export const range: PartitionAssigner = ({ cluster }) => ({
  name: 'range',
  version,
  protocol: ({ topics }) => ({
    name: 'range',
    metadata: AssignerProtocol.MemberMetadata.encode({ version, topics, userData }),
  }),
  assign: ({ members, topics }) => {
    const assignments = new Map(members.map(({ memberId }) => [memberId, {} as Record<string, number[]>]))
    for (const topic of topics) {
      const partitions = cluster
        .findTopicPartitionMetadata(topic)
        .map(({ partitionId }) => partitionId)
        .toSorted((a, b) => a - b)
      const subscribers = members
        .filter(({ memberMetadata }) => AssignerProtocol.MemberMetadata.decode(memberMetadata)?.topics.includes(topic))
        .map(({ memberId }) => memberId)
        .toSorted()
      const least = Math.floor(partitions.length / subscribers.length)
      const longer = partitions.length % subscribers.length
      subscribers.forEach((memberId, i) => {
        const start = i * least + Math.min(i, longer)
        assignments.get(memberId)![topic] = partitions.slice(start, start + least + (i < longer ? 1 : 0))
      })
    }
    return Promise.resolve(
      Array.from(assignments, ([memberId, assignment]) => ({
        memberId,
        memberAssignment: AssignerProtocol.MemberAssignment.encode({ version, assignment, userData }),
      })),
    )
  },
})
