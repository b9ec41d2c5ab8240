#!/usr/bin/env node
/** `npm start`: runs examples/first-steps.mjs, on your broker (BOOTSTRAP_SERVERS) or on a real one started for it. */

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { root } from './build.mjs'
import { defaultVersion, howToHaveKafka, missingForKafka, startKafka } from './kafka.mjs'

function runExample(bootstrapServers) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, 'examples', 'first-steps.mjs')], {
      stdio: 'inherit',
      env: { ...process.env, BOOTSTRAP_SERVERS: bootstrapServers },
    })
    child.on('error', reject)
    child.on('exit', (code) => resolve(code ?? 1))
  })
}

async function main() {
  const given = process.env.BOOTSTRAP_SERVERS
  if (given) return await runExample(given)
  const missing = missingForKafka()
  if (missing.length > 0) {
    console.error(`There is no broker to talk to: this machine has no ${missing.join(' and no ')} to run one with.
Either point the example at a broker of yours:
    BOOTSTRAP_SERVERS=localhost:9092 npm start
or let it start one. ${howToHaveKafka}.`)
    return 1
  }
  console.log(`starting Kafka ${defaultVersion} for this run (the first time fetches it) …`)
  const broker = await startKafka()
  try {
    return await runExample(broker.bootstrapServers)
  } finally {
    await broker.stop()
  }
}

process.exitCode = await main()
