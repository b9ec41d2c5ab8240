/** Broker error codes: names, numbers, and what is worth trying again. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { brokerErrorTable } from '#src/errors/broker-error-codes.js'
import { BrokerError, brokerErrorName, brokerErrorNumber, isRetriable } from '#src/errors/broker-error.js'
import { KafkaError } from '#src/errors/kafka-error.js'

test('every code from -1 to 133 has a name, and 32 of them pass', () => {
  assert.deepEqual(
    brokerErrorTable.map(([number]) => number),
    Array.from({ length: 135 }, (_, index) => index - 1),
  )
  assert.equal(new Set(brokerErrorTable.map(([, name]) => name)).size, 135)
  assert.equal(brokerErrorTable.filter(([, , retriable]) => retriable).length, 32)
})

test('a name and its number are found from each other', () => {
  assert.equal(brokerErrorName(6), 'NOT_LEADER_OR_FOLLOWER')
  assert.equal(brokerErrorNumber('NOT_LEADER_OR_FOLLOWER'), 6)
  for (const [number, name] of brokerErrorTable) assert.equal(brokerErrorNumber(name), number)
  assert.throws(() => brokerErrorNumber('NO_SUCH' as 'NONE'), TypeError)
})

test('an error says what happened, with the name of the code, and whether to try again', () => {
  const error = new BrokerError(6, "the fetch of partition 7 of 'orders' was refused")
  assert.ok(error instanceof KafkaError)
  assert.equal(error.name, 'BrokerError')
  assert.ok(!Object.hasOwn(error, 'persistence'), 'only errors of the produce path speak of it')
  assert.equal(error.message, "the fetch of partition 7 of 'orders' was refused: NOT_LEADER_OR_FOLLOWER")
  assert.equal(error.code, 'NOT_LEADER_OR_FOLLOWER')
  assert.equal(error.errorCode, 6)
  assert.equal(error.retriable, true)
  assert.equal(new BrokerError(17, 'no').retriable, false)
})

test("an error carries the broker's own words, cause and persistence", () => {
  const cause = new Error('deep')
  const error = new BrokerError(37, 'refused', { brokerMessage: 'too few', cause, persistence: 'not-persisted' })
  assert.equal(error.message, 'refused: INVALID_PARTITIONS (too few)')
  assert.equal(error.cause, cause)
  assert.equal(error.persistence, 'not-persisted')
  assert.equal(new BrokerError(37, 'refused', { brokerMessage: null }).message, 'refused: INVALID_PARTITIONS')
})

test('a code of a newer Kafka has a name of its own and is not tried again', () => {
  const error = new BrokerError(999, 'refused')
  assert.equal(error.code, 'UNKNOWN_ERROR_CODE_999')
  assert.equal(isRetriable(999), false)
})
