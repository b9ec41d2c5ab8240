/**
 * Plays the brokers of a transactional producer by a script: hands out ids, adds, commits, ends, and says yes. What it
 * shall refuse, the test says, by API: `script.refuse(EndTxn, 51)` answers the next one so. Keeps no rules of Kafka's: those
 * are proven on real brokers.
 */

import type { TestContext } from 'node:test'
import type { Doors } from '#src/async/doors.js'
import type { ClusterOptions } from '#src/cluster/cluster-options.js'
import { TransactionalProducer } from '#src/transactions/transactional-producer.js'
import type { TransactionalProducerOwnOptions } from '#src/transactions/transactional-producer-options.js'
import type { Api } from '#src/wire/api.js'
import { AddOffsetsToTxn } from '#src/wire/messages/add-offsets-to-txn.js'
import { AddPartitionsToTxn } from '#src/wire/messages/add-partitions-to-txn.js'
import { ApiVersions } from '#src/wire/messages/api-versions.js'
import { EndTxn } from '#src/wire/messages/end-txn.js'
import { FindCoordinator } from '#src/wire/messages/find-coordinator.js'
import { InitProducerId } from '#src/wire/messages/init-producer-id.js'
import { apis } from '#src/wire/messages/index.js'
import { Produce } from '#src/wire/messages/produce.js'
import { TxnOffsetCommit } from '#src/wire/messages/txn-offset-commit.js'
import { LogKeeper } from '../producer/log-keeper.ts'
import { ScriptedCluster, type ReceivedRequest, type ScriptedBroker } from '../support/scripted-broker.ts'

export interface ScriptOptions {
  /** The level of `transaction.version`. Default 2. */
  readonly level?: number
  /** Default 1. */
  readonly brokers?: number
  readonly options?: Partial<TransactionalProducerOwnOptions> & ClusterOptions
  /** By API name: the versions offered in place of all we know; null hides the API. */
  readonly versions?: Readonly<Record<string, readonly [number, number] | null>>
  readonly doors?: Doors
}

/** An answer in place of yes: an error code, a lost answer after the deed (`'lost'`), a broken connection (`'drop'`). */
export type Trouble = number | 'lost' | 'drop' | 'silence'

export class TransactionScript {
  readonly cluster: ScriptedCluster
  readonly keeper: LogKeeper
  producer!: TransactionalProducer
  /** The level of `transaction.version` that new connections hear of. */
  level: number
  /** Which broker coordinates. */
  coordinator = 1
  producerId = 4_000
  epoch = -1
  readonly #versions: ScriptOptions['versions']
  readonly #troubles = new Map<string, Trouble[]>()
  #ended = 0
  readonly #always = new Map<string, () => Trouble | undefined>()
  readonly #hooks = new Map<string, () => void>()
  /** What was done, in order, such as `init 0`, `produce`, `commit`: lost answers count as done. */
  readonly deeds: string[] = []

  private constructor(cluster: ScriptedCluster, { level = 2, versions }: ScriptOptions) {
    this.cluster = cluster
    this.keeper = new LogKeeper(cluster.state)
    this.level = level
    this.#versions = versions
  }

  static async start(t: TestContext, options: ScriptOptions = {}): Promise<TransactionScript> {
    const { brokers = 1, versions = {} } = options
    const cluster = await ScriptedCluster.start({}, { brokers, topics: { orders: 3, bills: 1 }, versions })
    const script = new TransactionScript(cluster, options)
    for (const broker of cluster.brokers) script.#teach(broker)
    const connection = {
      bootstrapServers: cluster.address,
      lingerMs: 0,
      retryBackoffMs: 5,
      retryBackoffMaxMs: 20,
      closeTimeoutMs: 2_000,
      transactionalId: 'billing-0',
      logger: {
        error: () => {},
        warn: () => {},
        info: () => {},
        debug: (message: string) => {
          if (/^the connection to .* ended/.test(message)) script.#ended++
        },
      },
      ...options.options,
    }
    script.producer = new TransactionalProducer(connection, options.doors)
    t.after(async () => {
      script.producer.destroy()
      await cluster.close()
    })
    return script
  }

  /** The next requests of this API, on any broker, are answered so, in order. */
  trouble(api: Api<never, unknown> | Api<unknown, unknown>, ...troubles: Trouble[]): this {
    this.#troubles.set(api.name, [...(this.#troubles.get(api.name) ?? []), ...troubles])
    return this
  }

