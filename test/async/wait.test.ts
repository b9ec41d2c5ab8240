import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Deferred } from '#src/async/deferred.js'
import { abortable, before, sleep } from '#src/async/wait.js'
import { ManualClock } from '../support/manual-clock.ts'

test('a sleep ends when its time has come, and not before', async () => {
  const clock = new ManualClock()
  let awake = false
  const sleeping = sleep(clock, 100).then(() => (awake = true))
  await clock.advance(99)
  assert.equal(awake, false)
  await clock.advance(1)
  assert.equal(awake, true)
  await sleeping
})

test('an aborted sleep rejects with the reason of its signal and leaves no timer', async () => {
  const clock = new ManualClock()
  const abort = new AbortController()
  const reason = new Error('enough')
  const sleeping = sleep(clock, 100, { signal: abort.signal })
  abort.abort(reason)
  await assert.rejects(sleeping, reason)
  await assert.rejects(sleep(clock, 100, { signal: abort.signal }), reason)
  assert.equal(clock.pendingTimers, 0)
})

test('waiting for a promise ends with the signal, and the rejection that comes later is handled', async () => {
  const work = new Deferred<number>()
  const abort = new AbortController()
  const waiting = abortable(work.promise, { signal: abort.signal })
  const reason = new Error('enough')
  abort.abort(reason)
  await assert.rejects(waiting, reason)
  work.reject(new Error('nobody listens any more'))
  await new Promise((resolve) => setImmediate(resolve))
})

test('waiting passes on what the promise becomes', async () => {
  const { signal } = new AbortController()
  assert.equal(await abortable(Promise.resolve(7), { signal }), 7)
  await assert.rejects(abortable(Promise.reject(new Error('no')), { signal }), /no/)
})

test('a deadline that passes rejects with a TimeoutError that says what was waited for', async () => {
  const clock = new ManualClock()
  const waiting = before(new Deferred<void>().promise, {
    clock,
    deadline: clock.now() + 250,
    what: "for the leader of 'orders'",
  })
  const outcome = assert.rejects(waiting, {
    name: 'TimeoutError',
    code: 'TIMEOUT',
    retriable: true,
    message: "timed out after 250 ms for the leader of 'orders'",
  })
  await clock.advance(250)
  await outcome
  assert.equal(clock.pendingTimers, 0)
})

test('a promise that settles before its deadline leaves no timer', async () => {
  const clock = new ManualClock()
  assert.equal(await before(Promise.resolve('x'), { clock, deadline: clock.now() + 5, what: 'at all' }), 'x')
  await clock.advance(0)
  assert.equal(clock.pendingTimers, 0)
})
