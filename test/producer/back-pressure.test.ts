/** Memory is bounded when a broker is slower than its caller. The whole of it, ten million records, is
 *  bench/back-pressure.mjs; a process of its own is what RSS can be measured of. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Producer } from '#src/producer/producer.js'
import { Produce } from '#src/wire/messages/produce.js'
import { ScriptedCluster } from '../support/scripted-broker.ts'
import { LogKeeper } from './log-keeper.ts'

interface Outcome {
  acknowledged: number
  refused: number
  peakRssMib: number
  problems: string[]
}

async function run(...args: string[]): Promise<Outcome> {
  const script = fileURLToPath(new URL('../../../bench/back-pressure.mjs', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [script, ...args], { timeout: 100_000 })
  return JSON.parse(stdout) as Outcome
}

test(
  'sends that are awaited only through drained() stay within 200 MiB, and none is refused',
  { timeout: 110_000 },
  async (t) => {
    const { acknowledged, refused, peakRssMib, problems } = await run('--records', '300000', '--delay-ms', '5')
    t.diagnostic(`300 000 records of 100 bytes: at most ${peakRssMib} MiB`)
    assert.deepEqual(problems, [])
    assert.deepEqual([acknowledged, refused], [300_000, 0])
  },
)

test(
  'of sends that nobody awaits, what finds no room is refused, and every promise settles',
  { timeout: 110_000 },
  async (t) => {
    const { acknowledged, refused, peakRssMib, problems } = await run(
      ...['--records', '120000', '--size', '1000', '--delay-ms', '5', '--heedless', '--limit-mib', '500'],
    )
    t.diagnostic(`${refused} of 120 000 records of 1 kB refused: at most ${peakRssMib} MiB`)
    assert.deepEqual(problems, [])
    assert.equal(acknowledged + refused, 120_000)
    assert.ok(refused > 0, 'there was no room for all of them')
  },
)

test('drained() waits for promises that are not settled, even while their records leave room', async (t) => {
  const cluster = await ScriptedCluster.start({}, { brokers: 1, topics: { orders: 1 } })
  const keeper = new LogKeeper(cluster.state)
  let open!: () => void
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  cluster.on(Produce, async (request, context) => {
    await opened
    return keeper.handler(request, context)
  })
  const producer = new Producer({ bootstrapServers: cluster.address, bufferMemory: 1_048_576 })
  t.after(async () => {
    producer.destroy()
    await cluster.close()
  })
  await producer.partitionsFor('orders')
  const sent: Promise<unknown>[] = []
  const send = (count: number): void => {
    for (let i = 0; i < count; i++) sent.push(producer.send({ topic: 'orders', value: 'x' }))
  }
  send(500)
  await producer.drained()
  send(4_000)
  assert.ok(producer.metrics().bufferAvailableBytes > 900_000)
  let isDrained = false
  const drained = producer.drained().then(() => {
    isDrained = true
  })
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(isDrained, false)
  // It is advice: nobody is kept from sending, and enqueue makes no promises.
  send(1)
  assert.equal(producer.enqueue({ topic: 'orders', value: 'x' }), true)
  open()
  await drained
  await Promise.all(sent)
})
