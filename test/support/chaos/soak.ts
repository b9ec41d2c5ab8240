/** The long runs of `npm run soak`, as a table: what each does, how large it is, and what it may not find. */

import { startCluster, type BorrowedCluster } from '../kafka/kafka-cluster.ts'
import type { ChaosOptions } from './chaos.ts'
import { exactlyOnceScenario } from './exactly-once-scenario.ts'
import { producingScenario, type ProducingReport } from './producing-scenario.ts'
import { added, type Verdict } from '../history/history.ts'
import { describeReport, type Report } from './report.ts'
import { simulatedScenario } from './simulated-scenario.ts'
import { expectedAborts, simulatedTransactions } from './simulated-transactions.ts'
import { transactionsScenario, type WorkersReport } from './transactions-scenario.ts'

export interface SoakScenario {
  readonly name: string
  readonly about: string
  /** Of the Kafka whose cluster it gets; without one it is simulated. */
  readonly version?: string
  /** When it has failed, in minutes: more than twice what it takes. */
  readonly limitMinutes: number
  run(cluster: BorrowedCluster, seed: string): Promise<Report & { faults: readonly string[] }>
}

/** One that needs no cluster. */
type Simulated = Omit<SoakScenario, 'run' | 'version'> & {
  run(seed: string): Promise<Report & { faults: readonly string[] }>
}

const minute = 60_000
const readTwice = true
/** What the chaos does by itself. */
const everything: Partial<Omit<ChaosOptions, 'topics' | 'seed'>> = {
  kills: true,
  moves: true,
  faults: { cutAfterMs: [500, 1_500], swallowChance: 0.25, slowChance: 0.2, delayMs: [0, 60] },
}
/** Nothing but the network: connections live longer, or a group would never come to rest. */
const network: typeof everything = { faults: { ...everything.faults, cutAfterMs: [1_000, 6_000], swallowChance: 0.1 } }

function judged(report: ProducingReport, allowed: readonly string[] = []): Report & { faults: string[] } {
  const { failures } = report.workload
  const faults = Object.keys(failures).filter((code) => !allowed.includes(code))
  return { ...report, faults: faults.map((code) => `${failures[code]} records failed with ${code}`) }
}

function workers({ failures, ...report }: WorkersReport): Report & { faults: readonly string[] } {
  return { ...report, faults: failures }
}

const exactlyOnce = (version: string): SoakScenario => ({
  name: `exactly-once-${version}`,
  about: '200 000 records copied in transactions by 3 workers that are killed and halted',
  version,
  limitMinutes: 15,
  run: async (cluster, seed) =>
    workers(
      await exactlyOnceScenario({ cluster, seed, records: 200_000, largest: 400, limitMs: 12 * minute, readTwice }),
    ),
})

const transactions = (version: string): SoakScenario => ({
  name: `transactions-${version}`,
  about: 'transactions over 6 partitions, written for 3 minutes by 3 processes that are killed and halted',
  version,
  limitMinutes: 8,
  run: async (cluster, seed) =>
    workers(await transactionsScenario({ cluster, seed, durationMs: 3 * minute, haltChance: 0.1, readTwice })),
})

