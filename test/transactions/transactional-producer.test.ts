import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Cluster } from '#src/cluster/cluster.js'
import { TransactionalProducer } from '#src/transactions/transactional-producer.js'
import type { TransactionalProducerOptions } from '#src/transactions/transactional-producer-options.js'
import type { Transaction } from '#src/transactions/transaction.js'
import { AddPartitionsToTxn } from '#src/wire/messages/add-partitions-to-txn.js'
import { EndTxn } from '#src/wire/messages/end-txn.js'
import { FindCoordinator } from '#src/wire/messages/find-coordinator.js'
import { InitProducerId } from '#src/wire/messages/init-producer-id.js'
import { Produce } from '#src/wire/messages/produce.js'
import { TxnOffsetCommit } from '#src/wire/messages/txn-offset-commit.js'
import { DefaultRecordBatch } from '#src/wire/records/record-batch.js'
import { TransactionScript } from './scripted-coordinator.ts'

const group = { groupId: 'billing', generationId: 3, memberId: 'm-1', groupInstanceId: null }
const offsets = [{ topic: 'orders', partition: 0, offset: 7 }]
const record = { topic: 'orders', partition: 0, value: 'a' }

for (const level of [1, 2]) {
  const way = `transaction.version ${level}`

  test(`a transaction is committed once its records are acknowledged (${way})`, async (t) => {
    const script = await TransactionScript.start(t, { level })
    const tx = await script.producer.begin()
    const sent = tx.send(record)
    const unawaited = tx.send({ topic: 'orders', partition: 1, value: 'b' })
    await tx.commit()
    assert.deepEqual(script.keeper.log('orders', 0), ['a'])
    assert.deepEqual(script.keeper.log('orders', 1), ['b'])
    assert.equal((await sent).offset, 0)
    assert.equal((await unawaited).offset, 0)
    assert.equal(script.deeds.at(-1), 'commit')
    assert.equal(script.requests(EndTxn).length, 1)
    assert.equal(script.producer.metrics().transactionsCommitted, 1)
  })

  test(`batches say of what transaction they are, by a version that brokers read so (${way})`, async (t) => {
    const script = await TransactionScript.start(t, { level })
    await script.producer.transaction((tx) => tx.send(record))
    await script.producer.transaction((tx) => tx.send(record))
    const batches = script.requests(Produce).map(({ request, version }) => {
      assert.equal(request.transactionalId, 'billing-0')
      assert.ok(level === 1 ? version <= 11 : version >= 12, `version ${version}`)
      const batch = new DefaultRecordBatch(request.topicData[0]!.partitionData[0]!.records!, 1_000_000)
      assert.equal(batch.isTransactional, true)
      return { id: batch.producerId, epoch: batch.producerEpoch }
    })
    // Where the end of a transaction gives the next epoch, each has its own.
    const epochs = level === 1 ? [0, 0] : [0, 1]
    assert.deepEqual(
      batches,
      epochs.map((epoch) => ({ id: script.producerId, epoch })),
    )
  })

  test(`an empty transaction is committed and aborted without a word to the coordinator (${way})`, async (t) => {
    const script = await TransactionScript.start(t, { level })
    await script.producer.transaction(() => {})
    const tx = await script.producer.begin()
    await tx.abort()
    assert.deepEqual(script.deeds, ['init 0'])
  })

  test(`ten thousand records that nobody waits for are all acknowledged before the commit (${way})`, async (t) => {
    const script = await TransactionScript.start(t, { level })
    const tx = await script.producer.begin()
    for (let i = 0; i < 10_000; i++) void tx.send({ topic: 'orders', partition: i % 3, value: `${i}` })
    await tx.commit()
    const stored = [0, 1, 2].flatMap((partition) => script.keeper.log('orders', partition))
    assert.equal(stored.length, 10_000)
    assert.deepEqual(new Set(stored).size, 10_000)
    assert.equal(script.deeds.indexOf('commit'), script.deeds.length - 1)
  })

  test(`a record that failed unseen makes commit abort, and reject with what failed first (${way})`, async (t) => {
    const script = await TransactionScript.start(t, { level })
    const tx = await script.producer.begin()
    await tx.send(record)
    script.trouble(Produce, 29)
    tx.send(record).catch(() => {})
    await assert.rejects(tx.commit(), { code: 'TOPIC_AUTHORIZATION_FAILED' })
    assert.equal(script.deeds.includes('abort'), true)
    assert.equal(script.deeds.includes('commit'), false)
    // And the producer is as good as before.
    await script.producer.transaction((next) => next.send(record))
    assert.equal(script.deeds.at(-1), 'commit')
    const { transactionsCommitted, transactionsAborted } = script.producer.metrics()
    assert.deepEqual([transactionsCommitted, transactionsAborted], [1, 1])
  })
}

