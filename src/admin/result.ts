/** The one shape of what Admin gives back for a list of things: what was asked for, and its answer or its error. */

import type { KafkaError } from '../errors/kafka-error.ts'

/**
 * One entity's result: `error` is null and the answer's fields are there, or `error` says why they are not.
 *
 * Results come as an array in the order of what was asked, so `results[i]` belongs to `topics[i]`. One that failed
 * takes nothing from those that succeeded; the call itself rejects only when nothing could be asked at all.
 */
export type Result<Of, Answer> = Of &
  (
    | (Answer & { readonly error: null })
    | ({ readonly error: KafkaError } & { readonly [K in keyof Answer]?: undefined })
  )
