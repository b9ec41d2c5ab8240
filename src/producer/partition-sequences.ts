/** The sequence numbers of one partition, and the rules by which its batches get them and may be sent (KIP-98, KIP-360).
 *  ARCHITECTURE.md names the rules. Only data and decisions: sends nothing, and hears from the sender what happened. */

import type { MetadataSnapshot } from '../cluster/metadata.ts'
import type { BatchStamp, ProducerIdAndEpoch, ProducerIdentity } from './producer-identity.ts'

/** After this number comes 0 again. */
const maxSequence = 0x7fff_ffff

/** The number that is `count` after `sequence`. */
export function sequenceAfter(sequence: number, count: number): number {
  return count > maxSequence - sequence ? count - (maxSequence - sequence) - 1 : sequence + count
}

/** All that the rules want to know of a batch. */
export interface NumberedBatch {
  /** Counts a partition's batches in their order. */
  readonly number: number
  readonly count: number
  readonly possiblyPersisted: boolean
  /** A part of a batch that may be in the log as a whole: its records must never get other numbers. */
  readonly keepsNumbers: boolean
  stamp: BatchStamp | undefined
  /** How often in a row the leader refused exactly this batch by its number, while nothing else was under way. */
  lonelyRefusals: number
}

/** And of the partition that it waits in: those with numbers stand before those without. */
export interface NumberedQueue {
  readonly topic: string
  readonly partition: number
  readonly batches: readonly NumberedBatch[]
  readonly inFlight: number
}

/**
 * A gap is proven by the second refusal. Between the two lies a backoff, in which a broker comes to what it may still
 * hold of requests whose connection was given up: one of them could fill the gap.
 */
const refusalsThatProve = 2

/** A broker may forget a producer that is idle: a leader that acknowledged nothing for so long must do so again. Kafka's
 *  own default is a day; this costs one round trip. */
const proofLastsMs = 10_000

/** What came of giving a batch its number: it must wait for an id, or there is no way on. */
export type Numbering = 'numbered' | 'wait' | 'gap'

export class PartitionSequences {
  #id: ProducerIdAndEpoch = { producerId: -1, producerEpoch: -1 }
  #next = 0
  /** The last batch, by its number, that ended without its sequence numbers being known to be in the log; -1 for none. */
  #doubtAfter = -1
  /** The last batch of the present epoch, by its number, that was acknowledged; -1 for none. */
  #acknowledgedUpTo = -1
  /** The leader refused the batch that is first in line: it goes on with a new epoch. */
  #gapIsProven = false
  /** Where the batches went that are under way, or the last ones did. */
  #node = -1
  #leaderEpoch = -1
  #topicId = ''
  /** When this leader last acknowledged a batch of ours, with none coming back since; undefined if it has to prove first
   *  that it knows us: one that does not takes any number for the first. */
  #provenAt: number | undefined = undefined

