import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { brokerErrorTable } from '#src/errors/broker-error-codes.js'
import { brokerErrorNumber } from '#src/errors/broker-error.js'
import type { BrokerErrorCode } from '#src/errors/broker-error-codes.js'
import type { Transaction } from '#src/transactions/transaction.js'
import type { TransactionRequestName } from '#src/transactions/verdicts.js'
import type { Api } from '#src/wire/api.js'
import { AddOffsetsToTxn } from '#src/wire/messages/add-offsets-to-txn.js'
import { AddPartitionsToTxn } from '#src/wire/messages/add-partitions-to-txn.js'
import { EndTxn } from '#src/wire/messages/end-txn.js'
import { FindCoordinator } from '#src/wire/messages/find-coordinator.js'
import { InitProducerId } from '#src/wire/messages/init-producer-id.js'
import { TxnOffsetCommit } from '#src/wire/messages/txn-offset-commit.js'
import { TransactionScript } from './scripted-coordinator.ts'

const record = { topic: 'orders', partition: 0, value: 'a' }
const group = { groupId: 'billing', generationId: 3, memberId: 'm-1', groupInstanceId: null }
const offsets = [{ topic: 'orders', partition: 0, offset: 7 }]

type AnyApi = Api<never, unknown>
const apis: Record<TransactionRequestName, AnyApi> = {
  InitProducerId: InitProducerId as AnyApi,
  AddPartitionsToTxn: AddPartitionsToTxn as AnyApi,
  AddOffsetsToTxn: AddOffsetsToTxn as AnyApi,
  TxnOffsetCommit: TxnOffsetCommit as AnyApi,
  EndTxn: EndTxn as AnyApi,
}

/** What Kafka's own documents and its Java client say of each code, per request. Written down by hand, from them. */
const expected: Record<TransactionRequestName, Partial<Record<string, BrokerErrorCode[]>>> = {
  InitProducerId: {
    retry: [
      'COORDINATOR_LOAD_IN_PROGRESS',
      'COORDINATOR_NOT_AVAILABLE',
      'NOT_COORDINATOR',
      'CONCURRENT_TRANSACTIONS',
      'REQUEST_TIMED_OUT',
      // Another producer was at it in the same moment.
      'PRODUCER_FENCED',
      'INVALID_PRODUCER_EPOCH',
    ],
    // `begin` rejects; the next `begin` may have more luck.
    refused: [
      'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
      'CLUSTER_AUTHORIZATION_FAILED',
      'UNKNOWN_SERVER_ERROR',
      'INVALID_REQUEST',
      'TRANSACTION_ABORTABLE',
    ],
  },
  AddPartitionsToTxn: {
    retry: [
      'COORDINATOR_LOAD_IN_PROGRESS',
      'COORDINATOR_NOT_AVAILABLE',
      'NOT_COORDINATOR',
      'CONCURRENT_TRANSACTIONS',
      'REQUEST_TIMED_OUT',
      'UNKNOWN_TOPIC_OR_PARTITION',
    ],
    abortable: [
      'TOPIC_AUTHORIZATION_FAILED',
      'OPERATION_NOT_ATTEMPTED',
      'UNKNOWN_PRODUCER_ID',
      'TRANSACTION_ABORTABLE',
      'UNKNOWN_SERVER_ERROR',
      'INVALID_PRODUCER_ID_MAPPING',
    ],
    fatal: ['TRANSACTIONAL_ID_AUTHORIZATION_FAILED', 'INVALID_TXN_STATE'],
  },
  AddOffsetsToTxn: {
    retry: [
      'COORDINATOR_LOAD_IN_PROGRESS',
      'COORDINATOR_NOT_AVAILABLE',
      'NOT_COORDINATOR',
      'CONCURRENT_TRANSACTIONS',
      'REQUEST_TIMED_OUT',
    ],
    abortable: [
      'GROUP_AUTHORIZATION_FAILED',
      'UNKNOWN_PRODUCER_ID',
      'TRANSACTION_ABORTABLE',
      'UNKNOWN_SERVER_ERROR',
      'INVALID_PRODUCER_ID_MAPPING',
    ],
    fatal: ['TRANSACTIONAL_ID_AUTHORIZATION_FAILED', 'INVALID_TXN_STATE'],
  },
  TxnOffsetCommit: {
    retry: [
      'COORDINATOR_LOAD_IN_PROGRESS',
      'COORDINATOR_NOT_AVAILABLE',
      'NOT_COORDINATOR',
      'REQUEST_TIMED_OUT',
      'UNKNOWN_TOPIC_OR_PARTITION',
      'CONCURRENT_TRANSACTIONS',
    ],
    abortable: [
      'GROUP_AUTHORIZATION_FAILED',
      'TOPIC_AUTHORIZATION_FAILED',
      'FENCED_INSTANCE_ID',
      'UNKNOWN_MEMBER_ID',
      'ILLEGAL_GENERATION',
      'STALE_MEMBER_EPOCH',
      'TRANSACTION_ABORTABLE',
      'OFFSET_METADATA_TOO_LARGE',
      'INVALID_COMMIT_OFFSET_SIZE',
      'INVALID_PRODUCER_ID_MAPPING',
    ],
    fatal: ['TRANSACTIONAL_ID_AUTHORIZATION_FAILED'],
  },
  EndTxn: {
    retry: [
      'COORDINATOR_LOAD_IN_PROGRESS',
      'COORDINATOR_NOT_AVAILABLE',
      'NOT_COORDINATOR',
      'CONCURRENT_TRANSACTIONS',
      'REQUEST_TIMED_OUT',
      'UNKNOWN_SERVER_ERROR',
    ],
    abortable: ['TRANSACTION_ABORTABLE', 'UNKNOWN_PRODUCER_ID', 'INVALID_PRODUCER_ID_MAPPING', 'INVALID_REQUEST'],
    fatal: ['TRANSACTIONAL_ID_AUTHORIZATION_FAILED'],
  },
}

