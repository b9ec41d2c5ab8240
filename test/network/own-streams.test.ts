/** Streams that the application opened: they may keep, fail and misbehave as no socket does. */

import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { Duplex, PassThrough } from 'node:stream'
import { test } from 'node:test'

import { ConnectionError } from '#src/errors/errors.js'
import { Connection } from '#src/network/connection.js'
import { streamDialer } from '#src/network/socket.js'
import { Heartbeat } from '#src/wire/messages/heartbeat.js'
import { Produce } from '#src/wire/messages/produce.js'
import { ManualClock } from '../support/manual-clock.ts'
import { open, settingsFor } from '../support/network.ts'
import { ScriptedBroker } from '../support/scripted-broker.ts'

test('records may be overwritten once they are written, even when the stream keeps what it is given', async (t) => {
  const broker = await ScriptedBroker.start({ [Produce.name]: () => 'silence' })
  t.after(() => broker.close())
  // It says at once that it took a chunk, and passes it on by reference when it pleases.
  const outbound = new PassThrough({ highWaterMark: 1_048_576 })
  const socket = connect(broker.port, '127.0.0.1')
  const dial = streamDialer(() => Duplex.from({ writable: outbound, readable: socket }))
  let held = false
  outbound.on('data', (chunk: Buffer) => {
    if (!held) socket.write(chunk)
    else later.push(chunk)
  })
  const later: Buffer[] = []
  const { connection } = await open(t, 1, { dial })
  held = true
  const records = Buffer.alloc(5_000, 'a')
  await connection.send(
    Produce,
    { acks: 0, topicData: [{ name: 't', partitionData: [{ index: 0, records }] }] },
    { expectResponse: false, maxVersion: 12 },
  )
  records.fill('b')
  for (const chunk of later) socket.write(chunk)
  await broker.untilReceived(Produce)
  const arrived = broker.requests(Produce)[0]!.request.topicData[0]!.partitionData[0]!.records!
  assert.deepEqual(arrived, Buffer.alloc(5_000, 'a'))
})

test('a stream under TLS settings that cannot be used is not left open', async () => {
  const stream = new PassThrough()
  const dial = streamDialer(() => stream)
  const tls = { key: 'no key', cert: 'no certificate' }
  await assert.rejects(Connection.open(settingsFor(1, { dial, tls })), (error) => {
    assert.ok(error instanceof ConnectionError)
    assert.match(error.message, /could not connect to broker 1 at test:9092/)
    assert.equal(error.retriable, false)
    return true
  })
  assert.ok(stream.destroyed)
})

test('a wrong value in the TLS settings is not told, for it may be a secret', async () => {
  const dial = streamDialer(() => new PassThrough())
  const tls = { ticketKeys: 's3cret' as unknown as Buffer }
  await assert.rejects(Connection.open(settingsFor(1, { dial, tls })), (error) => {
    assert.ok(error instanceof ConnectionError)
    for (let at: unknown = error; at instanceof Error; at = at.cause) assert.doesNotMatch(String(at.stack), /s3cret/)
    return true
  })
})

for (const [what, late] of [
  [
    'fails',
    () => {
      const stream = new PassThrough()
      queueMicrotask(() => stream.destroy(new Error('too late')))
      return stream
    },
  ],
  ['is no stream at all', () => undefined as unknown as Duplex],
] as const) {
  test(`a stream that comes too late and ${what} harms nobody`, async () => {
    const clock = new ManualClock()
    let deliver!: (stream: Duplex) => void
    const dial = streamDialer(
      () =>
        new Promise<Duplex>((resolve) => {
          deliver = resolve
        }),
    )
    const opening = assert.rejects(Connection.open(settingsFor(1, { clock, dial, setupTimeoutMs: 50 })))
    await clock.advance(50)
    await opening
    deliver(late())
    await new Promise((resolve) => setImmediate(resolve))
  })
}

for (const thrown of [new DOMException('gave up', 'AbortError'), 'the tunnel is down', undefined]) {
  test(`a dial that fails with ${String(thrown)} is an error of connecting, and may be tried again`, async () => {
    const dial = streamDialer(() => Promise.reject(thrown as Error))
    await assert.rejects(Connection.open(settingsFor(1, { dial })), (error) => {
      assert.ok(error instanceof ConnectionError && error.retriable)
      assert.equal(error.cause, thrown)
      return true
    })
  })
}

test('a stream that throws when it is written to ends its connection and nothing else', async (t) => {
  const broker = await ScriptedBroker.start()
  t.after(() => broker.close())
  const socket = connect(broker.port, '127.0.0.1')
  t.after(() => socket.destroy())
  let broken = false
  const stream = new Duplex({
    read() {},
    write: (chunk: Buffer, _encoding, done) => {
      if (broken) throw new Error('out of order')
      socket.write(chunk, done)
    },
  })
  socket.on('data', (chunk) => stream.push(chunk))
  const { connection, closed } = await open(t, 1, { dial: streamDialer(() => stream) })
  broken = true
  await assert.rejects(connection.send(Heartbeat, { groupId: 'g' }), /out of order/)
  assert.equal((await closed).reason, 'connection broken')
})
