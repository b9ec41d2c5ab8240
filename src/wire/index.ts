/**
 * The raw protocol, for those who build tools: `import { Fetch, RecordBatchReader, encodeRequest } from 'jackdaw/wire'`.
 *
 * Loads every message. Inside Jackdaw each is imported from its own file instead.
 */

export type { RecordHeader, TimestampType } from '../model/record-header.ts'
export type { Api, DataSchema, Init, MessageCodec } from './api.ts'
export type { Codec, CodecName, CompressionType } from './compression/codec.ts'
export { codecs, loadCodec, registerCodec, type Codecs } from './compression/codecs.ts'
export {
  decodeMessage,
  decodeRequest,
  decodeRequestHeader,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  frameSizeBytes,
  requestHeaderVersion,
  responseCorrelationId,
  responseHeaderVersion,
  type RequestHeader,
} from './frame.ts'
export * from './messages/index.ts'
export * from './primitives/index.ts'
export type { BufferPool } from './records/buffer-pool.ts'
export { readControlRecord, type ControlRecord } from './records/control-record.ts'
export { crc32c } from './records/crc32c.ts'
export {
  RecordBatchBuilder,
  type HeaderToWrite,
  type RecordBatchBuilderOptions,
  type RecordData,
  type SealOptions,
} from './records/record-batch-builder.ts'
export { RecordBatchReader } from './records/record-batch-reader.ts'
export type { ReadOptions, RecordBatch } from './records/record-batch.ts'
export type { BatchRecord, RecordCursor } from './records/record-cursor.ts'
