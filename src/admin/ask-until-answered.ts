/** Asks a question about no entity in particular until there is an answer, within the call's deadline. */

import type { Target } from '../cluster/target.ts'
import { KafkaError } from '../errors/kafka-error.ts'
import type { AdminCall } from './admin-call.ts'

/** @throws the error that cannot be tried again, or `TimeoutError` with the last one as its cause */
export async function askUntilAnswered<Response>(
  call: AdminCall,
  target: Target,
  ask: () => Promise<Response>,
): Promise<Response> {
  const backoff = call.cluster.newBackoff()
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (call.signal.aborted || !(error instanceof KafkaError) || !error.retriable) throw error
      call.cluster.remedy(target, error)
      if (!(await call.pause(backoff.nextMs()))) throw call.outOfTime(error)
    }
  }
}
