/** OffsetDelete: forgets offsets of a group, unless one of its members reads the topic (KIP-496). */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import { OffsetDelete } from '../../wire/messages/offset-delete.ts'
import { subscribedTopics } from '../groups/subscribed-topics.ts'
import { defineHandler, type AnyHandler } from './handler.ts'

export const offsetDelete: AnyHandler = defineHandler({
  api: OffsetDelete,
  minVersion: 0,
  maxVersion: 0,

  handle({ groupId, topics }, { groups, brokerId, state }) {
    const refused = groups.refusal(groupId, brokerId)
    if (refused !== 0) return { errorCode: refused }
    const group = groups.group(groupId)
    if (group === undefined) return { errorCode: brokerErrorNumber('GROUP_ID_NOT_FOUND') }
    const { classic } = group
    if (classic.state !== 'Empty' && classic.protocolType !== 'consumer') {
      return { errorCode: brokerErrorNumber('NON_EMPTY_GROUP') }
    }
    const subscribed = subscribedTopics(classic)
    return {
      topics: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex }) => {
          if (state.partition(name, partitionIndex) === undefined) {
            return { partitionIndex, errorCode: brokerErrorNumber('UNKNOWN_TOPIC_OR_PARTITION') }
          }
          if (subscribed.has(name)) {
            return { partitionIndex, errorCode: brokerErrorNumber('GROUP_SUBSCRIBED_TO_TOPIC') }
          }
          groups.deleteOffset(groupId, name, partitionIndex)
          return { partitionIndex }
        }),
      })),
    }
  },

  refuse: (_, errorCode) => ({ errorCode }),
})
