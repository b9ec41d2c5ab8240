import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Consumer } from '#src/consumer/consumer.js'
import { readConsumerOptions } from '#src/consumer/consumer-options.js'
import { IllegalStateError, InvalidArgumentError, InvalidOptionError } from '#src/errors/errors.js'

test('the defaults are Kafka’s', () => {
  assert.deepEqual(readConsumerOptions({ groupId: 'g' }, 40_000), {
    groupId: 'g',
    assignors: ['range'],
    autoOffsetReset: 'latest',
    autoCommit: true,
    autoCommitIntervalMs: 5_000,
    sessionTimeoutMs: 45_000,
    heartbeatIntervalMs: 3_000,
    maxPollIntervalMs: 300_000,
    maxPollRecords: 500,
    fetchMinBytes: 1,
    fetchMaxBytes: 52_428_800,
    maxPartitionFetchBytes: 1_048_576,
    fetchMaxWaitMs: 500,
    fetchBufferBytes: 67_108_864,
    isolationLevel: 'read_uncommitted',
    checkCrcs: true,
    allowAutoTopicCreation: false,
    excludeInternalTopics: true,
    copyRecords: false,
    onDeserializationError: 'throw',
    interceptors: [],
  })
  assert.equal(readConsumerOptions({}, 40_000).autoCommit, false, 'without a group there is nobody to commit to')
})

test('what is unknown, wrong or contradictory is refused by name', () => {
  const wrong: [string, object][] = [
    ['groupid', { groupid: 'x' }],
    ['groupId', { groupId: '' }],
    ['groupInstanceId', { groupId: 'g', groupInstanceId: 'x' }],
    ['groupProtocol', { groupId: 'g', groupProtocol: 'classic' }],
    ['clientRack', { clientRack: 'a' }],
    ['valueDeserializer', { valueDeserializer: { serialize: () => '' } }],
    ['keyDeserializer', { keyDeserializer: 'string' }],
    ['onDeserializationError', { onDeserializationError: 'ignore' }],
    ['interceptors', { interceptors: { onConsume: () => {} } }],
    ['interceptors', { interceptors: [{}] }],
    ['interceptors', { interceptors: [{ onConsume: 'x' }] }],
    ['autoOffsetReset', { autoOffsetReset: 'soonest' }],
    ['autoCommit', { autoCommit: 'marked' }],
    ['autoCommit', { autoCommit: true }],
    ['heartbeatIntervalMs', { heartbeatIntervalMs: 45_000 }],
    ['fetchMaxWaitMs', { fetchMaxWaitMs: 60_000 }],
    ['assignors', { assignors: ['sticky'] }],
    ['assignors', { assignors: [] }],
    ['assignors', { assignors: ['range', 'range'] }],
    ['maxPollRecords', { maxPollRecords: 0 }],
    ['isolationLevel', { isolationLevel: 'committed' }],
  ]
  for (const [option, options] of wrong) {
    assert.throws(
      () => new Consumer(options),
      (error) => error instanceof InvalidOptionError && error.option === option,
      option,
    )
  }
})

test('wrong arguments are refused in words, before anything is sent', async (t) => {
  const consumer = new Consumer({ bootstrapServers: 'localhost:1' })
  t.after(() => consumer.close())
  for (const topics of [[], [''], [7], 'orders', undefined]) {
    await assert.rejects(consumer.subscribe(topics as never), InvalidArgumentError)
  }
  await assert.rejects(consumer.subscribe(['a'], { onAsigned: () => {} } as never), InvalidArgumentError)
  await assert.rejects(consumer.subscribe(['a'], { onAssigned: 'x' } as never), InvalidArgumentError)
  await assert.rejects(consumer.getMany({ maxRecords: 0 }), InvalidArgumentError)
  await assert.rejects(consumer.getMany({ timeoutMs: -1 }), InvalidArgumentError)
  await assert.rejects(consumer.close({ group: 'stay' as never }), InvalidArgumentError)
  assert.throws(() => {
    consumer.seek({ topic: 'a', partition: 0 }, 1)
  }, IllegalStateError)
  assert.throws(() => consumer.lag({ topic: 'a', partition: 0 }), IllegalStateError)
  await assert.rejects(consumer.position({ topic: 'a', partition: 0 }), IllegalStateError)
  await assert.rejects(consumer.commit(), IllegalStateError)
  assert.equal(consumer.subscription(), null)
  assert.deepEqual(consumer.assignment(), [])
})

test('a consumer that cannot connect tells those who wait for records', async (t) => {
  const consumer = new Consumer({ bootstrapServers: '127.0.0.1:1', connectionSetupTimeoutMs: 200 })
  t.after(() => consumer.close())
  await assert.rejects(consumer.start(), { code: 'CONNECTION_FAILED' })
  consumer.assign([{ topic: 'a', partition: 0 }])
  await assert.rejects(consumer.getMany(), { code: 'CONNECTION_FAILED' })
})
