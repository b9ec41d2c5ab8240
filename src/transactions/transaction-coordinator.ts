/** The requests of a transaction, each sent to whom it belongs and read in the words of `verdicts.ts`. Knows no states and
 *  no records: what an outcome means for the transaction is for `transaction-lifecycle.ts` to say. */

import type { Cluster } from '../cluster/cluster.ts'
import type { Target } from '../cluster/target.ts'
import { brokerErrorName, brokerErrorNumber } from '../errors/broker-error.ts'
import { InvalidOptionError, UnsupportedVersionError } from '../errors/errors.ts'
import type { ConsumerGroupMetadata } from '../model/consumer-group-metadata.ts'
import type { TopicPartitionOffset } from '../model/offset-and-metadata.ts'
import type { TopicPartition } from '../model/topic-partition.ts'
import type { ProducerIdAndEpoch } from '../producer/producer-identity.ts'
import type { Api, Init } from '../wire/api.ts'
import { AddOffsetsToTxn } from '../wire/messages/add-offsets-to-txn.ts'
import { AddPartitionsToTxn } from '../wire/messages/add-partitions-to-txn.ts'
import { EndTxn } from '../wire/messages/end-txn.ts'
import { InitProducerId } from '../wire/messages/init-producer-id.ts'
import { Produce } from '../wire/messages/produce.ts'
import { TxnOffsetCommit, type TxnOffsetCommitRequest } from '../wire/messages/txn-offset-commit.ts'
import { ask, type Answer, type AskOptions, type Outcome, type Question } from './ask-coordinator.ts'
import { verdictOf, type TransactionRequestName, type Verdict } from './verdicts.ts'

/**
 * How a transaction is spoken. 1: each partition and group is added to it before it is written to, and the epoch stays.
 * 2: brokers add what is written to, and the end of each transaction gives the epoch of the next (KIP-890).
 */
export type TransactionVersion = 1 | 2

/** What the second way of speaking takes of a broker. */
const secondNeeds = [
  { api: Produce, version: 12 },
  { api: TxnOffsetCommit, version: 5 },
  { api: EndTxn, version: 5 },
] as const

/** The last version of Produce by which a broker takes partitions for added already. */
export const lastFirstProduceVersion = 11

/** Later versions are for brokers among themselves. */
const lastClientAddPartitions = 3
/** The first InitProducerId that can say which id and epoch it continues (KIP-360). */
const firstWithEpoch = 3
/** The first TxnOffsetCommit that says who the consumer is in its group (KIP-447). */
const firstWithMember = 3

/** How soon to ask again while the coordinator completes the transaction before, in ms: it takes no longer. */
const completionWaitMs = 20

const concurrentTransactions = brokerErrorNumber('CONCURRENT_TRANSACTIONS')
const operationNotAttempted = brokerErrorNumber('OPERATION_NOT_ATTEMPTED')
const unknownServerError = brokerErrorNumber('UNKNOWN_SERVER_ERROR')

const soonWhenConcurrent = (code: number): number | undefined =>
  code === concurrentTransactions ? completionWaitMs : undefined

interface CoordinatorRequest<Request, Response, Value> extends Omit<Question<Value>, 'attempt'> {
  readonly api: Api<Request, Response>
  readonly request: (version: number) => Init<Request>
  readonly minVersion?: number | undefined
  readonly maxVersion?: number | undefined
  readonly read: (response: Response) => Answer<Value>
}

export class TransactionCoordinator {
  readonly #cluster: Cluster
  readonly #transactionalId: string
  readonly #transactionTimeoutMs: number
  readonly #target: Target

  constructor(cluster: Cluster, transactionalId: string, transactionTimeoutMs: number) {
    this.#cluster = cluster
    this.#transactionalId = transactionalId
    this.#transactionTimeoutMs = transactionTimeoutMs
    this.#target = { kind: 'coordinator', of: 'transaction', key: transactionalId }
  }

