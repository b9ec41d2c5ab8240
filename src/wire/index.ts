/**
 * The raw protocol, for those who build tools: `import { Fetch, encodeRequest } from 'jackdaw/wire'`.
 *
 * Loads every message. Inside Jackdaw each is imported from its own file instead.
 */

export type { Api, DataSchema, Init, MessageCodec } from './api.ts'
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
