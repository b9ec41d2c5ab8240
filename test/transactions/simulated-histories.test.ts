import assert from 'node:assert/strict'
import { test } from 'node:test'
import { expectedAborts, simulatedTransactions } from '../support/chaos/simulated-transactions.ts'
import { assertFaultless } from '../support/history/history.ts'

const seeds = Array.from({ length: 4 }, (_, i) => `transactions-${i}`)

for (const transactionVersion of [1, 2] as const) {
  test(`whatever happens to requests, coordinators and writers, no transaction is torn (version ${transactionVersion})`, async (t) => {
    let committed = 0
    let deaths = 0
    for (const seed of seeds) {
      const report = await simulatedTransactions({ seed, transactionVersion })
      assertFaultless(report.verdict, `seed '${seed}'`)
      const surprises = Object.keys(report.aborts).filter((code) => !expectedAborts.includes(code))
      assert.deepEqual(surprises, [], `seed '${seed}'`)
      committed += report.verdict.transactions.committed
      deaths += report.deaths
    }
    t.diagnostic(`${committed} committed, ${deaths} writers died`)
    assert.ok(committed > 150 && deaths > 5)
  })
}

test('a seed that finds something finds it again', async () => {
  const [first, again] = [
    await simulatedTransactions({ seed: 'again', transactionVersion: 2, transactions: 15 }),
    await simulatedTransactions({ seed: 'again', transactionVersion: 2, transactions: 15 }),
  ]
  assert.equal(again.digest, first.digest)
})
