import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Dialer } from '#src/async/transport.js'
import { ClosedError, ConnectionError, ProtocolError, TimeoutError } from '#src/errors/errors.js'
import { dialSocket } from '#src/network/socket.js'
import { Heartbeat } from '#src/wire/messages/heartbeat.js'
import { ListGroups } from '#src/wire/messages/list-groups.js'
import { Metadata } from '#src/wire/messages/metadata.js'
import { Produce } from '#src/wire/messages/produce.js'
import { ManualClock } from '../support/manual-clock.ts'
import { open } from '../support/network.ts'
import { ScriptedBroker, type HandlerTable } from '../support/scripted-broker.ts'
import type { TestContext } from 'node:test'

async function broker(t: TestContext, handlers: HandlerTable = {}): Promise<ScriptedBroker> {
  const started = await ScriptedBroker.start(handlers)
  t.after(() => started.close())
  return started
}

test('requests sent side by side get their own answers, in one write', async (t) => {
  const peer = await broker(t)
  peer.on(Heartbeat, ({ generationId }) => ({ errorCode: generationId }))
  const writes: number[] = []
  const dial: Dialer = async (request, events) => {
    const transport = await dialSocket(request, events)
    return {
      remote: transport.remote,
      get pendingBytes() {
        return transport.pendingBytes
      },
      write: (chunks, written) => {
        writes.push(chunks.length)
        transport.write(chunks, written)
      },
      pause: () => {
        transport.pause()
      },
      resume: () => {
        transport.resume()
      },
      destroy: (error) => {
        transport.destroy(error)
      },
    }
  }
  const { connection } = await open(t, peer.port, { dial })
  writes.length = 0
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) => connection.send(Heartbeat, { groupId: 'g', generationId: i })),
  )
  assert.deepEqual(
    answers.map(({ errorCode }) => errorCode),
    Array.from({ length: 20 }, (_, i) => i),
  )
  assert.equal(writes.length, 1)
})

test('a request is made for the version that the broker will get', async (t) => {
  const peer = await ScriptedBroker.start({}, { versions: { Metadata: [0, 5] } })
  t.after(() => peer.close())
  const { connection } = await open(t, peer.port)
  const versions: number[] = []
  await connection.send(Metadata, (version) => {
    versions.push(version)
    return { topics: [] }
  })
  assert.deepEqual(versions, [5])
  assert.equal(peer.requests(Metadata)[0]!.version, 5)
})

test('an answer that does not come in time closes the connection and says which request it was', async (t) => {
  const peer = await broker(t)
  peer.on(Heartbeat, () => 'silence')
  peer.on(ListGroups, () => 'silence')
  const clock = new ManualClock()
  const { connection, closed } = await open(t, peer.port, { clock })
  const slow = connection.send(Heartbeat, { groupId: 'g' }, { timeoutMs: 500 })
  const beside = connection.send(ListGroups, {}, { timeoutMs: 5_000 })
  const outcome = Promise.allSettled([slow, beside])
  await peer.untilReceived(ListGroups)
  await clock.advance(499)
  assert.ok(connection.isOpen)
  await clock.advance(1)
  const [first, second] = await outcome
  assert.ok(first.status === 'rejected' && second.status === 'rejected')
  assert.ok(first.reason instanceof TimeoutError)
  assert.match(first.reason.message, /broker 1 at test:9092 did not answer Heartbeat within 500 ms/)
  assert.equal(first.reason.persistence, 'possibly-persisted')
  assert.ok(second.reason instanceof ConnectionError)
  assert.equal(second.reason.retriable, true)
  assert.equal((await closed).reason, 'request timed out')
  assert.equal(clock.pendingTimers, 0)
})

test('what was never written says so when the connection ends', async (t) => {
  const peer = await broker(t)
  peer.on(Heartbeat, () => 'silence')
  const { connection } = await open(t, peer.port)
  const sent = Array.from({ length: 101 }, () => connection.send(Heartbeat, { groupId: 'g' }))
  const outcomes = Promise.allSettled(sent)
  await peer.untilReceived(Heartbeat, 100)
  peer.dropConnections()
  const persistence = (await outcomes).map((outcome) =>
    outcome.status === 'rejected' ? (outcome.reason as ConnectionError).persistence : outcome.status,
  )
  assert.deepEqual(persistence, [...Array.from({ length: 100 }, () => 'possibly-persisted'), 'not-persisted'])
  assert.equal(peer.requests(Heartbeat).length, 100)
  await assert.rejects(connection.send(Heartbeat, { groupId: 'g' }), {
    name: 'ConnectionError',
    persistence: 'not-persisted',
    message: /is closed \(connection broken\)/,
  })
})

test('a request that waits for others to be answered goes out when one is', async (t) => {
  const peer = await broker(t)
  let release!: () => void
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  peer.on(Heartbeat, async () => {
    await gate
    return {}
  })
  const { connection } = await open(t, peer.port)
  const all = Promise.all(Array.from({ length: 150 }, () => connection.send(Heartbeat, { groupId: 'g' })))
  await peer.untilReceived(Heartbeat, 100)
  assert.equal(connection.pendingRequests, 150)
  release()
  await all
  assert.equal(connection.pendingRequests, 0)
})

