import assert from 'node:assert/strict'
import { test } from 'node:test'

import { BrokerError } from '#src/errors/broker-error.js'
import { IllegalStateError, InvalidArgumentError } from '#src/errors/errors.js'
import { filterOf, partitionsOf, SubscriptionState } from '#src/consumer/subscription-state.js'

const zero = { topic: 't', partition: 0 }
const one = { topic: 't', partition: 1 }

function withPartitions(): SubscriptionState {
  const subscription = new SubscriptionState()
  for (const state of subscription.add([zero, one], 'earliest')) state.announced = true
  return subscription
}

test('handing out moves the position; only finishing moves what is finished', () => {
  const subscription = withPartitions()
  const [a, b] = subscription.all
  assert.ok(a !== undefined && b !== undefined)
  a.moveTo(5)
  b.moveTo(0)
  subscription.handedOut(a, 7, 3)
  subscription.handedOut(b, 1, 3)
  assert.deepEqual([a.position, a.finished, b.position, b.finished], [7, 5, 1, 0])
  subscription.finish(filterOf([zero]))
  assert.deepEqual([a.finished, a.finishedLeaderEpoch, b.finished], [7, 3, 0])
  subscription.finish(undefined)
  assert.equal(b.finished, 1)
})

test('offsets without records are passed, and finished unless something before them is not', () => {
  const subscription = withPartitions()
  const [a] = subscription.all
  assert.ok(a !== undefined)
  a.moveTo(0)
  a.pass(3, 1)
  assert.deepEqual([a.position, a.finished], [3, 3])
  subscription.handedOut(a, 4, 1)
  a.pass(6, 1)
  assert.deepEqual([a.position, a.finished], [6, 3])
  subscription.finish(undefined)
  assert.equal(a.finished, 6)
  a.pass(2, 1)
  assert.equal(a.position, 6, 'never backwards')
})

test('a seek makes a new epoch, and so does losing the partition', () => {
  const subscription = withPartitions()
  const state = subscription.get(zero)
  const epochs = new Set([state.epoch])
  state.moveTo(1)
  epochs.add(state.epoch)
  state.forget('latest')
  epochs.add(state.epoch)
  subscription.giveUp([zero])
  epochs.add(state.epoch)
  subscription.add([zero], 'earliest')
  epochs.add(subscription.get(zero).epoch)
  assert.equal(epochs.size, 5)
  assert.equal(state.ours, false)
  assert.equal(subscription.get(zero).ours, true)
})

test('whoever waits for a partition to be finished hears of it when it is, by whatever means', () => {
  const subscription = withPartitions()
  const [a, b] = subscription.all
  assert.ok(a !== undefined && b !== undefined)
  let heard = 0
  subscription.onFinished(() => heard++)
  a.moveTo(0)
  b.moveTo(0)
  subscription.handedOut(a, 1, 0)
  subscription.handedOut(b, 1, 0)
  subscription.finish(filterOf([zero]))
  assert.equal(heard, 1)
  assert.deepEqual([a.unfinished, b.unfinished], [false, true])
  b.moveTo(9)
  subscription.finishedElsewhere()
  assert.equal(heard, 2)
  subscription.giveUp([one])
  assert.equal(heard, 3)
})

test('a lasting failure is told to every call that asks for its partition, another one once', () => {
  const subscription = withPartitions()
  const [a, b] = subscription.all
  assert.ok(a !== undefined && b !== undefined)
  const [lasting, passing] = [new BrokerError(1, 'a'), new BrokerError(2, 'b')]
  subscription.fail(a, { error: lasting, lasting: true })
  subscription.fail(b, { error: passing, lasting: false })
  assert.equal(subscription.takeFailure(filterOf([one])), passing)
  assert.equal(subscription.takeFailure(filterOf([one])), undefined)
  assert.equal(subscription.takeFailure(undefined), lasting)
  assert.equal(subscription.takeFailure(undefined), lasting)
  a.paused = true
  assert.equal(subscription.takeFailure(undefined), undefined, 'not while it is paused')
  a.paused = false
  a.moveTo(3)
  assert.equal(subscription.takeFailure(undefined), undefined, 'a seek ends it')
})

test('one partition where a list is asked for does not pass for an empty list', () => {
  for (const wrong of [zero, 't', null, 1]) {
    for (const take of [partitionsOf, filterOf, (given: never) => withPartitions().getAll(given)]) {
      assert.throws(() => take(wrong as never), {
        code: 'INVALID_ARGUMENT',
        message: /an array of \{ topic, partition/,
      })
    }
  }
  assert.deepEqual(partitionsOf(new Set([zero, one])), [zero, one])
})

test('what is not ours, or no partition at all, is refused in words', () => {
  const subscription = withPartitions()
  assert.throws(() => subscription.get({ topic: 't', partition: 2 }), IllegalStateError)
  for (const wrong of [
    null,
    't',
    {},
    { topic: '', partition: 0 },
    { topic: 't' },
    { topic: 't', partition: -1 },
    { topic: 't', partition: 0.5 },
  ]) {
    assert.throws(() => subscription.get(wrong as never), InvalidArgumentError)
    assert.throws(() => filterOf([wrong as never]), InvalidArgumentError)
  }
})
