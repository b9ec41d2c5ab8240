/** What the scenarios of transactions have in common: producers that end with their test, readers that are not ours, and
 *  a network that loses what the coordinator is asked, or what it answers. */

import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { Cluster } from '#src/cluster/cluster.js'
import type { ClusterOptions } from '#src/cluster/cluster-options.js'
import { TransactionalProducer } from '#src/transactions/transactional-producer.js'
import type { TransactionalProducerOwnOptions } from '#src/transactions/transactional-producer-options.js'
import type { Api } from '#src/wire/api.js'
import { DescribeTransactions, type TransactionState } from '#src/wire/messages/describe-transactions.js'
import { linesOf, uniqueName, type Kafka } from '../support/kafka/kafka.ts'

export type Options = Partial<TransactionalProducerOwnOptions> & ClusterOptions

export function producerOn(t: TestContext, kafka: Kafka, options: Options = {}): TransactionalProducer {
  const producer = new TransactionalProducer({
    bootstrapServers: kafka.bootstrapServers,
    transactionalId: uniqueName('id'),
    lingerMs: 0,
    closeTimeoutMs: 10_000,
    ...options,
  })
  t.after(() => {
    producer.destroy()
  })
  return producer
}

/** The values of a topic up to its last stable offset, as librdkafka reads them: `<partition> <value>`, sorted. */
export async function committedIn(kafka: Kafka, topic: string): Promise<string[]> {
  const isolation = ['-X', 'isolation.level=read_committed']
  return linesOf(await kafka.kcat(['-C', '-q', '-e', '-t', topic, ...isolation, '-f', '%p %s\\n'])).sort()
}

/** Everything in the log, whatever became of it. */
export async function storedIn(kafka: Kafka, topic: string): Promise<string[]> {
  const isolation = ['-X', 'isolation.level=read_uncommitted']
  return linesOf(await kafka.kcat(['-C', '-q', '-e', '-t', topic, ...isolation, '-f', '%p %s\\n'])).sort()
}

/** What the coordinator knows of a transactional id. */
export async function describeTransaction(
  t: TestContext,
  kafka: Kafka,
  transactionalId: string,
): Promise<TransactionState> {
  const cluster = new Cluster({ bootstrapServers: kafka.bootstrapServers })
  t.after(() => cluster.close())
  const answer = await cluster.sendWithRetries(
    { kind: 'coordinator', of: 'transaction', key: transactionalId },
    DescribeTransactions,
    { transactionalIds: [transactionalId] },
    { errorCode: ({ transactionStates }) => transactionStates[0]!.errorCode },
  )
  return answer.transactionStates[0]!
}

/** What happens to requests of one API on their way: lost before the broker has them, or their answer after it has. */
export type Loss = 'request' | 'answer' | undefined

/**
 * A network between one client and its brokers, as its `dial`: carries everything, but for requests of the API given. Where
 * one is lost, its connection ends, as it would.
 */
export class LossyNetwork {
  loss: Loss = undefined
  /** How many were lost. */
  losses = 0
  readonly #apiKey: number
  readonly #sockets = new Set<Socket>()

  constructor(t: TestContext, api: Api<never, unknown> | Api<unknown, unknown>) {
    this.#apiKey = api.key
    t.after(() => {
      for (const socket of this.#sockets) socket.destroy()
    })
  }

  /** The `dial` of a client. */
  readonly dial = async ({ host, port }: { host: string; port: number }): Promise<Socket> => {
    const server = createServer((client) => {
      this.#carry(client, connect({ host, port }))
      server.close()
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port })
  }

  #carry(client: Socket, broker: Socket): void {
    let isDeaf = false
    const end = (): void => {
      client.destroy()
      broker.destroy()
    }
    for (const socket of [client, broker]) {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        this.#sockets.delete(socket)
        end()
      })
    }
    let buffered = Buffer.alloc(0)
    client.on('data', (chunk) => {
      buffered = Buffer.concat([buffered, chunk])
      while (buffered.length >= 6) {
        const length = 4 + buffered.readInt32BE(0)
        if (buffered.length < length) return
        const frame = buffered.subarray(0, length)
        buffered = buffered.subarray(length)
        if (frame.readInt16BE(4) === this.#apiKey && this.loss !== undefined) {
          this.losses++
          if (this.loss === 'request') {
            end()
            return
          }
          isDeaf = true
        }
        broker.write(frame)
      }
    })
    broker.on('data', (chunk) => {
      if (isDeaf) end()
      else client.write(chunk)
    })
  }
}
