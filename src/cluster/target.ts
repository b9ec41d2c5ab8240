/** To whom a request goes, in Kafka's words; `cluster.ts` finds the node. And the lane it travels on. */

import type { TopicPartition } from '../model/topic-partition.ts'

export type CoordinatorType = 'group' | 'transaction' | 'share'

export type Target =
  | { readonly kind: 'leader'; readonly of: TopicPartition }
  | { readonly kind: 'coordinator'; readonly of: CoordinatorType; readonly key: string }
  | { readonly kind: 'controller' }
  | { readonly kind: 'broker'; readonly id: number }
  | { readonly kind: 'any' }

/** A broker answers one connection's requests strictly in order, so what may wait long gets a connection of its own.
 *  Clients that share a `Cluster` keep apart by the name behind the colon. */
export type Lane = 'shared' | 'produce' | `fetch:${string}` | `group:${string}` | `join:${string}`
