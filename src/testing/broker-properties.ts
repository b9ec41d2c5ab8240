/** What the brokers are configured with: static properties given at the start, dynamic ones set later, and the defaults.
 *  Knows which keys there are, and no request. */

import { InvalidOptionError } from '../errors/errors.ts'
import { brokerConfigs, complaintAbout, configSources } from './configs.ts'

export interface ConfigValue {
  readonly value: string
  readonly source: number
}

export class BrokerProperties {
  readonly #given = new Map<string, string>()
  /** Set for all brokers while they run. */
  readonly #dynamicDefaults = new Map<string, string>()
  readonly #dynamic = new Map<number, Map<string, string>>()

  /** Throws `InvalidOptionError` for a property that this cluster does not know or whose value is wrong. */
  constructor(given: Readonly<Record<string, string | number | boolean>>) {
    for (const [name, value] of Object.entries(given)) {
      const definition = Object.hasOwn(brokerConfigs, name) ? brokerConfigs[name] : undefined
      if (definition === undefined) {
        throw new InvalidOptionError(
          'properties',
          `the in-process cluster has no broker property '${name}'; it has ${Object.keys(brokerConfigs).join(', ')}`,
        )
      }
      const complaint = complaintAbout(definition, String(value))
      if (complaint !== undefined) {
        throw new InvalidOptionError('properties', `the broker property '${name}' ${complaint}, not '${value}'`)
      }
      this.#given.set(name, String(value))
    }
  }

  /** The value in force and those behind it, nearest first. @param brokerId undefined for the default of all brokers */
  values(name: string, brokerId?: number): ConfigValue[] {
    const values: ConfigValue[] = []
    const add = (value: string | undefined, source: number): void => {
      if (value !== undefined) values.push({ value, source })
    }
    if (brokerId !== undefined) add(this.#dynamic.get(brokerId)?.get(name), configSources.dynamicBroker)
    add(this.#dynamicDefaults.get(name), configSources.dynamicDefaultBroker)
    add(this.#given.get(name), configSources.staticBroker)
    add(brokerConfigs[name]?.default, configSources.default)
    return values
  }

  text(name: string, brokerId?: number): string {
    const value = this.values(name, brokerId)[0]?.value
    if (value === undefined) throw new TypeError(`there is no broker property '${name}'`)
    return value
  }

  number(name: string, brokerId?: number): number {
    return Number(this.text(name, brokerId))
  }

  flag(name: string, brokerId?: number): boolean {
    return this.text(name, brokerId).toLowerCase() === 'true'
  }

  /** What was set while running. @param brokerId undefined for the default of all brokers */
  dynamic(brokerId?: number): ReadonlyMap<string, string> {
    return brokerId === undefined ? this.#dynamicDefaults : (this.#dynamic.get(brokerId) ?? new Map<string, string>())
  }

  /** Replaces what was set while running; the values are checked already. */
  setDynamic(values: ReadonlyMap<string, string>, brokerId?: number): void {
    let target = this.#dynamicDefaults
    if (brokerId !== undefined) {
      target = this.#dynamic.get(brokerId) ?? new Map<string, string>()
      this.#dynamic.set(brokerId, target)
    }
    target.clear()
    for (const [name, value] of values) target.set(name, value)
  }
}
