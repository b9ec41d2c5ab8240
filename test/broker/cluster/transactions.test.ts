import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exactlyOnceScenario } from '../../support/chaos/exactly-once-scenario.ts'
import { describeReport } from '../../support/chaos/report.ts'
import { transactionsScenario } from '../../support/chaos/transactions-scenario.ts'
import { assertFaultless } from '../../support/history/history.ts'
import { without } from '../../support/kafka/foreign-tools.ts'
import { kafkaCluster } from '../../support/kafka/kafka-cluster.ts'

test(
  'processes that write transactions are killed at any moment: none of their transactions is torn',
  { skip: without('kcat'), timeout: 120_000 },
  async (t) => {
    const cluster = await kafkaCluster(t)
    const report = await transactionsScenario({ cluster, seed: 'ci', durationMs: 15_000 })
    t.diagnostic(describeReport(report))
    assertFaultless(report.verdict)
    assert.deepEqual(report.failures, [])
    const { committed, aborted } = report.verdict.transactions
    assert.ok(committed > 50 && aborted > 5, 'much was committed and something aborted')
    assert.ok(report.further['workers killed']! > 5, 'writers were killed')
  },
)

test(
  'workers that copy a topic in transactions are killed and halted, their group rebalances: each record is copied once',
  { skip: without('kcat'), timeout: 180_000 },
  async (t) => {
    const cluster = await kafkaCluster(t)
    const records = 15_000
    const report = await exactlyOnceScenario({ cluster, seed: 'ci', records, largest: 60, limitMs: 100_000 })
    t.diagnostic(describeReport(report))
    assertFaultless(report.verdict)
    assert.deepEqual(report.failures, [])
    assert.equal(report.verdict.stored, records)
    assert.ok(report.further['workers killed']! >= 2, 'workers were killed')
  },
)