test('an answer with a wrong correlation id ends the connection', async (t) => {
  const peer = await broker(t)
  peer.on(Heartbeat, (_, { correlationId }) => {
    const answer = Buffer.alloc(8)
    answer.writeInt32BE(4)
    answer.writeInt32BE(correlationId + 1, 4)
    return answer
  })
  const { connection, closed } = await open(t, peer.port)
  await assert.rejects(connection.send(Heartbeat, { groupId: 'g' }), (error) => {
    assert.ok(error instanceof ProtocolError)
    assert.match(error.message, /answered request 2 where the answer to request 1 \(Heartbeat\) was due/)
    return true
  })
  assert.equal((await closed).reason, 'protocol violated')
})

test('an answer that nobody asked for ends the connection', async (t) => {
  const peer = await broker(t)
  peer.once(Heartbeat, () => Buffer.from([0, 0, 0, 10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 9]))
  const { connection, closed } = await open(t, peer.port)
  // The broker answers twice: the first is the answer, version 4: tags, throttle time, error code, tags.
  await connection.send(Heartbeat, { groupId: 'g' }).catch(() => {})
  assert.equal((await closed).reason, 'protocol violated')
})

test('an answer that cannot be read ends the connection and names the request', async (t) => {
  const peer = await broker(t)
  peer.on(Heartbeat, (_, { correlationId }) => {
    const answer = Buffer.alloc(9)
    answer.writeInt32BE(5)
    answer.writeInt32BE(correlationId, 4)
    return answer
  })
  const { connection, closed } = await open(t, peer.port)
  await assert.rejects(connection.send(Heartbeat, { groupId: 'g' }), {
    name: 'ProtocolError',
    message: /the answer of broker 1 at test:9092 to Heartbeat version 4 cannot be read/,
  })
  assert.equal((await closed).reason, 'protocol violated')
})

for (const [what, length] of [
  ['negative', -5],
  ['beyond the limit', 2_000_000],
] as const) {
  test(`an answer with a length that is ${what} ends the connection`, async (t) => {
    const peer = await broker(t)
    peer.on(Heartbeat, () => {
      const answer = Buffer.alloc(4)
      answer.writeInt32BE(length)
      return answer
    })
    const { connection, closed } = await open(t, peer.port, { maxResponseBytes: 1_999_999 })
    await assert.rejects(connection.send(Heartbeat, { groupId: 'g' }), ProtocolError)
    assert.equal((await closed).reason, 'protocol violated')
  })
}

test('a connection with nothing to do closes itself, one with a request in flight does not', async (t) => {
  const peer = await broker(t)
  let release!: () => void
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  peer.on(Heartbeat, async () => {
    await gate
    return {}
  })
  const clock = new ManualClock()
  const { connection, closed } = await open(t, peer.port, { clock, maxIdleMs: 1_000 })
  await clock.advance(900)
  const answer = connection.send(Heartbeat, { groupId: 'g' }, { timeoutMs: 60_000 })
  await peer.untilReceived(Heartbeat)
  await clock.advance(30_000)
  assert.ok(connection.isOpen)
  release()
  await answer
  await clock.advance(999)
  assert.ok(connection.isOpen)
  await clock.advance(30_001)
  assert.deepEqual(await closed, { reason: 'idle', error: undefined })
  assert.equal(clock.pendingTimers, 0)
})

test('a request without an answer resolves when it is written, and those behind it are answered', async (t) => {
  const peer = await broker(t)
  peer.on(Produce, () => 'silence')
  peer.on(Heartbeat, () => ({}))
  const { connection } = await open(t, peer.port)
  const [written] = await Promise.all([
    connection.send(Produce, { acks: 0, timeoutMs: 1 }, { expectResponse: false }),
    connection.send(Heartbeat, { groupId: 'g' }),
  ])
  assert.equal(written, undefined)
  assert.equal(peer.requests(Produce).length, 1)
  assert.equal(connection.pendingRequests, 0)
})

test('a signal cancels the waiting and not the connection', async (t) => {
  const peer = await broker(t)
  let release!: () => void
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  peer.once(Heartbeat, async () => {
    await gate
    return { errorCode: 1 }
  })
  peer.on(Heartbeat, () => ({ errorCode: 2 }))
  const { connection } = await open(t, peer.port)
  const abort = new AbortController()
  const cancelled = connection.send(Heartbeat, { groupId: 'g' }, { signal: abort.signal })
  await peer.untilReceived(Heartbeat)
  abort.abort(new Error('no longer wanted'))
  await assert.rejects(cancelled, /no longer wanted/)
  const next = connection.send(Heartbeat, { groupId: 'g' })
  release()
  assert.equal((await next).errorCode, 2)
})