  /** Ends every connection, and waits until the producer knows. */
  async dropConnections(): Promise<void> {
    const target = this.#ended + this.cluster.brokers.reduce((sum, { openConnections }) => sum + openConnections, 0)
    for (const broker of this.cluster.brokers) broker.dropConnections()
    while (this.#ended < target) await new Promise((resolve) => setImmediate(resolve))
  }

  /** Asked for trouble before each request of this API is answered, until told otherwise. */
  beforeEach(api: Api<unknown, unknown> | Api<never, unknown>, trouble: (() => Trouble | undefined) | undefined): void {
    if (trouble === undefined) this.#always.delete(api.name)
    else this.#always.set(api.name, trouble)
  }

  /** Called when the next request of this API arrives, before it is answered. */
  beforeNext(api: Api<unknown, unknown> | Api<never, unknown>, hook: () => void): void {
    this.#hooks.set(api.name, hook)
  }

  /** What arrived of an API, on any broker. */
  requests<Request>(api: Api<Request, unknown>): ReceivedRequest<Request>[] {
    return this.cluster.brokers.flatMap((broker) => broker.requests(api))
  }

  /** How often each API was asked, without those that every client asks. */
  names(): string[] {
    const boring = new Set(['ApiVersions', 'Metadata', 'FindCoordinator'])
    return this.cluster.brokers
      .flatMap(({ received }) => received.map(({ api }) => api.name))
      .filter((n) => !boring.has(n))
  }

  #teach(broker: ScriptedBroker): void {
    broker.on(ApiVersions, () => this.#offer())
    broker.on(FindCoordinator, ({ key, coordinatorKeys }, { version }) => {
      const { host, port } = this.cluster.state.brokers.get(this.coordinator)!
      const place = { nodeId: this.coordinator, host, port }
      const trouble = this.#next(FindCoordinator.name)
      const errorCode = typeof trouble === 'number' ? trouble : 0
      if (trouble === 'drop' || trouble === 'silence') return trouble
      if (version < 4) return { ...place, errorCode }
      return { coordinators: coordinatorKeys.map((one) => ({ key: one ?? key, ...place, errorCode })) }
    })
    broker.on(
      InitProducerId,
      this.#play(
        InitProducerId.name,
        () => {
          this.epoch++
          this.deeds.push(`init ${this.epoch}`)
        },
        (errorCode) => ({
          errorCode,
          producerId: errorCode === 0 ? this.producerId : -1,
          producerEpoch: errorCode === 0 ? this.epoch : -1,
        }),
      ),
    )
    broker.on(
      AddPartitionsToTxn,
      this.#play(
        AddPartitionsToTxn.name,
        () => this.deeds.push('add partitions'),
        (code, request) => ({
          resultsByTopicV3AndBelow: request.v3AndBelowTopics.map(({ name, partitions }) => ({
            name,
            resultsByPartition: partitions.map((partitionIndex) => ({ partitionIndex, partitionErrorCode: code })),
          })),
        }),
      ),
    )
    broker.on(
      AddOffsetsToTxn,
      this.#play(
        AddOffsetsToTxn.name,
        () => this.deeds.push('add offsets'),
        (errorCode) => ({ errorCode }),
      ),
    )
    broker.on(
      TxnOffsetCommit,
      this.#play(
        TxnOffsetCommit.name,
        () => this.deeds.push('offsets'),
        (errorCode, request) => ({
          topics: request.topics.map(({ name, partitions }) => ({
            name,
            partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
          })),
        }),
      ),
    )
    broker.on(
      EndTxn,
      this.#play(
        EndTxn.name,
        ({ committed }, version) => {
          this.deeds.push(committed ? 'commit' : 'abort')
          if (version >= 5) this.epoch++
        },
        (errorCode, _, version) => ({
          errorCode,
          ...(version >= 5 && errorCode === 0 && { producerId: this.producerId, producerEpoch: this.epoch }),
        }),
      ),
    )
    broker.on(Produce, (request, context) => {
      const trouble = this.#next(Produce.name)
      if (trouble === 'drop' || trouble === 'silence') return trouble
      if (typeof trouble === 'number') {
        this.keeper.refuse = () => ({ errorCode: trouble, baseOffset: -1 })
        const answer = this.keeper.handler(request, context)
        this.keeper.refuse = () => undefined
        return answer
      }
      this.deeds.push('produce')
      const answer = this.keeper.handler(request, context)
      return trouble === 'lost' ? 'drop' : answer
    })
  }

  /** Does what is asked and says so, unless there is trouble. */
  #play<Request, Response>(
    name: string,
    deed: (request: Request, version: number) => void,
    answer: (errorCode: number, request: Request, version: number) => Response,
  ) {
    return (request: Request, { version, broker }: { version: number; broker: ScriptedBroker }) => {
      const trouble = this.#next(name)
      if (trouble === 'drop' || trouble === 'silence') return trouble
      // Who does not coordinate says so, but for what tests want to hear of it.
      if (typeof trouble === 'number') return answer(trouble, request, version)
      if (broker.id !== this.coordinator) return answer(16, request, version)
      deed(request, version)
      return trouble === 'lost' ? 'drop' : answer(0, request, version)
    }
  }

  #next(name: string): Trouble | undefined {
    this.#hooks.get(name)?.()
    this.#hooks.delete(name)
    return this.#troubles.get(name)?.shift() ?? this.#always.get(name)?.()
  }

  #offer() {
    const apiKeys = apis.flatMap((api) => {
      const given = this.#versions?.[api.name]
      if (given === null) return []
      const [minVersion, maxVersion] = given ?? [api.minVersion, api.maxVersion]
      return [{ apiKey: api.key, minVersion, maxVersion }]
    })
    const { level } = this
    const finalizedFeatures =
      level === 0 ? [] : [{ name: 'transaction.version', maxVersionLevel: level, minVersionLevel: level }]
    return { apiKeys, finalizedFeatures, finalizedFeaturesEpoch: 1 }
  }
}
