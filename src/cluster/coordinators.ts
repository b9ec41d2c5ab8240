/** Who coordinates which group, transaction or share group: asks once, and remembers until told otherwise. The only place
 *  that sends FindCoordinator. */

import { BrokerError } from '../errors/broker-error.ts'
import { ProtocolError } from '../errors/errors.ts'
import type { Init } from '../wire/api.ts'
import type { FindCoordinatorRequest, FindCoordinatorResponse } from '../wire/messages/find-coordinator.ts'
import type { BrokerAddress } from './metadata.ts'
import type { CoordinatorType } from './target.ts'

export interface CoordinatorsSettings {
  /** Sends to any broker. */
  readonly ask: (request: (version: number) => Init<FindCoordinatorRequest>) => Promise<FindCoordinatorResponse>
  /** The coordinator may be a broker that no metadata has named yet. */
  readonly onFound: (broker: BrokerAddress) => void
}

const keyTypes: Readonly<Record<CoordinatorType, number>> = { group: 0, transaction: 1, share: 2 }

// More keys than one process coordinates; beyond, the oldest are looked up again when needed.
const maxRemembered = 10_000

export class Coordinators {
  readonly #settings: CoordinatorsSettings
  readonly #known = new Map<string, number>()
  readonly #lookups = new Map<string, Promise<number>>()

  constructor(settings: CoordinatorsSettings) {
    this.#settings = settings
  }

  /**
   * The id of the broker that coordinates `key`; a promise only when it has to be asked for. All who ask meanwhile share
   * one request. Rejects with `BrokerError`, or what sending rejects with.
   */
  find(type: CoordinatorType, key: string): number | Promise<number> {
    const name = `${type}:${key}`
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const running = this.#lookups.get(name)
    if (running !== undefined) return running
    const lookup = this.#lookUp(type, key, name).finally(() => {
      this.#lookups.delete(name)
    })
    // Everyone who waits for it may have been cancelled meanwhile.
    lookup.catch(() => {})
    this.#lookups.set(name, lookup)
    return lookup
  }

  /** The next `find` asks again. */
  forget(type: CoordinatorType, key: string): void {
    this.#known.delete(`${type}:${key}`)
  }

  /** Whatever this broker coordinated is looked up again. */
  forgetBroker(id: number): void {
    for (const [name, coordinator] of this.#known) if (coordinator === id) this.#known.delete(name)
  }

  async #lookUp(type: CoordinatorType, key: string, name: string): Promise<number> {
    const keyType = keyTypes[type]
    const response = await this.#settings.ask((version) =>
      // From version 4 on one request may ask for several keys (KIP-699).
      version >= 4 ? { keyType, coordinatorKeys: [key] } : { keyType, key },
    )
    const answer = response.coordinators.find((coordinator) => coordinator.key === key) ?? response
    const { errorCode, errorMessage, nodeId, host, port } = answer
    if (errorCode !== 0) {
      throw new BrokerError(errorCode, `the coordinator of ${describeCoordinated(type, key)} was not found`, {
        brokerMessage: errorMessage,
        persistence: 'not-persisted',
      })
    }
    if (nodeId < 0 || host === '') {
      throw new ProtocolError(`a broker named no coordinator of ${describeCoordinated(type, key)}, and no error`)
    }
    this.#settings.onFound({ id: nodeId, host, port, rack: null })
    if (this.#known.size >= maxRemembered) this.#known.delete(this.#known.keys().next().value!)
    this.#known.set(name, nodeId)
    return nodeId
  }
}

/** `group 'billing'`, for messages. */
export function describeCoordinated(type: CoordinatorType, key: string): string {
  return type === 'transaction' ? `transactional id '${key}'` : `${type === 'share' ? 'share group' : 'group'} '${key}'`
}
