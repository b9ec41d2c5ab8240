#!/usr/bin/env node
/**
 * Real Kafka brokers for tests and for trying things, from Maven Central's jars: 3.7 and newer, and with a ZooKeeper
 * beside them 2.8 and 1.1. As a command:
 *
 *     node scripts/kafka.mjs fetch  [--version 4.3.1]
 *     node scripts/kafka.mjs start  [--version 4.3.1] [--nodes 3] [--auto-create] [--property name=value]…
 *     node scripts/kafka.mjs status | stop
 *
 * As a module: `startKafka({ version, nodes, properties, listeners })`, see kafka/cluster.mjs.
 */

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { askMetadata, createTopic } from './kafka/bare-requests.mjs'
import { startKafka } from './kafka/cluster.mjs'
import { cacheFolder, defaultVersion, fetchKafka, howToHaveKafka, missingForKafka } from './kafka/distribution.mjs'
import { javaCommand, javaTool, runCommand } from './kafka/java.mjs'

export { askMetadata, createTopic, startKafka }
export { defaultVersion, fetchKafka, howToHaveKafka, missingForKafka }
export { javaCommand, javaTool, runCommand }

const stateFile = join(cacheFolder, 'kafka', 'started.json')

function readState() {
  return existsSync(stateFile) ? JSON.parse(readFileSync(stateFile, 'utf8')) : undefined
}

/** The pids that are still ours: a number may have gone to another process since, whose command line tells. */
async function runningPids({ nodes = [], zooKeeper = [], dataFolder }) {
  const pids = [...nodes, ...zooKeeper]
  const ours = await Promise.all(
    pids.map(async (pid) => {
      const { stdout } = existsSync(`/proc/${pid}`)
        ? { stdout: readFileSync(`/proc/${pid}/cmdline`, 'utf8') }
        : await runCommand(['ps', '-o', 'args=', '-p', String(pid)]).catch(() => ({ stdout: '' }))
      return stdout.includes(dataFolder)
    }),
  )
  return pids.filter((_, i) => ours[i])
}

async function endProcesses(state) {
  for (const pid of await runningPids(state)) process.kill(pid, 'SIGTERM')
  const deadline = Date.now() + 10_000
  for (;;) {
    const left = await runningPids(state)
    if (left.length === 0) return
    if (Date.now() > deadline) for (const pid of left) process.kill(pid, 'SIGKILL')
    await sleep(100)
  }
}

const commands = {
  async fetch({ version }) {
    console.log(await fetchKafka(version))
  },

  async start({ version, nodes, properties }) {
    const before = readState()
    if (before !== undefined && (await runningPids(before)).length > 0) {
      throw new Error(`Kafka ${before.version} is running already at ${before.bootstrapServers}: stop it first`)
    }
    const cluster = await startKafka({ version, nodes, properties, watched: false })
    const { bootstrapServers, dataFolder } = cluster
    mkdirSync(dirname(stateFile), { recursive: true })
    const state = { version, bootstrapServers, dataFolder, ...cluster.pids() }
    writeFileSync(stateFile, JSON.stringify(state))
    console.log(bootstrapServers)
  },

  async status() {
    const state = readState()
    const pids = state === undefined ? [] : await runningPids(state)
    if (pids.length === 0) {
      console.log('no Kafka started from here is running')
      process.exitCode = 1
      return
    }
    console.log(
      `Kafka ${state.version} at ${state.bootstrapServers}, pids ${pids.join(', ')}, data in ${state.dataFolder}`,
    )
    for (const address of state.bootstrapServers.split(',')) {
      const answer = await askMetadata(address).catch((error) => ({ error }))
      console.log(
        answer.error ? `  ${address}: ${answer.error.message}` : `  ${address}: sees ${answer.brokers.length} brokers`,
      )
    }
  },

  async stop() {
    const state = readState()
    if (state === undefined) return
    await endProcesses({ ...state, zooKeeper: [] })
    await endProcesses(state) // what they agree through goes last: without it they could not take their leave
    rmSync(state.dataFolder, { recursive: true, force: true })
    rmSync(stateFile, { force: true })
  },
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      'version': { type: 'string', default: defaultVersion },
      'nodes': { type: 'string', default: '1' },
      'auto-create': { type: 'boolean', default: false },
      'property': { type: 'string', multiple: true, default: [] },
    },
  })
  const command = commands[positionals[0]]
  const nodes = Number(values.nodes)
  if (command === undefined || positionals.length !== 1 || !Number.isInteger(nodes) || nodes < 1) {
    console.error(
      'usage: node scripts/kafka.mjs fetch|start|status|stop [--version V] [--nodes N] [--auto-create] [--property name=value]',
    )
    process.exitCode = 2
    return
  }
  const properties = Object.fromEntries(
    values.property.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  )
  if (values['auto-create']) properties['auto.create.topics.enable'] = 'true'
  await command({ version: values.version, nodes, properties })
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  main().catch((error) => {
    console.error(error.message)
    process.exitCode = 1
  })
}
