/** Where metadata comes from: some broker of the cluster, or the bootstrap servers when none of those answers. */

import type { Clock, Timer } from '../async/clock.ts'
import type { WaitOptions } from '../async/wait.ts'
import { BrokerError } from '../errors/broker-error.ts'
import { ConnectionError } from '../errors/errors.ts'
import type { Connection } from '../network/connection.ts'
import type { Init } from '../wire/api.ts'
import { Metadata, type MetadataRequest, type MetadataResponse } from '../wire/messages/metadata.ts'
import type { Bootstrap } from './bootstrap.ts'
import type { BrokerPool } from './broker-pool.ts'
import { remedyForCode } from './remedy.ts'

// A cluster of which three brokers in a row do not answer is better asked by its front door (KIP-899).
const maxBrokersAsked = 3
/** A broker that has not answered after so long, in ms, hangs or is very busy: another one is asked beside it. Else everything
 *  that waits for metadata would wait for the request's own timeout because of one broker in many. */
const patienceMs = 2_000

/** How asking one broker ended. */
type Attempt = { readonly id: number } & ({ readonly response: MetadataResponse } | { readonly error: unknown })

/** Asks one broker for the metadata of these topics; never makes the broker create them. */
export async function askMetadata(
  connection: Connection,
  topics: ReadonlySet<string> | 'all',
  options: WaitOptions & { timeoutMs?: number },
): Promise<MetadataResponse> {
  const response = await connection.send(Metadata, (version) => metadataRequest(topics, false, version), options)
  if (response.errorCode !== 0) throw new BrokerError(response.errorCode, `${connection.peer} gave no metadata`)
  return response
}

/** The request in the words of a version: before 1, no topics meant all; before 4, asking for a topic could create it. */
export function metadataRequest(
  topics: ReadonlySet<string> | 'all',
  allowAutoTopicCreation: boolean,
  version: number,
): Init<MetadataRequest> {
  const named = topics === 'all' ? null : Array.from(topics, (name) => ({ name }))
  if (version === 0) return { topics: named ?? [] }
  return version >= 4 ? { topics: named, allowAutoTopicCreation } : { topics: named }
}

export class MetadataSource {
  readonly #pool: BrokerPool
  readonly #bootstrap: Bootstrap
  readonly #clock: Clock
  #rebootstrap = false

  constructor(pool: BrokerPool, bootstrap: Bootstrap, clock: Clock) {
    this.#pool = pool
    this.#bootstrap = bootstrap
    this.#clock = clock
  }

  /** The next answer comes from the bootstrap servers. */
  rebootstrap(): void {
    this.#rebootstrap = true
  }

  /** Rejects with what the bootstrap servers answered last, when nobody had metadata. */
  async ask(topics: ReadonlySet<string> | 'all', signal: AbortSignal): Promise<MetadataResponse> {
    const asked = new Set<number>()
    const waiting = new Map<number, Promise<Attempt>>()
    const errors: unknown[] = []
    while (!this.#rebootstrap) {
      const isOneMore = asked.size < maxBrokersAsked
      const id = isOneMore ? this.#pool.anyBroker('shared', { except: asked, evenIfFailing: false }) : undefined
      if (id !== undefined) {
        asked.add(id)
        waiting.set(id, this.#attempt(id, topics, signal))
      }
      if (waiting.size === 0) break
      // With nobody else to ask there is no end to patience but that of the requests.
      const attempt = await this.#first(waiting.values(), id === undefined ? Infinity : patienceMs)
      signal.throwIfAborted()
      if (attempt === undefined) continue
      waiting.delete(attempt.id)
      if ('response' in attempt) {
        if (attempt.response.brokers.length > 0) return attempt.response
        errors.push(new ConnectionError(`broker ${attempt.id} knows of no brokers`))
        continue
      }
      const { error } = attempt
      if (error instanceof BrokerError && remedyForCode(error.errorCode) === 'rebootstrap') this.#rebootstrap = true
      errors.push(error)
    }
    const response = await this.#bootstrap.ask(signal)
    if (response.brokers.length === 0) {
      throw new ConnectionError('the bootstrap servers know of no brokers', { cause: errors.at(-1) })
    }
    this.#rebootstrap = false
    return response
  }

  /** Never rejects: an answer that comes after another broker's is of no interest. */
  async #attempt(id: number, topics: ReadonlySet<string> | 'all', signal: AbortSignal): Promise<Attempt> {
    try {
      return { id, response: await askMetadata(await this.#pool.connection(id, 'shared'), topics, { signal }) }
    } catch (error) {
      return { id, error }
    }
  }

  /** The first that ends, or undefined when none does within so many ms. */
  async #first(attempts: Iterable<Promise<Attempt>>, withinMs: number): Promise<Attempt | undefined> {
    if (withinMs === Infinity) return Promise.race(attempts)
    let timer: Timer | undefined
    const patience = new Promise<undefined>((resolve) => {
      timer = this.#clock.setTimer(() => {
        resolve(undefined)
      }, withinMs)
    })
    try {
      return await Promise.race([...attempts, patience])
    } finally {
      this.#clock.clearTimer(timer)
    }
  }
}
