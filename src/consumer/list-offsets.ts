/** Asks the leaders of partitions for offsets: the first, the last, or that of a moment. Knows no positions. */

import { sleep } from '../async/wait.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { BrokerError, brokerErrorNumber } from '../errors/broker-error.ts'
import { TimeoutError } from '../errors/errors.ts'
import { KafkaError } from '../errors/kafka-error.ts'
import type { TopicPartition } from '../model/topic-partition.ts'
import { ListOffsets } from '../wire/messages/list-offsets.ts'
import type { IsolationLevel } from './consumer-options.ts'

export const latest = -1
export const earliest = -2

const unsupportedForMessageFormat = brokerErrorNumber('UNSUPPORTED_FOR_MESSAGE_FORMAT')

export interface OffsetQuery extends TopicPartition {
  /** In ms since 1970: the first record not before it is meant; or {@link latest}, {@link earliest}. */
  readonly timestamp: number
}

export interface OffsetAnswer {
  /** -1 when there is no such record. */
  readonly offset: number
  readonly timestamp: number
  readonly leaderEpoch: number
}

export interface ListOffsetsOptions {
  readonly isolationLevel: IsolationLevel
  readonly signal?: AbortSignal | undefined
}

/** Isolation levels as requests have them. */
export const isolationLevels: Readonly<Record<IsolationLevel, number>> = { read_uncommitted: 0, read_committed: 1 }

/** One attempt: an answer or what went wrong for each query, in order. What can be cured is being cured. */
export async function listOffsetsOnce(
  cluster: Cluster,
  queries: readonly OffsetQuery[],
  options: ListOffsetsOptions,
): Promise<(OffsetAnswer | KafkaError)[]> {
  const answers = new Array<OffsetAnswer | KafkaError>(queries.length)
  const byLeader = new Map<number, number[]>()
  const { metadata } = cluster
  for (const [index, query] of queries.entries()) {
    const leader = metadata.leader(query.topic, query.partition)
    const indexes = byLeader.get(leader)
    if (indexes === undefined) byLeader.set(leader, [index])
    else indexes.push(index)
  }
  const refuse = (index: number, error: KafkaError): void => {
    cluster.remedy({ kind: 'leader', of: queries[index]! }, error)
    answers[index] = error
  }
  await Promise.all(
    Array.from(byLeader, async ([leader, indexes]) => {
      if (leader < 0) {
        for (const index of indexes) refuse(index, noLeader(queries[index]!))
        return
      }
      try {
        await askLeader(cluster, leader, indexes, queries, options, (index, answer) => {
          if (answer instanceof KafkaError) refuse(index, answer)
          else answers[index] = answer
        })
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error
        for (const index of indexes) if (answers[index] === undefined) refuse(index, error)
      }
    }),
  )
  // A broker that leaves a partition out of its answer has not answered.
  for (const [index, query] of queries.entries()) {
    if (answers[index] !== undefined) continue
    const what = `the leader of partition ${query.partition} of '${query.topic}' did not tell its offset`
    refuse(index, new BrokerError(brokerErrorNumber('UNKNOWN_TOPIC_OR_PARTITION'), what))
  }
  return answers
}

/** Asks until every query has its answer; rejects with the first error that waiting does not cure, or at the deadline. */
export async function listOffsets(
  cluster: Cluster,
  queries: readonly OffsetQuery[],
  options: ListOffsetsOptions & { readonly deadline: number },
): Promise<OffsetAnswer[]> {
  const { deadline, signal } = options
  const found = new Array<OffsetAnswer>(queries.length)
  const backoff = cluster.newBackoff()
  let missing = [...queries.keys()]
  for (;;) {
    for (const topic of new Set(missing.map((index) => queries[index]!.topic))) {
      if (cluster.metadata.partitionCount(topic) === 0) await cluster.topic(topic, { deadline, signal })
    }
    const asked = missing
    const answers = await listOffsetsOnce(
      cluster,
      asked.map((index) => queries[index]!),
      options,
    )
    signal?.throwIfAborted()
    missing = []
    let failure: KafkaError | undefined
    for (const [i, answer] of answers.entries()) {
      const index = asked[i]!
      if (!(answer instanceof KafkaError)) {
        found[index] = answer
        continue
      }
      if (!answer.retriable) throw answer
      failure = answer
      missing.push(index)
    }
    if (failure === undefined) return found
    const waitMs = backoff.nextMs()
    if (cluster.clock.now() + waitMs >= deadline) {
      throw new TimeoutError(`the offsets of ${missing.length} partitions could not be looked up in time`, {
        cause: failure,
      })
    }
    await sleep(cluster.clock, waitMs, { signal })
  }
}

async function askLeader(
  cluster: Cluster,
  leader: number,
  indexes: readonly number[],
  queries: readonly OffsetQuery[],
  { isolationLevel, signal }: ListOffsetsOptions,
  answered: (index: number, answer: OffsetAnswer | KafkaError) => void,
): Promise<void> {
  const { metadata } = cluster
  const topics = new Map<string, Map<number, number>>()
  for (const index of indexes) {
    const { topic, partition } = queries[index]!
    const partitions = topics.get(topic)
    if (partitions === undefined) topics.set(topic, new Map([[partition, index]]))
    else partitions.set(partition, index)
  }
  const request = {
    replicaId: -1,
    isolationLevel: isolationLevels[isolationLevel],
    timeoutMs: cluster.options.requestTimeoutMs,
    topics: Array.from(topics, ([name, partitions]) => ({
      name,
      partitions: Array.from(partitions, ([partitionIndex, index]) => ({
        partitionIndex,
        currentLeaderEpoch: metadata.leaderEpoch(name, partitionIndex),
        timestamp: queries[index]!.timestamp,
      })),
    })),
  }
  // Version 0 answers with a list of segment starts, which is something else.
  const options = { signal, minVersion: isolationLevel === 'read_committed' ? 2 : 1 }
  const response = await cluster.send({ kind: 'broker', id: leader }, ListOffsets, request, options)
  for (const topic of response.topics) {
    for (const { partitionIndex, errorCode, offset, timestamp, leaderEpoch } of topic.partitions) {
      const index = topics.get(topic.name)?.get(partitionIndex)
      if (index === undefined) continue
      if (errorCode === unsupportedForMessageFormat) {
        // Messages of magic 0, from before Kafka 0.10, have no timestamps: no record is known to be of that moment.
        answered(index, { offset: -1, timestamp: -1, leaderEpoch: -1 })
        continue
      }
      const what = `the offset of partition ${partitionIndex} of '${topic.name}' could not be looked up`
      answered(index, errorCode === 0 ? { offset, timestamp, leaderEpoch } : new BrokerError(errorCode, what))
    }
  }
}

function noLeader({ topic, partition }: TopicPartition): KafkaError {
  return new BrokerError(
    brokerErrorNumber('LEADER_NOT_AVAILABLE'),
    `partition ${partition} of '${topic}' has no leader`,
  )
}
