/** Plays the part of a broker that keeps logs: takes Produce requests, appends their batches, says offsets. Tests put
 *  errors in its way. */

import type { Init } from '#src/wire/api.js'
import type { PartitionProduceResponse, ProduceRequest, ProduceResponse } from '#src/wire/messages/produce.js'
import { DefaultRecordBatch } from '#src/wire/records/record-batch.js'
import { zeroUuid } from '#src/wire/primitives/uuid.js'
import type { ClusterState, RequestContext } from '../support/scripted-broker.ts'

export type PartitionAnswer = Omit<Init<PartitionProduceResponse>, 'index'>
const unknownTopicId = 100
/** What to say of one partition's batch in place of taking it; undefined to take it. */
export type Refusal = (topic: string, partition: number, context: RequestContext) => PartitionAnswer | undefined

export class LogKeeper {
  readonly #state: ClusterState
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
    const values: string[] = []
    for (const cursor = batch.cursor(); cursor.next();) values.push(String(cursor.value()))
    log.push(...values)
    this.batches.set(key, [...(this.batches.get(key) ?? []), values.length])
    return { baseOffset, logAppendTimeMs: -1 }
  }

  /** undefined for a topic that was deleted, or made anew. */
  #nameOf(topicId: string): string | undefined {
    for (const [name, topic] of this.#state.topics) if (topic.topicId === topicId) return name
    return undefined
  }
}