/** Records of a topic that is not known yet do not linger once it is. */
function knowTheTopic({ producer }: TransactionScript): Promise<void> {
  return producer.transaction((tx) => void tx.send({ topic: 'orders', partition: 2, value: 'first' }))
}

/** Every call that a transaction has. */
const calls: Record<string, (tx: Transaction) => Promise<unknown>> = {
  send: (tx) => tx.send(record),
  sendBatch: (tx) => tx.sendBatch('orders', [record]),
  enqueue: async (tx) => tx.enqueue(record),
  drained: (tx) => tx.drained(),
  flush: (tx) => tx.flush(),
  sendOffsets: (tx) => tx.sendOffsets(offsets, group),
  commit: (tx) => tx.commit(),
  abort: (tx) => tx.abort(),
}

for (const end of ['commit', 'abort'] as const) {
  test(`after ${end} every call of the transaction rejects, also while another one is open`, async (t) => {
    const { producer } = await TransactionScript.start(t)
    const tx = await producer.begin()
    await tx.send(record)
    const ending = tx[end]()
    for (const [name, call] of Object.entries(calls)) {
      await assert.rejects(call(tx), { code: 'ILLEGAL_STATE' }, `${name} while it ends`)
    }
    await ending
    const next = await producer.begin()
    for (const [name, call] of Object.entries(calls)) await assert.rejects(call(tx), { code: 'ILLEGAL_STATE' }, name)
    assert.equal(tx.isOpen, false)
    assert.equal(next.isOpen, true)
    await next.commit()
  })
}

test('what is added after something failed is refused, and told why', async (t) => {
  const script = await TransactionScript.start(t)
  const tx = await script.producer.begin()
  script.trouble(Produce, 29)
  await assert.rejects(tx.send(record), { code: 'TOPIC_AUTHORIZATION_FAILED' })
  for (const name of ['send', 'sendBatch', 'enqueue', 'drained', 'flush', 'sendOffsets']) {
    await assert.rejects(calls[name]!(tx), (error: Error & { code: string }) => {
      assert.equal(error.code, 'TRANSACTION_ABORTED', name)
      assert.equal((error.cause as { code: string }).code, 'TOPIC_AUTHORIZATION_FAILED')
      return true
    })
  }
  await tx.abort()
  assert.equal(script.requests(Produce).length, 1)
})

test('a record that cannot be sent at all fails the transaction like any other', async (t) => {
  const script = await TransactionScript.start(t)
  const tx = await script.producer.begin()
  await tx.send(record)
  await assert.rejects(tx.send({ topic: 'orders', value: 5 as unknown as string }), { code: 'INVALID_ARGUMENT' })
  await assert.rejects(tx.commit(), { code: 'INVALID_ARGUMENT' })
  assert.equal(script.deeds.at(-1), 'abort')

  const other = await script.producer.begin()
  assert.throws(() => other.enqueue({ topic: '', value: 'a' }), { code: 'INVALID_ARGUMENT' })
  await assert.rejects(other.commit(), { code: 'INVALID_ARGUMENT' })

  const third = await script.producer.begin()
  const reason = new Error('not wanted any more')
  await assert.rejects(third.send(record, { signal: AbortSignal.abort(reason) }), reason)
  await assert.rejects(third.commit(), reason)
})

test('an enqueued record that fails is told by commit, and close() does not tell it again', async (t) => {
  const heard: string[] = []
  const script = await TransactionScript.start(t, {
    options: { onDeliveryError: (error) => heard.push((error as Error & { code: string }).code) },
  })
  const tx = await script.producer.begin()
  script.trouble(Produce, 29)
  assert.equal(tx.enqueue(record), true)
  await assert.rejects(tx.commit(), { code: 'TOPIC_AUTHORIZATION_FAILED' })
  assert.deepEqual(heard, ['TOPIC_AUTHORIZATION_FAILED'])
  await script.producer.close()
})

