/** What a broker and Jackdaw both speak: asks the broker, and picks the version of each request. One per connection,
 *  since behind one address there may be another broker tomorrow (KIP-35, KIP-511). */

import { BrokerError, brokerErrorNumber } from '../errors/broker-error.ts'
import { UnsupportedVersionError } from '../errors/errors.ts'
import type { Api } from '../wire/api.ts'
import { ApiVersions, type ApiVersionsRequest, type ApiVersionsResponse } from '../wire/messages/api-versions.ts'

/** How Jackdaw names itself to brokers. Kafka takes letters, digits, dots and dashes, and refuses anything else. */
export const clientSoftware: ApiVersionsRequest = { clientSoftwareName: 'jackdaw', clientSoftwareVersion: '0.1.0' }

export interface VersionRange {
  readonly minVersion: number
  readonly maxVersion: number
}

/** What a request asks of its version. */
export interface VersionWish {
  /** The version used must be at least this. */
  readonly minVersion?: number | undefined
  /** The version used is at most this. */
  readonly maxVersion?: number | undefined
}

/** The versions and features that one broker offers. */
export class BrokerVersions {
  readonly #peer: string
  readonly #ranges = new Map<number, VersionRange>()
  readonly #finalizedFeatures = new Map<string, number>()

  constructor(peer: string, { apiKeys, finalizedFeatures }: ApiVersionsResponse) {
    this.#peer = peer
    for (const { apiKey, minVersion, maxVersion } of apiKeys) this.#ranges.set(apiKey, { minVersion, maxVersion })
    for (const { name, maxVersionLevel } of finalizedFeatures) this.#finalizedFeatures.set(name, maxVersionLevel)
  }

  /** The versions the broker offers of an API, or undefined when it does not know it. */
  range(api: Api<unknown, unknown>): VersionRange | undefined {
    return this.#ranges.get(api.key)
  }

  /** The level at which the cluster runs a feature such as `transaction.version` (KIP-584); 0 when it does not say. */
  finalizedFeature(name: string): number {
    return this.#finalizedFeatures.get(name) ?? 0
  }

  /**
   * The highest version that both sides speak and the caller accepts.
   *
   * @throws UnsupportedVersionError naming both sides' ranges when there is none
   */
  pick(api: Api<unknown, unknown>, wish: VersionWish): number {
    const range = this.#ranges.get(api.key)
    if (range === undefined) {
      throw new UnsupportedVersionError(`${this.#peer} does not offer ${api.name}; Jackdaw speaks ${span(api)}`, {
        persistence: 'not-persisted',
      })
    }
    const highest = Math.min(api.maxVersion, range.maxVersion, wish.maxVersion ?? Infinity)
    const lowest = Math.max(api.minVersion, range.minVersion, wish.minVersion ?? 0)
    if (highest >= lowest) return highest
    throw new UnsupportedVersionError(
      `${this.#peer} offers ${api.name} ${span(range)}, Jackdaw speaks ${span(api)}${wishClause(wish)}`,
      { persistence: 'not-persisted' },
    )
  }

  /** The error of a request that asks for something its version has no words for, with both sides' ranges. */
  cannotSay(api: Api<unknown, unknown>, cause: UnsupportedVersionError): UnsupportedVersionError {
    const range = this.#ranges.get(api.key)
    const offer = range === undefined ? `does not offer ${api.name}` : `offers ${api.name} ${span(range)}`
    return new UnsupportedVersionError(`${this.#peer} ${offer}, Jackdaw speaks ${span(api)}: ${cause.message}`, {
      cause,
      persistence: 'not-persisted',
    })
  }
}

/** Sends one ApiVersions request at the version given. */
export type AskVersions = (request: ApiVersionsRequest, version: number) => Promise<ApiVersionsResponse>

/**
 * Asks at our highest version and comes down when the broker has not heard of it: then it answers in version 0 with
 * UNSUPPORTED_VERSION and, since Kafka 2.4, names the versions of ApiVersions that it does speak.
 */
export async function negotiateVersions(peer: string, ask: AskVersions): Promise<BrokerVersions> {
  let version = ApiVersions.maxVersion
  for (;;) {
    const response = await ask(clientSoftware, version)
    if (response.errorCode === 0) return new BrokerVersions(peer, response)
    if (response.errorCode !== unsupportedVersion || version === 0) {
      throw new BrokerError(response.errorCode, `${peer} refused ApiVersions`)
    }
    const offered = response.apiKeys.find(({ apiKey }) => apiKey === ApiVersions.key)
    // Always lower than before, whatever the peer claims, so that this ends.
    version = offered === undefined ? 0 : Math.max(0, Math.min(offered.maxVersion, version - 1))
  }
}

/** The code at the head of every ApiVersions answer that says: what follows is version 0. */
export const unsupportedVersion: number = brokerErrorNumber('UNSUPPORTED_VERSION')

function span({ minVersion, maxVersion }: VersionRange): string {
  return minVersion === maxVersion ? `version ${minVersion}` : `versions ${minVersion} to ${maxVersion}`
}

function wishClause({ minVersion, maxVersion }: VersionWish): string {
  if (minVersion === undefined && maxVersion === undefined) return ''
  if (maxVersion === undefined) return `, and at least version ${minVersion} is needed`
  if (minVersion === undefined) return `, and at most version ${maxVersion} is wanted`
  return `, and ${span({ minVersion, maxVersion })} are wanted`
}
