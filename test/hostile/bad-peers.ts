/** Peers that are no brokers, or broken ones, from their first byte on: each a script for one connection. */

import type { ServerConnection } from '#src/testing/listener.js'
import type { Simulation } from '#src/testing/simulation/index.js'
import { encodeResponse } from '#src/wire/frame.js'
import { ApiVersions, type ApiVersionsResponse } from '#src/wire/messages/api-versions.js'
import { apis } from '#src/wire/messages/index.js'
import type { Setting } from './world.ts'
import type { Init } from '#src/wire/api.js'

export interface BadPeer {
  readonly name: string
  /** What the error must say of the cause. */
  readonly cause: RegExp
  /** Undefined: nobody listens. */
  readonly serve?: Serve
  /** Its side of the connections never learns of their end. */
  readonly leavesHalfOpen?: boolean
}

type Serve = (connection: ServerConnection, simulation: Simulation) => void

export const address = 'kafka-1:9092'

/** Answers the first bytes that come with these, and then does as told. */
function answers(bytes: Uint8Array, then: 'stays' | 'closes' = 'stays'): Serve {
  return (connection) => {
    let answered = false
    connection.onData(() => {
      if (answered) return
      answered = true
      connection.write([bytes], () => {
        if (then === 'closes') connection.destroy()
      })
    })
  }
}

const text = (words: string): Buffer => Buffer.from(words, 'latin1')

function int32(...numbers: number[]): Buffer {
  const bytes = Buffer.alloc(4 * numbers.length)
  for (const [i, number] of numbers.entries()) bytes.writeInt32BE(number, 4 * i)
  return bytes
}

/** The frame of an answer whose body follows its correlation id (0, that of the first request). */
function frame(body: Uint8Array, correlationId = 0): Buffer {
  return Buffer.concat([int32(body.length + 4, correlationId), body])
}

function versionsAnswer(
  message: Init<ApiVersionsResponse>,
  version: number = ApiVersions.maxVersion,
  correlationId = 0,
) {
  return Buffer.concat(encodeResponse(ApiVersions, version, correlationId, message))
}

const honest = versionsAnswer({
  apiKeys: apis.map(({ key, minVersion, maxVersion }) => ({ apiKey: key, minVersion, maxVersion })),
})

const noBroker = /does not answer as a Kafka broker does/
const tooSlow = /took longer than 2000 ms/

