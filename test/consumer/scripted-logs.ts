/** Plays the parts of brokers that a consumer needs: partition leaders with logs, and a coordinator with offsets and a group
 *  of one. Tests put errors in its way, and hold answers back. */

import { systemClock, type Clock } from '#src/async/clock.js'
import type { Listen } from '#src/testing/listener.js'
import type { Init } from '#src/wire/api.js'
import { Fetch, type FetchRequest, type FetchResponse, type PartitionData } from '#src/wire/messages/fetch.js'
import { FindCoordinator, type FindCoordinatorRequest } from '#src/wire/messages/find-coordinator.js'
import { Heartbeat } from '#src/wire/messages/heartbeat.js'
import { JoinGroup, type JoinGroupRequest, type JoinGroupResponse } from '#src/wire/messages/join-group.js'
import { LeaveGroup } from '#src/wire/messages/leave-group.js'
import { ListOffsets, type ListOffsetsRequest, type ListOffsetsResponse } from '#src/wire/messages/list-offsets.js'
import { OffsetCommit, type OffsetCommitRequest, type OffsetCommitResponse } from '#src/wire/messages/offset-commit.js'
import { OffsetFetch, type OffsetFetchRequest, type OffsetFetchResponse } from '#src/wire/messages/offset-fetch.js'
import { SyncGroup, type SyncGroupRequest } from '#src/wire/messages/sync-group.js'
import { zeroUuid } from '#src/wire/primitives/uuid.js'
import { RecordBatchBuilder, type SealOptions } from '#src/wire/records/record-batch-builder.js'
import { ScriptedCluster, type RequestContext, type ScriptedTopics } from '../support/scripted-broker.ts'

/** What to say of one partition in place of its records; undefined to answer as usual. */
export type PartitionScript = (
  asked: { topic: string; partition: number; offset: number; maxBytes: number },
  context: RequestContext,
) => Init<PartitionData> | undefined

interface LogBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly bytes: Buffer
}

/** A sealed batch at its place in a log. */
export function batchOf(
  baseOffset: number,
  values: readonly string[],
  options: SealOptions & { leaderEpoch?: number } = {},
) {
  const builder = new RecordBatchBuilder({ sizeLimit: 1_000_000 })
  for (const value of values) builder.append(1_700_000_000_000, null, value)
  const bytes = Buffer.from(builder.seal(options))
  bytes.writeBigInt64BE(BigInt(baseOffset), 0)
  bytes.writeInt32BE(options.leaderEpoch ?? 1, 12)
  return bytes
}

export class ScriptedLogs {
  readonly cluster: ScriptedCluster
  /** By `topic-partition`. */
  readonly #logs = new Map<string, LogBatch[]>()
  readonly #appended = new Set<() => void>()
  /** By `topic-partition`: what the group has committed. */
  readonly committed = new Map<string, number>()
  script: PartitionScript = () => undefined
  /** Awaited before a Fetch is answered, after it arrived. */
  holdFetch: (request: FetchRequest, context: RequestContext) => Promise<void> | undefined = () => undefined
  /** Which broker coordinates. */
  coordinator = 1
  generation = 0
  members = 0

  readonly #clock: Clock

