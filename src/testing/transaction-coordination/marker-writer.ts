/** Writes the markers that end transactions, into every partition that belongs to one: in Kafka the coordinator has the leaders
 *  do it. A partition that has no leader, or whose markers a test holds back, is waited for. Knows no transaction: it is told
 *  what to write, and tells when it is done. */

import { RecordBatchBuilder } from '../../wire/records/record-batch-builder.ts'
import { writeTransactionMarker } from '../../wire/records/control-record.ts'
import { DefaultRecordBatch } from '../../wire/records/record-batch.ts'
import { groupsTopic, type ClusterState } from '../cluster-state.ts'
import type { GroupCoordinator } from '../groups/group-coordinator.ts'
import type { Marker } from '../producer-states.ts'
import type { Partition } from '../topics.ts'
import type { TransactionPartition } from './transaction.ts'

export interface MarkerToWrite extends Marker {
  readonly commits: boolean
}

/** Which markers: all that fit what is given. */
export interface MarkerFilter {
  readonly transactionalId?: string
  readonly topic?: string
  readonly partition?: number
}

interface Job {
  readonly transactionalId: string
  readonly partitions: readonly TransactionPartition[]
  readonly marker: MarkerToWrite
  readonly onWritten: () => void
}

export class MarkerWriter {
  readonly #state: ClusterState
  readonly #groups: GroupCoordinator
  readonly #holds = new Set<MarkerFilter>()
  /** What is to be done again when a hold ends. */
  #held: (() => void)[] = []
  /** Ends the waits for leaders. */
  readonly #waits = new Set<() => void>()
  #isClosed = false

  constructor(state: ClusterState, groups: GroupCoordinator) {
    this.#state = state
    this.#groups = groups
  }

  /** Writes them from the next turn on, and calls back when the last one is written. One that a partition refuses for good
   *  leaves the job undone, as in Kafka. */
  write(job: Job): void {
    let missing = job.partitions.length
    this.#state.clock.nextTurn(() => {
      if (missing === 0) this.#whenHeldNoMore(job, undefined, job.onWritten)
      for (const at of job.partitions) {
        this.#whenHeldNoMore(job, at, () => {
          this.#writeTo(at, job, () => {
            if (--missing === 0) job.onWritten()
          })
        })
      }
    })
  }

  /** Holds markers back. Returns a function that lets them go. */
  hold(filter: MarkerFilter): () => void {
    this.#holds.add(filter)
    return () => {
      if (!this.#holds.delete(filter)) return
      const held = this.#held
      this.#held = []
      for (const retry of held) retry()
    }
  }

  close(): void {
    this.#isClosed = true
    this.#held = []
    for (const stop of this.#waits) stop()
    this.#waits.clear()
  }

  /** Writes one at once. @returns an error code */
  writeNow(partition: Partition, marker: MarkerToWrite): number {
    const { producers, log, topic, leaderEpoch, aborted } = partition
    const complaint = producers.complaintAboutMarker(marker)
    if (complaint !== undefined) return complaint.errorCode
    const now = this.#state.clock.wallTime()
    if (topic.name === groupsTopic) {
      // Offsets are kept beside the log: there is nothing to read there.
      producers.ended(marker, now)
      this.#groups.completeTransaction(partition, marker.producerId, marker.commits)
      return 0
    }
    const offset = log.append(controlBatch(marker, now), leaderEpoch)
    const firstOffset = producers.ended(marker, now)
    if (firstOffset !== undefined && !marker.commits) {
      const { producerId } = marker
      aborted.add({
        producerId,
        firstOffset,
        lastOffset: offset,
        lastStableOffset: producers.firstOpenOffset() ?? offset + 1,
      })
    }
    partition.changed()
    return 0
  }

  #writeTo(at: TransactionPartition, job: Job, onWritten: () => void): void {
    if (this.#isClosed) return
    const partition = this.#state.partition(at.topic, at.partition)
    // The partition is gone, and the transaction's records with it.
    if (partition === undefined) {
      onWritten()
      return
    }
    if (partition.leaderId === -1) {
      const stop = partition.watch(() => {
        if (partition.leaderId === -1 && !partition.topic.isDeleted) return
        stop()
        this.#waits.delete(stop)
        this.#writeTo(at, job, onWritten)
      })
      this.#waits.add(stop)
      return
    }
    const errorCode = this.writeNow(partition, job.marker)
    if (errorCode === 0) onWritten()
    else {
      const { transactionalId, marker } = job
      this.#state.logger.warn(
        `the marker of '${transactionalId}' in epoch ${marker.producerEpoch} was refused by partition ${at.partition} of ` +
          `'${at.topic}' with error ${errorCode}: the transaction does not end`,
      )
    }
  }

  #whenHeldNoMore(job: Job, at: TransactionPartition | undefined, go: () => void): void {
    if (this.#isClosed) return
    for (const { transactionalId, topic, partition } of this.#holds) {
      const fits =
        (transactionalId === undefined || transactionalId === job.transactionalId) &&
        (topic === undefined || topic === at?.topic) &&
        (partition === undefined || partition === at?.partition)
      if (!fits) continue
      this.#held.push(() => {
        this.#whenHeldNoMore(job, at, go)
      })
      return
    }
    go()
  }
}

function controlBatch(
  { producerId, producerEpoch, coordinatorEpoch, commits }: MarkerToWrite,
  now: number,
): DefaultRecordBatch {
  const builder = new RecordBatchBuilder({ sizeLimit: 256 })
  const { key, value } = writeTransactionMarker(commits ? 'commit' : 'abort', coordinatorEpoch)
  builder.append(now, key, value)
  return new DefaultRecordBatch(
    Buffer.from(builder.seal({ producerId, producerEpoch, baseSequence: -1, isTransactional: true, isControl: true })),
  )
}
