/** DeleteTopics: by name, or by id (KIP-516). */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import type { Init } from '../../wire/api.ts'
import { DeleteTopics, type DeletableTopicResult } from '../../wire/messages/delete-topics.ts'
import { zeroUuid } from '../../wire/primitives/uuid.ts'
import { defineHandler, type AnyHandler } from './handler.ts'

/** Topics by id since then. */
const byIdSince = 6

export const deleteTopics: AnyHandler = defineHandler({
  api: DeleteTopics,
  minVersion: 1,
  maxVersion: 6,

  handle({ topics, topicNames }, { state, groups, version }) {
    const asked = version >= byIdSince ? topics : topicNames.map((name) => ({ name, topicId: zeroUuid }))
    return {
      responses: asked.map(({ name, topicId }): Init<DeletableTopicResult> => {
        const topic = name === null ? state.topicById(topicId) : state.topic(name)
        if (topic === undefined) {
          const code = name === null ? 'UNKNOWN_TOPIC_ID' : 'UNKNOWN_TOPIC_OR_PARTITION'
          return { name, topicId, errorCode: brokerErrorNumber(code) }
        }
        const id = version >= byIdSince ? { topicId: topic.id } : {}
        if (!state.properties.flag('delete.topic.enable')) {
          const code = version >= 3 ? 'TOPIC_DELETION_DISABLED' : 'INVALID_REQUEST'
          return { name: topic.name, ...id, errorCode: brokerErrorNumber(code) }
        }
        if (name !== null && topicId !== zeroUuid) {
          return { name, topicId, errorCode: brokerErrorNumber('INVALID_REQUEST') }
        }
        state.deleteTopic(topic)
        groups.topicDeleted(topic.name)
        return { name: topic.name, ...id }
      }),
    }
  },

  refuse: ({ topics, topicNames }, errorCode, { version }) => ({
    responses: (version >= byIdSince ? topics : topicNames.map((name) => ({ name, topicId: zeroUuid }))).map(
      ({ name, topicId }) => ({ name, topicId, errorCode }),
    ),
  }),
})
