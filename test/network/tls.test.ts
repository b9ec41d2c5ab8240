import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test, type TestContext } from 'node:test'
import type { TlsOptions } from 'node:tls'

import { AuthenticationError, ConnectionError } from '#src/errors/errors.js'
import { streamDialer } from '#src/network/socket.js'
import { Heartbeat } from '#src/wire/messages/heartbeat.js'
import { Metadata } from '#src/wire/messages/metadata.js'
import { certificates } from '../support/certificates.ts'
import { listen, open } from '../support/network.ts'
import { ScriptedBroker } from '../support/scripted-broker.ts'

async function tlsBroker(t: TestContext, tls: TlsOptions = {}): Promise<ScriptedBroker> {
  const broker = await ScriptedBroker.start(
    { [Heartbeat.name]: () => ({ errorCode: 5 }) },
    { tls: { ...certificates.broker, ...tls } },
  )
  t.after(() => broker.close())
  return broker
}

const localhost = (port: number): { host: string; port: number } => ({ host: 'localhost', port })

test('TLS with an authority of one’s own carries requests, the name is sent, and long answers come whole', async (t) => {
  const { ca } = certificates
  const names: string[] = []
  const broker = await tlsBroker(t, {
    SNICallback: (name, done) => {
      names.push(name)
      done(null)
    },
  })
  broker.state.addTopic('x'.repeat(200), 20_000)
  const { connection } = await open(t, broker.port, { address: localhost(broker.port), tls: { ca } })
  assert.equal((await connection.send(Heartbeat, { groupId: 'g' })).errorCode, 5)
  const { topics } = await connection.send(Metadata, { topics: null })
  assert.equal(topics[0]!.partitions.length, 20_000)
  assert.deepEqual(names, ['localhost'])
})

test('an address in place of a name is checked against the certificate too', async (t) => {
  const { ca, elsewhere } = certificates
  const broker = await tlsBroker(t)
  await open(t, broker.port, { tls: { ca } })
  const other = await tlsBroker(t, elsewhere)
  await assert.rejects(open(t, other.port, { tls: { ca } }), AuthenticationError)
})

test('TLS runs over a stream of one’s own, and checks the name there as well', async (t) => {
  const { ca, elsewhere } = certificates
  const broker = await tlsBroker(t)
  const dial = streamDialer(() => connect(broker.port, '127.0.0.1'))
  const { connection } = await open(t, 1, { address: localhost(1), tls: { ca }, dial })
  assert.equal((await connection.send(Heartbeat, { groupId: 'g' })).errorCode, 5)
  const other = await tlsBroker(t, elsewhere)
  const toOther = streamDialer(() => connect(other.port, '127.0.0.1'))
  await assert.rejects(open(t, 1, { address: localhost(1), tls: { ca }, dial: toOther }), AuthenticationError)
})

test('a certificate that no known authority signed is refused, for good', async (t) => {
  const broker = await tlsBroker(t)
  await assert.rejects(open(t, broker.port, { address: localhost(broker.port), tls: {} }), (error) => {
    assert.ok(error instanceof AuthenticationError)
    assert.equal(error.retriable, false)
    assert.match(error.message, /^the certificate of broker 1 at test:9092 was not accepted: /)
    return true
  })
})

test('a certificate for another host is refused', async (t) => {
  const { ca, elsewhere } = certificates
  const broker = await tlsBroker(t, elsewhere)
  await assert.rejects(open(t, broker.port, { address: localhost(broker.port), tls: { ca } }), (error) => {
    assert.ok(error instanceof AuthenticationError)
    assert.match(error.message, /was not accepted: .*elsewhere\.example/)
    return true
  })
  // Unless that is the name one asks for.
  await open(t, broker.port, { address: localhost(broker.port), tls: { ca, servername: 'elsewhere.example' } })
})

test('a broker that wants a certificate of the client gets it, and refuses whoever has none', async (t) => {
  const { ca, client } = certificates
  const broker = await tlsBroker(t, { ca, requestCert: true, rejectUnauthorized: true })
  const address = localhost(broker.port)
  const { connection } = await open(t, broker.port, { address, tls: { ca, ...client } })
  assert.equal((await connection.send(Heartbeat, { groupId: 'g' })).errorCode, 5)
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    await assert.rejects(open(t, broker.port, { address, tls: { ca, maxVersion } }), (error) => {
      assert.ok(error instanceof ConnectionError || error instanceof AuthenticationError)
      return true
    })
  }
})

test('settings that do not fit together are told as the error of connecting', async (t) => {
  const { ca, client, broker: other } = certificates
  const broker = await tlsBroker(t)
  const tls = { ca, cert: client.cert, key: other.key }
  await assert.rejects(open(t, broker.port, { address: localhost(broker.port), tls }), /could not connect to broker 1/)
})

test('what the broker’s TLS alert says is told, and is final', async (t) => {
  const { ca } = certificates
  const broker = await tlsBroker(t, { maxVersion: 'TLSv1.2' })
  await assert.rejects(
    open(t, broker.port, { address: localhost(broker.port), tls: { ca, minVersion: 'TLSv1.3' } }),
    (error) => {
      assert.ok(error instanceof AuthenticationError)
      assert.match(error.message, /^broker 1 at test:9092 refused the TLS handshake: protocol version$/)
      return true
    },
  )
})

test('TLS spoken to a plain port is told', async (t) => {
  // As Kafka does: it takes the greeting for the length of a frame that is too long, and hangs up.
  const port = await listen(t, (socket) => {
    socket.once('data', () => socket.destroy())
  })
  await assert.rejects(open(t, port, { address: localhost(port), tls: {} }), (error) => {
    assert.ok(error instanceof ConnectionError)
    assert.match(error.message, /^could not connect to broker 1 at test:9092: .*; perhaps it does not speak TLS there/)
    return true
  })
})

test('a plain answer to a TLS greeting is told', async (t) => {
  const port = await listen(t, (socket) => {
    socket.once('data', () => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'))
  })
  await assert.rejects(open(t, port, { address: localhost(port), tls: {} }), /perhaps it does not speak TLS there/)
})

test('plain text spoken to a TLS port is told', async (t) => {
  const broker = await tlsBroker(t)
  await assert.rejects(open(t, broker.port), (error) => {
    assert.ok(error instanceof ConnectionError)
    assert.match(error.message, /set the option tls|it may want TLS \(option tls\)/)
    return true
  })
})
