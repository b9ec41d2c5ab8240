/** Worker processes that die: a number of places, in each one process after the other, every one under a name of its own, and
 *  in the history what each has reported. */

import type { SeededRandom } from '#src/testing/index.js'
import type { History } from '../history/history.ts'
import { pause } from './broker-kills.ts'
import { WorkerProcess } from './worker-process.ts'

export interface WorkerPoolOptions {
  readonly program: 'transactional-writer' | 'copier'
  readonly workers: number
  readonly history: History
  readonly random: SeededRandom
  /** What a worker hears, beside its name, its transactional id and its seed. */
  readonly orders: object
  /** Whether its records are its own: then each is noted with its transaction. */
  readonly writesItsOwn: boolean
  /** How long until the next one is killed or halted, in ms. */
  readonly everyMs: readonly [number, number]
  /** How many of them are halted for a time in place of being killed, and for how long, in ms. */
  readonly haltChance?: number
  readonly haltMs?: readonly [number, number]
}

interface Place {
  readonly index: number
  readonly transactionalId: string
  incarnation: number
  worker: WorkerProcess
  halted: boolean
}

export class WorkerPool {
  kills = 0
  halts = 0
  /** What workers said of transactions they had not wanted to abort, counted by the error. */
  readonly aborts: Record<string, number> = {}
  /** Records in transactions that were reported as committed. */
  committedRecords = 0
  /** What must not happen: a worker that failed, in its own words. */
  readonly failures: string[] = []
  readonly #options: WorkerPoolOptions
  readonly #places: Place[]
  #destroyed = false

  constructor(options: WorkerPoolOptions) {
    this.#options = options
    this.#places = Array.from({ length: options.workers }, (_, index) => {
      const transactionalId = `${options.random.uuid().slice(0, 8)}-${index}`
      const place = { index, transactionalId, incarnation: 0, halted: false }
      return Object.assign(place, { worker: this.#launch(place) })
    })
  }

  /** Kills and halts workers, and starts them again, until the signal says so. */
  async run(signal: AbortSignal): Promise<void> {
    const { random, everyMs, haltChance = 0, haltMs = [1_000, 2_000] } = this.#options
    const halts: Promise<void>[] = []
    while (await pause(random.number(everyMs), signal)) {
      const place = random.pick(this.#places.filter(({ halted }) => !halted))
      // The rest must go on: not all are halted at once.
      if (random.chance(haltChance) && this.#places.filter(({ halted }) => halted).length < this.#places.length - 1) {
        halts.push(this.#halt(place, random.number(haltMs), signal))
      } else {
        await place.worker.kill()
        this.kills++
        this.#restart(place)
      }
    }
    await Promise.all(halts)
  }

  /** Resolves when all have ended in order. What was not told by then is not known. */
  async close(): Promise<void> {
    const inTime = await Promise.all(this.#places.map(({ worker }) => worker.end()))
    for (const { worker } of this.#places) this.#ended(worker)
    const late = inTime.filter((one) => !one).length
    if (late > 0) this.failures.push(`${late} workers did not end when they were asked to`)
  }

  /** At once, for a run that failed. */
  async destroy(): Promise<void> {
    this.#destroyed = true
    await Promise.all(this.#places.map(({ worker }) => worker.kill()))
  }

  async #halt(place: Place, haltMs: number, signal: AbortSignal): Promise<void> {
    place.halted = true
    this.halts++
    place.worker.signal('SIGSTOP')
    await pause(haltMs, signal)
    place.worker.signal('SIGCONT')
    place.halted = false
  }

  #restart(place: Place): void {
    this.#ended(place.worker)
    place.incarnation++
    place.worker = this.#launch(place)
  }

  #ended({ exitCode, complaints }: WorkerProcess): void {
    if (exitCode !== null && exitCode !== 0) this.failures.push(`a worker ended with status ${exitCode}: ${complaints}`)
  }

  #launch({ index, transactionalId, incarnation }: Omit<Place, 'worker'>): WorkerProcess {
    const { program, history, random, orders, writesItsOwn } = this.#options
    const name = `worker-${index}.${incarnation}`
    const ledger = history.transactions(name)
    const notes = writesItsOwn ? history.producer(name) : undefined
    const sizes = new Map<number, number>()
    const add = (transaction: number, count: number): void => {
      sizes.set(transaction, count)
      if (notes === undefined) ledger.added(transaction, count)
      // Of a single record nobody tells; its transaction's end says it all.
      else for (let i = 0; i < count; i++) notes.failed(notes.sent(undefined, transaction), 'possibly-persisted')
    }
    const seed = random.fork(name).seed
    const worker = new WorkerProcess(program, { ...orders, name, transactionalId, seed }, (report) => {
      if (report.kind === 'asked') {
        add(report.transaction, report.count)
        ledger.commitAsked(report.transaction)
      } else if (report.kind === 'committed') {
        ledger.committed(report.transaction)
        this.committedRecords += sizes.get(report.transaction)!
      } else if (report.kind === 'aborted') {
        if (report.count > 0) add(report.transaction, report.count)
        ledger.aborted(report.transaction)
        if (!report.why.includes('on purpose')) {
          const kind = report.why.slice(0, report.why.indexOf(':'))
          this.aborts[kind] = (this.aborts[kind] ?? 0) + 1
        }
      } else if (report.kind === 'failed') {
        this.#failed(name, report.why)
      }
    })
    return worker
  }

  #failed(name: string, why: string): void {
    if (!this.#destroyed) this.failures.push(`${name}: ${why}`)
  }
}
