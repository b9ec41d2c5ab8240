/** What a leader checks of a batch before it appends it, and what the topic's configuration makes of it: its size, its
 *  checksum, its structure, its keys and timestamps; then the time of appending and the compression. Knows no log. */

import type { BrokerErrorCode } from '../errors/broker-error-codes.ts'
import { KafkaError } from '../errors/kafka-error.ts'
import { compressionTypes } from '../wire/compression/codec.ts'
import { codecs, loadCodec } from '../wire/compression/codecs.ts'
import {
  CHECKED_FROM,
  COMPRESSION_MASK,
  HEADER_BYTES,
  LOG_APPEND_TIME_BIT,
  LOG_OVERHEAD_BYTES,
  readInt32,
  writeInt16,
  writeInt32,
  writeInt64,
} from '../wire/records/batch-layout.ts'
import { crc32c } from '../wire/records/crc32c.ts'
import { DefaultRecordBatch } from '../wire/records/record-batch.ts'
import { listOf } from './configs.ts'
import type { Topic } from './topics.ts'

/** A record by its place in the batch, and what is wrong with it (KIP-467). */
export interface RejectedRecord {
  readonly batchIndex: number
  readonly message: string
}

/** The batch is refused, with this code. */
export class RejectedBatch extends Error {
  readonly code: BrokerErrorCode
  readonly records: readonly RejectedRecord[]
  /** Whether the answer tells where the log begins: not when the batch was refused for what it is, before the log was asked. */
  readonly tellsLogStart: boolean

  constructor(
    code: BrokerErrorCode,
    message: string,
    { records = [], tellsLogStart = true }: { records?: readonly RejectedRecord[]; tellsLogStart?: boolean } = {},
  ) {
    super(message)
    this.code = code
    this.records = records
    this.tellsLogStart = tellsLogStart
  }
}

export interface ValidatedBatch {
  /** Not yet with its offset and leader epoch. */
  readonly batch: DefaultRecordBatch
  /** -1 where the producer's timestamps are kept. */
  readonly logAppendTimeMs: number
}

const before = { tellsLogStart: false } as const

const magicAt = 16
const attributesAt = 21
const maxTimestampAt = 35
const crcAt = 17
const lengthAt = 8
/** zstd came with this version of Produce. */
const zstdSinceVersion = 7
const zstdId = compressionTypes.indexOf('zstd')

/** Rejects with `RejectedBatch`. */
export async function validateBatch(
  records: Buffer | null,
  { topic, version, now }: { topic: Topic; version: number; now: number },
): Promise<ValidatedBatch> {
  let batch = onlyBatch(records, Number(topic.config('max.message.bytes')))
  if (batch.codecId === zstdId && version < zstdSinceVersion) {
    throw new RejectedBatch('UNSUPPORTED_COMPRESSION_TYPE', `zstd needs Produce version ${zstdSinceVersion}`, before)
  }
  if (batch.isControl) throw new RejectedBatch('INVALID_RECORD', 'clients may not write control records')
  if (batch.count !== batch.lastOffsetDelta + 1 || batch.count === 0) {
    throw new RejectedBatch(
      'INVALID_RECORD',
      `a batch of ${batch.count} records spans ${batch.lastOffsetDelta + 1} offsets`,
    )
  }
  if (batch.producerId >= 0 && (batch.baseSequence < 0 || batch.producerEpoch < 0)) {
    throw new RejectedBatch('INVALID_RECORD', `producer ${batch.producerId} sent no sequence number`)
  }
  const takesLogAppendTime = topic.config('message.timestamp.type') === 'LogAppendTime'
  await checkRecords(batch, topic, takesLogAppendTime ? undefined : now)
  const compression = topic.config('compression.type')
  if (compression !== 'producer') batch = await recompressed(batch, compression, topic)
  if (takesLogAppendTime) return { batch: withLogAppendTime(batch, now), logAppendTimeMs: now }
  // The topic says whose time it is, whatever the producer says.
  if (batch.timestampType === 'LogAppendTime') batch = withCreateTime(batch)
  return { batch, logAppendTimeMs: -1 }
}

