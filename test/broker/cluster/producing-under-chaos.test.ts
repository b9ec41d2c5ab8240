import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeReport } from '../../support/chaos/report.ts'
import { producingScenario } from '../../support/chaos/producing-scenario.ts'
import { assertFaultless } from '../../support/history/history.ts'
import { without } from '../../support/kafka/foreign-tools.ts'
import { kafkaCluster } from '../../support/kafka/kafka-cluster.ts'

const records = 60_000

test(
  'brokers crash, connections are cut, leaders move: 60 000 records of 4 producers are stored once each, in order',
  { skip: without('kcat'), timeout: 200_000 },
  async (t) => {
    const cluster = await kafkaCluster(t)
    const report = await producingScenario({ cluster, seed: 'ci', records, recordsPerSecond: 2_000 })
    t.diagnostic(describeReport(report))
    assertFaultless(report.verdict)
    const { verdict, chaos, workload } = report
    assert.deepEqual([verdict.sent, verdict.stored], [records, records])
    assert.deepEqual(workload.failures, {})
    assert.ok(chaos.kills >= 2 && chaos.cuts >= 50 && chaos.moves >= 5, 'there was trouble enough')
    assert.ok(workload.retries > 0, 'it was felt')
  },
)
