/**
 * A world of its own for clients and brokers in one process: time, chance and network come from one seed, so that minutes
 * pass in milliseconds and a run replays exactly.
 *
 * **Why it is deterministic.** Everything outside enters the code through three doors (`async/`), and all three lead here.
 * What is left of Node is the queue of promise jobs and `process.nextTick`, whose order follows from the order in which the
 * program fills them. So: one thing happens (a turn, a timer, a segment that arrives), then a real turn of the event loop
 * passes, which by Node's rules runs those two queues until they are empty, and only then the next thing happens. The clock
 * jumps to the next timer only when no turn is left. Nothing is read from real time, and nothing depends on how long code
 * takes.
 *
 * **What is outside**, and what is done about it. Importing a module for the first time reads files: before each step the
 * driver waits until no file is being read, so that a first import costs real time, but no simulated time and no turn.
 * Codecs, which may compile WebAssembly, are loaded before the body begins. The thread pool (asynchronous zlib and crypto)
 * is not seen: what uses it inside a simulation must be wrapped in `hold`. Sockets and timers of Node's own have no place
 * here.
 */

import { systemClock } from '../../async/clock.ts'
import type { Doors } from '../../async/doors.ts'
import { IllegalStateError, TimeoutError } from '../../errors/errors.ts'
import { loadCodec } from '../../wire/compression/codecs.ts'
import type { Listen } from '../listener.ts'
import { EventLog } from './event-log.ts'
import type { LinkFaults } from './link.ts'
import { SeededRandom } from './seeded-random.ts'
import { SimulatedClock } from './simulated-clock.ts'
import { SimulatedNetwork } from './simulated-network.ts'

export interface SimulationOptions {
  /** One seed is one run. Default 1. */
  seed?: number | string
  /** What every link does to what passes. Default: a perfect one, with 0.25 to 1 ms of latency. */
  faults?: LinkFaults
  /** Where the wall clock begins, in ms since 1970. Default 2026-01-01. */
  wallTimeMs?: number
  /** How many of the last events are kept to read; the digest covers all. Default 10 000. */
  keepEvents?: number
}

export interface RunOptions {
  /** How much simulated time the body may take, in ms. Default one day. */
  limitMs?: number
}

const dayMs = 86_400_000
const defaultWallTimeMs = 1_767_225_600_000
/** So many things at one moment can only be a circle. */
const maxStepsInOneMoment = 1_000_000
const codecIds = [1, 2, 3, 4]

/**
 * @example
 * ```ts
 * const simulation = new Simulation({ seed: 7, faults: { resetChance: 0.001 } })
 * await simulation.run(async () => {
 *   const producer = new Producer({ bootstrapServers: 'broker-1:9092' }, simulation.doors())
 *   …
 * })
 * ```
 */
export class Simulation {
  readonly seed: string
  readonly clock: SimulatedClock
  /** The test's own chance. Clients and the network draw from streams of their own. */
  readonly random: SeededRandom
  readonly network: SimulatedNetwork
  readonly log: EventLog
  #running = false
  #doorsGiven = 0
  readonly #held = new Set<Promise<unknown>>()

  constructor({ seed = 1, faults, wallTimeMs = defaultWallTimeMs, keepEvents = 10_000 }: SimulationOptions = {}) {
    const root = new SeededRandom(seed)
    this.seed = root.seed
    this.random = root.fork('test')
    this.clock = new SimulatedClock(wallTimeMs)
    this.log = new EventLog(() => this.clock.now(), keepEvents)
    this.network = new SimulatedNetwork({
      clock: this.clock,
      random: root.fork('network'),
      log: this.log,
      ...(faults === undefined ? {} : { faults }),
    })
  }

  /** For the second argument of a client's constructor. Clients on one host share its links; each call draws its own
   *  chance, so that no two clients make the same identifiers. */
  doors(host = 'client'): Doors {
    return {
      clock: this.clock,
      random: new SeededRandom(this.seed).fork(`doors/${++this.#doorsGiven}`),
      dial: this.network.dialer(host),
    }
  }

  /** For brokers. */
  get listen(): Listen {
    return this.network.listen
  }

  /** Notes something in the log of events. */
  note(what: string): void {
    this.log.add(what)
  }

  /** Resolves after so much simulated time. */
  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.clock.setTimer(resolve, delayMs)
    })
  }

  /** Lets time stand still until something real is done: work on the thread pool, a file. */
  async hold<T>(promise: Promise<T>): Promise<T> {
    this.#held.add(promise)
    try {
      return await promise
    } finally {
      this.#held.delete(promise)
    }
  }

  /**
   * Runs the body and lets time pass whenever nothing else can happen. What it started and did not end stands still
   * afterwards; a later `run` takes it up again.
   *
   * Rejects as the body does, with `TimeoutError` when it takes longer than `limitMs` of simulated time, and with
   * `IllegalStateError` when it waits for something that can never happen, or time stops passing.
   */
  async run<T>(body: () => Promise<T>, { limitMs = dayMs }: RunOptions = {}): Promise<T> {
    if (this.#running) throw new IllegalStateError('the simulation is running already')
    this.#running = true
    try {
      for (const id of codecIds) await loadCodec(id)
      const endAt = this.clock.now() + limitMs
      let outcome: { value: T } | { error: unknown } | undefined
      body().then(
        (value) => {
          outcome = { value }
        },
        (error: unknown) => {
          outcome = { error }
        },
      )
      await this.#drive(() => outcome !== undefined, endAt)
      if ('error' in outcome!) throw outcome.error
      return outcome!.value
    } finally {
      this.#running = false
    }
  }

  async #drive(done: () => boolean, endAt: number): Promise<void> {
    let moment = -1
    let steps = 0
    for (;;) {
      await realTurn()
      if (done()) return
      if (this.#held.size > 0) {
        // How it ends is for who holds it.
        await Promise.race(this.#held).catch(() => {})
        continue
      }
      // Before every step, not only when time passes: what an import holds up must not be overtaken by a turn.
      if (await filesWereRead()) continue
      const { nextAt } = this.clock
      if (nextAt === undefined) {
        throw new IllegalStateError(`nothing can happen any more at ${this.clock.now()} ms, and the simulation waits`)
      }
      if (nextAt > moment) {
        if (nextAt > endAt) throw new TimeoutError(`the simulation took longer than until ${endAt} ms of its time`)
        moment = nextAt
        steps = 0
      }
      if (++steps > maxStepsInOneMoment) {
        throw new IllegalStateError(`the simulation goes round in circles at ${this.clock.now()} ms`)
      }
      this.clock.step()
    }
  }
}

function realTurn(): Promise<void> {
  return new Promise((resolve) => {
    systemClock.nextTurn(resolve)
  })
}

/** What Node calls its requests to the file system, a close among them. */
const fileWork: ReadonlySet<string> = new Set(['FSReqPromise', 'FSReqCallback', 'FileHandleCloseReq', 'CloseReq'])

/** Waits while Node reads files, which in a client is the import of a module that it needs for the first time. */
async function filesWereRead(): Promise<boolean> {
  let waited = false
  while (process.getActiveResourcesInfo().some((name) => fileWork.has(name))) {
    waited = true
    await realTurn()
  }
  return waited
}
