/** Clients meet brokers that negotiate well and then answer badly. What is wrong for good fails once, with its cause; what
 *  may pass is waited out without haste, and the logger hears of it; nothing is invented, nothing is read twice. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KafkaError } from '#src/errors/kafka-error.js'
import { badAnswers, brokerSetting } from './bad-answers.ts'
import { assertCleanEnd, limits, meet, type ClientKind } from './world.ts'

/** Whoever waits asks with a backoff: in ten seconds of waiting that is a few dozen requests, not thousands. */
const mostRequests = 90
const longestMs = Math.max(limits.getManyMs, limits.deliveryTimeoutMs) + 10

for (const bad of badAnswers) {
  test(`a broker that ${bad.name} is borne`, async () => {
    for (const [kind, expected] of Object.entries(bad.meets)) {
      const outcome = await meet(kind as ClientKind, brokerSetting(bad))
      const { value, error, elapsedMs, logged, requestCount } = outcome
      const cause = bad.cause ?? /^$/
      switch (expected) {
        case 'fails':
          assert.ok(error instanceof KafkaError, `${kind}: ${String(error ?? value)}`)
          assert.match(error.message, cause, kind)
          break
        case 'waits':
          assert.deepEqual([error, value], [undefined, []], kind)
          if (bad.cause !== undefined) assert.match(logged.join('\n'), cause, kind)
          break
        case 'done':
          assert.equal(error, undefined, kind)
          break
        default:
          assert.deepEqual([error, value], [undefined, expected], kind)
      }
      assert.ok(elapsedMs <= longestMs, `${kind} took ${elapsedMs} ms`)
      if (bad.isBusy !== true) assert.ok(requestCount <= mostRequests, `${kind} sent ${requestCount} requests`)
      assertCleanEnd(outcome)
    }
  })
}
