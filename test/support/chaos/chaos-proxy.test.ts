import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { SeededRandom } from '#src/testing/index.js'
import { listen } from '../network.ts'
import { ChaosProxy, type ProxyFaults } from './chaos-proxy.ts'

/** A connection through a proxy to a server that does with it as it is told. */
async function through(
  t: TestContext,
  faults: ProxyFaults,
  serve: (socket: Socket) => void,
): Promise<{ proxy: ChaosProxy; client: Socket }> {
  const port = await listen(t, serve)
  const proxy = await ChaosProxy.start([{ id: 4, port }], { random: new SeededRandom('proxy'), faults })
  t.after(() => proxy.close())
  const client = connect(proxy.mapAddress({ id: 4 }))
  client.on('error', () => {})
  return { proxy, client }
}

const echo = (socket: Socket): unknown => socket.pipe(socket)

test('without faults all passes both ways', async (t) => {
  const { proxy, client } = await through(t, {}, echo)
  const sent = new SeededRandom(1).bytes(300_000)
  client.write(sent)
  const got: Buffer[] = []
  for await (const chunk of client) {
    got.push(chunk as Buffer)
    if (Buffer.concat(got).length === sent.length) break
  }
  assert.deepEqual(Buffer.concat(got), sent)
  assert.deepEqual(proxy.counts, { connections: 1, cuts: 0, swallowing: 0 })
})

test('pieces that are late keep their order', async (t) => {
  const { client } = await through(t, { slowChance: 1, delayMs: [0, 20] }, (socket) => {
    let i = 0
    const timer = setInterval(() => socket.write(`${i++},`), 1)
    socket.on('close', () => {
      clearInterval(timer)
    })
  })
  let text = ''
  for await (const chunk of client) {
    text += String(chunk)
    if (text.split(',').length > 60) break
  }
  const numbers = text.split(',').slice(0, 60).map(Number)
  assert.deepEqual(
    numbers,
    Array.from({ length: 60 }, (_, i) => i),
  )
})

test('a connection is cut in its time, and before that may fall silent while requests still arrive', async (t) => {
  let arrived = 0
  const { proxy, client } = await through(t, { cutAfterMs: [100, 150], swallowChance: 1 }, (socket) => {
    socket.on('data', (chunk) => {
      arrived += chunk.length
      socket.write(chunk)
    })
  })
  let answered = 0
  client.on('data', (chunk) => (answered += chunk.length))
  const timer = setInterval(() => client.write('x'), 1)
  await new Promise((resolve) => client.once('close', resolve))
  clearInterval(timer)
  assert.deepEqual(proxy.counts, { connections: 1, cuts: 1, swallowing: 1 })
  assert.ok(answered < arrived, `${answered} of ${arrived}`)
})
