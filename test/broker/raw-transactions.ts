/** A producer of transactions that does just what the test says, with nothing but requests: what ends up in the log, and in
 *  which order, is the test's to decide. Speaks as Kafka 4 has it (KIP-890): no partition is announced, epochs come with the
 *  end of each transaction. */

import type { Cluster } from '#src/cluster/cluster.js'
import { BrokerError } from '#src/errors/broker-error.js'
import { EndTxn } from '#src/wire/messages/end-txn.js'
import { InitProducerId } from '#src/wire/messages/init-producer-id.js'
import { Produce } from '#src/wire/messages/produce.js'
import { RecordBatchBuilder } from '#src/wire/records/record-batch-builder.js'

export class RawTransactions {
  readonly #cluster: Cluster
  readonly #transactionalId: string
  #producerId: number
  #producerEpoch: number
  /** By partition: how many records this epoch has written. */
  readonly #written = new Map<string, number>()

  private constructor(cluster: Cluster, transactionalId: string, producerId: number, producerEpoch: number) {
    this.#cluster = cluster
    this.#transactionalId = transactionalId
    this.#producerId = producerId
    this.#producerEpoch = producerEpoch
  }

  static async open(cluster: Cluster, transactionalId: string): Promise<RawTransactions> {
    const request = {
      transactionalId,
      transactionTimeoutMs: 60_000,
      producerId: -1,
      producerEpoch: -1,
    }
    const answer = await retried(() => cluster.send(coordinatorOf(transactionalId), InitProducerId, request))
    return new RawTransactions(cluster, transactionalId, answer.producerId, answer.producerEpoch)
  }

  /** Writes a batch of its transaction, which begins with it if need be. */
  async write(topic: string, partition: number, values: readonly string[]): Promise<void> {
    const place = `${topic}-${partition}`
    const baseSequence = this.#written.get(place) ?? 0
    const identity = { producerId: this.#producerId, producerEpoch: this.#producerEpoch }
    await retried(() =>
      produceBatch(this.#cluster, { topic, partition }, values, {
        transactionalId: this.#transactionalId,
        ...identity,
        baseSequence,
        isTransactional: true,
      }),
    )
    this.#written.set(place, baseSequence + values.length)
  }

  async end(how: 'commit' | 'abort'): Promise<void> {
    const { transactionalId, producerId, producerEpoch } = {
      transactionalId: this.#transactionalId,
      producerId: this.#producerId,
      producerEpoch: this.#producerEpoch,
    }
    const request = { transactionalId, producerId, producerEpoch, committed: how === 'commit' }
    const answer = await retried(() => this.#cluster.send(coordinatorOf(transactionalId), EndTxn, request))
    this.#producerId = answer.producerId
    this.#producerEpoch = answer.producerEpoch
    this.#written.clear()
  }
}

/** Writes one batch outside of any transaction. */
export async function writePlainly(cluster: Cluster, topic: string, partition: number, values: readonly string[]) {
  await retried(() => produceBatch(cluster, { topic, partition }, values, { transactionalId: null }))
}

async function produceBatch(
  cluster: Cluster,
  { topic, partition }: { topic: string; partition: number },
  values: readonly string[],
  {
    transactionalId,
    ...identity
  }: {
    transactionalId: string | null
    producerId?: number
    producerEpoch?: number
    baseSequence?: number
    isTransactional?: boolean
  },
): Promise<{ errorCode: number }> {
  const builder = new RecordBatchBuilder({ sizeLimit: 900_000 })
  for (const value of values) builder.append(Date.now(), null, value)
  const { topicId } = await cluster.topic(topic, { deadline: cluster.clock.now() + 10_000 })
  const records = Buffer.from(builder.seal(identity))
  const topicData = [{ name: topic, topicId, partitionData: [{ index: partition, records }] }]
  const request = { transactionalId, acks: -1, timeoutMs: 10_000, topicData }
  const target = { kind: 'leader', of: { topic, partition } } as const
  const { responses } = await cluster.send(target, Produce, request)
  return responses[0]!.partitionResponses[0]!
}

function coordinatorOf(transactionalId: string) {
  return { kind: 'coordinator', of: 'transaction', key: transactionalId } as const
}

/** The coordinator may be about to load, or still be writing the markers of the transaction before. */
async function retried<T extends { errorCode: number }>(attempt: () => Promise<T>): Promise<T> {
  for (let left = 100; ; left--) {
    const answer = await attempt()
    if (answer.errorCode === 0) return answer
    const error = new BrokerError(answer.errorCode, 'a request of a transaction was refused')
    if (!error.retriable || left === 0) throw error
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
