import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AddPartitionsToTxn } from '#src/wire/messages/add-partitions-to-txn.js'
import { EndTxn } from '#src/wire/messages/end-txn.js'
import { InitProducerId } from '#src/wire/messages/init-producer-id.js'
import { Produce } from '#src/wire/messages/produce.js'
import { TxnOffsetCommit } from '#src/wire/messages/txn-offset-commit.js'
import { TransactionScript } from './scripted-coordinator.ts'

const record = { topic: 'orders', partition: 0, value: 'a' }
const group = { groupId: 'billing', generationId: 3, memberId: 'm-1', groupInstanceId: null }

/** Which id and epoch each InitProducerId went on from. */
function continuations(script: TransactionScript): [number, number][] {
  return script.requests(InitProducerId).map(({ request }) => [request.producerId, request.producerEpoch])
}

/** A transaction of one record, whose commit succeeds. */
async function good(script: TransactionScript): Promise<void> {
  await script.producer.transaction((tx) => tx.send(record))
  assert.equal(script.deeds.at(-1), 'commit')
}

test('after a record that failed, the next epoch is had from where we were (version 1, KIP-360)', async (t) => {
  const script = await TransactionScript.start(t, { level: 1 })
  script.trouble(Produce, 29)
  await assert.rejects(good(script), { code: 'TOPIC_AUTHORIZATION_FAILED' })
  await good(script)
  assert.deepEqual(continuations(script), [
    [-1, -1],
    [4_000, 0],
  ])
})

test('after an abort in which nothing failed, the epoch is as good as before (version 1)', async (t) => {
  const script = await TransactionScript.start(t, { level: 1 })
  const tx = await script.producer.begin()
  await tx.send(record)
  await tx.abort()
  await good(script)
  assert.deepEqual(continuations(script), [[-1, -1]])
})

test('the end of a transaction gives the epoch of the next, and nothing else is asked for (version 2, KIP-890)', async (t) => {
  const script = await TransactionScript.start(t, { level: 2 })
  script.trouble(Produce, 29)
  await assert.rejects(good(script), { code: 'TOPIC_AUTHORIZATION_FAILED' })
  await good(script)
  await good(script)
  assert.deepEqual(continuations(script), [[-1, -1]])
  assert.deepEqual(
    script.requests(EndTxn).map(({ request }) => request.producerEpoch),
    [0, 1, 2],
  )
})

test('a coordinator that has lost our id is asked for another, and has nothing to end', async (t) => {
  const script = await TransactionScript.start(t, { level: 1 })
  const tx = await script.producer.begin()
  script.trouble(AddPartitionsToTxn, 49)
  await assert.rejects(tx.send(record), { code: /INVALID_PRODUCER_ID_MAPPING|TRANSACTION_ABORTED/ })
  await assert.rejects(tx.commit(), { code: 'INVALID_PRODUCER_ID_MAPPING' })
  assert.equal(script.requests(EndTxn).length, 0)
  script.producerId = 9_000
  await good(script)
  assert.deepEqual(continuations(script).at(-1), [4_000, 0])
})

test('an abort is refused where the request that would have opened the transaction was lost (version 1)', async (t) => {
  const script = await TransactionScript.start(t, { level: 1, options: { maxBlockMs: 300 } })
  const tx = await script.producer.begin()
  script.beforeEach(AddPartitionsToTxn, () => 'drop')
  tx.enqueue(record)
  await assert.rejects(tx.commit(), { code: 'TIMEOUT' })
  script.beforeEach(AddPartitionsToTxn, undefined)
  const other = await script.producer.begin()
  script.trouble(AddPartitionsToTxn, 29).trouble(EndTxn, 48)
  other.enqueue(record)
  await assert.rejects(other.commit(), { code: 'TOPIC_AUTHORIZATION_FAILED' })
  await good(script)
})

test('whoever is fenced in the middle asks once whether it was only too slow, and ends when it was not (version 1)', async (t) => {
  const script = await TransactionScript.start(t, { level: 1 })
  const tx = await script.producer.begin()
  await tx.send(record)
  script.trouble(EndTxn, 90, 90).trouble(InitProducerId, 90)
  await assert.rejects(tx.commit(), {
    name: 'FencedError',
    code: 'PRODUCER_FENCED',
    message: /belongs to another producer/,
  })
  // The coordinator's abort, if it was one, has raised the epoch by one.
  assert.deepEqual(continuations(script).at(-1), [4_000, 1])
  await assert.rejects(script.producer.begin(), { name: 'FencedError' })
  await assert.rejects(script.producer.start(), { name: 'FencedError' })
  assert.equal(script.requests(InitProducerId).length, 2)
  await script.producer.close()
})

test('a transaction that the coordinator has aborted costs the transaction, and not the producer (version 1)', async (t) => {
  const script = await TransactionScript.start(t, { level: 1 })
  const tx = await script.producer.begin()
  await tx.send(record)
  script.epoch = 1
  script.trouble(EndTxn, 90, 90)
  await assert.rejects(tx.commit(), {
    code: 'TRANSACTION_ABORTED',
    message: /longer than transactionTimeoutMs \(60000 ms\)/,
  })
  assert.deepEqual(continuations(script).at(-1), [4_000, 1])
  await good(script)
})

