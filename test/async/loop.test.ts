import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Loop } from '#src/async/loop.js'

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
      reject(signal.reason)
    })
  })

test('a loop that fails tells its owner why, even when it fails before its first wait', async () => {
  const failures: unknown[] = []
  const failure = new Error('the disk is on fire')
  const onFailure = (error: unknown): void => {
    failures.push(error)
  }
  const run = [
    () => Promise.reject(failure),
    () => {
      throw failure
    },
  ]
  for (const body of run) new Loop({ name: 'metadata refresher', run: body, onFailure }).start()
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(failures, [failure, failure])
})

test('a loop that is stopped ends, and its abort is no failure', async () => {
  let ended = false
  const loop = new Loop({
    name: 'heartbeat',
    run: (signal) =>
      untilAborted(signal).finally(() => {
        ended = true
      }),
    onFailure: () => assert.fail('an abort is not a failure'),
  })
  loop.start()
  loop.start()
  assert.equal(loop.running, true)
  await loop.stop()
  assert.equal(ended, true)
  assert.equal(loop.running, false)
  await loop.stop()
})

test('a loop that was stopped before it began never begins', async () => {
  const loop = new Loop({ name: 'x', run: () => assert.fail('ran'), onFailure: () => {} })
  await loop.stop()
  loop.start()
  assert.equal(loop.running, false)
})