test('what waits when a record fails is given up with it', async (t) => {
  const script = await TransactionScript.start(t, { options: { lingerMs: 60_000, batchSize: 300 } })
  await knowTheTopic(script)
  const tx = await script.producer.begin()
  const waiting = tx.send({ topic: 'orders', partition: 1, value: 'lingers' })
  const refused = assert.rejects(waiting, { code: 'TRANSACTION_ABORTED' })
  script.trouble(Produce, 29)
  await assert.rejects(tx.send({ topic: 'orders', partition: 0, value: Buffer.alloc(500) }), {
    code: 'TOPIC_AUTHORIZATION_FAILED',
  })
  await refused
  await tx.abort()
  assert.deepEqual(script.keeper.log('orders', 1), [])
})

test('abort gives up what was not sent, and sends nothing of it', async (t) => {
  const script = await TransactionScript.start(t, { options: { lingerMs: 60_000 } })
  const tx = await script.producer.begin()
  const lost = assert.rejects(tx.send(record), { code: 'TRANSACTION_ABORTED', persistence: 'not-persisted' })
  await tx.abort()
  await lost
  assert.deepEqual(script.deeds, ['init 0'])
  assert.equal(script.producer.metrics().transactionsAborted, 1)
})

test('what is under way when it is aborted, and does not come through, may be in the log', async (t) => {
  const script = await TransactionScript.start(t)
  const tx = await script.producer.begin()
  script.trouble(Produce, 'lost')
  script.beforeNext(Produce, () => {
    aborted = tx.abort()
  })
  let aborted: Promise<void> | undefined
  const lost = tx.send(record)
  await assert.rejects(lost, { code: 'TRANSACTION_ABORTED', persistence: 'possibly-persisted' })
  await aborted
  assert.deepEqual(script.deeds, ['init 0', 'produce', 'abort'])
})

test('only one transaction is open: another begin rejects at once, also while the first is about to begin', async (t) => {
  const { producer } = await TransactionScript.start(t)
  const first = producer.begin()
  await assert.rejects(producer.begin(), { code: 'ILLEGAL_STATE', message: /is open already/ })
  const tx = await first
  await assert.rejects(producer.begin(), { code: 'ILLEGAL_STATE' })
  await assert.rejects(
    producer.transaction(() => {}),
    { code: 'ILLEGAL_STATE' },
  )
  const ending = tx.commit()
  await assert.rejects(producer.begin(), { code: 'ILLEGAL_STATE' })
  await ending
  await (await producer.begin()).abort()
})

test('transaction() commits when the function has resolved, and gives its value', async (t) => {
  const script = await TransactionScript.start(t)
  const value = await script.producer.transaction(async (tx) => {
    await tx.send(record)
    return 42
  })
  assert.equal(value, 42)
  assert.equal(script.deeds.at(-1), 'commit')
})

test('transaction() aborts when the function throws, and throws the same', async (t) => {
  const script = await TransactionScript.start(t)
  const mistake = new Error('of the application')
  const work = script.producer.transaction(async (tx) => {
    await tx.send(record)
    throw mistake
  })
  await assert.rejects(work, (error) => error === mistake)
  assert.equal(script.deeds.at(-1), 'abort')
  const nothing = script.producer.transaction(() => Promise.reject(undefined))
  await assert.rejects(nothing, (error) => error === undefined)
})

test('transaction() does nothing more with a transaction that the function has ended', async (t) => {
  const script = await TransactionScript.start(t)
  const ended = await script.producer.transaction(async (tx) => {
    await tx.send(record)
    await tx.abort()
    return 'aborted'
  })
  assert.equal(ended, 'aborted')
  const work = script.producer.transaction(async (tx) => {
    await tx.send(record)
    await tx.commit()
    throw new Error('too late')
  })
  await assert.rejects(work, { message: 'too late' })
  assert.deepEqual(script.deeds, ['init 0', 'produce', 'abort', 'produce', 'commit'])
})

test('transaction() rejects with what failed first, not with what was given up because of it', async (t) => {
  const script = await TransactionScript.start(t, { options: { lingerMs: 60_000, batchSize: 300 } })
  await knowTheTopic(script)
  const work = script.producer.transaction(async (tx) => {
    script.trouble(Produce, 29)
    const lingering = tx.send({ topic: 'orders', partition: 1, value: 'lingers' })
    tx.send({ topic: 'orders', partition: 0, value: Buffer.alloc(500) }).catch(() => {})
    await lingering
  })
  await assert.rejects(work, { code: 'TOPIC_AUTHORIZATION_FAILED' })
})

