/** Produce: checks a batch as Kafka's leader does, and appends it. Every replica has it at once, so `acks` decides only whether
 *  there is an answer, and whether too few in-sync replicas are a reason to refuse. */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import type { BrokerErrorCode } from '../../errors/broker-error-codes.ts'
import type { Init } from '../../wire/api.ts'
import {
  Produce,
  type PartitionProduceResponse,
  type ProduceRequest,
  type TopicProduceResponse,
} from '../../wire/messages/produce.ts'
import { RejectedBatch, validateBatch } from '../validate-batch.ts'
import type { Partition } from '../topics.ts'
import {
  currentLeaderOf,
  defineHandler,
  endpointsOf,
  HangUp,
  noAnswer,
  type AnyHandler,
  type Answer,
  type RequestContext,
} from './handler.ts'

type PartitionAnswer = Init<PartitionProduceResponse> & { readonly errorCode: number }

export const produce: AnyHandler = defineHandler({
  api: Produce,
  // Lower ones are advertised and then refused: librdkafka needs to see them (KAFKA-18659).
  minVersion: 3,
  maxVersion: 13,

  async handle(request, context) {
    const { acks, topicData } = request
    const { state, version } = context
    const responses: Init<TopicProduceResponse>[] = []
    const leaders: number[] = []
    let firstError = 0
    for (const { name, topicId, partitionData } of topicData) {
      const topic = version >= 13 ? state.topicById(topicId) : state.topic(name)
      const partitionResponses: PartitionAnswer[] = []
      for (const { index, records } of partitionData) {
        const partition = topic?.partitions[index]
        let answer: PartitionAnswer
        if (![-1, 0, 1].includes(acks)) {
          answer = refused(index, 'INVALID_REQUIRED_ACKS')
        } else if (topic === undefined && version >= 13) {
          answer = refused(index, 'UNKNOWN_TOPIC_ID')
        } else if (partition === undefined) {
          answer = refused(index, 'UNKNOWN_TOPIC_OR_PARTITION')
        } else if (request.transactionalId !== null) {
          answer = refused(index, 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED', 'this cluster does not serve transactions')
        } else {
          answer = await append(partition, records, acks, context)
          if (partition.leaderId !== -1 && answer.currentLeader !== undefined) leaders.push(partition.leaderId)
        }
        if (firstError === 0) firstError = answer.errorCode
        partitionResponses.push(answer)
      }
      responses.push({ name, topicId, partitionResponses })
    }
    if (acks === 0) {
      // The only way to tell a producer that reads no answers (as Kafka does), so that it looks for the leader again.
      if (firstError !== 0) throw new HangUp(`a Produce without acknowledgement failed with error ${firstError}`)
      return noAnswer
    }
    return { responses, ...(version >= 10 ? { nodeEndpoints: endpointsOf(context, leaders) } : {}) }
  },

  refuse: (request, errorCode) => refuseAll(request, errorCode),
})

async function append(
  partition: Partition,
  records: Buffer | null,
  acks: number,
  context: RequestContext,
): Promise<PartitionAnswer> {
  const { brokerId, version, state } = context
  const { index, topic } = partition
  if (partition.leaderId !== brokerId) {
    return {
      ...refused(index, 'NOT_LEADER_OR_FOLLOWER'),
      ...(version >= 10 ? { currentLeader: currentLeaderOf(partition) } : {}),
    }
  }
  try {
    if (topic.isInternal) {
      return refused(index, 'INVALID_TOPIC_EXCEPTION', `'${topic.name}' is an internal topic`)
    }
    // A partition with fewer replicas than that needs all of them.
    const needed = Math.min(Number(topic.config('min.insync.replicas')), partition.replicas.length)
    if (acks === -1 && partition.inSyncReplicas.length < needed) {
      throw new RejectedBatch('NOT_ENOUGH_REPLICAS', `${partition.inSyncReplicas.length} replicas are in sync`)
    }
    const now = state.clock.wallTime()
    const { batch, logAppendTimeMs } = await validateBatch(records, { topic, version, now })
    // Checking may have taken a turn of the event loop, in which the topic or the leader may have gone.
    if (topic.isDeleted) return refused(index, 'UNKNOWN_TOPIC_OR_PARTITION')
    if (partition.leaderId !== brokerId) return refused(index, 'NOT_LEADER_OR_FOLLOWER')
    const { log, producers } = partition
    let baseOffset: number
    let timestamp = logAppendTimeMs
    if (batch.producerId < 0) {
      baseOffset = log.append(batch, partition.leaderEpoch)
    } else {
      const verdict = producers.judge(batch)
      if (verdict.kind === 'refuse')
        return {
          ...refused(index),
          errorCode: verdict.errorCode,
          errorMessage: verdict.message,
          logStartOffset: log.logStartOffset,
        }
      if (verdict.kind === 'duplicate') {
        ;({ baseOffset, timestamp } = verdict)
      } else {
        baseOffset = log.append(batch, partition.leaderEpoch)
        producers.appended(batch, baseOffset, batch.maxTimestamp)
      }
    }
    partition.changed()
    return { index, errorCode: 0, baseOffset, logAppendTimeMs: timestamp, logStartOffset: log.logStartOffset }
  } catch (error) {
    if (!(error instanceof RejectedBatch)) throw error
    const { code, message, records: recordErrors } = error
    return {
      ...refused(index, code, message),
      ...(error.tellsLogStart ? { logStartOffset: partition.log.logStartOffset } : {}),
      recordErrors: recordErrors.map(({ batchIndex, message: text }) => ({ batchIndex, batchIndexErrorMessage: text })),
    }
  }
}

function refused(index: number, code: BrokerErrorCode = 'NONE', message: string | null = null): PartitionAnswer {
  return {
    index,
    errorCode: brokerErrorNumber(code),
    baseOffset: -1,
    logAppendTimeMs: -1,
    logStartOffset: -1,
    errorMessage: message,
  }
}

function refuseAll(
  { acks, topicData }: ProduceRequest,
  errorCode: number,
): Answer<{ responses: TopicProduceResponse[] }> {
  if (acks === 0) throw new HangUp(`a Produce without acknowledgement failed with error ${errorCode}`)
  return {
    responses: topicData.map(({ name, topicId, partitionData }) => ({
      name,
      topicId,
      partitionResponses: partitionData.map(({ index }) => ({ ...refused(index), errorCode })),
    })),
  }
}
