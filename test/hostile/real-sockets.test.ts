/** What only real sockets can show: TLS where none is expected and the reverse, servers of other kinds, memory. */

import assert from 'node:assert/strict'
import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'

import { systemDoors } from '#src/async/doors.js'
import type { ClusterOptions } from '#src/cluster/cluster-options.js'
import { KafkaError } from '#src/errors/kafka-error.js'
import { ApiVersions } from '#src/wire/messages/api-versions.js'
import { Metadata } from '#src/wire/messages/metadata.js'
import { certificates } from '../support/certificates.ts'
import { closedPort, listen } from '../support/network.ts'
import { ScriptedBroker } from '../support/scripted-broker.ts'
import { begin, clientKinds, type ClientKind } from './world.ts'

interface RealCase {
  readonly name: string
  readonly cause: RegExp
  readonly options?: ClusterOptions
  /** Resolves to the port. */
  readonly serve: (t: TestContext) => Promise<number>
}

const longestMs = 4_000

const tlsBroker = async (t: TestContext): Promise<number> => {
  const broker = await ScriptedBroker.start({}, { tls: certificates.broker })
  t.after(() => broker.close())
  return broker.port
}

const httpServer = async (t: TestContext): Promise<number> => {
  const server = createHttpServer((_, response) => response.end('hello'))
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** As a broker does that reads a TLS greeting as the length of a frame. */
const hangsUp = (t: TestContext): Promise<number> => listen(t, (socket) => socket.once('data', () => socket.destroy()))

const cases: readonly RealCase[] = [
  { name: 'nobody listens', cause: /nothing listens there \(connection refused\)/, serve: closedPort },
  {
    name: 'plain text is spoken to a TLS port',
    cause: /set the option tls|it may want TLS \(option tls\)/,
    serve: tlsBroker,
  },
  {
    name: 'TLS is spoken to a plain-text port',
    cause: /perhaps it does not speak TLS there/,
    options: { tls: true },
    serve: hangsUp,
  },
  {
    name: 'TLS is spoken to an HTTP server',
    cause: /perhaps it does not speak TLS there/,
    options: { tls: true },
    serve: httpServer,
  },
  { name: 'plain text is spoken to an HTTP server', cause: /answered as an HTTP server does/, serve: httpServer },
  {
    name: 'the certificate is signed by nobody we trust',
    cause: /the certificate of .* was not accepted/,
    options: { tls: true },
    serve: tlsBroker,
  },
  {
    name: 'a certificate is demanded and none is given',
    cause: /refused the TLS handshake: .*certificate/,
    options: { tls: { ca: certificates.ca } },
    serve: async (t) => {
      const { ca, broker } = certificates
      const server = await ScriptedBroker.start(
        {},
        { tls: { ...broker, ca, requestCert: true, rejectUnauthorized: true } },
      )
      t.after(() => server.close())
      return server.port
    },
  },
  {
    name: 'the peer resets the connection',
    cause: /closed the connection before it answered/,
    serve: (t) => listen(t, (socket) => socket.once('data', () => socket.resetAndDestroy())),
  },
  {
    name: 'the peer never says a word',
    cause: /took longer than 400 ms/,
    serve: (t) => listen(t, () => {}),
  },
]

async function meetReal(t: TestContext, kind: ClientKind, { serve, options = {} }: RealCase) {
  const bootstrapServers = `127.0.0.1:${await serve(t)}`
  const quick = { connectionSetupTimeoutMs: 400, requestTimeoutMs: 1_000, apiTimeoutMs: 1_000, retryBackoffMs: 50 }
  const { call, close } = begin(kind, { bootstrapServers, ...quick, ...options }, systemDoors, {
    maxBlockMs: 1_000,
    deliveryTimeoutMs: 2_000,
  })
  const startedAt = performance.now()
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  const elapsedMs = performance.now() - startedAt
  await close()
  return { bootstrapServers, error, elapsedMs, closeMs: performance.now() - startedAt - elapsedMs }
}

for (const real of cases) {
  test(`where ${real.name}, every client is told so, with the address`, async (t) => {
    for (const kind of clientKinds) {
      const { bootstrapServers, error, elapsedMs, closeMs } = await meetReal(t, kind, real)
      assert.ok(error instanceof KafkaError, `${kind}: ${String(error)}`)
      assert.ok(error.message.includes(bootstrapServers), `${kind}: ${error.message}`)
      assert.match(error.message, real.cause, kind)
      assert.ok(elapsedMs < longestMs && closeMs < longestMs, `${kind}: ${elapsedMs} and ${closeMs} ms`)
    }
  })
}

test('a peer that announces a long answer gets memory for what it sends, not for what it says', async (t) => {
  const sentBytes = 2_000_000
  const broker = await ScriptedBroker.start({
    [Metadata.name]: (
      _: unknown,
      { socket, correlationId }: { socket: NodeJS.WritableStream; correlationId: number },
    ) => {
      const head = Buffer.alloc(8)
      head.writeInt32BE(130_000_000)
      head.writeInt32BE(correlationId, 4)
      socket.write(Buffer.concat([head, Buffer.alloc(sentBytes)]))
      return 'silence'
    },
  })
  t.after(() => broker.close())
  const startBytes = process.memoryUsage().arrayBuffers
  const connection = { bootstrapServers: broker.address, connectionSetupTimeoutMs: 800, apiTimeoutMs: 1_000 }
  const { call, close } = begin('cluster', connection, systemDoors)
  let mostBytes = 0
  const watch = setInterval(() => {
    mostBytes = Math.max(mostBytes, process.memoryUsage().arrayBuffers - startBytes)
  }, 20)
  await assert.rejects(call, /did not answer Metadata within \d+ ms/)
  clearInterval(watch)
  await close()
  assert.equal(broker.requests(ApiVersions).length, 1)
  assert.ok(mostBytes > sentBytes / 2, 'nothing was measured')
  assert.ok(mostBytes < 40_000_000, `${mostBytes} bytes`)
})

test('a peer that pours without end is left at once, and what it pours is not kept', async (t) => {
  const block = Buffer.alloc(1_000_000, 0x41)
  const port = await listen(t, (socket) => {
    const pour = (): void => {
      while (!socket.destroyed && socket.write(block));
    }
    socket.on('drain', pour)
    pour()
  })
  const startBytes = process.memoryUsage().rss
  for (let i = 0; i < 20; i++) {
    const { call, close } = begin('cluster', { bootstrapServers: `127.0.0.1:${port}` }, systemDoors)
    await assert.rejects(call, /does not answer as a Kafka broker does/)
    await close()
  }
  const grownBytes = process.memoryUsage().rss - startBytes
  assert.ok(grownBytes < 150_000_000, `${grownBytes} bytes`)
})
