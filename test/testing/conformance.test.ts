import assert from 'node:assert/strict'
import { test } from 'node:test'

import { TestCluster } from '#src/testing/index.js'
import { scripts } from './conformance/all.js'
import { recorded } from './conformance/recorded.js'
import { play } from './conformance/scripts.js'

const kafka = recorded()

test('every script was played on Kafka', () => {
  assert.deepEqual(Object.keys(kafka).sort(), scripts.map(({ name }) => name).sort())
})

for (const script of scripts) {
  test(`like Kafka: ${script.name}`, async (t) => {
    // As the brokers of our test runs are configured.
    const cluster = await TestCluster.start({ properties: { 'auto.create.topics.enable': false, 'num.partitions': 3 } })
    t.after(() => cluster.close())
    assert.deepEqual(JSON.parse(JSON.stringify(await play(script, cluster.bootstrapServers))), kafka[script.name])
  })
}