  /**
   * The version to speak from now on. The level is the cluster's, and no broker of a cluster at level 2 lacks what it
   * takes; but one may stand behind something that offers less.
   */
  chooseVersion(options: AskOptions): Promise<Outcome<TransactionVersion>> {
    const attempt = async (signal: AbortSignal): Promise<Answer<TransactionVersion>> => {
      const versions = await this.#cluster.versions(this.#target, { signal })
      const isOffered = secondNeeds.every(({ api, version }) => (versions.range(api)?.maxVersion ?? 0) >= version)
      return { code: 0, value: versions.finalizedFeature('transaction.version') >= 2 && isOffered ? 2 : 1 }
    }
    const what = `the coordinator of ${this.#name} was not reached`
    return ask(this.#cluster, { name: 'InitProducerId', target: this.#target, what, attempt }, options)
  }

  /**
   * Gets an id and an epoch. Without `continued` it takes the transactional id over from whoever had it, whose open
   * transaction is aborted; with it, it gets the next epoch unless somebody else has taken over (KIP-360).
   */
  async initialize(
    continued: ProducerIdAndEpoch | undefined,
    options: AskOptions,
  ): Promise<Outcome<ProducerIdAndEpoch>> {
    const outcome = await this.#ask(
      {
        name: 'InitProducerId',
        api: InitProducerId,
        target: this.#target,
        request: () => ({
          transactionalId: this.#transactionalId,
          transactionTimeoutMs: this.#transactionTimeoutMs,
          ...continued,
        }),
        minVersion: continued === undefined ? undefined : firstWithEpoch,
        what: `no producer id was given for transactional id '${this.#transactionalId}'`,
        read: ({ errorCode, producerId, producerEpoch }) => ({ code: errorCode, value: { producerId, producerEpoch } }),
        // Who continues nothing cannot have been fenced: two who begin at one moment disturbed each other.
        verdict: (code) => (continued === undefined && isFencing(code) ? 'retry' : undefined),
        waitMs: soonWhenConcurrent,
      },
      options,
    )
    if (outcome.kind === 'done' || outcome.error.code !== 'INVALID_TRANSACTION_TIMEOUT') return outcome
    const message = `option 'transactionTimeoutMs' of TransactionalProducer (${this.#transactionTimeoutMs}) is more than the broker's transaction.max.timeout.ms allows`
    return { ...outcome, error: new InvalidOptionError('transactionTimeoutMs', message, { cause: outcome.error }) }
  }

  /** Tells the coordinator of partitions that will be written to. Needed in version 1 only. */
  addPartitions(
    identity: ProducerIdAndEpoch,
    partitions: readonly TopicPartition[],
    isFirst: boolean,
    options: AskOptions,
  ): Promise<Outcome<void>> {
    const topics = Array.from(byTopic(partitions), ([name, list]) => ({
      name,
      partitions: list.map(({ partition }) => partition),
    }))
    return this.#ask(
      {
        name: 'AddPartitionsToTxn',
        api: AddPartitionsToTxn,
        target: this.#target,
        maxVersion: lastClientAddPartitions,
        request: () => ({
          v3AndBelowTransactionalId: this.#transactionalId,
          v3AndBelowProducerId: identity.producerId,
          v3AndBelowProducerEpoch: identity.producerEpoch,
          v3AndBelowTopics: topics,
        }),
        what: `the coordinator of ${this.#name} did not add`,
        ofAll: 'the partitions',
        read: ({ resultsByTopicV3AndBelow }) => {
          const worst = new WorstCode('AddPartitionsToTxn')
          for (const { name, resultsByPartition } of resultsByTopicV3AndBelow) {
            for (const { partitionIndex, partitionErrorCode: code } of resultsByPartition) {
              worst.add(code, `partition ${partitionIndex} of '${name}'`)
            }
          }
          return worst
        },
        // Only the first can meet the transaction before it, which is about to be completed.
        waitMs: isFirst ? soonWhenConcurrent : undefined,
      },
      options,
    )
  }

  /** Tells the coordinator of a group whose offsets will be committed. Needed in version 1 only. */
  addOffsets(
    { producerId, producerEpoch }: ProducerIdAndEpoch,
    groupId: string,
    options: AskOptions,
  ): Promise<Outcome<void>> {
    return this.#ask(
      {
        name: 'AddOffsetsToTxn',
        api: AddOffsetsToTxn,
        target: this.#target,
        request: () => ({ transactionalId: this.#transactionalId, producerId, producerEpoch, groupId }),
        what: `the coordinator of ${this.#name} did not add the offsets of group '${groupId}'`,
        read: ({ errorCode }) => ({ code: errorCode }),
        waitMs: soonWhenConcurrent,
      },
      options,
    )
  }

  /** Gives the group's coordinator offsets, which count once the transaction is committed. */
  async commitOffsets(
    identity: ProducerIdAndEpoch,
    version: TransactionVersion,
    group: ConsumerGroupMetadata,
    offsets: readonly TopicPartitionOffset[],
    options: AskOptions,
  ): Promise<Outcome<void>> {
    const { groupId, memberId, generationId, groupInstanceId } = group
    const isMember = generationId >= 0 || memberId !== '' || groupInstanceId !== null
    let left: readonly TopicPartitionOffset[] = offsets
    const outcome: Outcome<void> = await this.#ask(
      {
        name: 'TxnOffsetCommit',
        api: TxnOffsetCommit,
        target: { kind: 'coordinator', of: 'group', key: groupId },
        minVersion: version === 2 ? 5 : isMember ? firstWithMember : undefined,
        maxVersion: version === 2 ? undefined : 4,
        request: (apiVersion): Init<TxnOffsetCommitRequest> => ({
          transactionalId: this.#transactionalId,
          groupId,
          ...identity,
          ...(apiVersion >= firstWithMember && { memberId, generationId, groupInstanceId }),
          topics: Array.from(byTopic(left), ([name, list]) => ({
            name,
            partitions: list.map(({ partition, offset, leaderEpoch = -1, metadata = '' }) => ({
              partitionIndex: partition,
              committedOffset: offset,
              ...(apiVersion >= 2 && { committedLeaderEpoch: leaderEpoch }),
              committedMetadata: metadata,
            })),
          })),
        }),
        what: `the coordinator of group '${groupId}' did not take`,
        ofAll: 'the offsets',
        read: ({ topics }) => {
          const worst = new WorstCode('TxnOffsetCommit')
          const codes = new Map<string, Map<number, number>>()
          for (const { name, partitions } of topics) {
            codes.set(name, new Map(partitions.map(({ partitionIndex, errorCode }) => [partitionIndex, errorCode])))
          }
          const refused: TopicPartitionOffset[] = []
          for (const offset of left) {
            // What the answer does not speak of was not done.
            const code = codes.get(offset.topic)?.get(offset.partition) ?? unknownServerError
            if (code === 0) continue
            refused.push(offset)
            worst.add(code, `the offset of partition ${offset.partition} of '${offset.topic}'`)
          }
          left = refused
          return worst
        },
        waitMs: soonWhenConcurrent,
      },
      options,
    )
    if (outcome.kind === 'done' || !(outcome.error instanceof UnsupportedVersionError) || version === 2) return outcome
    const message = `${outcome.error.message}: brokers before Kafka 2.5 cannot check that consumer '${memberId}' is still a member of group '${groupId}'; to go without that check, give sendOffsets { groupId, generationId: -1, memberId: '', groupInstanceId: null }`
    return { ...outcome, error: new UnsupportedVersionError(message, { cause: outcome.error }) }
  }

  /**
   * Ends the transaction. In version 2 its value is what the next transaction writes with, and the same request repeated
   * gets the same answer. An answer that says nothing of the outcome is asked for again until the deadline.
   */
  end(
    { producerId, producerEpoch }: ProducerIdAndEpoch,
    version: TransactionVersion,
    committed: boolean,
    options: AskOptions,
  ): Promise<Outcome<ProducerIdAndEpoch | undefined>> {
    return this.#ask(
      {
        name: 'EndTxn',
        api: EndTxn,
        target: this.#target,
        minVersion: version === 2 ? 5 : undefined,
        maxVersion: version === 2 ? undefined : 4,
        request: () => ({ transactionalId: this.#transactionalId, producerId, producerEpoch, committed }),
        what: `the coordinator did not ${committed ? 'commit' : 'abort'} the transaction of ${this.#name}`,
        read: (answer) => ({
          code: answer.errorCode,
          value:
            answer.producerId < 0 ? undefined : { producerId: answer.producerId, producerEpoch: answer.producerEpoch },
        }),
        waitMs: soonWhenConcurrent,
      },
      options,
    )
  }

  #ask<Request, Response, Value>(
    { api, request, minVersion, maxVersion, read, ...question }: CoordinatorRequest<Request, Response, Value>,
    options: AskOptions,
  ): Promise<Outcome<Value>> {
    const attempt = async (signal: AbortSignal, written: () => void): Promise<Answer<Value>> => {
      const made = (version: number): Init<Request> => {
        const message = request(version)
        written()
        return message
      }
      return read(await this.#cluster.send(question.target, api, made, { minVersion, maxVersion, signal }))
    }
    return ask(this.#cluster, { ...question, attempt }, options)
  }

  get #name(): string {
    return `transactional id '${this.#transactionalId}'`
  }
}

