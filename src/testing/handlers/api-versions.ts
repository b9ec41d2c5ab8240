/** ApiVersions: what this broker speaks (KIP-35, 511, 584). A version that is not served is answered before it comes here. */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import { ApiVersions } from '../../wire/messages/api-versions.ts'
import { defineHandler, type AnyHandler } from './handler.ts'

/** Kafka 4.3's features with the levels that are finalized here, but for that of transactions, which a test chooses. The newer
 *  groups and the rest are at 0, which tells clients to do without: their APIs are not served. */
const features = [
  { name: 'metadata.version', minVersion: 7, maxVersion: 30, level: 30 },
  { name: 'kraft.version', minVersion: 0, maxVersion: 1, level: 0 },
  { name: 'transaction.version', minVersion: 0, maxVersion: 2, level: 0 },
  { name: 'group.version', minVersion: 0, maxVersion: 1, level: 0 },
  { name: 'share.version', minVersion: 0, maxVersion: 1, level: 0 },
  { name: 'streams.version', minVersion: 0, maxVersion: 1, level: 0 },
  { name: 'eligible.leader.replicas.version', minVersion: 0, maxVersion: 1, level: 0 },
] as const

const softwareName = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/

export const apiVersions: AnyHandler = defineHandler({
  api: ApiVersions,
  minVersion: 0,
  maxVersion: 4,

  handle({ clientSoftwareName, clientSoftwareVersion }, { version, served, transactions }) {
    if (version >= 3 && !(softwareName.test(clientSoftwareName) && softwareName.test(clientSoftwareVersion))) {
      return { errorCode: brokerErrorNumber('INVALID_REQUEST') }
    }
    // Clients of version 3 take a lowest version of 0 for a mistake (KAFKA-17011).
    const supported = features.filter(({ minVersion }) => version >= 4 || minVersion > 0)
    return {
      apiKeys: Array.from(served, ([apiKey, [minVersion, maxVersion]]) => ({ apiKey, minVersion, maxVersion })),
      supportedFeatures: supported.map(({ name, minVersion, maxVersion }) => ({ name, minVersion, maxVersion })),
      finalizedFeaturesEpoch: 1,
      finalizedFeatures: features
        .map(({ name, level }) => ({
          name,
          level: name === 'transaction.version' ? transactions.transactionVersion : level,
        }))
        .filter(({ level }) => level > 0)
        .map(({ name, level }) => ({ name, minVersionLevel: level, maxVersionLevel: level })),
    }
  },

  refuse: (_, errorCode) => ({ errorCode }),
})
