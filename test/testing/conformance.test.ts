import assert from 'node:assert/strict'
import { test } from 'node:test'

import { TestCluster } from '#src/testing/index.js'
import { scripts, transactionScripts } from './conformance/all.js'
import { recorded } from './conformance/recorded.js'
import { play, type Script } from './conformance/scripts.js'

/** As the brokers of our test runs are configured. */
const properties = { 'auto.create.topics.enable': false, 'num.partitions': 3 }

for (const { transactionVersion, suite } of [
  { transactionVersion: 2, suite: scripts },
  { transactionVersion: 1, suite: transactionScripts },
] as const) {
  const which = transactionVersion === 2 ? '' : ' with transaction.version 1'
  const kafka = recorded(transactionVersion)

  test(`every script was played on Kafka${which}`, () => {
    assert.deepEqual(Object.keys(kafka).sort(), namesOf(suite))
  })

  for (const script of suite) {
    test(`like Kafka${which}: ${script.name}`, async (t) => {
      const cluster = await TestCluster.start({ properties, transactionVersion })
      t.after(() => cluster.close())
      assert.deepEqual(JSON.parse(JSON.stringify(await play(script, cluster.bootstrapServers))), kafka[script.name])
    })
  }
}

function namesOf(suite: readonly Script[]): string[] {
  return suite.map(({ name }) => name).sort()
}