  /**
   * Whether the partition's first batch may be sent to this leader now.
   *
   * @param limit how many may be under way at once
   */
  maySend(
    queue: NumberedQueue,
    limit: number,
    node: number,
    metadata: MetadataSnapshot,
    current: ProducerIdAndEpoch,
  ): boolean {
    if (queue.inFlight === 0) return true
    // What is tried again goes alone, and nothing that follows a doubt or another id's batches overtakes them.
    if (queue.batches[0]!.stamp !== undefined || this.#doubtAfter >= 0 || this.#isOlderThan(current)) return false
    if (queue.inFlight >= limit || this.#provenAt === undefined) return false
    return this.#wentTo(queue, node, metadata)
  }

  /** Gives the batch its numbers, if it has none of the present epoch: the partition's first, about to be sent. */
  number(batch: NumberedBatch, identity: ProducerIdentity): Numbering {
    const isNew = batch.stamp === undefined
    const current = identity.current!
    // Nothing follows what is tried again before it is acknowledged. The leader may have taken it the first time, and four
    // batches behind it since: with one more it would not know it again, refuse it for its number, and the records would
    // be written a second time in a new epoch.
    if (!isNew) this.#provenAt = undefined
    const mustBegin = this.#gapIsProven || (isNew && (this.#doubtAfter >= 0 || this.#isOlderThan(current)))
    if (!isNew && !mustBegin && this.#isPresent(batch.stamp!)) return 'numbered'
    if (!isNew && batch.keepsNumbers) return 'gap'
    if (mustBegin) {
      const id = this.#isOlderThan(current) ? current : identity.successor(this.#id)
      if (id === undefined) return identity.current === undefined ? 'wait' : 'gap'
      this.#begin(id)
    }
    const { producerId, producerEpoch } = this.#id
    batch.stamp = { producerId, producerEpoch, baseSequence: this.#next }
    batch.lonelyRefusals = 0
    this.#next = sequenceAfter(this.#next, batch.count)
    return 'numbered'
  }

  /** The partition's first batch goes to this leader. */
  sending(queue: NumberedQueue, node: number, metadata: MetadataSnapshot, now: number): void {
    if (queue.inFlight > 0) return
    if (this.#provenAt !== undefined && (now - this.#provenAt > proofLastsMs || !this.#wentTo(queue, node, metadata))) {
      this.#provenAt = undefined
    }
    const topic = metadata.topics.get(queue.topic)
    this.#node = node
    this.#leaderEpoch = topic?.partitions[queue.partition]?.leaderEpoch ?? -1
    this.#topicId = topic?.topicId ?? ''
  }

  acknowledged(batch: NumberedBatch, now: number): void {
    if (!this.#isPresent(batch.stamp!)) return
    this.#provenAt = now
    this.#acknowledgedUpTo = Math.max(this.#acknowledgedUpTo, batch.number)
    // What was appended behind a hole says that there is none.
    if (batch.number > this.#doubtAfter) this.#doubtAfter = -1
  }

  /** Whether the batch is in the log, whatever the leader says of it now: what has the numbers behind it is there, and could
   *  not be without it. A leader that was started anew may know only the last batch of each producer. */
  isSurelyThere(batch: NumberedBatch): boolean {
    return batch.possiblyPersisted && batch.number < this.#acknowledgedUpTo && this.#isPresent(batch.stamp!)
  }

  /** A batch came back without being acknowledged. */
  cameBack(): void {
    this.#provenAt = undefined
  }

  /**
   * The leader refused a batch because of its number or epoch. Whether it will not have it under this number, which mostly
   * proves a gap, so that the batch begins a new epoch; if not, it is to be tried again in order.
   *
   * @param wasAlone nothing of the partition was under way when it was sent, or is now
   */
  refused(batch: NumberedBatch, wasAlone: boolean): boolean {
    if (!wasAlone || !this.#isPresent(batch.stamp!)) return false
    batch.lonelyRefusals++
    if (batch.lonelyRefusals < refusalsThatProve) return false
    // Of a part it proves nothing: its records may be in the log under its numbers, within the whole.
    if (!batch.keepsNumbers) this.#gapIsProven = true
    return true
  }

  /** A batch that had numbers has failed for good: it will not be sent again. */
  lost(batch: NumberedBatch): void {
    const { stamp } = batch
    if (stamp === undefined || !this.#isPresent(stamp)) return
    // Nobody saw its numbers, and nobody has later ones: the next batch may have them.
    const isLast = sequenceAfter(stamp.baseSequence, batch.count) === this.#next
    if (isLast && !batch.possiblyPersisted) this.#next = stamp.baseSequence
    else this.#doubtAfter = Math.max(this.#doubtAfter, batch.number)
  }

  #begin(id: ProducerIdAndEpoch): void {
    this.#id = id
    this.#next = 0
    this.#doubtAfter = -1
    this.#acknowledgedUpTo = -1
    this.#gapIsProven = false
    this.#provenAt = undefined
  }

  #isPresent({ producerId, producerEpoch }: ProducerIdAndEpoch): boolean {
    return producerId === this.#id.producerId && producerEpoch === this.#id.producerEpoch
  }

  /** Epochs are compared within one id only: this partition's may be ahead (its own gaps), or behind (a new transaction). */
  #isOlderThan({ producerId, producerEpoch }: ProducerIdAndEpoch): boolean {
    return producerId !== this.#id.producerId || producerEpoch > this.#id.producerEpoch
  }

  #wentTo({ topic, partition }: NumberedQueue, node: number, metadata: MetadataSnapshot): boolean {
    const known = metadata.topics.get(topic)
    return (
      node === this.#node &&
      this.#leaderEpoch === (known?.partitions[partition]?.leaderEpoch ?? -1) &&
      this.#topicId === (known?.topicId ?? '')
    )
  }
}

/** The numbers of every partition that was ever written to. Metadata may forget a topic; its numbers are found again. */
export class SequenceTable {
  readonly #topics = new Map<string, (PartitionSequences | undefined)[]>()

  of({ topic, partition }: { readonly topic: string; readonly partition: number }): PartitionSequences {
    let partitions = this.#topics.get(topic)
    if (partitions === undefined) this.#topics.set(topic, (partitions = []))
    return (partitions[partition] ??= new PartitionSequences())
  }
}