/** The field holds one whole batch of magic 2, with nothing after it, whose checksum is right. */
function onlyBatch(records: Buffer | null, maxBytes: number): DefaultRecordBatch {
  if (records === null || records.length <= magicAt) {
    throw new RejectedBatch('INVALID_RECORD', 'there is no batch in it', before)
  }
  const magic = records[magicAt]!
  if (magic !== 2) throw new RejectedBatch('INVALID_RECORD', `batches have magic 2, not ${magic}`, before)
  const size = readInt32(records, lengthAt) + LOG_OVERHEAD_BYTES
  if (size < HEADER_BYTES || size > records.length) {
    throw new RejectedBatch('CORRUPT_MESSAGE', `a batch of ${size} bytes came in ${records.length}`, before)
  }
  if (size < records.length) throw new RejectedBatch('INVALID_RECORD', 'there is more than one batch in it', before)
  if (size > maxBytes)
    throw new RejectedBatch('MESSAGE_TOO_LARGE', `a batch of ${size} bytes is over the limit of ${maxBytes}`, before)
  try {
    const batch = new DefaultRecordBatch(records)
    batch.verifyChecksum()
    if (batch.baseOffset !== 0) {
      throw new RejectedBatch('INVALID_RECORD', `a batch begins at offset 0, not ${batch.baseOffset}`)
    }
    return batch
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error
    throw new RejectedBatch('CORRUPT_MESSAGE', error.message, before)
  }
}

/** Every record must be readable, have a key where the topic is compacted, and not come from the future or a distant past.
 *  @param now undefined where its timestamp does not count */
async function checkRecords(batch: DefaultRecordBatch, topic: Topic, now: number | undefined): Promise<void> {
  const needsKeys = listOf(topic.config('cleanup.policy')).includes('compact')
  const latest = now === undefined ? Infinity : now + Number(topic.config('message.timestamp.after.max.ms'))
  const earliest = now === undefined ? -Infinity : now - Number(topic.config('message.timestamp.before.max.ms'))
  const keyless: RejectedRecord[] = []
  const mistimed: RejectedRecord[] = []
  try {
    await loadCodec(batch.codecId)
    const cursor = batch.cursor()
    for (let batchIndex = 0; cursor.next(); batchIndex++) {
      if (needsKeys && cursor.keyLength < 0) {
        keyless.push({ batchIndex, message: `a compacted topic takes no record without key` })
      }
      const { timestamp } = cursor
      // Without a timestamp there is nothing to compare.
      if (timestamp !== -1 && (timestamp > latest || timestamp < earliest)) {
        mistimed.push({ batchIndex, message: `the timestamp ${timestamp} is out of the range that the topic takes` })
      }
    }
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error
    throw new RejectedBatch('INVALID_RECORD', error.message)
  }
  if (keyless.length > 0)
    throw new RejectedBatch('INVALID_RECORD', 'records of a compacted topic need keys', { records: keyless })
  if (mistimed.length > 0)
    throw new RejectedBatch('INVALID_TIMESTAMP', 'timestamps are out of range', { records: mistimed })
}

/** The batch in the topic's own compression, if it is not in it already. */
async function recompressed(batch: DefaultRecordBatch, wanted: string, topic: Topic): Promise<DefaultRecordBatch> {
  const target = compressionTypes.find((type) => type === (wanted === 'uncompressed' ? 'none' : wanted))!
  if (batch.compression === target) return batch
  const from = codecs.get(batch.compression)
  await loadCodec(batch.codecId)
  await loadCodec(compressionTypes.indexOf(target))
  const packed = batch.bytes.subarray(HEADER_BYTES)
  const plain = from === undefined ? packed : from.decompress(packed, 128 * 1024 * 1024, 2)
  const to = codecs.get(target)
  // Kafka's default levels are its libraries' own: only one that was set for the topic is asked of ours.
  const level = topic.configs.get(`compression.${target}.level`)
  const body = to === undefined ? plain : to.compress(plain, level === undefined ? undefined : Number(level))
  const bytes = Buffer.allocUnsafeSlow(HEADER_BYTES + body.length)
  bytes.set(batch.bytes.subarray(0, HEADER_BYTES))
  bytes.set(body, HEADER_BYTES)
  writeInt32(bytes, lengthAt, bytes.length - LOG_OVERHEAD_BYTES)
  writeInt16(bytes, attributesAt, (batch.attributes & ~COMPRESSION_MASK) | compressionTypes.indexOf(target))
  return sealed(bytes)
}

function withLogAppendTime(batch: DefaultRecordBatch, now: number): DefaultRecordBatch {
  const bytes = Buffer.from(batch.bytes)
  writeInt16(bytes, attributesAt, batch.attributes | LOG_APPEND_TIME_BIT)
  writeInt64(bytes, maxTimestampAt, now)
  return sealed(bytes)
}

function withCreateTime(batch: DefaultRecordBatch): DefaultRecordBatch {
  const bytes = Buffer.from(batch.bytes)
  writeInt16(bytes, attributesAt, batch.attributes & ~LOG_APPEND_TIME_BIT)
  return sealed(bytes)
}

function sealed(bytes: Buffer): DefaultRecordBatch {
  writeInt32(bytes, crcAt, crc32c(bytes, CHECKED_FROM))
  return new DefaultRecordBatch(bytes)
}