  private constructor(cluster: ScriptedCluster, clock: Clock) {
    this.cluster = cluster
    this.#clock = clock
    cluster
      .on(Fetch, (request, context) => this.#fetch(request, context))
      .on(ListOffsets, (request, context) => this.#listOffsets(request, context))
      .on(FindCoordinator, (request, context) => this.#findCoordinator(request, context))
      .on(OffsetFetch, (request, context) => this.#offsetFetch(request, context))
      .on(OffsetCommit, (request, context) => this.#offsetCommit(request, context))
      .on(JoinGroup, (request, context) => this.#join(request, context))
      .on(SyncGroup, (request) => this.#sync(request))
      .on(Heartbeat, () => ({ errorCode: 0 }))
      .on(LeaveGroup, () => ({ errorCode: 0 }))
  }

  static async start(
    topics: ScriptedTopics,
    {
      brokers = 1,
      versions = {},
      listen,
      clock = systemClock,
      hangsUpOnNonsense = false,
    }: {
      brokers?: number
      versions?: Record<string, readonly [number, number] | null>
      listen?: Listen
      clock?: Clock
      hangsUpOnNonsense?: boolean
    } = {},
  ): Promise<ScriptedLogs> {
    const network = { hangsUpOnNonsense, ...(listen === undefined ? {} : { listen }) }
    return new ScriptedLogs(await ScriptedCluster.start({}, { brokers, topics, versions, ...network }), clock)
  }

  get address(): string {
    return this.cluster.address
  }

  close(): Promise<void> {
    return this.cluster.close()
  }

  /** Puts bytes into the log as they are. */
  appendBytes(topic: string, partition: number, bytes: Buffer, lastOffset: number): void {
    const name = `${topic}-${partition}`
    const log = this.#logs.get(name) ?? []
    this.#logs.set(name, log)
    log.push({ baseOffset: Number(bytes.readBigInt64BE(0)), lastOffset, bytes })
    for (const wake of this.#appended) wake()
  }

  /** Appends a batch behind the last one. */
  append(topic: string, partition: number, values: readonly string[], options: SealOptions = {}): void {
    const base = this.end(topic, partition)
    this.appendBytes(topic, partition, batchOf(base, values, options), base + values.length - 1)
  }

  end(topic: string, partition: number): number {
    return (this.#logs.get(`${topic}-${partition}`)?.at(-1)?.lastOffset ?? -1) + 1
  }

  nameOf(topicId: string): string {
    for (const [name, topic] of this.cluster.state.topics) if (topic.topicId === topicId) return name
    throw new Error(`no topic has the id ${topicId}`)
  }

  async #fetch(request: FetchRequest, context: RequestContext): Promise<Init<FetchResponse>> {
    await this.holdFetch(request, context)
    const byId = context.version >= 13
    const read = () => {
      let something = false
      const responses = request.topics.map(({ topic, topicId, partitions }) => {
        const name = byId ? this.nameOf(topicId) : topic
        const answers = partitions.map(({ partition, fetchOffset, partitionMaxBytes }) => {
          const asked = { topic: name, partition, offset: fetchOffset, maxBytes: partitionMaxBytes }
          const scripted = this.script(asked, context)
          const answer = scripted ?? this.#read(asked)
          if (scripted !== undefined || answer.records!.length > 0 || answer.errorCode !== undefined) something = true
          return { partitionIndex: partition, ...answer }
        })
        return { ...(byId ? { topicId } : { topic: name, topicId: zeroUuid }), partitions: answers }
      })
      return { something, responses }
    }
    const first = read()
    if (first.something || request.maxWaitMs === 0) return { responses: first.responses }
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#clock.clearTimer(timer)
        this.#appended.delete(done)
        resolve()
      }
      const timer = this.#clock.setTimer(done, request.maxWaitMs)
      this.#appended.add(done)
    })
    return { responses: read().responses }
  }

  #read({
    topic,
    partition,
    offset,
    maxBytes,
  }: {
    topic: string
    partition: number
    offset: number
    maxBytes: number
  }): Init<PartitionData> {
    const log = this.#logs.get(`${topic}-${partition}`) ?? []
    const end = this.end(topic, partition)
    if (offset > end) return { errorCode: 1, highWatermark: -1, records: Buffer.alloc(0) }
    const parts: Buffer[] = []
    let size = 0
    for (const batch of log) {
      if (batch.lastOffset < offset) continue
      if (parts.length > 0 && size + batch.bytes.length > maxBytes) break
      parts.push(batch.bytes)
      size += batch.bytes.length
    }
    return { highWatermark: end, lastStableOffset: end, logStartOffset: 0, records: Buffer.concat(parts) }
  }

  #listOffsets(request: ListOffsetsRequest, { version }: RequestContext): Init<ListOffsetsResponse> {
    const leaderEpoch = version >= 4 ? { leaderEpoch: 1 } : {}
    return {
      topics: request.topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex, timestamp }) => {
          const offset = timestamp === -2 ? 0 : this.end(name, partitionIndex)
          return { partitionIndex, offset, timestamp: -1, ...leaderEpoch }
        }),
      })),
    }
  }

  #findCoordinator({ coordinatorKeys }: FindCoordinatorRequest, { version }: RequestContext) {
    const node = this.cluster.state.brokers.get(this.coordinator)!
    const found = { nodeId: this.coordinator, ...node }
    return version >= 4 ? { coordinators: coordinatorKeys.map((key) => ({ key, ...found })) } : found
  }

  #offsetFetch(request: OffsetFetchRequest, { version }: RequestContext): Init<OffsetFetchResponse> {
    if (version < 8) {
      const topics = request.topics!.map(({ name, partitionIndexes }) => ({
        name,
        partitions: partitionIndexes.map((partitionIndex) => this.#committedOf(name, partitionIndex)),
      }))
      return { topics }
    }
    const group = request.groups[0]!
    const topics = group.topics!.map(({ name, topicId, partitionIndexes }) => {
      const known = version >= 10 ? this.nameOf(topicId) : name
      const partitions = partitionIndexes.map((partitionIndex) => this.#committedOf(known, partitionIndex))
      return { ...(version >= 10 ? { topicId } : { name }), partitions }
    })
    return { groups: [{ groupId: group.groupId, topics }] }
  }

  #committedOf(topic: string, partitionIndex: number) {
    return { partitionIndex, committedOffset: this.committed.get(`${topic}-${partitionIndex}`) ?? -1 }
  }

  #offsetCommit({ topics }: OffsetCommitRequest, { version }: RequestContext): Init<OffsetCommitResponse> {
    return {
      topics: topics.map(({ name, topicId, partitions }) => {
        const known = version >= 10 ? this.nameOf(topicId) : name
        for (const { partitionIndex, committedOffset } of partitions) {
          this.committed.set(`${known}-${partitionIndex}`, committedOffset)
        }
        const answers = partitions.map(({ partitionIndex }) => ({ partitionIndex }))
        return { ...(version >= 10 ? { topicId } : { name }), partitions: answers }
      }),
    }
  }

  #join(request: JoinGroupRequest, { version }: RequestContext): Init<JoinGroupResponse> {
    if (request.memberId === '' && version >= 4) return { errorCode: 79, memberId: `member-${++this.members}` }
    const memberId = request.memberId === '' ? `member-${++this.members}` : request.memberId
    const [protocol] = request.protocols
    return {
      generationId: ++this.generation,
      ...(version >= 7 ? { protocolType: 'consumer' } : {}),
      protocolName: protocol!.name,
      leader: memberId,
      memberId,
      members: [{ memberId, metadata: protocol!.metadata }],
    }
  }

  #sync({ assignments, memberId }: SyncGroupRequest) {
    return { assignment: assignments.find((entry) => entry.memberId === memberId)?.assignment ?? Buffer.alloc(0) }
  }
}
