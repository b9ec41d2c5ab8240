/** Fetch: reads logs from an offset, and waits for more where there is too little. Bounds are Kafka's: the first batch comes
 *  whole however large it is, what is behind it is cut at the limit (KIP-74); sessions are those of KIP-227. */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import type { Init } from '../../wire/api.ts'
import { Fetch, type FetchRequest, type FetchResponse, type PartitionData } from '../../wire/messages/fetch.ts'
import { nextEpoch, type FetchSession, type SessionPartition } from '../fetch-sessions.ts'
import type { Partition } from '../topics.ts'
import { readable } from './readable.ts'
import { currentLeaderOf, defineHandler, endpointsOf, type AnyHandler, type RequestContext } from './handler.ts'

const readCommitted = 1
const newSessionEpoch = 0
const noSessionEpoch = -1
/** Answers name the leader from this version on (KIP-951). */
const namesLeaderSince = 16

/** A partition's part of the answer, and what it was asked for. */
interface Part {
  readonly asked: SessionPartition
  readonly partition: Partition | undefined
  readonly data: Init<PartitionData> & { readonly errorCode: number; readonly records: Buffer | null }
}

export const fetch: AnyHandler = defineHandler({
  api: Fetch,
  minVersion: 4,
  maxVersion: 18,

  async handle(request, context) {
    const opened = openSession(request, context)
    if ('errorCode' in opened) return { errorCode: opened.errorCode }
    const { asked, session } = opened
    if (request.maxWaitMs > 0 && asked.length > 0 && !hasEnough(asked, context, request)) {
      await waitForEnough(asked, context, request)
    }
    return answer(read(asked, request, context), session, request, context)
  },

  refuse: ({ topics }, errorCode, { version }) => ({
    ...(version >= 7 ? { errorCode } : {}),
    responses: topics.map(({ topic, topicId, partitions }) => ({
      topic,
      topicId,
      partitions: partitions.map(({ partition }) => ({ partitionIndex: partition, errorCode, ...nothing })),
    })),
  }),
})

const nothing = {
  highWatermark: -1,
  lastStableOffset: -1,
  logStartOffset: -1,
  abortedTransactions: null,
  records: Buffer.alloc(0),
} as const

type Opened =
  | { readonly errorCode: number }
  | { readonly asked: SessionPartition[]; readonly session: FetchSession | 'new' | undefined }

function openSession(request: FetchRequest, context: RequestContext): Opened {
  const { sessionId, sessionEpoch, topics, forgottenTopicsData } = request
  const { fetchSessions, version } = context
  const asked = askedPartitions(topics, context)
  if (version < 7 || sessionEpoch === noSessionEpoch || sessionEpoch === newSessionEpoch) {
    if (sessionId !== 0) fetchSessions.close(sessionId)
    const wantsSession = version >= 7 && sessionEpoch === newSessionEpoch
    return { asked: [...asked.values()], session: wantsSession ? 'new' : undefined }
  }
  const session = fetchSessions.get(sessionId)
  if (session === undefined) return { errorCode: brokerErrorNumber('FETCH_SESSION_ID_NOT_FOUND') }
  if (session.epoch !== sessionEpoch) return { errorCode: brokerErrorNumber('INVALID_FETCH_SESSION_EPOCH') }
  if (session.usesTopicIds !== version >= 13) return { errorCode: brokerErrorNumber('FETCH_SESSION_TOPIC_ID_ERROR') }
  for (const { topic, topicId, partitions } of forgottenTopicsData) {
    for (const partition of partitions) session.partitions.delete(keyOf(topic, topicId, partition, version))
  }
  for (const [key, { request: wanted, ...rest }] of asked) {
    const known = session.partitions.get(key)
    // What is asked anew keeps what its client was told, and its place in the order.
    session.partitions.set(key, known === undefined ? { request: wanted, ...rest } : { ...known, request: wanted })
  }
  if (session.partitions.size === 0) {
    fetchSessions.close(sessionId)
    return { asked: [], session: undefined }
  }
  session.epoch = nextEpoch(session.epoch)
  return { asked: [...session.partitions.values()], session }
}

