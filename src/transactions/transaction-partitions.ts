/** Which partitions a transaction has, as the gate that the sender asks. Where brokers add partitions by themselves it is
 *  open (KIP-890); else it opens when the coordinator has been told of the partition. One request at a time: what is asked
 *  for meanwhile goes out together in the next. */

import type { Clock } from '../async/clock.ts'
import type { TopicPartition } from '../model/topic-partition.ts'
import type { DrainGate } from '../producer/drain-gate.ts'

export interface PartitionsHost {
  readonly clock: Clock
  /** Whether brokers add partitions by themselves; undefined while no transaction takes anything. */
  addsImplicitly(): boolean | undefined
  /** A batch for some partition is about to be sent. */
  touched(): void
  /** Tells the coordinator; resolves to false when it did not succeed, and the transaction has failed. */
  add(partitions: readonly TopicPartition[], isFirst: boolean): Promise<boolean>
  /** Gates are open that were not. */
  opened(): void
}

export class TransactionPartitions implements DrainGate {
  readonly #host: PartitionsHost
  readonly #added = new Places()
  readonly #wanted = new Places()
  /** Counts transactions: an answer for the one before opens nothing. */
  #transaction = 0
  #adding: Promise<void> | undefined

  constructor(host: PartitionsHost) {
    this.#host = host
  }

  isOpen({ topic, partition }: TopicPartition): boolean {
    const isImplicit = this.#host.addsImplicitly()
    if (isImplicit === undefined) return false
    if (isImplicit) {
      this.#host.touched()
      return true
    }
    if (this.#added.has(topic, partition)) return true
    this.#wanted.add(topic, partition)
    this.#adding ??= this.#addWanted(this.#transaction)
    return false
  }

  /** Resolves when no request is under way. Never rejects. */
  async settled(): Promise<void> {
    await this.#adding
  }

  /** The next transaction begins with none. */
  clear(): void {
    this.#transaction++
    this.#added.clear()
    this.#wanted.clear()
  }

  async #addWanted(transaction: number): Promise<void> {
    try {
      // What this turn of the event loop drains goes into one request.
      await new Promise<void>((resolve) => {
        this.#host.clock.nextTurn(resolve)
      })
      while (transaction === this.#transaction && this.#wanted.size > 0) {
        // A batch may have asked for one of them again while the last request was under way.
        const partitions = this.#wanted.list().filter(({ topic, partition }) => !this.#added.has(topic, partition))
        this.#wanted.clear()
        if (partitions.length === 0) return
        const isAdded = await this.#host.add(partitions, this.#added.size === 0)
        if (!isAdded || transaction !== this.#transaction) return
        for (const { topic, partition } of partitions) this.#added.add(topic, partition)
        this.#host.opened()
      }
    } finally {
      this.#adding = undefined
    }
  }
}

/** A set of partitions. */
class Places {
  readonly #topics = new Map<string, Set<number>>()
  size = 0

  has(topic: string, partition: number): boolean {
    return this.#topics.get(topic)?.has(partition) ?? false
  }

  add(topic: string, partition: number): void {
    let partitions = this.#topics.get(topic)
    if (partitions === undefined) this.#topics.set(topic, (partitions = new Set()))
    if (partitions.has(partition)) return
    partitions.add(partition)
    this.size++
  }

  list(): TopicPartition[] {
    const all: TopicPartition[] = []
    for (const [topic, partitions] of this.#topics) for (const partition of partitions) all.push({ topic, partition })
    return all
  }

  clear(): void {
    this.#topics.clear()
    this.size = 0
  }
}
