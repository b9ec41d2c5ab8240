/** What a scenario came to, in a line for people. */

import type { Verdict } from '../history/history.ts'
import type { ChaosCounts } from './chaos.ts'

export interface Report {
  readonly verdict: Verdict
  readonly chaos: ChaosCounts
  /** Further counts, by what they count. */
  readonly further?: Readonly<Record<string, number>>
}

export function describeReport({ verdict, chaos, further = {}, ...rest }: Report & { workload?: Workload }): string {
  const { sent, acknowledged, notPersisted, possiblyPersisted, stored, transactions, violations } = verdict
  const { committed, aborted, unknown, open } = transactions
  const { retries, failures = {} } = rest.workload ?? {}
  const counts: Record<string, number | undefined> = {
    sent,
    acknowledged,
    'failed and not stored': notPersisted,
    'failed and perhaps stored': possiblyPersisted,
    stored,
    'transactions committed': committed,
    'aborted': aborted,
    'of unknown end': unknown,
    'left open': open,
    'kills': chaos.kills,
    'cuts': chaos.cuts,
    'silent connections': chaos.swallowing,
    'leader moves': chaos.moves,
    'batches tried again': retries,
    ...further,
  }
  const told = Object.entries(counts).filter(([, count]) => count !== undefined && count > 0)
  const failed = Object.entries(failures).map(([code, count]) => `${count} × ${code}`)
  const faults = Object.entries(violations.counts()).map(([kind, count]) => `${count} ${kind.toUpperCase()}`)
  return [
    told.map(([what, count]) => `${count} ${what}`).join(', '),
    ...(failed.length > 0 ? [`failures: ${failed.join(', ')}`] : []),
    faults.length > 0 ? faults.join(', ') : 'no violation',
  ].join('; ')
}

interface Workload {
  readonly retries: number
  readonly failures: Readonly<Record<string, number>>
}