test('a fenced producer whose commit may have been carried out does not say that it was not', async (t) => {
  for (const level of [1, 2]) {
    const script = await TransactionScript.start(t, { level })
    const tx = await script.producer.begin()
    await tx.send(record)
    script.trouble(EndTxn, 'lost', 90)
    await assert.rejects(tx.commit(), { code: 'TRANSACTION_OUTCOME_UNKNOWN' })
    await assert.rejects(script.producer.begin(), { name: 'FencedError' })
  }
})

test('INVALID_PRODUCER_EPOCH of an old coordinator means the same as PRODUCER_FENCED', async (t) => {
  const script = await TransactionScript.start(t, { level: 2 })
  const tx = await script.producer.begin()
  await tx.send(record)
  script.trouble(EndTxn, 47, 47)
  await assert.rejects(tx.commit(), { name: 'FencedError' })
})

for (const level of [1, 2]) {
  test(`a commit without any answer has an unknown outcome; its direction is never changed (version ${level})`, async (t) => {
    const script = await TransactionScript.start(t, { level, options: { maxBlockMs: 250 } })
    const tx = await script.producer.begin()
    await tx.send(record)
    script.beforeEach(EndTxn, () => 'drop')
    await assert.rejects(tx.commit(), { code: 'TRANSACTION_OUTCOME_UNKNOWN', message: /nobody knows whether/ })
    assert.ok(script.requests(EndTxn).length > 1)
    assert.ok(script.requests(EndTxn).every(({ request }) => request.committed && request.producerEpoch === 0))
    script.beforeEach(EndTxn, undefined)
    // Before the next one, what became of it is settled: it was committed, as the coordinator then says.
    script.trouble(EndTxn, 48)
    await good(script)
    const asked = script.requests(EndTxn).map(({ request }) => request.committed)
    assert.deepEqual(asked.slice(-2), [false, true])
    assert.deepEqual(continuations(script).at(-1), [4_000, 0])
  })

  test(`UNKNOWN_SERVER_ERROR says nothing of the outcome: the commit is asked for again (version ${level})`, async (t) => {
    const script = await TransactionScript.start(t, { level })
    script.trouble(EndTxn, -1, -1)
    await good(script)
    assert.equal(script.requests(EndTxn).length, 3)
  })

  test(`a commit that no coordinator was asked for was surely not carried out (version ${level})`, async (t) => {
    const script = await TransactionScript.start(t, { level, options: { maxBlockMs: 250 } })
    const tx = await script.producer.begin()
    await tx.send(record)
    const [broker] = script.cluster.brokers
    await script.dropConnections()
    await broker!.close()
    await assert.rejects(tx.commit(), { code: 'TIMEOUT' })
    await broker!.listen()
  })
}

test('a commit that is refused since the coordinator had aborted is none, and the next one succeeds (version 2)', async (t) => {
  const script = await TransactionScript.start(t, { level: 2 })
  const tx = await script.producer.begin()
  await tx.send(record)
  script.trouble(EndTxn, 48)
  await assert.rejects(tx.commit(), { code: 'TRANSACTION_ABORTED' })
  assert.deepEqual(script.deeds.slice(-1), ['abort'])
  await good(script)
})

test('a cluster that is upgraded in between is spoken to in the new way, from the next epoch on', async (t) => {
  const script = await TransactionScript.start(t, { level: 1 })
  await good(script)
  script.level = 2
  await script.dropConnections()
  await good(script)
  await good(script)
  assert.equal(script.requests(AddPartitionsToTxn).length, 1)
  assert.deepEqual(continuations(script), [
    [-1, -1],
    [4_000, 0],
  ])
  assert.deepEqual(
    script.requests(EndTxn).map(({ version }) => version >= 5),
    [false, true, true],
  )
})

test('a cluster that is downgraded in between is spoken to in the old way', async (t) => {
  const script = await TransactionScript.start(t, { level: 2 })
  await good(script)
  script.level = 1
  await script.dropConnections()
  await good(script)
  await good(script)
  assert.equal(script.requests(AddPartitionsToTxn).length, 2)
  assert.deepEqual(
    script.requests(EndTxn).map(({ version, request }) => [version >= 5, request.producerEpoch]),
    [
      [true, 0],
      [false, 1],
      [false, 1],
    ],
  )
})

for (const [api, versions] of [
  [Produce, [3, 11]],
  [TxnOffsetCommit, [0, 4]],
  [EndTxn, [0, 4]],
] as const) {
  test(`the new way is not taken with a broker that lacks ${api.name} for it, whatever level the cluster is at`, async (t) => {
    const script = await TransactionScript.start(t, { level: 2, versions: { [api.name]: versions } })
    await script.producer.transaction(async (tx) => {
      await tx.send(record)
      await tx.sendOffsets([{ topic: 'orders', partition: 0, offset: 4 }], group)
    })
    assert.equal(script.requests(AddPartitionsToTxn).length, 1)
    assert.ok(script.requests(EndTxn).every(({ version }) => version <= 4))
    assert.ok(script.requests(Produce).every(({ version }) => version <= 11))
  })
}

test('maxBlockMs bounds the waiting for an id, and the words say what was waited for', async (t) => {
  const script = await TransactionScript.start(t, { options: { maxBlockMs: 150 } })
  script.beforeEach(InitProducerId, () => 14)
  await assert.rejects(script.producer.begin(), {
    code: 'TIMEOUT',
    message: /no producer id was given for transactional id 'billing-0' in time: .*COORDINATOR_LOAD_IN_PROGRESS/,
  })
  script.beforeEach(InitProducerId, undefined)
  await good(script)
})