export const badPeers: readonly BadPeer[] = [
  { name: 'nobody listens', cause: /nothing listens there \(connection refused\)/ },
  { name: 'never answers', cause: tooSlow, serve: () => {} },
  {
    name: 'closes at once',
    cause:
      /closed the connection before it answered the first request: it may want TLS .* or SASL, or be no Kafka broker/,
    serve: (connection) => {
      connection.destroy()
    },
  },
  {
    name: 'closes when spoken to',
    cause: /closed the connection before it answered the first request/,
    serve: (connection) => {
      connection.onData(() => {
        connection.destroy()
      })
    },
  },
  {
    name: 'resets when spoken to',
    cause: /closed the connection before it answered the first request/,
    serve: (connection, { network }) => {
      connection.onData(() => network.reset({ host: 'kafka-1' }))
    },
  },
  {
    name: 'falls silent when spoken to',
    cause: tooSlow,
    leavesHalfOpen: true,
    serve: (connection, { network }) => {
      connection.onData(() => network.silence({ host: 'kafka-1' }))
    },
  },
  {
    name: 'is an HTTP server',
    cause: /answered as an HTTP server does/,
    serve: answers(text('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'), 'closes'),
  },
  {
    name: 'is an SSH server',
    cause: noBroker,
    serve: (connection) => {
      connection.write([text('SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n')])
    },
  },
  {
    name: 'is a mail server',
    cause: noBroker,
    serve: (connection) => {
      connection.write([text('220 mail.example ESMTP ready\r\n')])
    },
  },
  { name: 'is a Redis server', cause: noBroker, serve: answers(text("-ERR unknown command ''\r\n")) },
  {
    name: 'answers with a TLS alert',
    cause: /answered in TLS, and plain text was spoken to it: set the option tls/,
    serve: answers(Buffer.from([0x15, 3, 1, 0, 2, 2, 70]), 'closes'),
  },
  {
    name: 'says back what is said to it',
    cause: /answered request \d+ where the answer to request 0 \(ApiVersions\) was due/,
    serve: (connection) => {
      connection.onData((chunk) => {
        connection.write([Buffer.from(chunk)])
      })
    },
  },
  { name: 'announces a negative length', cause: /a frame cannot be -1 bytes long/, serve: answers(int32(-1, 0)) },
  { name: 'announces a length of zero', cause: /a frame cannot be 0 bytes long/, serve: answers(int32(0, 0, 0, 0)) },
  { name: 'announces a length of three', cause: /a frame cannot be 3 bytes long/, serve: answers(int32(3, 0)) },
  {
    name: 'announces two gigabytes',
    cause: /a frame of 2147483647 bytes is longer than the 1048576 allowed/,
    serve: answers(int32(0x7fff_ffff, 0)),
  },
  {
    name: 'sends endlessly',
    cause: noBroker,
    serve: (connection, simulation) => {
      const flood = simulation.random.bytes(65_536)
      const pour = (): void => {
        connection.write([flood], pour)
      }
      pour()
    },
  },
  {
    name: 'sends small frames without end, unasked',
    cause: /answered request 7, but none is in flight|does not answer as|where the answer to request 0/,
    serve: (connection) => {
      const flood = Buffer.concat(Array.from({ length: 1_000 }, () => frame(Buffer.alloc(8), 7)))
      const pour = (): void => {
        connection.write([flood], pour)
      }
      pour()
    },
  },
  {
    name: 'sends noise',
    cause: noBroker,
    serve: (connection, { random }) => {
      connection.onData(() => {
        connection.write([random.bytes(500)])
      })
    },
  },
  {
    name: 'answers with another correlation id',
    cause: /answered request 99 where the answer to request 0 \(ApiVersions\) was due/,
    serve: answers(versionsAnswer({}, ApiVersions.maxVersion, 99)),
  },
  {
    name: 'announces a million APIs and names none',
    cause: /malformed ApiVersions response/,
    serve: answers(frame(Buffer.from([0, 0, 0xc0, 0x84, 0x3d, 0, 0, 0]))),
  },
  {
    name: 'announces two billion APIs',
    cause: /malformed ApiVersions response/,
    serve: answers(frame(Buffer.from([0, 0, 0xff, 0xff, 0xff, 0xff, 0x07, 0, 0, 0]))),
  },
  {
    name: 'sends a varint that does not end',
    cause: /malformed ApiVersions response/,
    serve: answers(frame(Buffer.concat([Buffer.alloc(2), Buffer.alloc(1_000, 0xff)]))),
  },
  {
    name: 'sends an answer with bytes left over',
    cause: /malformed ApiVersions response/,
    serve: answers(Buffer.concat([int32(honest.length - 4 + 10), honest.subarray(4), Buffer.alloc(10)])),
  },
  { name: 'sends half an answer and no more', cause: tooSlow, serve: answers(honest.subarray(0, honest.length >> 1)) },
  {
    name: 'sends half an answer and closes',
    cause: /closed the connection before it answered the first request/,
    serve: answers(honest.subarray(0, honest.length >> 1), 'closes'),
  },
  {
    name: 'sends its answer byte by byte, slower than anyone waits',
    cause: tooSlow,
    serve: (connection, { clock }) => {
      let next = 0
      let closed = false
      connection.onClose(() => {
        closed = true
      })
      const drip = (): void => {
        if (next >= honest.length || closed) return
        connection.write([honest.subarray(next, ++next)])
        clock.setTimer(drip, 250)
      }
      connection.onData(drip)
    },
  },
  {
    name: 'refuses ApiVersions with a code that nobody knows',
    cause: /refused ApiVersions: UNKNOWN_ERROR_CODE_999/,
    serve: answers(versionsAnswer({ errorCode: 999 })),
  },
  {
    name: 'knows no version of ApiVersions that it offers',
    cause: /refused ApiVersions/,
    serve: (connection) => {
      let correlationId = 0
      connection.onData(() => {
        connection.write([
          versionsAnswer(
            { errorCode: 35, apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 4 }] },
            0,
            correlationId++,
          ),
        ])
      })
    },
  },
  {
    name: 'offers no API at all',
    cause: /does not offer Metadata/,
    serve: answers(versionsAnswer({ apiKeys: [] })),
  },
  {
    name: 'offers versions from high to low and below zero',
    cause: /offers Metadata versions 9 to -3, Jackdaw speaks/,
    serve: answers(versionsAnswer({ apiKeys: [{ apiKey: 3, minVersion: 9, maxVersion: -3 }] })),
  },
  {
    name: 'offers versions of the far future only',
    cause: /offers Metadata versions 1000 to 1001, Jackdaw speaks/,
    serve: answers(versionsAnswer({ apiKeys: [{ apiKey: 3, minVersion: 1_000, maxVersion: 1_001 }] })),
  },
  {
    name: 'negotiates well and never says a word again',
    cause: /did not answer Metadata within \d+ ms/,
    serve: answers(honest),
  },
  {
    name: 'negotiates well and hangs up',
    cause: /ended before it answered Metadata/,
    serve: answers(honest, 'closes'),
  },
]

/** For `meet`: the peer listens at {@link address}, for as many connections as come. */
export function peerSetting({ serve }: BadPeer): Setting {
  return async (simulation) => {
    const listener = await simulation.listen('kafka-1', 9092, (connection) => serve?.(connection, simulation))
    if (serve === undefined) await listener.close()
    return { bootstrapServers: address }
  }
}
