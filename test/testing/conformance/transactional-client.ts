/** A transactional producer told in raw requests: it knows which id and epoch it has, and does nothing that it is not told. */

import type { Init } from '#src/wire/api.js'
import { AddOffsetsToTxn } from '#src/wire/messages/add-offsets-to-txn.js'
import { AddPartitionsToTxn } from '#src/wire/messages/add-partitions-to-txn.js'
import { DescribeProducers } from '#src/wire/messages/describe-producers.js'
import { DescribeTransactions } from '#src/wire/messages/describe-transactions.js'
import { EndTxn } from '#src/wire/messages/end-txn.js'
import { FindCoordinator } from '#src/wire/messages/find-coordinator.js'
import { InitProducerId, type InitProducerIdRequest } from '#src/wire/messages/init-producer-id.js'
import { Produce } from '#src/wire/messages/produce.js'
import { TxnOffsetCommit, type TxnOffsetCommitRequest } from '#src/wire/messages/txn-offset-commit.js'
import { batch, type BatchOptions } from './batches.js'
import type { Stage } from './scripts.js'

export interface Identity {
  readonly producerId: number
  readonly producerEpoch: number
}

export type Topic = { readonly name: string; readonly id: string }

/** Which versions speak of transactions as KIP-890 has them, and which as it was before. */
export interface Versions {
  readonly produce: number
  readonly endTxn: number
  readonly txnOffsetCommit: number
}

export const withEpochBump: Versions = { produce: 13, endTxn: 5, txnOffsetCommit: 5 }
export const before: Versions = { produce: 11, endTxn: 4, txnOffsetCommit: 4 }

const isPassing: ReadonlySet<number> = new Set([14, 15, 16, 51])

export class TransactionalClient {
  readonly transactionalId: string
  readonly versions: Versions
  producerId = -1
  producerEpoch = -1
  readonly #stage: Stage

  constructor(stage: Stage, transactionalId: string, versions: Versions = withEpochBump) {
    this.#stage = stage
    this.transactionalId = transactionalId
    this.versions = versions
  }

  /** One that has its id. */
  static async start(stage: Stage, versions: Versions = withEpochBump): Promise<TransactionalClient> {
    const client = new TransactionalClient(stage, await transactionalId(stage), versions)
    await client.takeId()
    return client
  }

  get identity(): Identity {
    return { producerId: this.producerId, producerEpoch: this.producerEpoch }
  }

