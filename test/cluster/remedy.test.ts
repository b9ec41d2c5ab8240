import assert from 'node:assert/strict'
import { test } from 'node:test'

import { remedyFor, remedyForCode } from '#src/cluster/remedy.js'
import type { Target } from '#src/cluster/target.js'
import { brokerErrorTable } from '#src/errors/broker-error-codes.js'
import { BrokerError, brokerErrorNumber } from '#src/errors/broker-error.js'
import { AuthenticationError, ClosedError, ConnectionError, ProtocolError, TimeoutError } from '#src/errors/errors.js'

const leader: Target = { kind: 'leader', of: { topic: 'orders', partition: 0 } }
const coordinator: Target = { kind: 'coordinator', of: 'group', key: 'billing' }

test('whatever Kafka calls retriable has a remedy', () => {
  for (const [errorCode, name, retriable] of brokerErrorTable) {
    if (retriable) assert.notEqual(remedyForCode(errorCode), 'none', name)
  }
})

test('beyond that, only a wrong cluster has one', () => {
  const others = brokerErrorTable.filter(([code, , retriable]) => !retriable && remedyForCode(code) !== 'none')
  assert.deepEqual(
    others.map(([, name]) => name),
    ['REBOOTSTRAP_REQUIRED'],
  )
})

test('a code that we do not know has no remedy', () => {
  assert.equal(remedyForCode(32_000), 'none')
})

test('codes ask for what their name says', () => {
  assert.equal(remedyFor(leader, brokerErrorNumber('NOT_LEADER_OR_FOLLOWER')), 'refresh-metadata')
  assert.equal(remedyFor(coordinator, brokerErrorNumber('NOT_COORDINATOR')), 'find-coordinator')
  assert.equal(remedyFor(coordinator, brokerErrorNumber('COORDINATOR_LOAD_IN_PROGRESS')), 'backoff')
  assert.equal(remedyFor(leader, new BrokerError(brokerErrorNumber('FENCED_LEADER_EPOCH'), 'x')), 'refresh-metadata')
  assert.equal(remedyFor(leader, brokerErrorNumber('TOPIC_AUTHORIZATION_FAILED')), 'none')
})

test('a broker that is gone is looked for anew, whatever it was', () => {
  assert.equal(remedyFor(leader, new ConnectionError('gone')), 'refresh-metadata')
  assert.equal(remedyFor(coordinator, new ConnectionError('gone')), 'find-coordinator')
  assert.equal(remedyFor(coordinator, new TimeoutError('late')), 'find-coordinator')
  assert.equal(remedyFor(leader, new ConnectionError('gone', { retriable: false })), 'none')
})

test('what fails again in the same way has no remedy', () => {
  for (const error of [new AuthenticationError('x'), new ClosedError('x'), new ProtocolError('x')]) {
    assert.equal(remedyFor(leader, error), 'none')
  }
})
