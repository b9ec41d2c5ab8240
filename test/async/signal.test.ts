import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Signal } from '#src/async/signal.js'
import { ManualClock } from '../support/manual-clock.ts'

test('a bell rung while nobody sleeps wakes the next sleeper at once, and only that one', async () => {
  const clock = new ManualClock()
  const bell = new Signal(clock)
  bell.ring()
  bell.ring()
  await bell.wait()
  let woken = false
  const sleeping = bell.wait(50).then(() => (woken = true))
  await clock.advance(49)
  assert.equal(woken, false)
  await clock.advance(1)
  await sleeping
})

test('a sleeper is woken by the bell, and its timer goes', async () => {
  const clock = new ManualClock()
  const bell = new Signal(clock)
  const sleeping = bell.wait(1_000)
  bell.ring()
  await sleeping
  assert.equal(clock.pendingTimers, 0)
})

test('a sleeper is woken by its signal', async () => {
  const clock = new ManualClock()
  const abort = new AbortController()
  const sleeping = new Signal(clock).wait(undefined, abort.signal)
  abort.abort()
  await sleeping
  await new Signal(clock).wait(undefined, abort.signal)
})
