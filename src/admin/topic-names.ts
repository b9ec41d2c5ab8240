/** Topics given by name or by id, as deleteTopics and describeTopics take them. */

import { InvalidArgumentError } from '../errors/errors.ts'
import { quote } from '../options/option-table.ts'
import { uuidLength } from '../wire/primitives/uuid.ts'
import { checkDistinct, checkKeys, checkList, checkName } from './arguments.ts'

/** A topic by its name, or `{ topicId }`: the one that has this id, whatever it is called (KIP-516). */
export type TopicReference = string | { readonly topicId: string }

const isUuid = new RegExp(`^[A-Za-z0-9_-]{${uuidLength}}$`)

export interface NamedTopic {
  readonly name: string | null
  readonly topicId: string | null
}

/** @throws InvalidArgumentError unless it is a list of names and ids, none of them twice */
export function readTopics(call: string, topics: readonly TopicReference[]): NamedTopic[] {
  checkList(call, 'topic names or { topicId }', topics)
  const named = topics.map((topic): NamedTopic => {
    if (typeof topic === 'string') {
      checkName(`a topic's name given to ${call}`, topic)
      return { name: topic, topicId: null }
    }
    checkKeys(`a topic given to ${call}`, topic, ['topicId'])
    if (typeof topic.topicId !== 'string' || !isUuid.test(topic.topicId)) {
      throw new InvalidArgumentError(
        `a topicId given to ${call} must be ${uuidLength} characters of base64url, as describeTopics shows it, not ${quote(topic.topicId)}`,
      )
    }
    return { name: null, topicId: topic.topicId }
  })
  checkDistinct(call, named.map(describe))
  return named
}

export function describe({ name, topicId }: NamedTopic): string {
  return name === null ? `the topic with id ${topicId}` : `topic '${name}'`
}
