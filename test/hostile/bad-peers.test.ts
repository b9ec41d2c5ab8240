/** Every kind of client meets every kind of peer that is no broker: one error, in time, that says where and why. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KafkaError } from '#src/errors/kafka-error.js'
import { badPeers, peerSetting } from './bad-peers.ts'
import { assertCleanEnd, clientKinds, limits, meet } from './world.ts'

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
