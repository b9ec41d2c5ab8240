/**
 * Everything known of one partition while it is ours: where we are in it, and what stands in the way of going on.
 *
 * `epoch` is how stale things are noticed. It changes whenever what was asked for before must not count any more: with a
 * seek, and for good when the partition is given up. Fetches, look-ups and buffered data carry the epoch they belong to.
 */

import type { Deferred } from '../async/deferred.ts'
import type { KafkaError } from '../errors/kafka-error.ts'
import type { TopicPartition } from '../model/topic-partition.ts'

/** How the position is found when it is not known. */
export type StartAt = 'committed' | 'earliest' | 'latest' | 'reset-policy'

export interface PartitionFailure {
  readonly error: KafkaError
  /** Told to every hand-out call until a seek; otherwise to one, and then tried again. */
  readonly lasting: boolean
}

const gone = -1
/** Across all consumers, so that no two states ever share an epoch. */
let epochs = 0

export class PartitionState implements TopicPartition {
  readonly topic: string
  readonly partition: number
  epoch: number = ++epochs
  /** The offset of the next record to hand out; -1 while it is not known. */
  position = -1
  /** The leader epoch of the batch before `position`; -1 when not known. */
  leaderEpoch = -1
  /** Everything before this was handed out and is done with; -1 while the position is not known. */
  finished = -1
  finishedLeaderEpoch = -1
  /** What the coordinator last took or gave for this partition; -1 for none. */
  committed = -1
  /** The offset of the next record to take out of the buffer; beyond `position` by what is being deserialized. */
  readOffset = -1
  /** The offset of the next record to ask the broker for; beyond `readOffset` by what is buffered. */
  fetchOffset = -1
  startAt: StartAt
  highWatermark = -1
  lastStableOffset = -1
  logStartOffset = -1
  /** The application does not want records of it for now. */
  paused = false
  /** It is about to be given up: nothing more of it is handed out. */
  withheld = false
  /** The application assigned it: no membership gave it, and none may take it. */
  byHand = false
  /** Its topic is not subscribed to any more: it goes with the next rebalance. */
  unwanted = false
  /** The application has not been told of it yet: nothing is looked up or fetched. */
  announced = false
  /** Whether records were handed out that are not finished. */
  unfinished = false
  failure: PartitionFailure | undefined
  /** The fetch that is under way for it, and whom it asks. */
  fetch: { readonly broker: number } | undefined
  /** Before this moment it is not worth asking again, on the clock of `clock.now()`. */
  notBefore = 0
  /** Failures in a row, for the length of the next wait. */
  failures = 0
  /** How often in a row an offset of it was out of range, whatever position it got in between. */
  timesOutOfRange = 0
  /** What of it is in the fetch buffer. */
  bufferedBytes = 0
  bufferedChunks = 0
  /** How large a fetch must be to bring even one batch; 0 when the usual size will do. */
  neededBytes = 0
  /** Counts up with every answer that brought something: who waited longest is asked for first. */
  servedAt = 0
  /** Whether somebody waits for the position to be known, announced or not. */
  whenPositioned: Deferred<void> | undefined

  constructor({ topic, partition }: TopicPartition, startAt: StartAt) {
    this.topic = topic
    this.partition = partition
    this.startAt = startAt
  }

  get ours(): boolean {
    return this.epoch !== gone
  }

  get positioned(): boolean {
    return this.position >= 0
  }

  get canHandOut(): boolean {
    return !this.paused && !this.withheld && !this.unwanted && this.announced && this.failure === undefined
  }

  toString(): string {
    return `partition ${this.partition} of '${this.topic}'`
  }

  /** Everything fetched or looked up before does not count any more; the position is to be found anew. */
  forget(startAt: StartAt): void {
    this.epoch = ++epochs
    this.position = -1
    this.finished = -1
    this.leaderEpoch = -1
    this.readOffset = -1
    this.fetchOffset = -1
    this.startAt = startAt
    this.unfinished = false
    this.#begin()
  }

  /** Goes to an offset: the position is known, and nothing before it is unfinished. */
  moveTo(offset: number, leaderEpoch = -1): void {
    this.epoch = ++epochs
    this.position = offset
    this.finished = offset
    this.readOffset = offset
    this.fetchOffset = offset
    this.leaderEpoch = leaderEpoch
    this.finishedLeaderEpoch = leaderEpoch
    this.unfinished = false
    this.#begin()
    this.whenPositioned?.resolve()
    this.whenPositioned = undefined
  }

  #begin(): void {
    this.failure = undefined
    this.fetch = undefined
    this.notBefore = 0
    this.failures = 0
    this.bufferedBytes = 0
    this.bufferedChunks = 0
    this.neededBytes = 0
  }

  /** Fetched data is thrown away, also what is being deserialized: it will be fetched again. */
  refetch(): void {
    this.epoch = ++epochs
    this.readOffset = this.position
    this.fetchOffset = this.position
    this.fetch = undefined
    this.bufferedBytes = 0
    this.bufferedChunks = 0
  }

  /** Passes offsets that hold no record for the application: control records, aborted ones, what compaction removed. */
  pass(nextOffset: number, leaderEpoch: number): void {
    if (nextOffset <= this.position) return
    this.position = nextOffset
    this.leaderEpoch = leaderEpoch
    if (!this.unfinished) this.finish()
  }

  finish(): void {
    this.finished = this.position
    this.finishedLeaderEpoch = this.leaderEpoch
    this.unfinished = false
  }

  /** Nobody waits for the position any more. */
  stopWaiting(reason: Error): void {
    this.whenPositioned?.reject(reason)
    this.whenPositioned = undefined
  }

  /** It is another's now. */
  giveUp(reason: KafkaError): void {
    this.epoch = gone
    this.withheld = true
    this.unfinished = false
    this.bufferedBytes = 0
    this.bufferedChunks = 0
    this.stopWaiting(reason)
  }
}