test('transaction() needs a function, and refuses options that it does not have', async (t) => {
  const { producer } = await TransactionScript.start(t)
  await assert.rejects(producer.transaction('work' as never), { code: 'INVALID_ARGUMENT', message: /needs a function/ })
  await assert.rejects(
    producer.transaction(() => {}, { timeoutMs: 3 } as never),
    { code: 'INVALID_ARGUMENT' },
  )
  await assert.rejects(producer.begin({ timeoutMs: 3 } as never), { code: 'INVALID_ARGUMENT' })
  const tx = await producer.begin()
  await assert.rejects(tx.commit({ timeoutMs: 3 } as never), { code: 'INVALID_ARGUMENT' })
  assert.equal(tx.isOpen, true)
})

test('start() takes the id over, and a producer that is used before starts by itself', async (t) => {
  const script = await TransactionScript.start(t)
  assert.equal(await script.producer.start(), script.producer)
  assert.deepEqual(script.deeds, ['init 0'])
  const asked = script.requests(InitProducerId).map(({ request }) => [request.producerId, request.producerEpoch])
  assert.deepEqual(asked, [[-1, -1]])
  await script.producer.start()
  await script.producer.transaction((tx) => tx.send(record))
  assert.deepEqual(script.deeds, ['init 0', 'produce', 'commit'])
})

test('start() and begin() at one time share one id', async (t) => {
  const script = await TransactionScript.start(t)
  const [, tx] = await Promise.all([script.producer.start(), script.producer.begin()])
  await tx.send(record)
  await tx.commit()
  assert.equal(script.requests(InitProducerId).length, 1)
})

test('a signal ends the waiting of begin, and the next begin goes on', async (t) => {
  const script = await TransactionScript.start(t)
  script.trouble(InitProducerId, 51, 51, 51, 51)
  const abort = new AbortController()
  const reason = new Error('enough')
  const waits = assert.rejects(script.producer.begin({ signal: abort.signal }), reason)
  await script.cluster.brokers[0]!.untilReceived(InitProducerId)
  abort.abort(reason)
  await waits
  await assert.rejects(script.producer.begin({ signal: AbortSignal.abort(reason) }), reason)
  const tx = await script.producer.begin()
  await tx.send(record)
  await tx.commit()
  assert.deepEqual(script.deeds, ['init 0', 'produce', 'commit'])
})

for (const end of ['commit', 'abort'] as const) {
  test(`who stops waiting for ${end} does not stop it`, async (t) => {
    const script = await TransactionScript.start(t)
    const tx = await script.producer.begin()
    await tx.send(record)
    script.trouble(EndTxn, 14, 14)
    const abort = new AbortController()
    const waits = assert.rejects(tx[end]({ signal: abort.signal }), { name: 'AbortError' })
    await script.cluster.brokers[0]!.untilReceived(EndTxn)
    abort.abort()
    await waits
    await script.producer.close()
    assert.deepEqual(script.deeds, ['init 0', 'produce', end])
  })
}

for (const end of ['commit', 'abort'] as const) {
  test(`a serializer may end the transaction of its own record (${end})`, async (t) => {
    let ended: Promise<void> | undefined
    const valueSerializer = (_topic: string, value: string) => {
      if (value === 'a') ended = tx[end]()
      return value
    }
    const options = {
      valueSerializer,
      requestTimeoutMs: 1_500,
      deliveryTimeoutMs: 2_000,
    } as Partial<TransactionalProducerOptions>
    const script = await TransactionScript.start(t, { options })
    const tx: Transaction = await script.producer.begin()
    await tx.send({ ...record, value: 'b' })
    const sent = tx.send(record)
    if (end === 'commit') await sent
    else await assert.rejects(sent, { code: 'TRANSACTION_ABORTED' })
    await ended
    assert.deepEqual(script.deeds, ['init 0', 'produce', ...(end === 'commit' ? ['produce'] : []), end])
  })
}

test('close() aborts the transaction that is open', async (t) => {
  const script = await TransactionScript.start(t)
  const tx = await script.producer.begin()
  await tx.send(record)
  await script.producer.close()
  assert.deepEqual(script.deeds, ['init 0', 'produce', 'abort'])
  for (const [name, call] of Object.entries(calls)) await assert.rejects(call(tx), { code: 'CLOSED' }, name)
  await assert.rejects(script.producer.begin(), { code: 'CLOSED' })
  await assert.rejects(script.producer.start(), { code: 'CLOSED' })
  await script.producer[Symbol.asyncDispose]()
})

