/** What is known of a record whose send failed: surely absent from the log, perhaps there, or there. */
export type Persistence = 'not-persisted' | 'possibly-persisted' | 'persisted'

export interface KafkaErrorOptions {
  /** What made this happen: another error, or whatever was thrown. */
  cause?: unknown
  /** Set on errors of the produce path only. */
  persistence?: Persistence
}

/**
 * The root of every error that Jackdaw makes.
 *
 * Callers match {@link KafkaError.code}, a stable string, never the message; {@link KafkaError.retriable} says whether
 * the same call may succeed if made again without changing anything.
 */
export class KafkaError extends Error {
  /** A stable name of what happened: Kafka's own for what a broker answered, ours for the rest. */
  readonly code: string
  /** Whether the same call may succeed when it is made again. */
  readonly retriable: boolean
  /** On a failed send: what is known of the record. */
  declare readonly persistence?: Persistence

  constructor(code: string, message: string, retriable: boolean, options: KafkaErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    this.retriable = retriable
    if (options.persistence !== undefined) this.persistence = options.persistence
    // The class's own name, without a field on every instance that JSON and console would show.
    Object.defineProperty(this, 'name', { value: new.target.name, configurable: true })
  }
}
