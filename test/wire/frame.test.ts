/** Frames: sizes, headers, and errors that say which message was malformed. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ApiVersions,
  apiByKey,
  decodeRequest,
  decodeRequestHeader,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  frameSizeBytes,
  Heartbeat,
  Produce,
  responseCorrelationId,
  SaslHandshake,
} from '#src/wire/index.js'

function frame(chunks: readonly Uint8Array[]): Buffer {
  const bytes = Buffer.concat(chunks)
  assert.equal(bytes.readInt32BE(0), bytes.length - frameSizeBytes)
  return bytes
}

function payload(chunks: readonly Uint8Array[]): Buffer {
  return frame(chunks).subarray(frameSizeBytes)
}

const heartbeat = { groupId: 'g', generationId: 1, memberId: 'm' }

test('a request of a version without tagged fields has header version 1', () => {
  const bytes = frame(encodeRequest(Heartbeat, 3, 7, 'me', heartbeat))
  assert.equal(
    bytes.toString('hex'),
    '00000018' + '000c0003000000070002' + '6d65' + '000167' + '00000001' + '00016d' + 'ffff',
  )
})

test('a request of a flexible version has header version 2, in which the client id still is not compact', () => {
  const bytes = frame(encodeRequest(Heartbeat, 4, 7, 'me', heartbeat))
  assert.equal(
    bytes.toString('hex'),
    '00000017' + '000c0004000000070002' + '6d65' + '00' + '0267' + '00000001' + '026d' + '00' + '00',
  )
})

test('a request without a client id has a null one', () => {
  const header = decodeRequestHeader(payload(encodeRequest(Heartbeat, 4, 7, null, heartbeat)))
  assert.equal(header.clientId, null)
})

test('a request comes back through its header', () => {
  for (const version of [0, 3, 4]) {
    const header = decodeRequestHeader(payload(encodeRequest(Heartbeat, version, -2, 'me', heartbeat)))
    const { apiKey, apiVersion, correlationId, clientId } = header
    assert.deepEqual(
      { apiKey, apiVersion, correlationId, clientId },
      { apiKey: 12, apiVersion: version, correlationId: -2, clientId: 'me' },
    )
    assert.equal(apiByKey(apiKey), Heartbeat)
    assert.deepEqual(decodeRequest(Heartbeat, header), { ...heartbeat, groupInstanceId: null })
  }
})

test('a response comes back, with and without tagged fields in its header', () => {
  for (const version of [0, 3, 4]) {
    const bytes = payload(encodeResponse(Heartbeat, version, 9, { errorCode: 27 }))
    assert.equal(bytes.length, version === 0 ? 6 : version === 3 ? 10 : 12)
    assert.equal(responseCorrelationId(bytes), 9)
    const { correlationId, message } = decodeResponse(Heartbeat, version, bytes)
    assert.equal(correlationId, 9)
    assert.deepEqual(message, { throttleTimeMs: 0, errorCode: 27 })
  }
})

test('an ApiVersions response has no tagged fields in its header, in any version', () => {
  const bytes = payload(encodeResponse(ApiVersions, 4, 1, {}))
  // Correlation id, error code, empty array, throttle time, no tagged fields.
  assert.equal(bytes.toString('hex'), '00000001' + '0000' + '01' + '00000000' + '00')
  assert.equal(decodeResponse(ApiVersions, 4, bytes).message.errorCode, 0)
})

test('an API that was never flexible has the older headers', () => {
  const bytes = frame(encodeRequest(SaslHandshake, 1, 1, '', { mechanism: 'PLAIN' }))
  assert.equal(
    bytes.toString('hex'),
    '00000011' + '0011000100000001' + '0000' + '0005' + Buffer.from('PLAIN').toString('hex'),
  )
})

test('tagged fields in a header are passed over', () => {
  const plain = payload(encodeResponse(Heartbeat, 4, 9, { errorCode: 27 }))
  const tagged = Buffer.concat([plain.subarray(0, 4), Buffer.from('010502aabb', 'hex'), plain.subarray(5)])
  assert.equal(decodeResponse(Heartbeat, 4, tagged).message.errorCode, 27)
})

test('records in a request are the very bytes that were given', () => {
  const records = Buffer.from('a batch')
  const chunks = encodeRequest(Produce, 9, 1, 'me', {
    topicData: [{ name: 'a', partitionData: [{ index: 0, records }] }],
  })
  assert.ok(chunks.includes(records))
  const request = decodeRequest(Produce, decodeRequestHeader(payload(chunks)))
  assert.deepEqual(request.topicData[0]?.partitionData[0]?.records, records)
})

test('a message that is malformed is named in the error', () => {
  const bytes = payload(encodeResponse(Heartbeat, 4, 9, {}))
  assert.throws(() => decodeResponse(Heartbeat, 4, bytes.subarray(0, 8)), {
    code: 'MALFORMED_MESSAGE',
    message: /^malformed Heartbeat response, version 4: /,
  })
  const longer = Buffer.concat([bytes, Buffer.of(0)])
  assert.throws(() => decodeResponse(Heartbeat, 4, longer), { message: /: 1 byte is left over/ })
  const request = payload(encodeRequest(Heartbeat, 4, 9, 'me', heartbeat))
  assert.throws(() => decodeRequest(Heartbeat, decodeRequestHeader(request.subarray(0, -1))), {
    message: /^malformed Heartbeat request, version 4: /,
  })
})

test('frames too short for a header are refused', () => {
  assert.throws(() => decodeRequestHeader(Buffer.alloc(9)), { code: 'MALFORMED_MESSAGE' })
  assert.throws(() => responseCorrelationId(Buffer.alloc(3)), { code: 'MALFORMED_MESSAGE' })
  assert.throws(() => decodeResponse(Heartbeat, 0, Buffer.alloc(3)), { code: 'MALFORMED_MESSAGE' })
})

test('versions that the API has not are refused', () => {
  for (const version of [-1, 5, 1.5, NaN]) {
    const refused = { code: 'UNSUPPORTED_VERSION', message: /Jackdaw speaks 0 to 4/ }
    assert.throws(() => encodeRequest(Heartbeat, version, 1, null, {}), refused)
    assert.throws(() => encodeResponse(Heartbeat, version, 1, {}), refused)
    assert.throws(() => decodeResponse(Heartbeat, version, Buffer.alloc(9)), refused)
  }
})