test('close() waits for the commit that is under way', async (t) => {
  const script = await TransactionScript.start(t)
  const tx = await script.producer.begin()
  await tx.send(record)
  script.trouble(EndTxn, 14, 14)
  const committed = tx.commit()
  await script.producer.close()
  await committed
  assert.deepEqual(script.deeds, ['init 0', 'produce', 'commit'])
})

for (const level of [1, 2]) {
  test(`close() during a commit lets nothing of the transaction fall by the wayside (transaction.version ${level})`, async (t) => {
    const script = await TransactionScript.start(t, { level })
    const tx = await script.producer.begin()
    await tx.send(record)
    const other = { ...group, memberId: 'm-2' }
    const given = [tx.sendOffsets(offsets, group), tx.sendOffsets(offsets, other)]
    const committed = tx.commit()
    await Promise.all([script.producer.close(), committed, ...given])
    const deeds = level === 1 ? ['add offsets', 'offsets', 'offsets', 'commit'] : ['offsets', 'offsets', 'commit']
    assert.deepEqual(script.deeds.slice(-deeds.length), deeds)
  })
}

test('start() leaves the transaction that is open alone, also when the cluster was downgraded meanwhile', async (t) => {
  const script = await TransactionScript.start(t, { level: 2 })
  const tx = await script.producer.begin()
  await tx.send(record)
  script.level = 1
  await script.dropConnections()
  await script.producer.start()
  await tx.send(record)
  await tx.commit()
  const versions = script.requests(Produce).map(({ version }) => version)
  assert.ok(
    versions.every((version) => version >= 12),
    versions.join(),
  )
  await script.producer.transaction((next) => next.send(record))
  assert.ok(script.requests(Produce).at(-1)!.version <= 11)
})

test('start() leaves the transaction that is open alone, also when the cluster was upgraded meanwhile', async (t) => {
  const script = await TransactionScript.start(t, { level: 1 })
  const tx = await script.producer.begin()
  await tx.send(record)
  script.level = 2
  await script.dropConnections()
  await script.producer.start()
  await tx.send(record)
  await tx.commit()
  assert.deepEqual(script.deeds, ['init 0', 'add partitions', 'produce', 'produce', 'commit'])
})

test('close() does not wait longer than closeTimeoutMs for a coordinator that does not answer', async (t) => {
  const script = await TransactionScript.start(t, { options: { closeTimeoutMs: 100 } })
  const tx = await script.producer.begin()
  await tx.send(record)
  script.trouble(EndTxn, 'silence')
  await script.producer.close()
  assert.equal(tx.isOpen, false)
})

test('close() before anything happened is at once, and while an id is asked for ends that', async (t) => {
  const idle = await TransactionScript.start(t)
  await idle.producer.close()
  const script = await TransactionScript.start(t)
  script.trouble(InitProducerId, 'silence')
  const begun = assert.rejects(script.producer.begin(), { code: 'CLOSED' })
  await script.cluster.brokers[0]!.untilReceived(InitProducerId)
  await script.producer.close()
  await begun
})

test('destroy() ends everything at once, with its reason', async (t) => {
  const script = await TransactionScript.start(t)
  const tx = await script.producer.begin()
  await tx.send(record)
  script.trouble(Produce, 'silence')
  const sent = assert.rejects(tx.send(record), { code: 'CLOSED' })
  const offered = tx.commit()
  const reason = new Error('the process ends')
  await script.cluster.brokers[0]!.untilReceived(Produce, 2)
  script.producer.destroy(reason)
  await sent
  await assert.rejects(offered, { code: 'CLOSED', cause: reason })
  await assert.rejects(tx.send(record), { code: 'CLOSED' })
  await assert.rejects(script.producer.begin(), { code: 'CLOSED', cause: reason })
})

test('a commit that destroy() cuts off has an unknown outcome', async (t) => {
  const script = await TransactionScript.start(t)
  const tx = await script.producer.begin()
  await tx.send(record)
  script.trouble(EndTxn, 'silence')
  const commit = assert.rejects(tx.commit(), { code: 'TRANSACTION_OUTCOME_UNKNOWN' })
  await script.cluster.brokers[0]!.untilReceived(EndTxn)
  script.producer.destroy()
  await commit
})

