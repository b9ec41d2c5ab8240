/** Asks about a list of entities and keeps each one's outcome: what can be tried again is, for those entities only,
 *  until the deadline. Knows neither topics nor configs. */

import type { Target } from '../cluster/target.ts'
import { BrokerError } from '../errors/broker-error.ts'
import { ProtocolError } from '../errors/errors.ts'
import { KafkaError } from '../errors/kafka-error.ts'
import type { AdminCall } from './admin-call.ts'
import type { Result } from './result.ts'

/** A broker's answer about some of the entities it was asked about. */
export interface Answers<Answer> {
  readonly throttleTimeMs: number
  /** By the entity's key. */
  readonly byKey: ReadonlyMap<string, EntityAnswer<Answer>>
}

export interface EntityAnswer<Answer> {
  readonly errorCode: number
  /** The broker's own words, when it gave any. */
  readonly errorMessage?: string | null
  /** Looked at only when the error code is 0. */
  readonly answer: Answer
}

export interface Question<Entity, Answer> {
  readonly entities: readonly Entity[]
  /** What names the entity in the answer. Unique among the entities. */
  key(entity: Entity): string
  /** For messages: `cannot create topic 'orders'`. */
  complaint(entity: Entity): string
  target(entity: Entity): Target
  ask(target: Target, entities: readonly Entity[]): Promise<Answers<Answer>>
}

export type Outcome<Answer> = { readonly error: null; readonly answer: Answer } | Failure
interface Failure {
  readonly error: KafkaError
  /** The request itself failed: this says nothing about the entity in particular. */
  readonly unasked: boolean
}

// Java's table calls these retriable, as a topic may be on its way. Whoever administers wants to be told at once.
const plainAnswers: ReadonlySet<string> = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_ID'])

/**
 * Asks until every entity has an outcome, in the order of the entities.
 *
 * @throws the request's own error when no entity could be asked about; an entity that only one broker can answer for
 * keeps that broker's failure to itself
 */
export async function askEach<Entity, Answer>(
  call: AdminCall,
  question: Question<Entity, Answer>,
): Promise<Outcome<Answer>[]> {
  const { entities } = question
  const outcomes = new Map<Entity, Outcome<Answer>>()
  const backoff = call.cluster.newBackoff()
  let open = entities
  while (open.length > 0) {
    const rounds = await Promise.all(
      groupByTarget(open, question).map(({ target, group }) => askGroup(call, question, target, group)),
    )
    const failed: Entity[] = []
    let throttleTimeMs = 0
    for (const round of rounds) {
      for (const [entity, outcome] of round.outcomes) {
        outcomes.set(entity, outcome)
        if (outcome.error === null || !isWorthRetrying(outcome.error)) continue
        failed.push(entity)
        // KIP-599: over its quota, the broker says how long to stay away.
        if (outcome.error.code === 'THROTTLING_QUOTA_EXCEEDED') {
          throttleTimeMs = Math.max(throttleTimeMs, round.throttleTimeMs)
        }
      }
    }
    if (failed.length > 0 && !(await call.pause(Math.max(backoff.nextMs(), throttleTimeMs)))) {
      for (const entity of failed) {
        const { error, unasked } = outcomes.get(entity) as Failure
        outcomes.set(entity, { error: call.outOfTime(error), unasked })
      }
      break
    }
    open = failed
  }
  const inOrder = entities.map((entity) => outcomes.get(entity)!)
  const first = inOrder[0]
  if (first !== undefined && first.error !== null && inOrder.every((one) => one.error !== null && one.unasked)) {
    throw first.error
  }
  return inOrder
}

/** The outcome beside what it is of, as Admin gives it back. */
export function toResult<Of, Answer>(of: Of, outcome: Outcome<Answer>): Result<Of, Answer> {
  return (
    outcome.error === null ? { ...of, error: null, ...outcome.answer } : { ...of, error: outcome.error }
  ) as Result<Of, Answer>
}

function isWorthRetrying(error: KafkaError): boolean {
  return error.retriable && !plainAnswers.has(error.code)
}

function groupByTarget<Entity, Answer>(
  entities: readonly Entity[],
  question: Question<Entity, Answer>,
): { target: Target; group: Entity[] }[] {
  const groups = new Map<string, { target: Target; group: Entity[] }>()
  for (const entity of entities) {
    const target = question.target(entity)
    const name = target.kind === 'broker' ? `broker ${target.id}` : target.kind
    const known = groups.get(name)
    if (known === undefined) groups.set(name, { target, group: [entity] })
    else known.group.push(entity)
  }
  return [...groups.values()]
}

interface Round<Entity, Answer> {
  readonly throttleTimeMs: number
  readonly outcomes: ReadonlyMap<Entity, Outcome<Answer>>
}

async function askGroup<Entity, Answer>(
  call: AdminCall,
  question: Question<Entity, Answer>,
  target: Target,
  group: readonly Entity[],
): Promise<Round<Entity, Answer>> {
  const outcomes = new Map<Entity, Outcome<Answer>>()
  let answers: Answers<Answer>
  try {
    answers = await question.ask(target, group)
  } catch (error) {
    if (call.signal.aborted || !(error instanceof KafkaError)) throw error
    call.cluster.remedy(target, error)
    for (const entity of group) outcomes.set(entity, { error, unasked: target.kind !== 'broker' })
    return { throttleTimeMs: 0, outcomes }
  }
  for (const entity of group) outcomes.set(entity, outcomeOf(question, entity, answers))
  for (const { error } of outcomes.values()) {
    if (error !== null && isWorthRetrying(error)) call.cluster.remedy(target, error)
  }
  return { throttleTimeMs: answers.throttleTimeMs, outcomes }
}

function outcomeOf<Entity, Answer>(
  question: Question<Entity, Answer>,
  entity: Entity,
  { byKey }: Answers<Answer>,
): Outcome<Answer> {
  const complaint = question.complaint(entity)
  const found = byKey.get(question.key(entity))
  if (found === undefined) {
    return { error: new ProtocolError(`${complaint}: the broker's answer does not mention it`), unasked: false }
  }
  const { errorCode, errorMessage, answer } = found
  if (errorCode === 0) return { error: null, answer }
  const error = new BrokerError(errorCode, complaint, { brokerMessage: errorMessage ?? null })
  return { error, unasked: false }
}
