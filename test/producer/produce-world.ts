/** A producer and scripted brokers in simulated time, and what came of each batch that arrived: what the rules of
 *  sequencing are tested with. A test says what to answer to the n-th batch; what it leaves open, a log keeper answers. */

import { Producer } from '#src/producer/producer.js'
import type { ProducerOwnOptions } from '#src/producer/producer-options.js'
import type { ClusterOptions } from '#src/cluster/cluster-options.js'
import { Simulation, type SimulationOptions } from '#src/testing/simulation/index.js'
import { Metadata } from '#src/wire/messages/metadata.js'
import { Produce } from '#src/wire/messages/produce.js'
import { DefaultRecordBatch } from '#src/wire/records/record-batch.js'
import { ScriptedCluster, type ScriptedBrokerOptions, type ScriptedTopics } from '../support/scripted-broker.ts'
import { LogKeeper, type PartitionAnswer } from './log-keeper.ts'

/** A batch as a broker got it. */
export interface Arrival {
  readonly node: number
  readonly partition: number
  readonly producerId: number
  readonly epoch: number
  readonly base: number
  readonly count: number
  readonly values: readonly string[]
  readonly bytes: Buffer
  readonly transactionalId: string | null
  readonly version: number
  /** Requests of the producer that were under way when this one was looked at. */
  readonly inFlight: number
}

/**
 * - an answer in place of taking the batch, or with `isTaken` for a batch that is taken
 * - `drop`: hangs up, and the batch is not taken
 * - `lost`: takes it and hangs up
 * - `silence`: neither takes nor answers it
 * - undefined: the keeper of logs decides
 */
export type Said = (PartitionAnswer & { readonly isTaken?: boolean }) | 'drop' | 'lost' | 'silence' | undefined

export interface WorldOptions {
  readonly brokers?: number
  readonly topics?: ScriptedTopics
  readonly options?: ProducerOwnOptions & ClusterOptions
  readonly simulation?: SimulationOptions
  readonly versions?: NonNullable<ScriptedBrokerOptions['versions']>
}

export class ProduceWorld {
  readonly simulation: Simulation
  readonly scripted: ScriptedCluster
  readonly keeper: LogKeeper
  readonly producer: Producer
  /** Every batch that a broker looked at, in that order. */
  readonly arrivals: Arrival[] = []
  /** What to say of the batch that arrived as the n-th, counted from 0. */
  script: (arrival: Arrival, n: number) => Said | Promise<Said> = () => undefined

  constructor(simulation: Simulation, scripted: ScriptedCluster, options: ProducerOwnOptions & ClusterOptions) {
    this.simulation = simulation
    this.scripted = scripted
    this.keeper = new LogKeeper(scripted.state)
    // One record a batch, unless a test says otherwise: what happens can then be read off the values.
    this.producer = new Producer(
      { bootstrapServers: scripted.address, lingerMs: 0, batchSize: 1, metadataMaxAgeMs: 1_000, ...options },
      simulation.doors(),
    )
    scripted.on(Produce, async (request, context) => {
      const answers = new Map<number, PartitionAnswer>()
      const late = new Map<number, PartitionAnswer>()
      let hangsUp = false
      for (const { index, records } of request.topicData[0]!.partitionData) {
        const batch = new DefaultRecordBatch(Buffer.from(records!), 10_000_000)
        const values: string[] = []
        for (const cursor = batch.cursor(); cursor.next();) values.push(String(cursor.value()))
        const arrival: Arrival = {
          node: context.broker.id,
          partition: index,
          producerId: batch.producerId,
          epoch: batch.producerEpoch,
          base: batch.baseSequence,
          count: batch.count,
          values,
          bytes: Buffer.from(records!),
          transactionalId: request.transactionalId,
          version: context.version,
          inFlight: this.producer.metrics().requestsInFlight,
        }
        const said = await this.script(arrival, this.arrivals.push(arrival) - 1)
        if (said === 'drop') return said
        // A broker answers a connection in order: what comes behind waits too.
        if (said === 'silence') return new Promise(() => {})
        if (said === 'lost') hangsUp = true
        else if (said?.isTaken) late.set(index, { errorCode: said.errorCode! })
        else if (said !== undefined) answers.set(index, said)
      }
      this.keeper.refuse = (_, partition) => answers.get(partition)
      const answer = this.keeper.handler(request, context)
      if (hangsUp || answer === 'silence') return 'drop'
      return {
        responses: answer.responses!.map((topic) => ({
          ...topic,
          partitionResponses: topic.partitionResponses!.map((one) => ({ ...one, ...late.get(one.index!) })),
        })),
      }
    })
  }

  send(value: string, partition = 0): Promise<number | null> {
    return this.producer.send({ topic: 'orders', partition, value }).then(({ offset }) => offset)
  }

  /** Batches of their own, all ready at once. */
  sendEach(...values: string[]): Promise<(number | null)[]> {
    return Promise.all(values.map((value) => this.send(value)))
  }

  log(partition = 0): string[] {
    return this.keeper.log('orders', partition)
  }

  /** `epoch:base values`, in the order of their arrival. */
  get numbers(): string[] {
    return this.arrivals.map(({ epoch, base, values }) => `${epoch}:${base} ${values.join('+')}`)
  }

  /** Resolves when so many batches have arrived. */
  async untilArrived(count: number): Promise<void> {
    while (this.arrivals.length < count) await this.simulation.sleep(1)
  }

  /** The metadata of now is known to the producer. */
  async refreshed(): Promise<void> {
    const asked = (): number => this.scripted.requests(Metadata).length
    const before = asked()
    while (asked() === before) await this.simulation.sleep(100)
    await this.simulation.sleep(100)
  }
}

export async function inWorld(
  { brokers = 1, topics = { orders: [1] }, options = {}, simulation: given = {}, versions = {} }: WorldOptions,
  body: (world: ProduceWorld) => Promise<void>,
): Promise<void> {
  const simulation = new Simulation(given)
  await simulation.run(async () => {
    const scripted = await ScriptedCluster.start({}, { brokers, topics, versions, listen: simulation.listen })
    const world = new ProduceWorld(simulation, scripted, options)
    try {
      await body(world)
    } finally {
      world.producer.destroy()
      await scripted.close()
    }
  })
}

/** A door that opens when the test says so. */
export function door(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open!: () => void
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}
