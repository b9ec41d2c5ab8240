/** Giving topics more partitions. */

import { CreatePartitions } from '../wire/messages/create-partitions.ts'
import type { AdminCall, AdminCallOptions } from './admin-call.ts'
import {
  checkAssignments,
  checkDistinct,
  checkOptions,
  checkKeys,
  checkList,
  checkName,
  checkWholeNumber,
  int32Most,
} from './arguments.ts'
import { askEach, toResult } from './ask-each.ts'
import type { Result } from './result.ts'

/** A topic that is to have more partitions. */
export interface NewPartitions {
  readonly name: string
  /** How many partitions the topic shall have in all, not how many are added. */
  readonly totalCount: number
  /** For each partition that is added, the brokers that keep it, its preferred leader first. Default: the controller
   *  chooses. */
  readonly assignments?: readonly (readonly number[])[] | undefined
}

export interface CreatePartitionsOptions extends AdminCallOptions {
  /** Only checks whether the partitions could be created. Default false. */
  validateOnly?: boolean | undefined
}

export type CreatePartitionsResult = Result<{ readonly name: string }, object>

export async function createPartitions(
  call: AdminCall,
  topics: readonly NewPartitions[],
  options: CreatePartitionsOptions,
): Promise<CreatePartitionsResult[]> {
  check(topics, options)
  const { validateOnly = false } = options
  const outcomes = await askEach<NewPartitions, object>(call, {
    entities: topics,
    key: ({ name }) => name,
    complaint: ({ name, totalCount }) => `cannot give topic '${name}' ${totalCount} partitions`,
    target: () => ({ kind: 'controller' }),
    ask: async (target, group) => {
      const request = {
        topics: group.map(({ name, totalCount, assignments }) => ({
          name,
          count: totalCount,
          assignments: assignments?.map((brokerIds) => ({ brokerIds })) ?? null,
        })),
        timeoutMs: call.brokerTimeoutMs,
        validateOnly,
      }
      const { throttleTimeMs, results } = await call.ask(target, CreatePartitions, request)
      return { throttleTimeMs, byKey: new Map(results.map((result) => [result.name, { ...result, answer: {} }])) }
    },
  })
  return outcomes.map((outcome, i) => toResult({ name: topics[i]!.name }, outcome))
}

function check(topics: readonly NewPartitions[], options: CreatePartitionsOptions): void {
  checkOptions('createPartitions', options, ['validateOnly'])
  checkList('createPartitions', '{ name, totalCount }', topics)
  for (const topic of topics) {
    checkKeys('a topic given to createPartitions', topic, ['name', 'totalCount', 'assignments'])
    checkName('the name of a topic given to createPartitions', topic.name)
    checkWholeNumber(`totalCount of topic '${topic.name}'`, topic.totalCount, 1, int32Most)
    if (topic.assignments !== undefined) checkAssignments(`assignments of topic '${topic.name}'`, topic.assignments)
  }
  checkDistinct(
    'createPartitions',
    topics.map(({ name }) => `topic '${name}'`),
  )
}