function askedPartitions(
  topics: FetchRequest['topics'],
  { state, version }: RequestContext,
): Map<string, SessionPartition> {
  const asked = new Map<string, SessionPartition>()
  for (const { topic, topicId, partitions } of topics) {
    const name = version >= 13 ? (state.topicById(topicId)?.name ?? '') : topic
    for (const request of partitions) {
      const entry = { topic: name, topicId, request, highWatermark: -1, logStartOffset: -1, hadError: false }
      asked.set(keyOf(topic, topicId, request.partition, version), entry)
    }
  }
  return asked
}

function keyOf(topic: string, topicId: string, partition: number, version: number): string {
  return `${version >= 13 ? topicId : topic}/${partition}`
}

function find(
  { topic, topicId, request }: SessionPartition,
  { state, version }: RequestContext,
): Partition | undefined {
  return (version >= 13 ? state.topicById(topicId) : state.topic(topic))?.partitions[request.partition]
}

/** The error of a partition, or the log it can be read from. */
function check(
  asked: SessionPartition,
  context: RequestContext,
): { partition: Partition | undefined; errorCode: number } {
  const { version } = context
  const partition = find(asked, context)
  if (partition === undefined) {
    const isKnownTopic = version < 13 || context.state.topicById(asked.topicId) !== undefined
    const code = isKnownTopic ? 'UNKNOWN_TOPIC_OR_PARTITION' : 'UNKNOWN_TOPIC_ID'
    return { partition, errorCode: brokerErrorNumber(code) }
  }
  const { currentLeaderEpoch, fetchOffset, lastFetchedEpoch } = asked.request
  // Consumers may read from any replica since version 11 (KIP-392).
  const errorCode = readable(
    partition,
    currentLeaderEpoch,
    context.brokerId,
    version >= 11 ? 'any replica' : 'the leader',
  )
  if (errorCode !== 0) return { partition, errorCode }
  const { log } = partition
  if (lastFetchedEpoch >= 0 && log.endOfEpoch(lastFetchedEpoch, partition.leaderEpoch).epoch === -1) {
    return { partition, errorCode: brokerErrorNumber('OFFSET_OUT_OF_RANGE') }
  }
  const isInRange = fetchOffset >= log.logStartOffset && fetchOffset <= log.logEndOffset
  return { partition, errorCode: isInRange ? 0 : brokerErrorNumber('OFFSET_OUT_OF_RANGE') }
}

/** Where the client's log and this one part ways (KIP-595); undefined where they do not. */
function divergence(
  partition: Partition,
  { request }: SessionPartition,
): { epoch: number; endOffset: number } | undefined {
  const { lastFetchedEpoch, fetchOffset } = request
  if (lastFetchedEpoch < 0) return undefined
  const end = partition.log.endOfEpoch(lastFetchedEpoch, partition.leaderEpoch)
  return end.epoch < lastFetchedEpoch || end.endOffset < fetchOffset ? end : undefined
}

/** Where reading ends for who asks: at the first record of a transaction that is open, or at the end of the log. */
function endOf({ log, lastStableOffset }: Partition, isolationLevel: number): number {
  return isolationLevel === readCommitted ? lastStableOffset : log.logEndOffset
}

function hasEnough(
  asked: readonly SessionPartition[],
  context: RequestContext,
  { minBytes, isolationLevel }: FetchRequest,
): boolean {
  let bytes = 0
  for (const entry of asked) {
    const { partition, errorCode } = check(entry, context)
    if (errorCode !== 0 || partition === undefined || divergence(partition, entry) !== undefined) return true
    const { fetchOffset, partitionMaxBytes } = entry.request
    bytes += partition.log.bytesFrom(fetchOffset, Math.max(1, partitionMaxBytes), endOf(partition, isolationLevel))
    if (bytes >= minBytes) return true
  }
  return bytes >= minBytes
}

function waitForEnough(
  asked: readonly SessionPartition[],
  context: RequestContext,
  request: FetchRequest,
): Promise<void> {
  const { clock } = context.state
  return new Promise((resolve) => {
    const done = (): void => {
      clock.clearTimer(timer)
      for (const stop of watches) stop()
      resolve()
    }
    const look = (): void => {
      if (hasEnough(asked, context, request)) done()
    }
    const timer = clock.setTimer(done, request.maxWaitMs)
    const watches = asked.flatMap((entry) => find(entry, context)?.watch(look) ?? [])
    watches.push(context.connection.onClosed(done))
  })
}