test('a cluster that is shared outlives the producer', async (t) => {
  const script = await TransactionScript.start(t)
  const cluster = new Cluster({ bootstrapServers: script.cluster.address })
  t.after(() => cluster.close())
  const producer = new TransactionalProducer({ cluster, transactionalId: 'shared' })
  await producer.transaction((tx) => tx.send(record))
  await producer.close()
  assert.ok((await cluster.refreshMetadata()).brokers.size > 0)
})

test('sendBatch, enqueue, drained and flush are those of a producer', async (t) => {
  const script = await TransactionScript.start(t, { options: { lingerMs: 60_000 } })
  const tx = await script.producer.begin()
  const batch = tx.sendBatch('orders', [
    { partition: 0, value: 'a' },
    { partition: 1, value: 'b' },
  ])
  assert.equal(tx.enqueue({ topic: 'orders', partition: 2, value: 'c' }), true)
  await tx.drained()
  await tx.flush()
  assert.equal((await batch).partitions.length, 2)
  assert.deepEqual(script.keeper.log('orders', 2), ['c'])
  await tx.commit()
  assert.equal((await script.producer.partitionsFor('orders')).length, 3)
})

test('each partition is added once, those of one moment together (transaction.version 1)', async (t) => {
  const script = await TransactionScript.start(t, { level: 1 })
  const tx = await script.producer.begin()
  await Promise.all([0, 1, 2].map((partition) => tx.send({ topic: 'orders', partition, value: 'a' })))
  await Promise.all([0, 1, 2].map((partition) => tx.send({ topic: 'orders', partition, value: 'b' })))
  await tx.send({ topic: 'bills', value: 'c' })
  await tx.commit()
  const added = script.requests(AddPartitionsToTxn).map(({ request, version }) => {
    assert.ok(version <= 3)
    return request.v3AndBelowTopics
      .map(({ name, partitions }) => `${name} ${[...partitions].sort((a, b) => a - b).join()}`)
      .join()
  })
  assert.deepEqual(added, ['orders 0,1,2', 'bills 0'])
  // The next transaction begins without any.
  await script.producer.transaction((next) => next.send(record))
  assert.equal(script.requests(AddPartitionsToTxn).length, 3)
})

test('a partition that is being added is not asked for once more (transaction.version 1)', async (t) => {
  const script = await TransactionScript.start(t, { level: 1 })
  const tx = await script.producer.begin()
  // Asked for again, for another batch, while the coordinator is busy with it.
  script.trouble(AddPartitionsToTxn, 14, 14)
  let more: Promise<unknown> | undefined
  script.beforeNext(AddPartitionsToTxn, () => {
    more = tx.sendBatch(
      'orders',
      Array.from({ length: 40 }, () => ({ partition: 0, value: 'x'.repeat(1_000) })),
    )
  })
  await tx.send(record)
  await more
  await tx.commit()
  assert.equal(script.requests(AddPartitionsToTxn).length, 3)
})

test('nothing is added where brokers add by themselves (transaction.version 2)', async (t) => {
  const script = await TransactionScript.start(t, { level: 2 })
  await script.producer.transaction(async (tx) => {
    await tx.send(record)
    await tx.sendOffsets(offsets, group)
  })
  assert.deepEqual(script.names(), ['InitProducerId', 'Produce', 'TxnOffsetCommit', 'EndTxn'])
})

test('wrong options are refused by the constructor, in words that help', () => {
  const make = (options: object) => new TransactionalProducer(options as TransactionalProducerOptions)
  const refused = (options: object, message: RegExp) => {
    assert.throws(() => make(options), { code: 'INVALID_OPTION', message })
  }
  refused({}, /TransactionalProducer needs option 'transactionalId'/)
  refused({ transactionalId: '' }, /'transactionalId' of TransactionalProducer must be a string that is not empty/)
  refused({ transactionalId: 5 }, /'transactionalId'/)
  refused({ transactionalId: 'a', transactionTimeoutMs: 0 }, /'transactionTimeoutMs' of TransactionalProducer/)
  refused({ transactionalId: 'a', acks: 1 }, /option 'acks' of TransactionalProducer must be 'all', not 1/)
  refused({ transactionalId: 'a', idempotent: false }, /option 'idempotent' of TransactionalProducer must be true/)
  make({ transactionalId: 'a', idempotent: true }).destroy()
  refused({ transactionalId: 'a', lingerMs: -1 }, /option 'lingerMs' of TransactionalProducer/)
  refused({ transactionalId: 'a', transactionTimeout: 5 }, /did you mean 'transactionTimeoutMs'/)
  refused({ transactionalId: 'a', batchSize: 100, bufferMemory: 10 }, /'bufferMemory' of TransactionalProducer/)
  for (const acks of ['all', -1]) make({ transactionalId: 'a', acks }).destroy()
})

