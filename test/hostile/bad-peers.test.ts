/** Every kind of client meets every kind of peer that is no broker: one error, in time, that says where and why. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KafkaError } from '#src/errors/kafka-error.js'
import { badPeers, peerSetting } from './bad-peers.ts'
import { clientKinds, limits, meet, type Outcome } from './world.ts'

/** No case needs more memory than this, and none of them may keep any. */
const mostGrowthBytes = 150_000_000

function assertCleanEnd(outcome: Outcome, leavesHalfOpen = false): void {
  const { closeMs, unhandled, timersLeft, connectionsLeft, grownBytes } = outcome
  assert.deepEqual(unhandled, [])
  assert.ok(closeMs <= 1_000, `close() took ${closeMs} ms`)
  assert.equal(timersLeft, 0, 'timers are left behind')
  if (!leavesHalfOpen) assert.equal(connectionsLeft, 0, 'connections are left behind')
  assert.ok(grownBytes < mostGrowthBytes, `grew by ${grownBytes} bytes`)
}

for (const peer of badPeers) {
  test(`a peer that ${peer.name} gets one error from every client, in time, that names it and the cause`, async () => {
    for (const kind of clientKinds) {
      const outcome = await meet(kind, peerSetting(peer))
      const { error, elapsedMs } = outcome
      assert.ok(error instanceof KafkaError, `${kind}: ${String(error ?? outcome.value)}`)
      assert.match(error.message, /\bkafka-1:9092\b/, kind)
      assert.match(error.message, peer.cause, kind)
      assert.ok(elapsedMs <= limits.apiTimeoutMs + 1, `${kind} took ${elapsedMs} ms`)
      assertCleanEnd(outcome, peer.leavesHalfOpen)
    }
  })
}
