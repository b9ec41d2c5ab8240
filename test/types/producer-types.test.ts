/** What the compiler lets through to a producer. The proof is that this file compiles: a line that is marked as an error and
 *  is none fails the build. Nothing is connected to. */

import { test } from 'node:test'
import {
  Producer,
  serializers,
  TransactionalProducer,
  type Interceptor,
  type ProducerInterceptor,
  type ProducerRecord,
  type Serializer,
} from '#src/index.js'

interface Order {
  readonly total: number
}

declare const never: Promise<boolean>
declare const orders: Serializer<Order>
/** As the classes of schema registries are declared. */
declare class RegistrySerializer {
  serialize(
    topic: string,
    // oxlint-disable-next-line typescript/no-explicit-any
    message: any,
    headers?: { [key: string]: Buffer | string | (Buffer | string)[] | undefined },
  ): Promise<Buffer>
}
declare const registry: RegistrySerializer
/** An interceptor for any producer. */
declare class Tracing {
  onSend<Key, Value>(record: ProducerRecord<Key, Value>): ProducerRecord<Key, Value>
  onConsume(records: readonly unknown[]): void
}
declare const tracing: Tracing
declare const ofBytes: Interceptor

async function compiles(): Promise<void> {
  if (!(await never)) return

  const plain = new Producer()
  await plain.send({ topic: 't', key: 'k', value: Buffer.from('v') })
  await plain.send({ topic: 't', value: null })
  // @ts-expect-error: without a serializer a value is bytes
  await plain.send({ topic: 't', value: { total: 1 } })
  // @ts-expect-error: and so is a key
  plain.enqueue({ topic: 't', key: 1, value: 'v' })

  const typed = new Producer({ keySerializer: serializers.int32, valueSerializer: orders })
  await typed.send({ topic: 't', key: 1, value: { total: 1 } })
  await typed.sendBatch('t', [{ key: null, value: null }])
  // @ts-expect-error: the value is no order
  await typed.send({ topic: 't', key: 1, value: 'v' })
  // @ts-expect-error: the key is no number
  await typed.sendBatch('t', [{ key: 'k', value: { total: 1 } }])

  const onlyValue = new Producer({ valueSerializer: orders, interceptors: [tracing] })
  await onlyValue.send({ topic: 't', key: 'k', value: { total: 1 } })

  const json = new Producer({ valueSerializer: serializers.json })
  await json.send({ topic: 't', value: { any: ['thing'] } })
  const checked = new Producer<string, Order>({ valueSerializer: serializers.json })
  // @ts-expect-error: what is said of the producer is what counts
  await checked.send({ topic: 't', value: { total: 'one' } })

  const lambda = new Producer({ valueSerializer: async (_topic: string, data: Order) => String(data.total) })
  await lambda.send({ topic: 't', value: { total: 1 } })

  // The classes of schema registries need no adapter.
  const registered = new Producer({ keySerializer: registry, valueSerializer: registry })
  await registered.send({ topic: 't', key: { id: 1 }, value: { total: 1 } })

  // @ts-expect-error: a serializer gives bytes
  new Producer({ valueSerializer: (_topic: string, data: number) => data })

  new Producer({
    valueSerializer: orders,
    interceptors: [
      {
        onSend: (record) => ({ ...record, value: { total: record.value!.total + 1 } }),
        onAcknowledged: (metadata, error, record) => {
          console.log(metadata?.offset, error?.message, record.value?.total)
        },
      },
    ],
  })
  new Producer({ interceptors: [ofBytes, tracing] })
  const wrong: ProducerInterceptor<string, Order> = {
    // @ts-expect-error: what is sent on must be what the serializer takes
    onSend: (record) => ({ ...record, value: JSON.stringify(record.value) }),
  }
  new Producer<string, Order>({ valueSerializer: orders, interceptors: [wrong] })

  const transactional = new TransactionalProducer({ transactionalId: 'x', valueSerializer: orders })
  await transactional.transaction(async (tx) => {
    await tx.send({ topic: 't', value: { total: 1 } })
    // @ts-expect-error: in a transaction too
    await tx.send({ topic: 't', value: 'v' })
  })
  new TransactionalProducer({ transactionalId: 'x', acks: 'all', idempotent: true })
  // @ts-expect-error: a transaction holds only what every in-sync replica has
  new TransactionalProducer({ transactionalId: 'x', acks: 1 })
  // @ts-expect-error: transactions rest on sequence numbers
  new TransactionalProducer({ transactionalId: 'x', idempotent: false })
}

test('producers take what their serializers take', () => {
  // It compiled.
  void compiles
})
