/** Where metadata comes from: some broker of the cluster, or the bootstrap servers when none of those answers. */

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
  #rebootstrap = false

  constructor(pool: BrokerPool, bootstrap: Bootstrap) {
    this.#pool = pool
    this.#bootstrap = bootstrap
  }

  /** The next answer comes from the bootstrap servers. */
  rebootstrap(): void {
    this.#rebootstrap = true
  }

  /** Rejects with what the bootstrap servers answered last, when nobody had metadata. */
  async ask(topics: ReadonlySet<string> | 'all', signal: AbortSignal): Promise<MetadataResponse> {
    const asked = new Set<number>()
    const errors: unknown[] = []
    while (!this.#rebootstrap && asked.size < maxBrokersAsked) {
      const id = this.#pool.anyBroker('shared', { except: asked, evenIfFailing: false })
      if (id === undefined) break
      asked.add(id)
      try {
        const response = await askMetadata(await this.#pool.connection(id, 'shared'), topics, { signal })
        if (response.brokers.length > 0) return response
        errors.push(new ConnectionError(`broker ${id} knows of no brokers`))
      } catch (error) {
        signal.throwIfAborted()
        if (error instanceof BrokerError && remedyForCode(error.errorCode) === 'rebootstrap') this.#rebootstrap = true
        errors.push(error)
      }
    }
    const response = await this.#bootstrap.ask(signal)
    if (response.brokers.length === 0) {
      throw new ConnectionError('the bootstrap servers know of no brokers', { cause: errors.at(-1) })
    }
    this.#rebootstrap = false
    return response
  }
}
