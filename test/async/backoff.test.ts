import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Backoff } from '#src/async/backoff.js'

const fixed = (value: number): { next(): number; uuid(): string } => ({ next: () => value, uuid: () => '' })

test('waits double up to the longest one', () => {
  const backoff = new Backoff({ initialMs: 100, maxMs: 1_000 }, fixed(0.5))
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6].map(() => backoff.nextMs()),
    [100, 200, 400, 800, 1_000, 1_000],
  )
  assert.equal(backoff.attempts, 6)
  backoff.reset()
  assert.equal(backoff.nextMs(), 100)
})

test('jitter keeps each wait within 20 % of its middle', () => {
  assert.equal(new Backoff({ initialMs: 100, maxMs: 1_000 }, fixed(0)).nextMs(), 80)
  const highest = new Backoff({ initialMs: 100, maxMs: 1_000 }, fixed(0.999_999)).nextMs()
  assert.ok(highest > 119.9 && highest < 120, String(highest))
})

test('a backoff that was asked ten thousand times still gives its longest wait', () => {
  const backoff = new Backoff({ initialMs: 100, maxMs: 1_000 }, fixed(0.5))
  for (let i = 0; i < 10_000; i++) backoff.nextMs()
  assert.equal(backoff.nextMs(), 1_000)
})
