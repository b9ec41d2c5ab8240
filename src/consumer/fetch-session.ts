/** What one Fetch request to one broker says: which partitions, from where, how much. Today every request is a full one
 *  outside any session (id 0, epoch -1); incremental sessions (KIP-227) change what is listed here and nothing else. */

import type { MetadataSnapshot } from '../cluster/metadata.ts'
import type { Init } from '../wire/api.ts'
import type { FetchRequest, FetchResponse, PartitionData } from '../wire/messages/fetch.ts'
import { zeroUuid } from '../wire/primitives/uuid.ts'
import type { PartitionState } from './partition-state.ts'

/** One partition of a request. */
export interface FetchItem {
  readonly state: PartitionState
  /** Who is asked. */
  readonly broker: number
  /** The answer counts only while the state still has it. */
  readonly epoch: number
  readonly offset: number
  readonly maxBytes: number
}

export interface FetchLimits {
  readonly maxWaitMs: number
  readonly minBytes: number
  readonly maxBytes: number
  readonly isolationLevel: number
}

interface ItemsOfTopic {
  readonly topic: string
  readonly topicId: string
  readonly items: Map<number, FetchItem>
}

/** A request and the means to read its answer. */
export class FetchExchange {
  readonly request: Init<FetchRequest>
  /** From version 13 on topics are named by their ids, so all of them must be known (KIP-516). */
  readonly maxVersion: number | undefined
  readonly #topics = new Map<string, ItemsOfTopic>()
  readonly #byId = new Map<string, ItemsOfTopic>()

  /** @param items in the order in which the broker is to fill the answer */
  constructor(items: readonly FetchItem[], metadata: MetadataSnapshot, limits: FetchLimits) {
    let allIds = true
    for (const item of items) {
      const { topic, partition } = item.state
      let entry = this.#topics.get(topic)
      if (entry === undefined) {
        const topicId = metadata.topics.get(topic)?.topicId ?? zeroUuid
        entry = { topic, topicId, items: new Map() }
        this.#topics.set(topic, entry)
        if (topicId === zeroUuid) allIds = false
        else this.#byId.set(topicId, entry)
      }
      entry.items.set(partition, item)
    }
    this.maxVersion = allIds ? undefined : 12
    this.request = {
      ...limits,
      sessionId: 0,
      sessionEpoch: -1,
      topics: Array.from(this.#topics.values(), ({ topic, topicId, items: ofTopic }) => ({
        topic,
        topicId,
        partitions: Array.from(ofTopic, ([partition, { offset, maxBytes }]) => ({
          partition,
          currentLeaderEpoch: metadata.leaderEpoch(topic, partition),
          fetchOffset: offset,
          partitionMaxBytes: maxBytes,
        })),
      })),
    }
  }

  /** What was answered for each partition that was asked for; what was not asked for is left out. */
  *read(response: FetchResponse): Generator<[FetchItem, PartitionData], void, undefined> {
    for (const { topic, topicId, partitions } of response.responses) {
      const entry = topicId === zeroUuid ? this.#topics.get(topic) : this.#byId.get(topicId)
      if (entry === undefined) continue
      for (const data of partitions) {
        const item = entry.items.get(data.partitionIndex)
        if (item !== undefined) yield [item, data]
      }
    }
  }
}
