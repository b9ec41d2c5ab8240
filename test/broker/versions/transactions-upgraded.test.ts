import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { after, test } from 'node:test'
import { startKafka } from '#scripts/kafka.mjs'
import { without } from '../../support/kafka/foreign-tools.js'
import { fromCluster, uniqueName } from '../../support/kafka/kafka.js'
import { committedIn, describeTransaction, producerOn } from '../transaction-support.js'

const cluster = await startKafka({ formatArguments: ['--feature', 'transaction.version=1'] })
after(() => cluster.stop())
const kafka = fromCluster(cluster)

test(
  'a producer goes on through an upgrade to transaction.version 2 and back, before and after it has noticed',
  { skip: without('kcat') },
  async (t) => {
    const topic = await kafka.createTopic()
    const transactionalId = uniqueName('upgraded')
    const sockets = new Set<Socket>()
    const producer = producerOn(t, kafka, {
      transactionalId,
      dial: ({ host, port }) => {
        const socket = connect({ host, port })
        sockets.add(socket)
        return socket
      },
    })
    const group = { groupId: uniqueName('group'), generationId: -1, memberId: '', groupInstanceId: null }
    const expected: string[] = []
    /** Commits two transactions and aborts one; gives how far the epoch went by that. */
    const work = async (when: string): Promise<number> => {
      const before = (await describeTransaction(t, kafka, transactionalId)).producerEpoch
      for (const [i, end] of (['commit', 'abort', 'commit'] as const).entries()) {
        const tx = await producer.begin()
        await tx.send({ topic, value: `${when} ${i}` })
        await tx.sendOffsets([{ topic, partition: 0, offset: i }], group)
        await tx[end]()
        if (end === 'commit') expected.push(`0 ${when} ${i}`)
      }
      return (await describeTransaction(t, kafka, transactionalId)).producerEpoch - before
    }
    const setLevel = async (level: number): Promise<void> => {
      const args = [level === 2 ? 'upgrade' : 'downgrade', '--feature', `transaction.version=${level}`]
      await kafka.toolOutput('FeatureCommand', args)
    }
    const reconnect = async (): Promise<void> => {
      const open = [...sockets].filter((socket) => !socket.destroyed)
      const closed = Promise.all(open.map((socket) => once(socket, 'close')))
      for (const socket of open) socket.destroy()
      await closed
    }
    await producer.start()
    assert.equal(await work('at first'), 0)
    await setLevel(2)
    // What brokers run at, a connection hears when it is opened.
    assert.equal(await work('not noticed'), 0)
    await reconnect()
    // One epoch for each transaction, and one to part them from those of the old kind.
    assert.equal(await work('upgraded'), 4)
    await setLevel(1)
    await work('not noticed again')
    await reconnect()
    assert.equal(await work('downgraded'), 0)
    assert.deepEqual(await committedIn(kafka, topic), expected.sort())
  },
)