test('nothing that a transaction does by itself ends the process, whoever does not listen', async (t) => {
  const unheard: unknown[] = []
  const onUnhandled = (reason: unknown): void => {
    unheard.push(reason)
  }
  process.on('unhandledRejection', onUnhandled)
  t.after(() => process.off('unhandledRejection', onUnhandled))
  const script = await TransactionScript.start(t, { level: 1, options: { maxBlockMs: 300 } })
  const tx = await script.producer.begin()
  script.trouble(AddPartitionsToTxn, 29).trouble(FindCoordinator, 30)
  tx.enqueue(record)
  void tx.sendOffsets(offsets, group).catch(() => {})
  await assert.rejects(tx.commit())
  const other = await script.producer.begin()
  script.trouble(Produce, 'silence')
  other.enqueue(record)
  await script.cluster.brokers[0]!.untilReceived(Produce)
  const closing = script.producer.close()
  script.cluster.brokers[0]!.dropConnections()
  await closing
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(unheard, [])
})

test('records that nobody awaits may fail: the end of the transaction tells, and the process goes on', async (t) => {
  const unheard: unknown[] = []
  const onUnhandled = (reason: unknown): void => {
    unheard.push(reason)
  }
  process.on('unhandledRejection', onUnhandled)
  t.after(() => process.off('unhandledRejection', onUnhandled))
  const script = await TransactionScript.start(t, { options: { lingerMs: 60_000 } })
  const { producer } = script
  const large = { topic: 'orders', value: Buffer.alloc(2_000_000) }
  const refused = producer.transaction((tx) => {
    void tx.send(record)
    void tx.send(large)
    // The transaction has failed already.
    void tx.send(record)
    void tx.sendBatch('orders', [record])
    void tx.sendOffsets(offsets, group)
    void tx.flush()
  })
  await assert.rejects(refused, /more than maxRequestSize/)
  const thrown = producer.transaction((tx) => {
    // Accepted, and then given up.
    void tx.send(record)
    void tx.sendBatch('orders', [record])
    throw new Error('the printer is out of paper')
  })
  await assert.rejects(thrown, /out of paper/)
  const atBroker = await producer.begin()
  script.trouble(Produce, 29)
  void atBroker.send(record)
  await assert.rejects(atBroker.commit(), { code: 'TOPIC_AUTHORIZATION_FAILED' })
  const left = await producer.begin()
  void left.send(record)
  await producer.close()
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(unheard, [])
})

test('a record that comes when its transaction has ended is told by its promise alone', async (t) => {
  const script = await TransactionScript.start(t)
  const unheard: Error[] = []
  const onUnhandled = (reason: Error): void => {
    unheard.push(reason)
  }
  // The test runner's own listener would fail the test.
  const listeners = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection').on('unhandledRejection', onUnhandled)
  t.after(() => {
    process.off('unhandledRejection', onUnhandled)
    for (const listener of listeners) process.on('unhandledRejection', listener)
  })
  const tx = await script.producer.begin()
  void tx.send(record)
  const committed = tx.commit()
  void tx.send(record)
  await committed
  void tx.send(record)
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(
    unheard.map(({ message }) => message),
    [
      "this transaction of transactional id 'billing-0' is being ended",
      "this transaction of transactional id 'billing-0' has ended",
    ],
  )
})

test('offsets that are not taken in time are told with what the coordinator said of them last', async (t) => {
  const script = await TransactionScript.start(t, { options: { maxBlockMs: 200 } })
  const tx = await script.producer.begin()
  script.beforeEach(TxnOffsetCommit, () => 3)
  await assert.rejects(tx.sendOffsets(offsets, group), {
    name: 'TimeoutError',
    message:
      "the coordinator of group 'billing' did not take the offsets in time: the offset of partition 0 of 'orders': UNKNOWN_TOPIC_OR_PARTITION",
  })
  await tx.abort()
})
