/** Peers that break the protocol or hold us back: who suffers from it, and who does not. */

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { ConnectionError, ProtocolError, TimeoutError } from '#src/errors/errors.js'
import { Connection } from '#src/network/connection.js'
import { encodeResponse } from '#src/wire/frame.js'
import { ApiVersions } from '#src/wire/messages/api-versions.js'
import { Heartbeat } from '#src/wire/messages/heartbeat.js'
import { ListGroups } from '#src/wire/messages/list-groups.js'
import { ManualClock } from '../support/manual-clock.ts'
import { listen, open, settingsFor } from '../support/network.ts'
import { ScriptedBroker } from '../support/scripted-broker.ts'

const apiKeys = [{ apiKey: ApiVersions.key, minVersion: 0, maxVersion: ApiVersions.maxVersion }]

test('a peer whose first answer comes with junk behind it gives no connection', async (t) => {
  const answer = Buffer.concat(encodeResponse(ApiVersions, ApiVersions.maxVersion, 0, { apiKeys }))
  const junk = Buffer.from([0, 0, 0, 4, 0, 0, 0, 99])
  const port = await listen(t, (socket) => {
    socket.once('data', () => socket.write(Buffer.concat([answer, junk])))
  })
  const told: string[] = []
  const opening = Connection.open(settingsFor(port, { onClose: (reason) => told.push(reason) }))
  await assert.rejects(opening, (error) => {
    assert.ok(error instanceof ProtocolError)
    assert.match(error.message, /answered request 99, but none is in flight/)
    return true
  })
  assert.deepEqual(told, [])
})

for (const [what, correlationIdOf] of [
  ['cannot be read', (correlationId: number) => correlationId],
  ['is out of turn', (correlationId: number) => correlationId + 1],
] as const) {
  test(`an answer that ${what} is final for its request, and those beside it may be sent again`, async (t) => {
    const peer = await ScriptedBroker.start({ [ListGroups.name]: () => 'silence' })
    t.after(() => peer.close())
    let release!: () => void
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    peer.on(Heartbeat, async (_, { correlationId }) => {
      await gate
      const frame = Buffer.alloc(9)
      frame.writeInt32BE(5)
      frame.writeInt32BE(correlationIdOf(correlationId), 4)
      return frame
    })
    const { connection } = await open(t, peer.port)
    const sent = [
      connection.send(Heartbeat, { groupId: 'g' }),
      ...Array.from({ length: 100 }, () => connection.send(ListGroups, {})),
    ]
    const outcomes = Promise.allSettled(sent)
    await peer.untilReceived(ListGroups, 99)
    release()
    const [bad, ...beside] = (await outcomes).map((outcome): unknown =>
      outcome.status === 'rejected' ? outcome.reason : outcome.status,
    )
    assert.ok(bad instanceof ProtocolError && !bad.retriable)
    for (const error of beside) {
      assert.ok(error instanceof ConnectionError && error.retriable)
      assert.ok(error.cause instanceof ProtocolError)
    }
    assert.deepEqual(
      beside.map((error) => (error as ConnectionError).persistence),
      [...Array.from({ length: 99 }, () => 'possibly-persisted'), 'not-persisted'],
    )
  })
}

test('what is in flight while the broker holds us back is given its time afterwards', async (t) => {
  const peer = await ScriptedBroker.start()
  t.after(() => peer.close())
  const clock = new ManualClock()
  const { connection } = await open(t, peer.port, { clock, requestTimeoutMs: 1_000 })
  peer.once(Heartbeat, () => ({ throttleTimeMs: 900 }))
  // A broker that throttles reads nothing of the connection meanwhile, what was sent before included (KIP-219).
  peer.on(ListGroups, () => 'silence')
  const throttled = connection.send(Heartbeat, { groupId: 'g' })
  const behind = connection.send(ListGroups, {})
  const outcome = assert.rejects(behind, TimeoutError)
  await throttled
  await clock.advance(1_899)
  assert.ok(connection.isOpen)
  await clock.advance(1)
  await outcome
})

test('a broker too old to hold us back has waited already: its throttle time is past', async (t) => {
  const peer = await ScriptedBroker.start(
    { [Heartbeat.name]: () => ({ throttleTimeMs: 30_000 }) },
    {
      versions: { [ApiVersions.name]: [0, 1] },
    },
  )
  t.after(() => peer.close())
  const { connection } = await open(t, peer.port, { clock: new ManualClock() })
  await connection.send(Heartbeat, { groupId: 'g' })
  await connection.send(Heartbeat, { groupId: 'g' })
})