test('a request cancelled before it was written is not sent', async (t) => {
  const peer = await broker(t)
  peer.on(Heartbeat, () => ({}))
  const { connection } = await open(t, peer.port)
  const abort = new AbortController()
  const cancelled = connection.send(Heartbeat, { groupId: 'cancelled' }, { signal: abort.signal })
  abort.abort(new Error('no longer wanted'))
  await assert.rejects(cancelled, /no longer wanted/)
  await connection.send(Heartbeat, { groupId: 'next' })
  assert.deepEqual(
    peer.requests(Heartbeat).map(({ request }) => request.groupId),
    ['next'],
  )
})

test('a message that cannot be written fails alone', async (t) => {
  const peer = await broker(t)
  peer.on(Heartbeat, () => ({}))
  const { connection } = await open(t, peer.port)
  const bad = connection.send(Heartbeat, { groupId: 7 as unknown as string })
  const good = connection.send(Heartbeat, { groupId: 'g' })
  await assert.rejects(bad)
  await good
})

test('while the broker throttles, requests wait on our side', async (t) => {
  const peer = await broker(t)
  peer.once(Heartbeat, () => ({ throttleTimeMs: 2_000 }))
  peer.on(Heartbeat, () => ({}))
  const clock = new ManualClock()
  const { connection } = await open(t, peer.port, { clock })
  await connection.send(Heartbeat, { groupId: 'g' })
  const held = connection.send(Heartbeat, { groupId: 'g' }, { timeoutMs: 100 })
  await clock.advance(1_999)
  assert.equal(peer.requests(Heartbeat).length, 1)
  await clock.advance(1)
  await held
  assert.equal(peer.requests(Heartbeat).length, 2)
})

test('close waits for the answers that are due and takes nothing new', async (t) => {
  const peer = await broker(t)
  let release!: () => void
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  peer.on(Heartbeat, async () => {
    await gate
    return { errorCode: 7 }
  })
  const { connection, closed } = await open(t, peer.port)
  const answer = connection.send(Heartbeat, { groupId: 'g' })
  await peer.untilReceived(Heartbeat)
  const closing = connection.close()
  await assert.rejects(connection.send(Heartbeat, { groupId: 'g' }), ConnectionError)
  release()
  assert.equal((await answer).errorCode, 7)
  await closing
  assert.deepEqual(await closed, { reason: 'closed', error: undefined })
  await connection.close()
})

test('close does not wait for what nobody waits for', async (t) => {
  const peer = await broker(t)
  peer.on(Heartbeat, () => 'silence')
  const { connection, closed } = await open(t, peer.port)
  const early = new AbortController()
  const late = new AbortController()
  const requests = [early, late].map(({ signal }) => connection.send(Heartbeat, { groupId: 'g' }, { signal }))
  const outcomes = Promise.allSettled(requests)
  await peer.untilReceived(Heartbeat, 2)
  early.abort()
  const closing = connection.close()
  assert.equal(connection.closeReason, undefined)
  late.abort()
  await closing
  assert.equal((await closed).reason, 'closed')
  for (const { status } of await outcomes) assert.equal(status, 'rejected')
})

test('what waits is bounded too', async (t) => {
  const peer = await broker(t)
  peer.on(Heartbeat, () => 'silence')
  const { connection } = await open(t, peer.port)
  const accepted = Array.from({ length: 10_000 }, () => connection.send(Heartbeat, { groupId: 'g' }))
  const outcomes = Promise.allSettled(accepted)
  await assert.rejects(connection.send(Heartbeat, { groupId: 'g' }), {
    name: 'ConnectionError',
    retriable: true,
    persistence: 'not-persisted',
    message: 'broker 1 at test:9092 has 10000 requests of ours waiting already',
  })
  connection.destroy()
  await outcomes
})

test('destroy rejects whatever is due with its reason', async (t) => {
  const peer = await broker(t)
  peer.on(Heartbeat, () => 'silence')
  const { connection, closed } = await open(t, peer.port)
  const first = connection.send(Heartbeat, { groupId: 'g' })
  await peer.untilReceived(Heartbeat)
  const second = connection.send(Heartbeat, { groupId: 'g' })
  const outcomes = Promise.allSettled([first, second])
  connection.destroy()
  for (const outcome of await outcomes) {
    assert.ok(outcome.status === 'rejected' && outcome.reason instanceof ClosedError)
  }
  assert.equal((await closed).reason, 'closed')
  await peer.until(() => peer.openConnections === 0)
})

test('the owner is told when the broker hangs up', async (t) => {
  const peer = await broker(t)
  peer.on(Heartbeat, () => 'drop')
  const { connection, closed } = await open(t, peer.port)
  await assert.rejects(connection.send(Heartbeat, { groupId: 'g' }), {
    name: 'ConnectionError',
    retriable: true,
    persistence: 'possibly-persisted',
    message: /the connection to broker 1 at test:9092 ended before it answered Heartbeat/,
  })
  assert.equal((await closed).reason, 'connection broken')
})