/** An error that says that another producer has the transactional id. */
export function isFencing(code: number | string): boolean {
  const name = typeof code === 'number' ? brokerErrorName(code) : code
  return name === 'PRODUCER_FENCED' || name === 'INVALID_PRODUCER_EPOCH'
}

const severity: Readonly<Record<Verdict, number>> = {
  'retry': 1,
  'abortable': 2,
  'new-epoch': 3,
  'refused': 4,
  'unmapped': 5,
  'fenced': 6,
  'fatal': 7,
}

/** Of many codes the one that decides. */
class WorstCode {
  code = 0
  of: string | undefined = undefined
  readonly #name: TransactionRequestName

  constructor(name: TransactionRequestName) {
    this.#name = name
  }

  add(code: number, of: string): void {
    if (code === 0) return
    if (this.code !== 0 && this.#severityOf(code) <= this.#severityOf(this.code)) return
    this.code = code
    this.of = of
  }

  #severityOf(code: number): number {
    // Not tried because of another one, whose error tells more.
    if (code === operationNotAttempted) return 0
    return severity[verdictOf(this.#name, code)]
  }
}

function byTopic<Place extends TopicPartition>(places: readonly Place[]): Map<string, Place[]> {
  const topics = new Map<string, Place[]>()
  for (const place of places) {
    const list = topics.get(place.topic)
    if (list === undefined) topics.set(place.topic, [place])
    else list.push(place)
  }
  return topics
}
