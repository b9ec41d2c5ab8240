/** One Kafka broker as a process: started, asked whether it answers, restarted on the same port with the same data. */

import { setTimeout as sleep } from 'node:timers/promises'
import { runCommand } from './java.mjs'
import { askMetadata } from './bare-requests.mjs'
import { ServerProcess } from './server-process.mjs'

export class KafkaNode extends ServerProcess {
  /** The broker's id, counted from 1. */
  id
  /** Where clients reach it in plain text, on 127.0.0.1. */
  port
  /** Ports of the further listeners asked for, by listener name. */
  ports
  #format

  /** `plan`: { id, port, ports, format, run, cwd, logFile, dataFolder, watched }; made by cluster.mjs. Brokers of a
   *  ZooKeeper have no `format`. */
  constructor(plan) {
    super(`node ${plan.id}`, plan)
    this.id = plan.id
    this.port = plan.port
    this.ports = plan.ports
    this.#format = plan.format
  }

  /** Prepares the empty data folder; once, before the first start. */
  async format() {
    if (this.#format === undefined) return
    const { code, stdout, stderr } = await runCommand(this.#format)
    if (code !== 0) throw new Error(`formatting node ${this.id} failed:\n${stdout}${stderr}`)
  }

  /** Resolves once the broker answers and sees `nodes` brokers and a controller. */
  async answers({ nodes, timeoutMs = 90_000 }) {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      try {
        await this.waitUntil(() => this.#sees(nodes), deadline - Date.now())
        return
      } catch (error) {
        // A broker that crashed and comes back meets its own name in ZooKeeper until the old session has run out, and
        // gives up: then it is started again.
        const meetsItself = this.pid === undefined && error.message.includes('NodeExists')
        if (!meetsItself || Date.now() > deadline) throw error
        await sleep(500)
        this.launch()
      }
    }
  }

  async #sees(nodes) {
    const { brokers, controllerId } = await askMetadata(`127.0.0.1:${this.port}`)
    return brokers.length >= nodes && controllerId >= 0
  }

  /** Stops it if it runs, starts it on the same port with the same data, and waits until it answers. */
  async restart({ nodes = 1, timeoutMs } = {}) {
    await this.stop()
    this.launch()
    await this.answers({ nodes, timeoutMs })
  }
}
