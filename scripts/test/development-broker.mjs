/** `jackdaw broker` for the suite that holds the in-process cluster to the scenarios of real Kafka: a process of its own,
 *  with the settings that scripts/kafka/cluster.mjs gives a real one. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { root } from '../build.mjs'

const settings = {
  'auto.create.topics.enable': false,
  'num.partitions': 3,
  'offsets.topic.num.partitions': 5,
  'group.min.session.timeout.ms': 1_000,
}

/** Resolves to its address and how to end it, which tells what it complained of. */
export async function startDevelopmentBroker() {
  const properties = Object.entries(settings).flatMap(([name, value]) => ['--property', `${name}=${value}`])
  const child = spawn(
    process.execPath,
    [join(root, 'dist', 'cli', 'main.js'), 'broker', '--port', '0', ...properties],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  )
  const end = () => child.kill('SIGKILL')
  process.once('exit', end)
  const exited = once(child, 'exit')
  let stderr = ''
  child.stderr.setEncoding('utf8')
  const bootstrapServers = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`jackdaw broker ended with status ${code}: ${stderr}`)))
    child.stderr.on('data', (chunk) => {
      stderr += chunk
      const address = /listening at (\S+)/.exec(stderr)?.[1]
      if (address !== undefined) resolve(address)
    })
  })
  return {
    bootstrapServers,
    stop: async () => {
      process.removeListener('exit', end)
      child.kill('SIGTERM')
      const timer = setTimeout(end, 5_000)
      await exited
      clearTimeout(timer)
      const complaints = stderr.split('\n').filter((line) => line.startsWith('jackdaw: '))
      for (const line of complaints) console.error(line)
    },
  }
}
