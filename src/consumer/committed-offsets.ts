/** Asks the coordinator what a group has committed. Waits out what passes: a coordinator that moves, loads, or holds an
 *  open transaction that may still change the offset. An offset that cannot be read is never taken for none. */

import { sleep } from '../async/wait.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Lane, Target } from '../cluster/target.ts'
import { BrokerError, brokerErrorNumber } from '../errors/broker-error.ts'
import { TimeoutError } from '../errors/errors.ts'
import { KafkaError } from '../errors/kafka-error.ts'
import { groupCure } from '../group/group-cures.ts'
import type { OffsetAndMetadata } from '../model/offset-and-metadata.ts'
import type { TopicPartition } from '../model/topic-partition.ts'
import { OffsetFetch, type OffsetFetchResponse } from '../wire/messages/offset-fetch.ts'
import { zeroUuid } from '../wire/primitives/uuid.ts'

export interface CommittedOptions {
  readonly groupId: string
  readonly lane: Lane
  readonly signal?: AbortSignal | undefined
}

/** In the order asked; null where nothing was committed. Asks until every partition has its answer; rejects with the first
 *  error that waiting does not cure, or at the deadline. */
export async function committedOffsets(
  cluster: Cluster,
  partitions: readonly TopicPartition[],
  options: CommittedOptions & {
    /** On the clock of `clock.now()`. */
    readonly deadline: number
  },
): Promise<(OffsetAndMetadata | null)[]> {
  const { groupId, deadline, signal } = options
  const found = new Array<OffsetAndMetadata | null>(partitions.length)
  const backoff = cluster.newBackoff()
  let missing = [...partitions.keys()]
  while (missing.length > 0) {
    const asked = missing
    const wanted = asked.map((index) => partitions[index]!)
    const answers = await committedOffsetsOnce(cluster, wanted, options)
    signal?.throwIfAborted()
    missing = []
    let failure: KafkaError | undefined
    for (const [i, answer] of answers.entries()) {
      const index = asked[i]!
      if (!(answer instanceof KafkaError)) {
        found[index] = answer
        continue
      }
      if (!isPassing(answer)) throw answer
      failure = answer
      missing.push(index)
    }
    if (failure === undefined) break
    const waitMs = backoff.nextMs()
    if (cluster.clock.now() + waitMs >= deadline) {
      throw new TimeoutError(`the committed offsets of group '${groupId}' could not be fetched in time`, {
        cause: failure,
      })
    }
    await sleep(cluster.clock, waitMs, { signal })
  }
  return found
}

/** One attempt: an answer or what went wrong for each partition, in order. What can be cured is being cured. */
export async function committedOffsetsOnce(
  cluster: Cluster,
  partitions: readonly TopicPartition[],
  options: CommittedOptions,
): Promise<(OffsetAndMetadata | null | KafkaError)[]> {
  const target: Target = { kind: 'coordinator', of: 'group', key: options.groupId }
  try {
    const answers = await ask(cluster, target, partitions, options)
    // Old brokers say of every partition what concerns the group.
    const error = answers.find((answer) => answer instanceof KafkaError)
    if (error !== undefined) cluster.remedy(target, error)
    return answers
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error
    cluster.remedy(target, error)
    return partitions.map(() => error)
  }
}

/** Whether asking again may bring the offset: also where a rebalance must come in between, which is for the membership. */
export function isPassing(error: KafkaError): boolean {
  return error.retriable || (error instanceof BrokerError && groupCure(error.errorCode) !== 'give-up')
}

async function ask(
  cluster: Cluster,
  target: Target,
  partitions: readonly TopicPartition[],
  { groupId, lane, signal }: CommittedOptions,
): Promise<(OffsetAndMetadata | null | KafkaError)[]> {
  const topics = new Map<string, number[]>()
  for (const { topic, partition } of partitions) {
    const list = topics.get(topic)
    if (list === undefined) topics.set(topic, [partition])
    else list.push(partition)
  }
  const { metadata } = cluster
  const named = Array.from(topics, ([name, partitionIndexes]) => {
    return { name, topicId: metadata.topics.get(name)?.topicId ?? zeroUuid, partitionIndexes }
  })
  // From version 10 on a topic is known by its id only.
  const maxVersion = named.every(({ topicId }) => topicId !== zeroUuid) ? undefined : 9
  const names = named.map(({ name, partitionIndexes }) => ({ name, partitionIndexes }))
  const request = (version: number) => {
    const requireStable = version >= 7
    return version >= 8
      ? { groups: [{ groupId, topics: named }], requireStable }
      : { groupId, topics: names, requireStable }
  }
  const response = await cluster.send(target, OffsetFetch, request, { lane, signal, maxVersion, minVersion: 1 })
  const found = read(response, groupId, (id) => metadata.topicName(id))
  return partitions.map(({ topic, partition }) => {
    const answer = found.get(topic)?.get(partition)
    if (answer !== undefined) return answer
    const what = `the coordinator did not tell the committed offset of partition ${partition} of '${topic}'`
    return new BrokerError(brokerErrorNumber('UNKNOWN_TOPIC_OR_PARTITION'), what)
  })
}

function read(
  response: OffsetFetchResponse,
  groupId: string,
  nameOf: (topicId: string) => string | undefined,
): Map<string, Map<number, OffsetAndMetadata | null | KafkaError>> {
  const group = response.groups[0]
  const errorCode = group?.errorCode ?? response.errorCode
  if (errorCode !== 0)
    throw new BrokerError(errorCode, `the committed offsets of group '${groupId}' could not be fetched`)
  const found = new Map<string, Map<number, OffsetAndMetadata | null | KafkaError>>()
  const topics = group?.topics ?? response.topics.map((topic) => ({ ...topic, topicId: zeroUuid }))
  for (const topic of topics) {
    const name = topic.topicId === zeroUuid ? topic.name : (nameOf(topic.topicId) ?? topic.name)
    const offsets = new Map<number, OffsetAndMetadata | null | KafkaError>()
    for (const {
      partitionIndex,
      committedOffset,
      committedLeaderEpoch,
      metadata,
      errorCode: code,
    } of topic.partitions) {
      if (code !== 0) {
        const what = `the committed offset of partition ${partitionIndex} of '${name}' could not be fetched`
        offsets.set(partitionIndex, new BrokerError(code, what))
        continue
      }
      if (committedOffset < 0) {
        offsets.set(partitionIndex, null)
        continue
      }
      const leaderEpoch = committedLeaderEpoch < 0 ? undefined : committedLeaderEpoch
      offsets.set(partitionIndex, { offset: committedOffset, leaderEpoch, metadata: metadata ?? '' })
    }
    found.set(name, offsets)
  }
  return found
}
