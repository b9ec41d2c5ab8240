/** Produce: checks a batch as Kafka's leader does, with the transaction's coordinator where it belongs to one, and appends it. Every replica has it at once, so `acks` decides only whether
 *  there is an answer, and whether too few in-sync replicas are a reason to refuse. */

import { sleep } from '../../async/wait.ts'
import { brokerErrorNumber } from '../../errors/broker-error.ts'
import type { BrokerErrorCode } from '../../errors/broker-error-codes.ts'
import type { Init } from '../../wire/api.ts'
import {
  Produce,
  type PartitionProduceResponse,
  type ProduceRequest,
  type TopicProduceResponse,
} from '../../wire/messages/produce.ts'
import { HEADER_BYTES } from '../../wire/records/batch-layout.ts'
import { DefaultRecordBatch } from '../../wire/records/record-batch.ts'
import type { ProducerIdentity, Verification } from '../producer-states.ts'
import type { Partition, Topic } from '../topics.ts'
import type { TransactionPartition } from '../transaction-coordination/transaction.ts'
import { addOrVerify, asProduceError, type TransactionSupport } from '../transaction-coordination/verification.ts'
import { RejectedBatch, validateBatch } from '../validate-batch.ts'
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

/** How often, and how long, a broker looks again for the end of a transaction whose markers are being written
 *  (`add.partitions.to.txn.retry.backoff.ms`, `…max.ms`). */
const markersBackoffMs = 20
const maxWaitForMarkersMs = 100
const magicAt = 16

type PartitionAnswer = Init<PartitionProduceResponse> & { readonly errorCode: number }

export const produce: AnyHandler = defineHandler({
  api: Produce,
  // Lower ones are advertised and then refused: librdkafka needs to see them (KAFKA-18659).
  minVersion: 3,
  maxVersion: 13,

  async handle(request, context) {
    const { acks, topicData, transactionalId } = request
    const { state, version } = context
    const batches: Arrived[] = []
    for (const { name, topicId, partitionData } of topicData) {
      const topic = version >= 13 ? state.topicById(topicId) : state.topic(name)
      for (const { index, records } of partitionData) {
        batches.push({ topic, index, partition: topic?.partitions[index], records, producer: transactionalOf(records) })
      }
    }
    const refusal = refusalOfAll(batches, transactionalId)
    const verified =
      refusal === undefined && transactionalId !== null
        ? await verify(batches, transactionalId, context)
        : new Map<Arrived, Verified>()
    const answers: PartitionAnswer[] = []
    const leaders: number[] = []
    for (const batch of batches) {
      const answer =
        refusal === undefined
          ? await answerTo(batch, verified.get(batch), acks, context)
          : refused(batch.index, refusal)
      answers.push(answer)
      const { partition } = batch
      if (partition !== undefined && partition.leaderId !== -1 && answer.currentLeader !== undefined) {
        leaders.push(partition.leaderId)
      }
    }
    if (acks === 0) {
      const failed = answers.find(({ errorCode }) => errorCode !== 0)
      // The only way to tell a producer that reads no answers (as Kafka does), so that it looks for the leader again.
      if (failed !== undefined) {
        throw new HangUp(`a Produce without acknowledgement failed with error ${failed.errorCode}`)
      }
      return noAnswer
    }
    let next = 0
    const responses = topicData.map(({ name, topicId, partitionData }): Init<TopicProduceResponse> => ({
      name,
      topicId,
      partitionResponses: partitionData.map(() => answers[next++]!),
    }))
    return { responses, ...(version >= 10 ? { nodeEndpoints: endpointsOf(context, leaders) } : {}) }
  },

  refuse: (request, errorCode) => refuseAll(request, errorCode),
})

/** What came for one partition. */
interface Arrived {
  readonly topic: Topic | undefined
  readonly index: number
  readonly partition: Partition | undefined
  readonly records: Buffer | null
  /** Who writes it in a transaction. */
  readonly producer: (ProducerIdentity & { baseSequence: number }) | undefined
}

