/** A background task: it has a name, ends at `stop`, and tells someone when it fails. Nothing runs outside one. */

export interface LoopOptions {
  /** For messages: `the <name> failed`. */
  name: string
  /** Runs until it is done or the signal aborts; what it throws after the abort is the abort's echo and is dropped. */
  run: (signal: AbortSignal) => Promise<void>
  /** Hears of a failure that was not caused by `stop`. */
  onFailure: (error: unknown) => void
}

export class Loop {
  readonly name: string
  readonly #options: LoopOptions
  readonly #abort = new AbortController()
  #done: Promise<void> | undefined

  constructor(options: LoopOptions) {
    this.name = options.name
    this.#options = options
  }

  get running(): boolean {
    return this.#done !== undefined && !this.#abort.signal.aborted
  }

  /** Starts the task; a second call does nothing. */
  start(): void {
    if (this.#done !== undefined || this.#abort.signal.aborted) return
    const { signal } = this.#abort
    const run = async (): Promise<void> => this.#options.run(signal)
    this.#done = run().catch((error: unknown) => {
      if (!signal.aborted) this.#options.onFailure(error)
    })
  }

  /** Asks the task to end and resolves when it has. Never rejects; idempotent. */
  async stop(reason?: unknown): Promise<void> {
    this.#abort.abort(reason)
    await this.#done
  }
}
