import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BrokerSilence } from '#src/producer/broker-silence.js'
import { ManualClock } from '../support/manual-clock.ts'

test('silence lasts from the first request without an answer, or from the last answer', async () => {
  const clock = new ManualClock()
  const silence = new BrokerSilence(clock)
  assert.equal(silence.isLongerThan(1, 0), false, 'nothing was asked')
  silence.asked(1)
  await clock.advance(60)
  silence.asked(1)
  await clock.advance(40)
  assert.equal(silence.isLongerThan(1, 100), false)
  await clock.advance(1)
  assert.equal(silence.isLongerThan(1, 100), true)
  assert.equal(silence.isLongerThan(2, 100), false, 'another broker')
  silence.answered(1, 1)
  await clock.advance(100)
  assert.equal(silence.isLongerThan(1, 100), false, 'counted from the answer on, for one request is still under way')
  await clock.advance(1)
  assert.equal(silence.isLongerThan(1, 100), true)
  silence.answered(1, 0)
  await clock.advance(1_000)
  assert.equal(silence.isLongerThan(1, 100), false, 'it owes nothing')
  silence.asked(1)
  await clock.advance(101)
  assert.equal(silence.isLongerThan(1, 100), true)
  silence.forget(1)
  assert.equal(silence.isLongerThan(1, 100), false)
})
