/** One Kafka process: started, signalled, stopped, started again on the same port with the same data. */

import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { runCommand } from './java.mjs'
import { askMetadata } from './bare-requests.mjs'

/**
 * Ends the broker when this process ends, however it ends: the system closes the pipe that `cat` reads from. The data
 * goes too, since nobody is left to stop it in order.
 */
function watch(pid, folder) {
  const script = 'cat >/dev/null; kill -9 "$1" 2>/dev/null; sleep 1; rm -rf "$2"'
  const watcher = spawn('sh', ['-c', script, 'kafka-watcher', String(pid), folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  watcher.on('error', () => {}) // no sh: then there is no watcher, and only `stop` ends the broker
  watcher.stdin.on('error', () => {})
  watcher.unref()
  watcher.stdin.unref()
  return () => {
    if (watcher.pid === undefined) return
    try {
      process.kill(-watcher.pid, 'SIGKILL')
    } catch {
      // It has ended already.
    }
  }
}

export class KafkaNode {
  /** The broker's id, counted from 1. */
  id
  /** Where clients reach it in plain text, on 127.0.0.1. */
  port
  /** Ports of the further listeners asked for, by listener name. */
  ports
  #plan
  #child
  #exited = Promise.resolve()

  /** `plan`: { id, port, ports, format, run, cwd, logFile, dataFolder, watched }; made by cluster.mjs. */
  constructor(plan) {
    this.id = plan.id
    this.port = plan.port
    this.ports = plan.ports
    this.#plan = plan
  }

  /** The running process, or undefined. */
  get pid() {
    return this.#child?.pid
  }

  /** Everything the broker logged (warnings and worse). */
  log() {
    return readFileSync(this.#plan.logFile, 'utf8')
  }

  /** Prepares the empty data folder; once, before the first start. */
  async format() {
    const { code, stdout, stderr } = await runCommand(this.#plan.format)
    if (code !== 0) throw new Error(`formatting node ${this.id} failed:\n${stdout}${stderr}`)
  }

  /** Starts the process; see {@link answers} for when it can be used. */
  launch() {
    if (this.#child !== undefined) throw new Error(`node ${this.id} is running already`)
    const { run, logFile, cwd, watched, dataFolder } = this.#plan
    const output = openSync(logFile, 'a')
    const child = spawn(run[0], run.slice(1), { cwd, stdio: ['ignore', output, output], detached: true })
    closeSync(output)
    this.#child = child
    const unwatch = watched && child.pid !== undefined ? watch(child.pid, dataFolder) : () => {}
    this.#exited = new Promise((resolve) => {
      const ended = () => {
        if (this.#child === child) this.#child = undefined
        unwatch()
        resolve()
      }
      child.once('exit', ended)
      child.once('error', ended)
    })
    child.unref()
  }

  /** Resolves once the broker answers and sees `nodes` brokers and a controller. */
  async answers({ nodes, timeoutMs = 90_000 }) {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      if (this.#child === undefined) throw new Error(`node ${this.id} ended while starting:\n${this.#tail()}`)
      try {
        const { brokers, controllerId } = await askMetadata(`127.0.0.1:${this.port}`)
        if (brokers.length >= nodes && controllerId >= 0) return
      } catch {
        // It is not up yet: asked again below.
      }
      if (Date.now() > deadline) {
        throw new Error(`node ${this.id} did not answer within ${timeoutMs} ms:\n${this.#tail()}`)
      }
      await sleep(100)
    }
  }

  /** Sends a signal: SIGKILL is a crash, SIGSTOP a broker that hangs, SIGCONT ends that. After SIGKILL, waits for the end. */
  async kill(signal = 'SIGKILL') {
    const child = this.#child
    if (child === undefined) return
    child.kill(signal)
    if (signal !== 'SIGKILL') return
    child.ref() // or a process that waits for nothing else would end here
    await this.#exited
  }

  /** Ends the process in order; after `graceMs` by force. Its data stays. */
  async stop({ graceMs = 20_000 } = {}) {
    const child = this.#child
    if (child === undefined) return
    child.kill('SIGTERM')
    child.kill('SIGCONT') // a broker that was halted would never see the first signal
    const patience = new AbortController()
    const giveUp = sleep(graceMs, undefined, { signal: patience.signal }).then(
      () => this.kill(),
      () => {}, // it ended in time
    )
    await this.#exited
    patience.abort()
    await giveUp
  }

  /** Stops it if it runs, starts it on the same port with the same data, and waits until it answers. */
  async restart({ nodes = 1, timeoutMs } = {}) {
    await this.stop()
    this.launch()
    await this.answers({ nodes, timeoutMs })
  }

  #tail() {
    return this.log().slice(-3_000)
  }
}
