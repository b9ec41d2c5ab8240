import assert from 'node:assert/strict'
import { test } from 'node:test'

import { AbortedTransactions } from '#src/consumer/isolation.js'

function batch(lastOffset: number, producerId: number, isTransactional = true) {
  return { lastOffset, producerId, isTransactional }
}

test('two aborted transactions of one producer with a committed one between them', () => {
  const aborted = new AbortedTransactions([
    { producerId: 1, firstOffset: 0 },
    { producerId: 1, firstOffset: 6 },
  ])
  assert.equal(aborted.hides(batch(1, 1)), true)
  aborted.endOf(batch(2, 1))
  assert.equal(aborted.hides(batch(4, 1)), false)
  assert.equal(aborted.hides(batch(7, 1)), true)
  aborted.endOf(batch(8, 1))
  assert.equal(aborted.hides(batch(9, 1)), false)
})

test('the list may come in any order, and only its producers are hidden', () => {
  const aborted = new AbortedTransactions([
    { producerId: 2, firstOffset: 5 },
    { producerId: 1, firstOffset: 0 },
  ])
  assert.equal(aborted.hides(batch(0, 1)), true)
  assert.equal(aborted.hides(batch(2, 2)), false)
  assert.equal(aborted.hides(batch(6, 2)), true)
  assert.equal(aborted.hides(batch(7, 3)), false)
  assert.equal(aborted.hides(batch(8, 1, false)), false, 'what is in no transaction is never hidden')
})

test('a transaction whose marker is in a later answer stays hidden to the end of this one', () => {
  const aborted = new AbortedTransactions([{ producerId: 1, firstOffset: 0 }])
  for (const lastOffset of [3, 9, 20]) assert.equal(aborted.hides(batch(lastOffset, 1)), true)
})

test('the marker of a producer that is not listed changes nothing', () => {
  const aborted = new AbortedTransactions([])
  aborted.endOf(batch(3, 7))
  assert.equal(aborted.hides(batch(4, 7)), false)
})