/** So many seeds, made of one. */
function eachSeed(seed: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${seed}/${i}`)
}

const nobodySuffers: Report['chaos'] = { kills: 0, cuts: 0, swallowing: 0, moves: 0 }

/** Adds up what many runs came to; a fault names the seed that finds it again. */
async function sum(
  seeds: readonly string[],
  run: (seed: string) => Promise<{ verdict: Verdict; surprises: readonly string[] }>,
): Promise<Report & { faults: string[] }> {
  const faults: string[] = []
  let total: Verdict | undefined
  for (const seed of seeds) {
    const { verdict, surprises } = await run(seed)
    const found = verdict.violations.describe()
    if (found !== '') faults.push(`seed '${seed}': ${found}`)
    faults.push(...surprises.map((surprise) => `seed '${seed}': ${surprise}`))
    total = total === undefined ? verdict : added(total, verdict)
  }
  return { verdict: total!, chaos: nobodySuffers, faults }
}

const simulated: readonly Simulated[] = [
  {
    name: 'simulated-producing',
    about: '300 seeds of lost answers, refusals, crashes and moves; half of them with records that run out of time',
    limitMinutes: 20,
    run: (seed) =>
      sum(eachSeed(seed, 300), async (one) => {
        const impatient = /[02468]$/.test(one)
        const { verdict, failures } = await simulatedScenario({ seed: one, impatient })
        const surprises = Object.keys(failures).filter((code) => !impatient || code.includes('without persistence'))
        return { verdict, surprises }
      }),
  },
  {
    name: 'simulated-transactions',
    about: '120 seeds of the same for transactions, whose coordinators move too, and whose writers die',
    limitMinutes: 20,
    run: (seed) =>
      sum(eachSeed(seed, 120), async (one) => {
        const transactionVersion = /[02468]$/.test(one) ? 1 : 2
        const { verdict, aborts } = await simulatedTransactions({ seed: one, transactionVersion })
        return { verdict, surprises: Object.keys(aborts).filter((code) => !expectedAborts.includes(code)) }
      }),
  },
]

const current = '4.3.1'
/** Has the first version of the transactions' protocol, in which a client must announce partitions. */
const before = '3.9.2'

export const soakScenarios: readonly SoakScenario[] = [
  {
    name: 'producing',
    about: '500 000 records, 4 producers, 12 partitions; brokers killed, connections cut, leaders moved',
    version: current,
    limitMinutes: 12,
    run: async (cluster, seed) =>
      judged(await producingScenario({ cluster, seed, records: 500_000, recordsPerSecond: 2_500, readTwice })),
  },
  {
    name: 'impatient',
    about: '150 000 records that may take 2 seconds, in the same trouble: what fails says truly whether it is stored',
    version: current,
    limitMinutes: 8,
    run: async (cluster, seed) => {
      const options = { deliveryTimeoutMs: 2_000, requestTimeoutMs: 1_200, lingerMs: 5, maxBlockMs: 2_000 }
      const size = { records: 150_000, recordsPerSecond: 2_000 }
      const report = await producingScenario({ cluster, seed, ...size, options })
      return judged(report, ['TIMED_OUT', 'DELIVERY_TIMED_OUT', 'TIMEOUT', 'REQUEST_TIMED_OUT', 'BUFFER_FULL'])
    },
  },
  transactions(current),
  exactlyOnce(current),
  {
    name: 'transactions-in-trouble',
    about: 'the same transactions while brokers are killed, connections cut and leaders moved',
    version: current,
    limitMinutes: 8,
    run: async (cluster, seed) => {
      const size = { durationMs: 3 * minute, killEveryMs: [2_000, 8_000] as const }
      return workers(await transactionsScenario({ cluster, seed, ...size, chaos: everything, readTwice }))
    },
  },
  {
    name: 'exactly-once-in-trouble',
    about: '40 000 records copied in transactions by 3 workers that are killed, over connections that are cut',
    version: current,
    limitMinutes: 12,
    run: async (cluster, seed) => {
      const size = { records: 40_000, limitMs: 9 * minute, killEveryMs: [4_000, 12_000] as const }
      return workers(await exactlyOnceScenario({ cluster, seed, ...size, chaos: network, readTwice }))
    },
  },
  transactions(before),
  exactlyOnce(before),
  ...simulated.map((one): SoakScenario => ({ ...one, run: (_, seed) => one.run(seed) })),
]

export interface SoakResult {
  readonly line: string
  /** What went wrong; empty when all went well. */
  readonly faults: readonly string[]
}

/** Runs one scenario on a cluster of its own, which is gone afterwards. */
export async function soak(scenario: SoakScenario, seed: string): Promise<SoakResult> {
  const endings: (() => Promise<void> | void)[] = []
  const after = (hook: () => Promise<void> | void): void => {
    endings.push(hook)
  }
  let timer: NodeJS.Timeout | undefined
  try {
    const { version } = scenario
    // What is simulated asks nothing of it.
    const cluster = version === undefined ? (undefined as never) : await startCluster({ after }, version)
    const late = new Promise<never>((_, reject) => {
      const say = (): void => {
        reject(new Error(`it took longer than ${scenario.limitMinutes} minutes`))
      }
      timer = setTimeout(say, scenario.limitMinutes * minute)
    })
    const report = await Promise.race([scenario.run(cluster, seed), late])
    // Of many runs each has told its own, with its seed.
    const violations = version === undefined ? '' : report.verdict.violations.describe()
    return { line: describeReport(report), faults: [...report.faults, ...(violations === '' ? [] : [violations])] }
  } catch (error) {
    return { line: 'failed', faults: [(error as Error).stack ?? String(error)] }
  } finally {
    clearTimeout(timer)
    for (const end of endings) await end()
  }
}
