/** Which topics there are. */

import { Metadata } from '../wire/messages/metadata.ts'
import { zeroUuid } from '../wire/primitives/uuid.ts'
import type { AdminCall, AdminCallOptions } from './admin-call.ts'
import { checkOptions } from './arguments.ts'
import { askUntilAnswered } from './ask-until-answered.ts'

export interface ListTopicsOptions extends AdminCallOptions {
  /** Also Kafka's own, such as `__consumer_offsets`. Default false. */
  listInternal?: boolean | undefined
}

export interface TopicListing {
  readonly name: string
  /** Null from brokers before Kafka 2.8. */
  readonly topicId: string | null
  readonly isInternal: boolean
}

export async function listTopics(call: AdminCall, options: ListTopicsOptions): Promise<TopicListing[]> {
  checkOptions('listTopics', options, ['listInternal'])
  const request = { topics: null, allowAutoTopicCreation: false }
  const { topics } = await askUntilAnswered(call, { kind: 'any' }, () =>
    call.ask({ kind: 'any' }, Metadata, request, { minVersion: 4 }),
  )
  return topics
    .filter(({ name, isInternal }) => name !== null && (options.listInternal === true || !isInternal))
    .map(({ name, topicId, isInternal }) => ({
      name: name!,
      topicId: topicId === zeroUuid ? null : topicId,
      isInternal,
    }))
    .sort((one, other) => (one.name < other.name ? -1 : 1))
}
