/**
 * What surrounds a message on a connection: the frame's size, and the header that says which request this is.
 *
 * Both directions, since an in-process cluster needs the other one. Knows no connection and no list of APIs: the caller
 * says which API and version a frame has, and cuts the stream into frames. Source: the protocol guide, KIP-482, KIP-511.
 */

import { ProtocolError, UnsupportedVersionError } from '../errors/errors.ts'
import type { Api, Init, MessageCodec } from './api.ts'
import { Reader } from './primitives/reader.ts'
import type { WithUnknownTaggedFields } from './primitives/tagged-field.ts'
import { Writer } from './primitives/writer.ts'

/** The bytes before a frame that hold its size. */
export const frameSizeBytes = 4

const API_VERSIONS = 18

/** What a request says of itself before its body. */
export interface RequestHeader {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
  readonly clientId: string | null
  /** The rest of the frame: the header's tagged fields, if the version has them, and the body. */
  readonly rest: Reader
}

/** The version of the header before a request: 2 with tagged fields, 1 without. */
export function requestHeaderVersion(api: Api<unknown, unknown>, version: number): 1 | 2 {
  return version >= api.flexibleSince ? 2 : 1
}

/**
 * The version of the header before a response: 1 with tagged fields, 0 without.
 *
 * ApiVersions has 0 in every version: whoever asks does not know yet what the broker speaks (KIP-511).
 */
export function responseHeaderVersion(api: Api<unknown, unknown>, version: number): 0 | 1 {
  return version >= api.flexibleSince && api.key !== API_VERSIONS ? 1 : 0
}

/**
 * A request as it goes onto the connection, size and header included.
 *
 * @returns chunks to be sent in order; those of records and large byte fields are the caller's own memory
 * @throws UnsupportedVersionError when the API has no such version, or the version no such field
 */
export function encodeRequest<Request>(
  api: Api<Request, unknown>,
  version: number,
  correlationId: number,
  clientId: string | null,
  message: Init<Request>,
): Uint8Array[] {
  checkVersion(api, version)
  const writer = new Writer()
  const size = writer.reserve(frameSizeBytes)
  writer.int16(api.key)
  writer.int16(version)
  writer.int32(correlationId)
  // Never compact, not even in header version 2, so that a broker can read it before it knows the version.
  writer.nullableString(clientId)
  if (requestHeaderVersion(api, version) === 2) writer.unknownTaggedFields(undefined)
  api.request.encode(writer, message, version)
  size.writeInt32BE(writer.size - frameSizeBytes)
  return writer.finish()
}

/**
 * A response as it goes onto the connection, size and header included.
 *
 * @returns chunks to be sent in order; those of records and large byte fields are the caller's own memory
 * @throws UnsupportedVersionError when the API has no such version, or the version no such field
 */
export function encodeResponse<Response>(
  api: Api<unknown, Response>,
  version: number,
  correlationId: number,
  message: Init<Response>,
): Uint8Array[] {
  checkVersion(api, version)
  const writer = new Writer()
  const size = writer.reserve(frameSizeBytes)
  writer.int32(correlationId)
  if (responseHeaderVersion(api, version) === 1) writer.unknownTaggedFields(undefined)
  api.response.encode(writer, message, version)
  size.writeInt32BE(writer.size - frameSizeBytes)
  return writer.finish()
}

/**
 * The number by which a response is matched with its request.
 *
 * @param payload a frame without its size
 */
export function responseCorrelationId(payload: Uint8Array): number {
  return new Reader(payload).int32()
}

/**
 * Reads a response, whose API and version the caller knows from its correlation id.
 *
 * @param payload a frame without its size; byte fields of the message are views into it
 * @throws ProtocolError when it is no such response, or has bytes left over
 */
export function decodeResponse<Response>(
  api: Api<unknown, Response>,
  version: number,
  payload: Uint8Array,
): { correlationId: number; message: Response } {
  checkVersion(api, version)
  const reader = new Reader(payload)
  const correlationId = reader.int32()
  const what = `${api.name} response, version ${version}`
  const hasTags = responseHeaderVersion(api, version) === 1
  return { correlationId, message: decodeBody(reader, api.response, version, hasTags, what) }
}

/**
 * Reads what every request begins with. Which API it is, and whether the version is one to answer, the caller decides
 * before {@link decodeRequest}.
 *
 * @param payload a frame without its size
 * @throws ProtocolError when it is too short
 */
export function decodeRequestHeader(payload: Uint8Array): RequestHeader {
  const rest = new Reader(payload)
  const apiKey = rest.int16()
  const apiVersion = rest.int16()
  const correlationId = rest.int32()
  const clientId = rest.nullableString()
  return { apiKey, apiVersion, correlationId, clientId, rest }
}

/**
 * Reads the body of a request. Once only per header: it moves the header's reader.
 *
 * @throws ProtocolError when it is no such request, or has bytes left over
 */
export function decodeRequest<Request>(api: Api<Request, unknown>, header: RequestHeader): Request {
  const version = header.apiVersion
  checkVersion(api, version)
  const what = `${api.name} request, version ${version}`
  return decodeBody(header.rest, api.request, version, requestHeaderVersion(api, version) === 2, what)
}

/**
 * Reads one message and nothing else: left-over bytes throw, and what is thrown names the message.
 *
 * @param what the message's name for the error
 */
export function decodeMessage<T>(reader: Reader, codec: MessageCodec<T>, version: number, what: string): T {
  return decodeBody(reader, codec, version, false, what)
}

function decodeBody<T>(reader: Reader, codec: MessageCodec<T>, version: number, hasTags: boolean, what: string): T {
  try {
    if (hasTags) {
      // No tagged field of a header means anything to a client yet; read, so that the body begins where it should.
      const header: WithUnknownTaggedFields = {}
      reader.taggedFields(header, version)
    }
    const message = codec.decode(reader, version)
    reader.expectEnd('its end')
    return message
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    throw new ProtocolError(`malformed ${what}: ${error.message}`, { cause: error })
  }
}

function checkVersion(api: Api<unknown, unknown>, version: number): void {
  if (Number.isInteger(version) && version >= api.minVersion && version <= api.latestVersion) return
  throw new UnsupportedVersionError(
    `${api.name} has no version ${version}: Jackdaw speaks ${api.minVersion} to ${api.latestVersion}`,
  )
}
