/** The incremental fetch sessions of one broker (KIP-227): which partitions a consumer reads and what it was told of each, so
 *  that requests and answers need name only what changed. Bounded, as Kafka's cache is: who gets no place stays without a
 *  session. Knows no log. */

import type { FetchPartition } from '../wire/messages/fetch.ts'

/** A partition that a session reads, and what its client last heard of it. */
export interface SessionPartition {
  readonly topic: string
  readonly topicId: string
  readonly request: FetchPartition
  highWatermark: number
  logStartOffset: number
  /** An error is told again as long as it lasts. */
  hadError: boolean
}

export interface FetchSession {
  readonly id: number
  /** What the client's next request must say. */
  epoch: number
  /** In the order in which they are read. */
  readonly partitions: Map<string, SessionPartition>
  /** Whether its requests name topics by id; one session does not do both. */
  readonly usesTopicIds: boolean
}

const maxEpoch = 2 ** 31 - 1

export class FetchSessions {
  readonly #slots: () => number
  readonly #newId: () => number
  readonly #sessions = new Map<number, FetchSession>()

  /** @param slots how many sessions there may be; @param newId a random number from 1 to 2^31 - 1 */
  constructor(slots: () => number, newId: () => number) {
    this.#slots = slots
    this.#newId = newId
  }

  get size(): number {
    return this.#sessions.size
  }

  get(id: number): FetchSession | undefined {
    return this.#sessions.get(id)
  }

  /** A session for these partitions, or undefined when all places are taken. */
  open(partitions: Map<string, SessionPartition>, usesTopicIds: boolean): FetchSession | undefined {
    if (partitions.size === 0 || this.#sessions.size >= this.#slots()) return undefined
    let id = this.#newId()
    while (this.#sessions.has(id)) id = this.#newId()
    const session: FetchSession = { id, epoch: 1, partitions, usesTopicIds }
    this.#sessions.set(id, session)
    return session
  }

  close(id: number): void {
    this.#sessions.delete(id)
  }

  clear(): void {
    this.#sessions.clear()
  }
}

/** Epochs begin again at 1: 0 would ask for a new session. */
export function nextEpoch(epoch: number): number {
  return epoch === maxEpoch ? 1 : epoch + 1
}
