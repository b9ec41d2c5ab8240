/** What goes wrong in a simulated cluster: the network by its faults, requests by the dice, brokers that crash and come back,
 *  leaders that move. */

import type { Simulation, SeededRandom, TestCluster } from '#src/testing/index.js'
import type { Api } from '#src/wire/api.js'
import { AddPartitionsToTxn } from '#src/wire/messages/add-partitions-to-txn.js'
import { EndTxn } from '#src/wire/messages/end-txn.js'
import { FindCoordinator } from '#src/wire/messages/find-coordinator.js'
import { InitProducerId } from '#src/wire/messages/init-producer-id.js'
import { Produce } from '#src/wire/messages/produce.js'

type AnyApi = Api<unknown, unknown>

/** What a leader says before it appends. */
const refusals = [
  'NOT_LEADER_OR_FOLLOWER',
  'NOT_ENOUGH_REPLICAS',
  'KAFKA_STORAGE_ERROR',
  'LEADER_NOT_AVAILABLE',
] as const
/** What it says when it may have appended: NOT_ENOUGH_REPLICAS_AFTER_APPEND, REQUEST_TIMED_OUT. */
const doubts = [20, 7]
/** What a coordinator says that is none any more, not yet one, or busy. */
const coordinatorRefusals = [
  'NOT_COORDINATOR',
  'COORDINATOR_NOT_AVAILABLE',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'CONCURRENT_TRANSACTIONS',
] as const

export interface TroubledThings {
  readonly topic: string
  readonly partitions: number
  /** Whose coordinators move, and are asked in vain. */
  readonly transactionalIds?: readonly string[]
}

/** Goes on until it is told to end. */
export class SimulatedTrouble {
  readonly #simulation: Simulation
  readonly #cluster: TestCluster
  readonly #topic: string
  readonly #partitions: number
  readonly #transactionalIds: readonly string[]
  readonly #random: SeededRandom
  #ended = false
  #down: number | undefined

  constructor(
    simulation: Simulation,
    cluster: TestCluster,
    { topic, partitions, transactionalIds = [] }: TroubledThings,
  ) {
    this.#simulation = simulation
    this.#cluster = cluster
    this.#topic = topic
    this.#partitions = partitions
    this.#transactionalIds = transactionalIds
    this.#random = simulation.random.fork('trouble')
    const { resetChance, silenceChance } = {
      resetChance: this.#random.pick([0, 0.002, 0.01]),
      silenceChance: this.#random.pick([0, 0.001, 0.004]),
    }
    simulation.network.setFaults({ resetChance, silenceChance })
    const troubledRequests = this.#random.pick([0.02, 0.1, 0.3])
    cluster.control(
      Produce,
      async (request, { handle, delay }) => {
        const random = this.#random
        if (this.#ended || !random.chance(troubledRequests)) return undefined
        const dice = random.next()
        if (dice < 0.1) return 'drop'
        if (dice < 0.3) return 'cut' // appended, and nobody hears of it
        if (dice < 0.4) return 'silence'
        if (dice < 0.6) return { errorCode: random.pick(refusals) }
        if (dice < 0.8) {
          await delay(random.number([0, 400]))
          return await handle(request)
        }
        const answer = (await handle(request))!
        const doubt = random.pick(doubts)
        return {
          ...answer,
          responses: answer.responses!.map(({ partitionResponses, ...rest }) => ({
            ...rest,
            partitionResponses: partitionResponses!.map((one) =>
              one.errorCode === 0 && random.chance(0.7) ? { ...one, errorCode: doubt, baseOffset: -1 } : one,
            ),
          })),
        }
      },
      { keep: true },
    )
    if (transactionalIds.length > 0) this.#troubleCoordinators(troubledRequests)
  }

  #troubleCoordinators(chance: number): void {
    const control = <Request, Response>(api: Api<Request, Response>): void => {
      this.#cluster.control(
        api,
        async (request, { handle, delay }) => {
          const random = this.#random
          if (this.#ended || !random.chance(chance)) return undefined
          const dice = random.next()
          if (dice < 0.15) return 'drop'
          if (dice < 0.4) return 'cut'
          if (dice < 0.5) return 'silence'
          if (dice < 0.7) return { errorCode: random.pick(coordinatorRefusals) }
          // Later than anybody waits: it is done when the client may have gone on to something else.
          await delay(random.number([0, 1_500]))
          return await handle(request)
        },
        { keep: true },
      )
    }
    for (const api of [InitProducerId, AddPartitionsToTxn, EndTxn, FindCoordinator]) control(api as AnyApi)
  }

  async run(): Promise<void> {
    const random = this.#random
    const cluster = this.#cluster
    while (!this.#ended) {
      await this.#simulation.sleep(random.number([20, 500]))
      if (this.#ended) return
      const dice = random.next()
      if (this.#down !== undefined && dice < 0.5) {
        const broker = this.#down
        this.#down = undefined
        await cluster.restart(broker)
      } else if (this.#down === undefined && dice < 0.3) {
        this.#down = random.integer([1, 3])
        await cluster.kill(this.#down)
      } else if (dice < 0.5 && this.#transactionalIds.length > 0) {
        const up = cluster.brokers.filter(({ isUp }) => isUp).map(({ id }) => id)
        const loadingMs = random.pick([0, 100])
        cluster.moveTransactionCoordinator(random.pick(this.#transactionalIds), random.pick(up), { loadingMs })
      } else if (dice < 0.8) {
        const up = cluster.brokers.filter(({ isUp }) => isUp).map(({ id }) => id)
        cluster.moveLeader(this.#topic, random.integer([0, this.#partitions - 1]), random.pick(up))
      } else cluster.dropConnections(random.pick(cluster.brokers.filter(({ isUp }) => isUp)).id)
    }
  }

  async end(): Promise<void> {
    this.#ended = true
    this.#simulation.network.setFaults({ resetChance: 0, silenceChance: 0 })
    if (this.#down !== undefined) await this.#cluster.restart(this.#down)
    this.#down = undefined
  }
}
