/** Whether a topic's name can be asked for at all. Which characters it may have is the broker's to say; what a request could
 *  not carry, or an answer not give back, would fail whatever else is asked for with it. */

import { quote } from './option-table.ts'

/** As many as a broker allows. */
const maxTopicNameLength = 249
const unpairedSurrogate = /[\uD800-\uDFFF]/u

/** What is wrong with it, as "… must be"; undefined when nothing is. */
export function topicNameComplaint(topic: unknown): string | undefined {
  if (typeof topic !== 'string' || topic.length === 0) return `must be a string that is not empty, not ${quote(topic)}`
  if (topic.length > maxTopicNameLength) {
    return `must have at most ${maxTopicNameLength} characters, and ${quote(topic)} has ${topic.length}`
  }
  if (unpairedSurrogate.test(topic)) return `must be well-formed text, and ${quote(topic)} has half a character`
  return undefined
}
