import assert from 'node:assert/strict'
import { test } from 'node:test'

import { ProtocolError } from '#src/errors/errors.js'
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from '#src/group/classic-protocol/member-metadata.js'

const subscription = {
  topics: ['b', 'a'],
  userData: Buffer.from('x'),
  ownedPartitions: [
    { topic: 'a', partition: 2 },
    { topic: 'a', partition: 1 },
  ],
  generationId: 7,
  rackId: 'r1',
}

test('a subscription is read as it was written, its topics and partitions in order', () => {
  assert.deepEqual(decodeSubscription(encodeSubscription(subscription)), {
    ...subscription,
    topics: ['a', 'b'],
    ownedPartitions: subscription.ownedPartitions.toReversed(),
  })
})

test('what a newer client wrote is read as far as we know it', () => {
  const bytes = Buffer.concat([encodeSubscription(subscription), Buffer.from('more')])
  bytes.writeInt16BE(12, 0)
  assert.deepEqual(decodeSubscription(bytes).topics, ['a', 'b'])
  const assignment = Buffer.concat([
    encodeAssignment({ partitions: [{ topic: 't', partition: 3 }], userData: null }),
    Buffer.from([1]),
  ])
  assignment.writeInt16BE(9, 0)
  assert.deepEqual(decodeAssignment(assignment).partitions, [{ topic: 't', partition: 3 }])
})

test('what the first clients wrote, version 0, is read', () => {
  // Version 0, one topic 't', no user data.
  const bytes = Buffer.from('0000' + '00000001' + '000174' + 'ffffffff', 'hex')
  const read = decodeSubscription(bytes)
  assert.deepEqual(read.topics, ['t'])
  assert.equal(read.generationId, -1)
  assert.deepEqual(read.ownedPartitions, [])
})

test('no bytes at all are an assignment of nothing', () => {
  assert.deepEqual(decodeAssignment(Buffer.alloc(0)).partitions, [])
})

test('negative and repeated partitions, and bytes cut off anywhere, are refused', () => {
  for (const partitions of [[{ topic: 't', partition: -1 }], [0, 0].map((partition) => ({ topic: 't', partition }))]) {
    assert.throws(() => decodeAssignment(encodeAssignment({ partitions, userData: null })), ProtocolError)
  }
  const whole = encodeSubscription(subscription)
  for (let length = 0; length < whole.length; length++) {
    assert.throws(() => decodeSubscription(whole.subarray(0, length)), ProtocolError, `cut to ${length} bytes`)
  }
  const negative = Buffer.from(whole)
  negative.writeInt16BE(-1, 0)
  assert.throws(() => decodeSubscription(negative), ProtocolError)
})
