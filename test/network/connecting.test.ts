import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { connect, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { test } from 'node:test'

import { AuthenticationError, ConnectionError, ProtocolError, TimeoutError } from '#src/errors/errors.js'
import { Connection } from '#src/network/connection.js'
import { dialSocket, streamDialer } from '#src/network/socket.js'
import { Heartbeat } from '#src/wire/messages/heartbeat.js'
import { ManualClock } from '../support/manual-clock.ts'
import { closedPort, listen, open, settingsFor } from '../support/network.ts'
import { ScriptedBroker } from '../support/scripted-broker.ts'

test('a port at which nothing listens is named, with the cause', async () => {
  const port = await closedPort()
  await assert.rejects(Connection.open(settingsFor(port, { peer: `127.0.0.1:${port}` })), (error) => {
    assert.ok(error instanceof ConnectionError)
    assert.equal(error.message, `could not connect to 127.0.0.1:${port}: nothing listens there (connection refused)`)
    assert.equal(error.retriable, true)
    assert.equal(error.persistence, 'not-persisted')
    assert.equal((error.cause as NodeJS.ErrnoException).code, 'ECONNREFUSED')
    return true
  })
})

test('a host without an address is named', async () => {
  const address = { host: 'nowhere.invalid', port: 9092 }
  await assert.rejects(
    Connection.open({ ...settingsFor(9092), address, peer: 'nowhere.invalid:9092' }),
    /^ConnectionError: could not connect to nowhere\.invalid:9092: the host name (?:has no address|cannot be resolved now)$/,
  )
})

test('an HTTP server is recognised', async (t) => {
  const port = await listen(t, (socket) => {
    socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  })
  await assert.rejects(open(t, port), (error) => {
    assert.ok(error instanceof ProtocolError)
    assert.match(error.message, /^broker 1 at test:9092 answered as an HTTP server does/)
    return true
  })
})

test('a TLS alert in answer to plain text is recognised', async (t) => {
  const port = await listen(t, (socket) => {
    socket.once('data', () => socket.end(Buffer.from([0x15, 3, 3, 0, 2, 2, 70])))
  })
  await assert.rejects(open(t, port), /answered in TLS, and plain text was spoken to it: set the option tls/)
})

test('a peer that hangs up before it answers is told with what it may want', async (t) => {
  const port = await listen(t, (socket) => {
    socket.once('data', () => socket.end())
  })
  await assert.rejects(open(t, port), {
    name: 'ConnectionError',
    persistence: 'not-persisted',
    message: /closed the connection before it answered the first request: it may want TLS \(option tls\) or SASL/,
  })
})

test('a peer that answers gibberish is given up without waiting for what it announces', async (t) => {
  const port = await listen(t, (socket) => {
    socket.once('data', () => socket.write(Buffer.from([0x10, 0, 0, 0, 1, 2, 3])))
  })
  await assert.rejects(open(t, port), /does not answer as a Kafka broker does: a frame of 268435456 bytes/)
})

test('a peer that accepts and says nothing is given up at the set-up’s deadline, and nothing is left', async (t) => {
  let ended!: () => void
  const gone = new Promise<void>((resolve) => {
    ended = resolve
  })
  let asked!: () => void
  const firstBytes = new Promise<void>((resolve) => {
    asked = resolve
  })
  const port = await listen(t, (socket) => {
    socket.once('data', asked)
    socket.once('close', ended)
  })
  const clock = new ManualClock()
  const opening = open(t, port, { clock, setupTimeoutMs: 3_000 })
  const outcome = assert.rejects(opening, (error) => {
    assert.ok(error instanceof TimeoutError)
    assert.equal(error.message, 'connecting to broker 1 at test:9092 took longer than 3000 ms')
    assert.equal(error.persistence, 'not-persisted')
    return true
  })
  await firstBytes
  await clock.advance(3_000)
  await outcome
  await gone
  assert.equal(clock.pendingTimers, 0)
})

test('a signal gives up connecting with its own reason', async (t) => {
  const port = await listen(t, () => {})
  const abort = new AbortController()
  const opening = Connection.open(settingsFor(port), abort.signal)
  const reason = new Error('changed my mind')
  abort.abort(reason)
  await assert.rejects(opening, (error) => error === reason)
})

test('localhost reaches a broker that listens on one of its addresses only', async (t) => {
  const broker = await ScriptedBroker.start({ [Heartbeat.name]: () => ({}) })
  t.after(() => broker.close())
  const { connection } = await open(t, broker.port, { address: { host: 'localhost', port: broker.port } })
  await connection.send(Heartbeat, { groupId: 'g' })
})

test('the socket’s owner hears of its end once, and of nothing afterwards', async (t) => {
  const port = await listen(t, (socket) => {
    socket.write('one')
    socket.write('two')
  })
  const events: string[] = []
  await new Promise<void>((resolve, reject) => {
    dialSocket(
      { host: '127.0.0.1', port, tls: undefined, signal: new AbortController().signal },
      {
        onData: (chunk) => {
          events.push('data')
          assert.ok(chunk.length > 0)
          transport?.destroy()
        },
        onClose: () => {
          events.push('close')
          setImmediate(resolve)
        },
      },
    ).then((dialed) => {
      transport = dialed
      if (events.length > 0) dialed.destroy()
    }, reject)
    let transport: Awaited<ReturnType<typeof dialSocket>> | undefined
  })
  assert.equal(events.at(-1), 'close')
  assert.equal(events.filter((event) => event === 'close').length, 1)
})

test('a dial of one’s own is asked for the broker’s address, and its stream is used', async (t) => {
  const broker = await ScriptedBroker.start({ [Heartbeat.name]: () => ({ errorCode: 3 }) })
  t.after(() => broker.close())
  const asked: string[] = []
  const dial = streamDialer(({ host, port }) => {
    asked.push(`${host}:${port}`)
    return connect(broker.port, '127.0.0.1')
  })
  const { connection, closed } = await open(t, 1, { address: { host: 'behind-the-tunnel', port: 1 }, dial })
  assert.equal((await connection.send(Heartbeat, { groupId: 'g' })).errorCode, 3)
  assert.deepEqual(asked, ['behind-the-tunnel:1'])
  broker.dropConnections()
  assert.equal((await closed).reason, 'connection broken')
})

test('a stream that a dial of one’s own delivers too late is not left open', async () => {
  const clock = new ManualClock()
  let deliver!: (stream: Duplex) => void
  const dial = streamDialer(
    () =>
      new Promise<Duplex>((resolve) => {
        deliver = resolve
      }),
  )
  const opening = assert.rejects(Connection.open(settingsFor(1, { clock, dial, setupTimeoutMs: 50 })), TimeoutError)
  await clock.advance(50)
  await opening
  const late = new Duplex({
    read() {},
    write: (_chunk, _encoding, done) => {
      done()
    },
  })
  deliver(late)
  await new Promise((resolve) => late.once('close', resolve))
})

test('an error of a dial of one’s own is the cause of the connection’s', async () => {
  const cause = new Error('the tunnel is down')
  const dial = streamDialer(() => Promise.reject(cause))
  await assert.rejects(Connection.open(settingsFor(1, { dial })), (error) => {
    assert.ok(error instanceof ConnectionError && !(error instanceof AuthenticationError))
    assert.equal(error.cause, cause)
    assert.equal(error.message, 'could not connect to broker 1 at test:9092: the tunnel is down')
    return true
  })
})

test('a socket that breaks in the very turn in which it connected is an error, and not the end of the process', async (t) => {
  const port = await listen(t, () => {})
  const breakAtOnce = (message: unknown): void => {
    const { socket } = message as { socket: Socket }
    socket.once('connect', () => socket.destroy(new Error('gone at once')))
  }
  subscribe('net.client.socket', breakAtOnce)
  t.after(() => {
    unsubscribe('net.client.socket', breakAtOnce)
  })
  await assert.rejects(Connection.open(settingsFor(port)), (error) => {
    assert.ok(error instanceof ConnectionError)
    assert.equal((error.cause as Error).message, 'gone at once')
    return true
  })
})