/** A transaction in which every request is made; version 2 has fewer. */
async function run(script: TransactionScript): Promise<void> {
  const tx = await script.producer.begin()
  // Only commit and abort say what became of it.
  await tx.send(record).catch(() => {})
  await tx.sendOffsets(offsets, group).catch(() => {})
  await tx.commit()
}

for (const [name, byVerdict] of Object.entries(expected) as [TransactionRequestName, typeof expected.EndTxn][]) {
  const start = (t: TestContext) => TransactionScript.start(t, { level: 1 })

  for (const code of byVerdict.retry ?? []) {
    test(`${name} is asked again after ${code}, and all is well`, async (t) => {
      const script = await start(t)
      script.trouble(apis[name], brokerErrorNumber(code))
      await run(script)
      assert.equal(script.requests(apis[name] as Api<unknown, unknown>).length, 2)
      assert.equal(script.deeds.at(-1), 'commit')
    })
  }

  for (const code of byVerdict.refused ?? []) {
    test(`begin rejects with ${code} of ${name}, and may be called again`, async (t) => {
      const script = await start(t)
      script.trouble(apis[name], brokerErrorNumber(code))
      await assert.rejects(script.producer.begin(), { code })
      await run(script)
    })
  }

  for (const code of byVerdict.abortable ?? []) {
    test(`${code} of ${name} fails the transaction, and the next one is committed`, async (t) => {
      const script = await start(t)
      script.trouble(apis[name], brokerErrorNumber(code))
      await assert.rejects(run(script), { code })
      assert.ok(!script.deeds.includes('commit'))
      await run(script)
      assert.equal(script.deeds.at(-1), 'commit')
    })
  }

  for (const code of byVerdict.fatal ?? []) {
    test(`${code} of ${name} ends the producer`, async (t) => {
      const script = await start(t)
      script.trouble(apis[name], brokerErrorNumber(code))
      await assert.rejects(run(script), { code })
      await assert.rejects(script.producer.begin(), { code })
      await assert.rejects(script.producer.start(), { code })
      assert.ok(!script.deeds.includes('commit'))
      await script.producer.close()
    })
  }
}

/** With the short maxBlockMs of the commit, on a machine that has other things to do. */
async function beginPatiently({ producer }: TransactionScript): Promise<Transaction> {
  for (let tries = 1; ; tries++) {
    try {
      return await producer.begin()
    } catch (error) {
      if ((error as { code: string }).code !== 'TIMEOUT' || tries === 50) throw error
    }
  }
}