function read(asked: readonly SessionPartition[], request: FetchRequest, context: RequestContext): Part[] {
  let remaining = Math.min(request.maxBytes, context.state.properties.number('fetch.max.bytes'))
  let isFirst = true
  return asked.map((entry) => {
    const { partition: partitionIndex, fetchOffset, partitionMaxBytes } = entry.request
    const { partition, errorCode } = check(entry, context)
    if (partition === undefined || errorCode !== 0) {
      const leads = brokerErrorNumber('NOT_LEADER_OR_FOLLOWER')
      const isFenced = errorCode === leads || errorCode === brokerErrorNumber('FENCED_LEADER_EPOCH')
      const hint =
        partition !== undefined && isFenced && context.version >= namesLeaderSince
          ? { currentLeader: currentLeaderOf(partition) }
          : {}
      // Kafka says so of what it has not looked for in a log.
      const unread = partition === undefined ? { abortedTransactions: [] } : {}
      return { asked: entry, partition, data: { partitionIndex, errorCode, ...nothing, ...unread, ...hint } }
    }
    const { log } = partition
    const diverging = context.version >= 12 ? divergence(partition, entry) : undefined
    const records =
      diverging === undefined
        ? log.read(
            fetchOffset,
            Math.min(partitionMaxBytes, remaining),
            isFirst,
            endOf(partition, request.isolationLevel),
          )
        : Buffer.alloc(0)
    if (records.length > 0) isFirst = false
    remaining = Math.max(0, remaining - records.length)
    const data = {
      partitionIndex,
      errorCode,
      highWatermark: log.logEndOffset,
      lastStableOffset: partition.lastStableOffset,
      logStartOffset: log.logStartOffset,
      abortedTransactions:
        request.isolationLevel === readCommitted
          ? partition
              .abortedFrom(fetchOffset, records.length)
              .map(({ producerId, firstOffset }) => ({ producerId, firstOffset }))
          : null,
      records,
      ...(diverging === undefined ? {} : { divergingEpoch: diverging }),
    }
    return { asked: entry, partition, data }
  })
}

function answer(
  parts: readonly Part[],
  session: FetchSession | 'new' | undefined,
  request: FetchRequest,
  context: RequestContext,
): Init<FetchResponse> {
  const { version, fetchSessions } = context
  let sessionId = 0
  let told = parts
  if (session === 'new') {
    const partitions = askedPartitions(request.topics, context)
    const opened = fetchSessions.open(partitions, version >= 13)
    sessionId = opened?.id ?? 0
    if (opened !== undefined) for (const part of parts) note(opened, part, version)
  } else if (session !== undefined) {
    sessionId = session.id
    told = parts.filter((part) => isNews(part))
    for (const part of told) note(session, part, version)
  }
  const topics = new Map<string, { topic: string; topicId: string; partitions: Init<PartitionData>[] }>()
  for (const { asked, data } of told) {
    const key = version >= 13 ? asked.topicId : asked.topic
    let topic = topics.get(key)
    if (topic === undefined) topics.set(key, (topic = { topic: asked.topic, topicId: asked.topicId, partitions: [] }))
    topic.partitions.push(data)
  }
  const leaders = told.flatMap(({ partition, data }) =>
    partition !== undefined && data.currentLeader !== undefined ? [partition.leaderId] : [],
  )
  return {
    responses: [...topics.values()],
    ...(version >= 7 ? { sessionId } : {}),
    ...(version >= namesLeaderSince ? { nodeEndpoints: endpointsOf(context, leaders) } : {}),
  }
}

function isNews({ asked, data }: Part): boolean {
  return (
    data.errorCode !== 0 ||
    asked.hadError ||
    (data.records?.length ?? 0) > 0 ||
    data.divergingEpoch !== undefined ||
    data.highWatermark !== asked.highWatermark ||
    data.logStartOffset !== asked.logStartOffset
  )
}

/** Keeps what the client is told. Who got records goes to the end, so that nobody starves behind a busy partition. */
function note(session: FetchSession, { asked, data }: Part, version: number): void {
  const key = keyOf(asked.topic, asked.topicId, asked.request.partition, version)
  const entry = session.partitions.get(key)
  if (entry === undefined) return
  entry.highWatermark = data.highWatermark ?? -1
  entry.logStartOffset = data.logStartOffset ?? -1
  entry.hadError = data.errorCode !== 0
  if ((data.records?.length ?? 0) > 0) {
    session.partitions.delete(key)
    session.partitions.set(key, entry)
  }
}
