/** Plays the part of a broker that keeps logs: takes Produce requests, appends their batches, says offsets, and knows
 *  idempotent producers by their last five batches. Tests put errors in its way. */

import type { Init } from '#src/wire/api.js'
import type { PartitionProduceResponse, ProduceRequest, ProduceResponse } from '#src/wire/messages/produce.js'
import { DefaultRecordBatch } from '#src/wire/records/record-batch.js'
import { zeroUuid } from '#src/wire/primitives/uuid.js'
import type { ClusterState, RequestContext } from '../support/scripted-broker.ts'

export type PartitionAnswer = Omit<Init<PartitionProduceResponse>, 'index'>
const unknownTopicId = 100
/** What to say of one partition's batch in place of taking it; undefined to take it. */
export type Refusal = (topic: string, partition: number, context: RequestContext) => PartitionAnswer | undefined

const remembered = 5
const outOfOrderSequence = 45
const invalidProducerEpoch = 47

/** What a partition's leader remembers of one producer. */
export interface RememberedProducer {
  epoch: number
  /** The last batches, by their first and last sequence number. */
  batches: { first: number; last: number; baseOffset: number }[]
}

/** The sequence number so many after another: after 2^31 - 1 comes 0. */
const later = (sequence: number, by: number): number => Number(BigInt.asUintN(31, BigInt(sequence) + BigInt(by)))

export class LogKeeper {
  readonly #state: ClusterState
  /** By `topic-partition`, then by producer id. A test may make the leader forget. */
  readonly producers = new Map<string, Map<number, RememberedProducer>>()
  /** By `topic-partition`: the values, in the order of the log. */
  readonly logs = new Map<string, string[]>()
  /** By `topic-partition`: how many records each batch had. */
  readonly batches = new Map<string, number[]>()
  refuse: Refusal = () => undefined

  constructor(state: ClusterState) {
    this.#state = state
  }

  log(topic: string, partition = 0): string[] {
    return this.logs.get(`${topic}-${partition}`) ?? []
  }

  readonly handler = (request: ProduceRequest, context: RequestContext): Init<ProduceResponse> | 'silence' => {
    const responses = request.topicData.map(({ name, topicId, partitionData }) => {
      const topic = name !== '' ? name : this.#nameOf(topicId)
      const partitionResponses = partitionData.map(({ index, records }) => ({
        index,
        ...(topic === undefined
          ? { errorCode: unknownTopicId }
          : (this.refuse(topic, index, context) ?? this.append(topic, index, records!))),
      }))
      return context.version >= 13 ? { topicId, partitionResponses } : { name, topicId: zeroUuid, partitionResponses }
    })
    return request.acks === 0 ? 'silence' : { responses }
  }

  append(topic: string, partition: number, records: Buffer): PartitionAnswer {
    const key = `${topic}-${partition}`
    const log = this.logs.get(key) ?? []
    this.logs.set(key, log)
    const baseOffset = log.length
    const batch = new DefaultRecordBatch(records, 10_000_000)
    batch.verifyChecksum()
    const answer = batch.producerId < 0 ? undefined : this.#judge(key, batch, baseOffset)
    if (answer !== undefined) return answer
    const values: string[] = []
    for (const cursor = batch.cursor(); cursor.next();) values.push(String(cursor.value()))
    log.push(...values)
    this.batches.set(key, [...(this.batches.get(key) ?? []), values.length])
    return { baseOffset, logAppendTimeMs: -1 }
  }

  /** Takes the batch into account; an answer in place of appending it. */
  #judge(key: string, batch: DefaultRecordBatch, baseOffset: number): PartitionAnswer | undefined {
    const producers = this.producers.get(key) ?? new Map<number, RememberedProducer>()
    this.producers.set(key, producers)
    const { producerEpoch: epoch, baseSequence: first } = batch
    const id = batch.producerId
    const last = later(first, batch.count - 1)
    const known = producers.get(id)
    if (known !== undefined && epoch < known.epoch) return { errorCode: invalidProducerEpoch }
    if (known !== undefined && epoch === known.epoch) {
      const again = known.batches.find((one) => one.first === first && one.last === last)
      if (again !== undefined) return { baseOffset: again.baseOffset, logAppendTimeMs: -1 }
      if (first !== later(known.batches.at(-1)!.last, 1)) return { errorCode: outOfOrderSequence }
    }
    // Any first number will do of a producer that is not known, but a new epoch begins at 0.
    if (known !== undefined && epoch > known.epoch && first !== 0) return { errorCode: outOfOrderSequence }
    const batches = known?.epoch === epoch ? known.batches : []
    producers.set(id, { epoch, batches: [...batches, { first, last, baseOffset }].slice(-remembered) })
    return undefined
  }

  /** undefined for a topic that was deleted, or made anew. */
  #nameOf(topicId: string): string | undefined {
    for (const [name, topic] of this.#state.topics) if (topic.topicId === topicId) return name
    return undefined
  }
}