/** Whether the coordinator knows of a batch: what the partition will ask for, or an error code. */
type Verified = Verification | number

/** The producer of a transactional batch. Whether all else in the batch makes sense is asked later. */
function transactionalOf(records: Buffer | null): Arrived['producer'] {
  if (records === null || records.length < HEADER_BYTES || records[magicAt] !== 2) return undefined
  const { isTransactional, producerId, producerEpoch, baseSequence } = new DefaultRecordBatch(records)
  return isTransactional ? { producerId, producerEpoch, baseSequence } : undefined
}

/** What is wrong with the request as a whole. */
function refusalOfAll(batches: readonly Arrived[], transactionalId: string | null): BrokerErrorCode | undefined {
  const producers = batches.flatMap(({ producer }) => producer ?? [])
  const [first] = producers
  if (first === undefined) return undefined
  if (transactionalId === null) return 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED'
  const isOne = producers.every(
    ({ producerId, producerEpoch }) => producerId === first.producerId && producerEpoch === first.producerEpoch,
  )
  return isOne ? undefined : 'INVALID_PRODUCER_ID_MAPPING'
}

/** Asks the coordinator about the partitions whose part of the transaction begins with this request. */
async function verify(
  batches: readonly Arrived[],
  transactionalId: string,
  { brokerId, version, state, transactions }: RequestContext,
): Promise<Map<Arrived, Verified>> {
  const support: TransactionSupport =
    version >= 12 ? 'adds partitions' : version === 11 ? 'knows TRANSACTION_ABORTABLE' : 'knows neither'
  const verified = new Map<Arrived, Verified>()
  const asked: { batch: Arrived; at: TransactionPartition }[] = []
  for (const batch of batches) {
    const { producer, partition, topic } = batch
    if (producer === undefined || topic === undefined || partition?.leaderId !== brokerId) continue
    const verification = partition.producers.verify(producer, support === 'adds partitions')
    if (verification === undefined) continue
    if ('kind' in verification) {
      verified.set(batch, verification.errorCode)
      continue
    }
    verified.set(batch, verification)
    asked.push({ batch, at: { topic: topic.name, partition: batch.index } })
  }
  const producer = asked[0]?.batch.producer
  if (producer === undefined) return verified
  const { producerId, producerEpoch } = producer
  const partitions = asked.map(({ at }) => at)
  const ask = (): readonly number[] =>
    addOrVerify(transactions, partitions, { transactionalId, producerId, producerEpoch, support })
  let codes = ask()
  // Markers are written within moments: it is dearer to have the batches sent again than to wait for them here.
  const isConcurrent = (errorCode: number): boolean => errorCode === brokerErrorNumber('CONCURRENT_TRANSACTIONS')
  for (let waited = 0; support === 'adds partitions' && waited < maxWaitForMarkersMs; waited += markersBackoffMs) {
    if (!codes.some(isConcurrent)) break
    await sleep(state.clock, markersBackoffMs)
    codes = ask()
  }
  for (const [i, { batch }] of asked.entries()) {
    if (codes[i] !== 0) verified.set(batch, asProduceError(codes[i]!, support))
  }
  return verified
}

async function answerTo(
  { topic, index, partition, records }: Arrived,
  verified: Verified | undefined,
  acks: number,
  context: RequestContext,
): Promise<PartitionAnswer> {
  if (![-1, 0, 1].includes(acks)) return refused(index, 'INVALID_REQUIRED_ACKS')
  if (topic === undefined && context.version >= 13) return refused(index, 'UNKNOWN_TOPIC_ID')
  if (partition === undefined) return refused(index, 'UNKNOWN_TOPIC_OR_PARTITION')
  if (typeof verified === 'number') return { ...refused(index), errorCode: verified }
  return append(partition, records, acks, verified, context)
}

async function append(
  partition: Partition,
  records: Buffer | null,
  acks: number,
  verification: Verification | undefined,
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
      producers.expire(state.clock.now(), now, state.properties.number('producer.id.expiration.ms'))
      const verdict = producers.judge(batch, verification)
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
