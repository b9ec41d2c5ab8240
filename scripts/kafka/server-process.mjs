/** One server process, with its output in a file: started, signalled, stopped, and ended with this process. Knows nothing
 *  of what the server does: see node.mjs and zookeeper.mjs. */

import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Ends the server when this process ends, however it ends: the system closes the pipe that `cat` reads from. The data
 * goes too, since nobody is left to stop it in order.
 */
function watch(pid, folder) {
  const script = 'cat >/dev/null; kill -9 "$1" 2>/dev/null; sleep 1; rm -rf "$2"'
  const watcher = spawn('sh', ['-c', script, 'kafka-watcher', String(pid), folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  watcher.on('error', () => {}) // no sh: then there is no watcher, and only `stop` ends the server
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

export class ServerProcess {
  #name
  #plan
  #child
  #exited = Promise.resolve()

  /** `name` is for errors; `plan`: { run, cwd, logFile, dataFolder, watched }. */
  constructor(name, plan) {
    this.#name = name
    this.#plan = plan
  }

  /** The running process, or undefined. */
  get pid() {
    return this.#child?.pid
  }

  /** Everything it logged (warnings and worse). */
  log() {
    return readFileSync(this.#plan.logFile, 'utf8')
  }

  /** Starts the process; it can be used once it answers. */
  launch() {
    if (this.#child !== undefined) throw new Error(`${this.#name} is running already`)
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

  /** Asks until the server can be used; rejects when it ends before, or after `timeoutMs`. */
  async waitUntil(isReady, timeoutMs) {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      if (this.#child === undefined) throw new Error(`${this.#name} ended while starting:\n${this.#tail()}`)
      try {
        if (await isReady()) return
      } catch {
        // It is not up yet: asked again below.
      }
      if (Date.now() > deadline) {
        throw new Error(`${this.#name} did not answer within ${timeoutMs} ms:\n${this.#tail()}`)
      }
      await sleep(100)
    }
  }

  /** Sends a signal: SIGKILL is a crash, SIGSTOP a server that hangs, SIGCONT ends that. After SIGKILL, waits for the end. */
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
    child.kill('SIGCONT') // a server that was halted would never see the first signal
    const patience = new AbortController()
    const giveUp = sleep(graceMs, undefined, { signal: patience.signal }).then(
      () => this.kill(),
      () => {}, // it ended in time
    )
    await this.#exited
    patience.abort()
    await giveUp
  }

  #tail() {
    return this.log().slice(-3_000)
  }
}
