/** Which topics a classic group of consumers reads, by what its members said when they joined. */

import { KafkaError } from '../../errors/kafka-error.ts'
import { ConsumerProtocolSubscription } from '../../wire/messages/consumer-protocol-subscription.ts'
import { Reader } from '../../wire/primitives/reader.ts'
import type { ClassicGroup } from './classic-group.ts'

/** Empty for a group of anything else than consumers. */
export function subscribedTopics({ protocolType, protocolName, members }: ClassicGroup): ReadonlySet<string> {
  const topics = new Set<string>()
  if (protocolType !== 'consumer' || protocolName === null) return topics
  for (const member of members) {
    try {
      const reader = new Reader(member.metadata(protocolName))
      const version = Math.min(reader.int16(), ConsumerProtocolSubscription.maxVersion)
      for (const topic of ConsumerProtocolSubscription.decode(reader, version).topics) topics.add(topic)
    } catch (error) {
      // A client may put what it likes into its metadata; then nobody knows what it reads, as in Kafka.
      if (!(error instanceof KafkaError)) throw error
    }
  }
  return topics
}
