import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Cluster } from '#src/cluster/cluster.js'
import { FindCoordinator } from '#src/wire/messages/find-coordinator.js'
import { without } from '../../support/kafka/foreign-tools.ts'
import { kafkaCluster, type BorrowedCluster, type ClusterNode } from '../../support/kafka/kafka-cluster.ts'
import { uniqueName } from '../../support/kafka/kafka.ts'
import { committedIn, producerOn } from '../transaction-support.ts'

/** The node that coordinates a transaction (type 1) or a group (type 0) now. */
async function coordinatorOf(kafka: BorrowedCluster, keyType: 0 | 1, key: string): Promise<ClusterNode> {
  const cluster = new Cluster({ bootstrapServers: kafka.bootstrapServers })
  try {
    const { coordinators } = await cluster.sendWithRetries(
      { kind: 'any' },
      FindCoordinator,
      { keyType, coordinatorKeys: [key] },
      { errorCode: (answer) => answer.coordinators[0]!.errorCode },
    )
    return kafka.nodes.find(({ id }) => id === coordinators[0]!.nodeId)!
  } finally {
    await cluster.close()
  }
}

test(
  'coordinators crash within transactions and at their end: each is committed or aborted as it was asked',
  { skip: without('kcat'), timeout: 120_000 },
  async (t) => {
    const kafka = await kafkaCluster(t)
    const topic = await kafka.createTopic({
      partitions: 3,
      replicationFactor: 3,
      configs: { 'min.insync.replicas': 2 },
    })
    const transactionalId = uniqueName('through')
    const group = { groupId: uniqueName('group'), generationId: -1, memberId: '', groupInstanceId: null }
    const producer = producerOn(t, kafka, { transactionalId })
    await producer.start()
    const write = (tx: Awaited<ReturnType<typeof producer.begin>>, value: string) =>
      Promise.all([0, 1, 2].map((partition) => tx.send({ topic, partition, value })))
    const expected: string[] = []
    const crash = async (of: 0 | 1): Promise<ClusterNode> => {
      await kafka.healthy()
      const node = await coordinatorOf(kafka, of, of === 1 ? transactionalId : group.groupId)
      await node.kill()
      return node
    }
    const restarted = (node: ClusterNode): Promise<void> => node.restart({ nodes: 3 })

    // In the middle: of the transaction's coordinator, and then of the group's.
    const within = await producer.begin()
    await write(within, 'within')
    let node = await crash(1)
    await write(within, 'within, again')
    await within.sendOffsets([{ topic, partition: 0, offset: 1 }], group)
    await restarted(node)
    node = await crash(0)
    await within.sendOffsets([{ topic, partition: 0, offset: 2 }], group)
    await within.commit()
    expected.push('within', 'within, again')

    // Before the next begins, which the crash of a group's coordinator may have been, too.
    const before = await producer.begin()
    await write(before, 'aborted')
    await before.abort()
    await restarted(node)

    // At its end: the request is on its way, or the markers are.
    for (const end of ['commit', 'abort'] as const) {
      const last = await producer.begin()
      await write(last, `at ${end}`)
      await kafka.healthy()
      const coordinator = await coordinatorOf(kafka, 1, transactionalId)
      await Promise.all([last[end](), coordinator.kill()])
      await restarted(coordinator)
    }
    expected.push('at commit')
    const committed = await committedIn(kafka, topic)
    const wanted = [0, 1, 2].flatMap((partition) => expected.map((value) => `${partition} ${value}`)).sort()
    assert.deepEqual(committed, wanted)
  },
)
