/** Deleting topics, by name or by id. */

import { DeleteTopics } from '../wire/messages/delete-topics.ts'
import { zeroUuid } from '../wire/primitives/uuid.ts'
import type { AdminCall, AdminCallOptions } from './admin-call.ts'
import { checkOptions } from './arguments.ts'
import { askEach, toResult } from './ask-each.ts'
import type { Result } from './result.ts'
import { describe, readTopics, type NamedTopic, type TopicReference } from './topic-names.ts'

export type DeleteTopicsOptions = AdminCallOptions

export type DeleteTopicResult = Result<
  {
    /** Null when the topic was given by its id and the broker did not say. */
    readonly name: string | null
    /** Null when the topic was given by its name and the broker did not say. */
    readonly topicId: string | null
  },
  object
>

export async function deleteTopics(
  call: AdminCall,
  topics: readonly TopicReference[],
  options: DeleteTopicsOptions,
): Promise<DeleteTopicResult[]> {
  checkOptions('deleteTopics', options, [])
  const entities = readTopics('deleteTopics', topics)
  const outcomes = await askEach<NamedTopic, NamedTopic>(call, {
    entities,
    key: ({ name, topicId }) => name ?? topicId!,
    complaint: (topic) => `cannot delete ${describe(topic)}`,
    target: () => ({ kind: 'controller' }),
    ask: async (target, group) => {
      const timeoutMs = call.brokerTimeoutMs
      const topics = group.map(({ name, topicId }) => ({ name, topicId: topicId ?? zeroUuid }))
      const topicNames = group.flatMap(({ name }) => name ?? [])
      // Brokers before Kafka 2.8 take a list of names only. With an id among the topics they are refused in our name.
      const onlyNames = topicNames.length === topics.length
      const { throttleTimeMs, responses } = await call.ask(target, DeleteTopics, (version) =>
        version < 6 && onlyNames ? { topicNames, timeoutMs } : { topics, timeoutMs },
      )
      const asked = new Set(group.map(({ name }) => name))
      return {
        throttleTimeMs,
        byKey: new Map(
          // The answer to an id may carry the name too, but it is the id that was asked for.
          responses.map(({ name, topicId, errorCode, errorMessage }) => [
            name !== null && asked.has(name) ? name : topicId,
            { errorCode, errorMessage, answer: { name, topicId: topicId === zeroUuid ? null : topicId } },
          ]),
        ),
      }
    },
  })
  return outcomes.map((outcome, i) => {
    const { name, topicId } = entities[i]!
    const told = outcome.error === null ? outcome.answer : undefined
    const of = { name: name ?? told?.name ?? null, topicId: topicId ?? told?.topicId ?? null }
    return toResult(of, outcome.error === null ? { error: null, answer: {} } : outcome)
  })
}
