import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Consumer } from '#src/consumer/consumer.js'
import { uniqueName } from '../support/kafka/kafka.js'
import { kafkaCluster } from '../support/kafka/kafka-cluster.js'
import { numbered } from './consumer-support.js'

test('a member reads on, in order and without a gap, when the leaders and coordinators of its group crash one by one', async (t) => {
  const cluster = await kafkaCluster(t)
  const topic = await cluster.createTopic({
    partitions: 3,
    replicationFactor: 3,
    configs: { 'min.insync.replicas': 1 },
  })
  const consumer = new Consumer({
    bootstrapServers: cluster.bootstrapServers,
    groupId: uniqueName('group'),
    autoOffsetReset: 'earliest',
    autoCommitIntervalMs: 100,
    heartbeatIntervalMs: 500,
  })
  await consumer.subscribe([topic])
  await consumer.assigned({ signal: AbortSignal.timeout(60_000) })
  const logs: string[][] = [[], [], []]
  let repeated = 0
  const reading = (async () => {
    for await (const { partition, offset, value } of consumer) {
      const log = logs[partition]!
      // What was not committed before a crash of the coordinator may come again, never out of order.
      if (offset < log.length) repeated++
      assert.ok(offset <= log.length, `partition ${partition} went from ${log.length} to ${offset}`)
      log[offset] = value!.toString()
    }
  })()
  const write = async (name: string): Promise<void> => {
    for (let partition = 0; partition < 3; partition++) {
      const lines = numbered(`${name}-${partition}`, 200).join('\n')
      await cluster.kcat(['-P', '-t', topic, '-p', String(partition), '-X', 'acks=all'], `${lines}\n`)
    }
  }
  const readUpTo = async (count: number): Promise<void> => {
    const deadline = performance.now() + 60_000
    while (logs.some((log) => log.length < count)) {
      assert.ok(performance.now() < deadline, `only ${logs.map((log) => log.length).join(', ')} of ${count} were read`)
      await Promise.race([reading, new Promise((resolve) => setTimeout(resolve, 20))])
    }
  }
  let count = 0
  for (const [index, node] of cluster.nodes.entries()) {
    await write(`before-${index}`)
    await node.kill()
    await write(`after-${index}`)
    await readUpTo((count += 400))
    await node.restart({ nodes: 3 })
    await cluster.healthy()
  }
  await consumer.close()
  await reading
  for (const [partition, log] of logs.entries()) {
    const wanted = [0, 1, 2].flatMap((index) =>
      ['before', 'after'].flatMap((when) => numbered(`${when}-${index}-${partition}`, 200)),
    )
    assert.deepEqual(log, wanted)
  }
  t.diagnostic(`${repeated} records came twice`)
})
