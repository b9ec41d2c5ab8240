import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EndTxn } from '#src/wire/messages/end-txn.js'
import { TransactionScript } from './scripted-coordinator.ts'

for (const level of [1, 2]) {
  const way = `transaction.version ${level}`

  test(`a transaction is committed once its records are acknowledged (${way})`, async (t) => {
    const script = await TransactionScript.start(t, { level })
    const tx = await script.producer.begin()
    const sent = tx.send({ topic: 'orders', partition: 0, value: 'a' })
    const unawaited = tx.send({ topic: 'orders', partition: 1, value: 'b' })
    await tx.commit()
    assert.deepEqual(script.keeper.log('orders', 0), ['a'])
    assert.deepEqual(script.keeper.log('orders', 1), ['b'])
    assert.equal((await sent).offset, 0)
    assert.equal((await unawaited).offset, 0)
    assert.equal(script.deeds.at(-1), 'commit')
    assert.equal(script.requests(EndTxn).length, 1)
  })
}
