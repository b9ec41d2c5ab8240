/** CreatePartitions: gives a topic more of them (KIP-195). */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import type { Init } from '../../wire/api.ts'
import {
  CreatePartitions,
  type CreatePartitionsTopic,
  type CreatePartitionsTopicResult,
} from '../../wire/messages/create-partitions.ts'
import { defineHandler, type AnyHandler, type RequestContext } from './handler.ts'
import { Refusal } from './refusal.ts'
import { placementOf } from './replica-placement.ts'

/** Who asks for more in one request wants to exhaust us. */
const maxPartitions = 10_000

export const createPartitions: AnyHandler = defineHandler({
  api: CreatePartitions,
  minVersion: 0,
  maxVersion: 3,

  handle: ({ topics, validateOnly }, context) => ({
    results: topics.map((topic) => create(topic, validateOnly, context)),
  }),

  refuse: ({ topics }, errorCode) => ({ results: topics.map(({ name }) => ({ name, errorCode })) }),
})

function create(
  { name, count, assignments }: CreatePartitionsTopic,
  validateOnly: boolean,
  { state }: RequestContext,
): Init<CreatePartitionsTopicResult> {
  try {
    const topic = state.topic(name)
    if (topic === undefined) throw new Refusal('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic '${name}'`)
    const has = topic.partitions.length
    if (count <= has)
      throw new Refusal('INVALID_PARTITIONS', `'${name}' has ${has} partitions, so ${count} are no more`)
    if (count > maxPartitions) {
      throw new Refusal('INVALID_PARTITIONS', `the in-process cluster has at most ${maxPartitions} partitions a topic`)
    }
    const { replicationFactor } = topic
    if (assignments !== null && assignments.length !== count - has) {
      throw new Refusal(
        'INVALID_REPLICA_ASSIGNMENT',
        `${count - has} partitions are new, and ${assignments.length} are assigned`,
      )
    }
    const live = state.liveBrokers.length
    if (assignments === null && replicationFactor > live) {
      throw new Refusal(
        'INVALID_REPLICATION_FACTOR',
        `${replicationFactor} replicas need as many brokers; ${live} are up`,
      )
    }
    const placement =
      assignments === null
        ? state.placeReplicas(count - has, replicationFactor, has)
        : placementOf(assignments, state, replicationFactor)
    if (!validateOnly) state.addPartitions(topic, placement)
    return { name }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return { name, errorCode: brokerErrorNumber(error.code), errorMessage: error.message }
  }
}
