/** What configs may belong to, by Kafka's numbers. */

import { Refusal } from './refusal.ts'

export const topicResource = 2
export const brokerResource = 4

/** The broker of a resource's name; undefined for the empty one, which means all of them. Throws `Refusal`. */
export function namedBroker(name: string): number | undefined {
  if (name === '') return undefined
  if (!/^\d+$/.test(name)) throw new Refusal('INVALID_REQUEST', `'${name}' is not the id of a broker`)
  return Number(name)
}
