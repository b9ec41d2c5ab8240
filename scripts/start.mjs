#!/usr/bin/env node
/** `npm start`: runs examples/first-steps.mjs, on your broker (BOOTSTRAP_SERVERS) or on the in-process cluster: Node and
 *  nothing else is needed. */

async function main() {
  if (process.env.BOOTSTRAP_SERVERS) {
    console.log(`first steps on ${process.env.BOOTSTRAP_SERVERS}\n`)
    await import('../examples/first-steps.mjs')
    return
  }
  const { TestCluster } = await import('jackdaw/testing')
  const cluster = await TestCluster.start({ brokers: 3 })
  try {
    console.log(`first steps on a cluster of three brokers in this process: ${cluster.bootstrapServers}`)
    console.log('(on brokers of yours: BOOTSTRAP_SERVERS=localhost:9092 npm start)\n')
    process.env.BOOTSTRAP_SERVERS = cluster.bootstrapServers
    await import('../examples/first-steps.mjs')
  } finally {
    await cluster.close()
  }
}

await main()
