/** The ZooKeeper that brokers before Kafka 3.3 agree through: one process for the whole cluster. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { javaCommand } from './java.mjs'
import { ServerProcess } from './server-process.mjs'

export class ZooKeeper extends ServerProcess {
  #port

  constructor(plan) {
    super('ZooKeeper', plan)
    this.#port = plan.port
  }

  /** `host:port`, as brokers take it for `zookeeper.connect`. */
  get address() {
    return `127.0.0.1:${this.#port}`
  }

  /** Resolves once it serves requests. */
  async answers({ timeoutMs = 60_000 } = {}) {
    await this.waitUntil(async () => (await askStatus(this.#port)).includes('Mode: standalone'), timeoutMs)
  }
}

/** The plan of a ZooKeeper with its data below `dataFolder`; not started. */
export async function planZooKeeper({ version, port, dataFolder, watched }) {
  const folder = join(dataFolder, 'zookeeper')
  const temporary = join(folder, 'tmp')
  mkdirSync(temporary, { recursive: true })
  const settings = {
    'dataDir': join(folder, 'data'),
    'clientPort': port,
    'clientPortAddress': '127.0.0.1',
    // The shortest session is two ticks: a broker that crashed is missed, and may come back, so much sooner.
    'tickTime': 1_000,
    'maxClientCnxns': 0,
    'admin.enableServer': false,
  }
  const file = join(folder, 'zookeeper.properties')
  writeFileSync(
    file,
    Object.entries(settings)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  )
  const run = await javaCommand({ version, name: 'ZooKeeper', args: [file], heapMb: 128, temporary })
  return new ZooKeeper({ port, run, cwd: folder, logFile: join(folder, 'server.log'), dataFolder, watched })
}

/** What ZooKeeper says of itself. */
function askStatus(port) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('srvr'))
    let text = ''
    socket.setTimeout(3_000, () => socket.destroy(new Error(`127.0.0.1:${port} did not answer in 3000 ms`)))
    socket.on('data', (chunk) => {
      text += chunk
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(text))
  })
}
