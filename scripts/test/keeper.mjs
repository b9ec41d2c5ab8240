/**
 * Keeps one three-node cluster for a whole test run, started when the first test asks, and lends it to one test process
 * at a time. A connection is a loan: when it closes, even by a crash, the cluster is made whole again and lent on.
 * Lines of JSON both ways: `{ id, op, node?, options? }` → `{ id, result }` or `{ id, error }`.
 */

import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { startKafka } from '../kafka.mjs'

const describe = (cluster) => ({
  version: cluster.version,
  bootstrapServers: cluster.bootstrapServers,
  nodes: cluster.nodes.map(({ id, port, pid }) => ({ id, port, pid })),
})

export async function startKeeper({ nodes = 3, version } = {}) {
  let cluster // a promise of it, from the first loan on
  let free = Promise.resolve()
  const connections = new Set()

  const operations = {
    kill: ({ node, options }) => node.kill(options?.signal),
    stop: ({ node, options }) => node.stop(options),
    restart: ({ node, options }) => node.restart(options),
    log: ({ node }) => node.log(),
    healthy: async ({ options }) => (await cluster).healthy(options),
    describe: async () => describe(await cluster),
  }

  async function repair() {
    const { nodes: all, healthy } = await cluster
    for (const node of all) {
      await node.kill('SIGCONT')
      if (node.pid === undefined) node.launch()
    }
    await healthy()
  }

  async function serve(socket) {
    const before = free
    let giveBack
    free = new Promise((resolve) => {
      giveBack = resolve
    })
    const closed = new Promise((resolve) => {
      socket.once('close', resolve)
    })
    const answer = (line) => {
      if (!socket.destroyed) socket.write(`${JSON.stringify(line)}\n`)
    }
    try {
      await before
      if (socket.destroyed) return
      cluster ??= startKafka({ version, nodes })
      const { nodes: all } = await cluster
      createInterface({ input: socket }).on('line', async (text) => {
        const { id, op, node, options } = JSON.parse(text)
        try {
          const result = await operations[op]({ node: all.find((one) => one.id === node), options })
          answer({ id, result: result ?? null })
        } catch (error) {
          answer({ id, error: error.message })
        }
      })
      answer({ id: 0, result: describe(await cluster) })
      await closed
      await repair()
    } catch (error) {
      answer({ id: 0, error: error.message })
      // What cannot be repaired is replaced at the next loan.
      const broken = cluster
      cluster = undefined
      await broken?.then((it) => it.stop()).catch(() => {})
    } finally {
      giveBack()
    }
  }

  const server = createServer((socket) => {
    connections.add(socket)
    socket.on('error', () => {}) // 'close' follows
    socket.once('close', () => connections.delete(socket))
    void serve(socket)
  })
  await new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    address: `127.0.0.1:${server.address().port}`,
    stop: async () => {
      server.close()
      for (const socket of connections) socket.destroy()
      await free
      await cluster?.then((it) => it.stop()).catch(() => {})
    },
  }
}