  /** Asks for an id until there is nothing in its way, and keeps it. */
  async takeId(more: Init<InitProducerIdRequest> = {}): Promise<void> {
    for (;;) {
      const answer = await this.#stage.send(InitProducerId, 5, {
        transactionalId: this.transactionalId,
        transactionTimeoutMs: 60_000,
        ...more,
      })
      if (isPassing.has(answer.errorCode)) continue
      if (answer.errorCode !== 0) throw new Error(`no producer id: error ${answer.errorCode}`)
      this.#stage.transcript.meet(answer.producerId)
      this.producerId = answer.producerId
      this.producerEpoch = answer.producerEpoch
      return
    }
  }

  async initialize(what: string, more: Init<InitProducerIdRequest> = {}, version = 5): Promise<void> {
    const { producerId, producerEpoch, errorCode } = await this.#stage.ask(what, InitProducerId, version, {
      transactionalId: this.transactionalId,
      transactionTimeoutMs: 60_000,
      ...more,
    })
    if (errorCode !== 0) return
    this.producerId = producerId
    this.producerEpoch = producerEpoch
  }

  /** @param at the partition, and what is not as the client would have it */
  produce(
    what: string,
    topic: Topic,
    baseSequence: number,
    {
      partition = 0,
      count = 1,
      identity = this.identity,
      version = this.versions.produce,
      transactionalId: id = this.transactionalId as string | null,
      isTransactional = true,
      ...options
    }: {
      partition?: number
      count?: number
      identity?: Identity
      version?: number
      transactionalId?: string | null
    } & BatchOptions = {},
  ): Promise<unknown> {
    const records = batch(count, { ...options, ...identity, baseSequence, isTransactional })
    return this.#stage.ask(what, Produce, version, {
      transactionalId: id,
      acks: -1,
      timeoutMs: 5_000,
      topicData: [
        {
          ...(version >= 13 ? { topicId: topic.id } : { name: topic.name }),
          partitionData: [{ index: partition, records }],
        },
      ],
    })
  }

  addPartitions(
    what: string,
    topic: { readonly name: string },
    partitions: readonly number[],
    { identity = this.identity, version = 3 }: { identity?: Identity; version?: number } = {},
  ): Promise<unknown> {
    return this.#stage.ask(what, AddPartitionsToTxn, version, {
      v3AndBelowTransactionalId: this.transactionalId,
      v3AndBelowProducerId: identity.producerId,
      v3AndBelowProducerEpoch: identity.producerEpoch,
      v3AndBelowTopics: [{ name: topic.name, partitions: [...partitions] }],
    })
  }

  addOffsets(
    what: string,
    groupId: string,
    { identity = this.identity, version = 4 }: { identity?: Identity; version?: number } = {},
  ): Promise<unknown> {
    return this.#stage.ask(what, AddOffsetsToTxn, version, {
      transactionalId: this.transactionalId,
      ...identity,
      groupId,
    })
  }

  commitOffset(
    what: string,
    groupId: string,
    topic: { readonly name: string },
    committedOffset: number,
    {
      partition = 0,
      version = this.versions.txnOffsetCommit,
      metadata = null,
      identity = this.identity,
      ...more
    }: {
      partition?: number
      version?: number
      metadata?: string | null
      identity?: Identity
    } & Init<TxnOffsetCommitRequest> = {},
  ): Promise<unknown> {
    return this.#stage.ask(what, TxnOffsetCommit, version, {
      transactionalId: this.transactionalId,
      ...identity,
      groupId,
      topics: [
        {
          name: topic.name,
          partitions: [{ partitionIndex: partition, committedOffset, committedMetadata: metadata }],
        },
      ],
      ...more,
    })
  }

  /** Ends the transaction, and goes on when its markers are written. What the answer says of id and epoch is taken over. */
  async end(
    what: string,
    committed: boolean,
    { identity = this.identity, version = this.versions.endTxn }: { identity?: Identity; version?: number } = {},
  ): Promise<void> {
    const answer = await this.#stage.ask(what, EndTxn, version, {
      transactionalId: this.transactionalId,
      ...identity,
      committed,
    })
    if (answer.errorCode === 0 && version >= 5) {
      this.producerId = answer.producerId
      this.producerEpoch = answer.producerEpoch
    }
    await this.settled()
  }

  /** Resolves once no markers are being written. */
  async settled(): Promise<void> {
    for (;;) {
      const { transactionStates } = await this.#stage.send(DescribeTransactions, 0, {
        transactionalIds: [this.transactionalId],
      })
      if (!transactionStates[0]!.transactionState.startsWith('Prepare')) return
    }
  }

  /** Resolves once the transaction has the state. */
  async untilState(state: string): Promise<void> {
    for (;;) {
      const { transactionStates } = await this.#stage.send(DescribeTransactions, 0, {
        transactionalIds: [this.transactionalId],
      })
      if (transactionStates[0]!.transactionState === state) return
    }
  }

  describe(what: string): Promise<void> {
    return describe(this.#stage, what, [this.transactionalId])
  }
}

/** Writes down what the coordinator says of transactions, without what hangs on hashes: the order of partitions, and which
 *  partition of the offsets topic a group has. */
export async function describe(stage: Stage, what: string, transactionalIds: readonly string[]): Promise<void> {
  const { transactionStates } = await stage.send(DescribeTransactions, 0, { transactionalIds: [...transactionalIds] })
  const plain = transactionStates.map(({ producerId, topics, errorCode, ...rest }) => ({
    ...rest,
    errorCode,
    ...(errorCode === 0 ? { producerId } : {}),
    topics: topics.map(({ topic, partitions }) =>
      topic === '__consumer_offsets' ? topic : { topic, partitions: partitions.sort((one, other) => one - other) },
    ),
  }))
  stage.transcript.note(what, plain)
}

/** A name for a transactional id whose coordinator is ready. */
export async function transactionalId(stage: Stage): Promise<string> {
  const key = stage.name('transactional id')
  for (;;) {
    const { coordinators } = await stage.send(FindCoordinator, 6, { keyType: 1, coordinatorKeys: [key] })
    if (coordinators[0]?.errorCode !== 0) continue
    const { transactionStates } = await stage.send(DescribeTransactions, 0, { transactionalIds: [key] })
    // TRANSACTIONAL_ID_NOT_FOUND: it would know.
    if (transactionStates[0]?.errorCode !== 105) continue
    // A broker asks the controller for the first ids that it may hand out.
    const { errorCode } = await stage.send(InitProducerId, 5, { transactionalId: null, transactionTimeoutMs: 1 })
    if (errorCode === 0) return key
  }
}

export function describeProducers(stage: Stage, what: string, topic: Topic, partitions: number[] = [0]) {
  return stage.ask(what, DescribeProducers, 0, { topics: [{ name: topic.name, partitionIndexes: partitions }] })
}