test('a commit that the coordinator answers with any code but NONE is no success, of all codes that there are', async (t) => {
  let script: TransactionScript | undefined
  for (const [number, code] of [...brokerErrorTable, [999, 'UNKNOWN', false] as const]) {
    if (code === 'NONE') continue
    script ??= await TransactionScript.start(t, { options: { maxBlockMs: 60 } })
    const committed = script.deeds.filter((deed) => deed === 'commit').length
    const tx = await beginPatiently(script)
    await tx.send(record)
    script.beforeEach(EndTxn, () => number)
    await assert.rejects(tx.commit(), `${code} was called a success`)
    script.beforeEach(EndTxn, undefined)
    assert.equal(script.deeds.filter((deed) => deed === 'commit').length, committed)
    // A producer that has ended is of no more use.
    const isUsable = await beginPatiently(script).then(
      (next) => next.abort().then(() => true),
      () => false,
    )
    if (!isUsable) script = undefined
  }
})

test('INVALID_TXN_STATE of TxnOffsetCommit says that the coordinator has aborted the transaction', async (t) => {
  const script = await TransactionScript.start(t)
  script.trouble(TxnOffsetCommit, 48)
  await assert.rejects(run(script), { code: 'TRANSACTION_ABORTED', message: /longer than transactionTimeoutMs/ })
  await run(script)
})

test('a code that nobody has heard of fails the transaction, and not the producer', async (t) => {
  const script = await TransactionScript.start(t, { level: 1 })
  script.trouble(AddOffsetsToTxn, 999)
  await assert.rejects(run(script), { code: 'UNKNOWN_ERROR_CODE_999' })
  await run(script)
})

test('finding a coordinator follows the same tables', async (t) => {
  const script = await TransactionScript.start(t, { level: 1 })
  script.trouble(FindCoordinator, 15, 53)
  await assert.rejects(script.producer.begin(), { code: 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED' })
  const tx = await script.producer.begin()
  await tx.send(record)
  // The group's coordinator, which nobody has asked for yet.
  script.trouble(FindCoordinator, 15, 30)
  await assert.rejects(tx.sendOffsets(offsets, group), { code: 'GROUP_AUTHORIZATION_FAILED' })
  await assert.rejects(tx.commit(), { code: 'GROUP_AUTHORIZATION_FAILED' })
  await run(script)
})

test('a transactionTimeoutMs that the broker does not allow is told by the names of both options', async (t) => {
  const script = await TransactionScript.start(t, { options: { transactionTimeoutMs: 3_600_000 } })
  script.trouble(InitProducerId, 50)
  await assert.rejects(script.producer.start(), {
    code: 'INVALID_OPTION',
    option: 'transactionTimeoutMs',
    message: /'transactionTimeoutMs' of TransactionalProducer \(3600000\).*transaction\.max\.timeout\.ms/,
  })
})

for (const name of ['InitProducerId', 'AddPartitionsToTxn', 'AddOffsetsToTxn', 'TxnOffsetCommit', 'EndTxn'] as const) {
  for (const level of [1, 2]) {
    if (level === 2 && name.startsWith('Add')) continue

    test(`${name} goes to the coordinator of then, when it moves (transaction.version ${level})`, async (t) => {
      const script = await TransactionScript.start(t, { level, brokers: 2 })
      let moved = false
      const api = apis[name] as Api<unknown, unknown>
      const work = run(script)
      // Broker 1 says NOT_COORDINATOR from its first such request on.
      script.beforeNext(api, () => {
        script.coordinator = 2
        moved = true
      })
      await work
      assert.equal(moved, true)
      assert.ok(script.cluster.brokers[0]!.requests(api).length >= 1)
      assert.ok(script.cluster.brokers[1]!.requests(api).length >= 1)
      assert.equal(script.deeds.at(-1), 'commit')
    })

    test(`${name} survives a connection that breaks before the answer (transaction.version ${level})`, async (t) => {
      const script = await TransactionScript.start(t, { level })
      script.trouble(apis[name], 'drop')
      await run(script)
      assert.equal(script.deeds.at(-1), 'commit')
      assert.ok(script.requests(apis[name] as Api<unknown, unknown>).length >= 2)
    })
  }
}

test('the coordinator is asked again soon while it completes the transaction before', async (t) => {
  const script = await TransactionScript.start(t, {
    level: 1,
    options: { retryBackoffMs: 5_000, retryBackoffMaxMs: 5_000 },
  })
  script.trouble(InitProducerId, 51).trouble(AddPartitionsToTxn, 51).trouble(EndTxn, 51)
  const begun = performance.now()
  await run(script)
  assert.ok(performance.now() - begun < 4_000)
})
