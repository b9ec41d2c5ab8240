/** A worker's process: started, killed, halted, and every line it wrote heard, also the last before its end. */

import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { WorkerReport } from './workers/worker.ts'

export class WorkerProcess {
  readonly #child: ChildProcess
  readonly #exited: Promise<void>
  #complaints = ''
  /** Set when it has ended. */
  exitCode: number | null | undefined

  /** `program` is a file of workers/, by name; it hears `orders`. */
  constructor(program: string, orders: object, onReport: (report: WorkerReport) => void) {
    const file = fileURLToPath(new URL(`workers/${program}.js`, import.meta.url))
    const child = spawn(process.execPath, [file, JSON.stringify(orders)], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    child.stderr!.on('data', (chunk) => (this.#complaints = `${this.#complaints}${chunk}`.slice(-4_000)))
    const lines = createInterface({ input: child.stdout! })
    lines.on('line', (line) => {
      // The last line of a process that was killed in the middle of writing it was never said.
      if (line.endsWith('}')) onReport(JSON.parse(line) as WorkerReport)
    })
    const heard = new Promise((resolve) => lines.once('close', resolve))
    this.#exited = new Promise((resolve) => {
      child.once('error', () => {
        this.exitCode = -1
        resolve()
      })
      child.once('exit', (code) => {
        void heard.then(() => {
          this.exitCode = code
          resolve()
        })
      })
    })
  }

  /** What it wrote on standard error. */
  get complaints(): string {
    return this.#complaints
  }

  get isRunning(): boolean {
    return this.exitCode === undefined
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Ends it at once; resolves when its last words were heard. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#exited
  }

  /** Asks it to end, and makes it after `graceMs`; whether that was not needed. */
  async end(graceMs = 20_000): Promise<boolean> {
    let inTime = true
    this.#child.kill('SIGCONT')
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => {
      inTime = false
      this.#child.kill('SIGKILL')
    }, graceMs)
    await this.#exited
    clearTimeout(timer)
    return inTime
  }
}
