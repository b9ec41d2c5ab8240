// Records whose schema a registry keeps: the serializers of Confluent's schema registry client are Jackdaw's as they are.
//
//     npm install jackdaw @confluentinc/schemaregistry
//     BOOTSTRAP_SERVERS=localhost:9092 SCHEMA_REGISTRY=http://localhost:8081 node examples/schema-registry.mjs

import { JsonDeserializer, JsonSerializer, SchemaRegistryClient, SerdeType } from '@confluentinc/schemaregistry'
import { Consumer, Producer } from 'jackdaw'

const bootstrapServers = process.env.BOOTSTRAP_SERVERS ?? 'localhost:9092'
const registry = new SchemaRegistryClient({ baseURLs: [process.env.SCHEMA_REGISTRY ?? 'http://localhost:8081'] })
const topic = process.env.TOPIC ?? `schema-registry-${Date.now()}`

// 1. The schema of the topic's values, as whoever deploys would register it.
const schema = JSON.stringify({
  type: 'object',
  properties: { number: { type: 'integer' }, item: { type: 'string' } },
  required: ['number', 'item'],
})
await registry.register(`${topic}-value`, { schemaType: 'JSON', schema })

// 2. Records that are checked against it, and carry its id. The serializer asks the registry once: it is asynchronous, and
//    the records are in the order of the calls all the same.
const producer = new Producer({
  bootstrapServers,
  valueSerializer: new JsonSerializer(registry, SerdeType.VALUE, { useLatestVersion: true, validate: true }),
})
await Promise.all(
  [1, 2, 3].map((number) => producer.send({ topic, key: 'Ada', value: { number, item: `book ${number}` } })),
)
const refused = await producer.send({ topic, value: { number: 'four' } }).catch((error) => error)
console.log(`refused: ${refused.code}`)
await producer.close()

// 3. What is read says by which schema it was written.
const consumer = new Consumer({
  bootstrapServers,
  autoOffsetReset: 'earliest',
  valueDeserializer: new JsonDeserializer(registry, SerdeType.VALUE, {}),
})
await consumer.start()
consumer.assign([{ topic, partition: 0 }])
for (let left = 3; left > 0; left--) {
  const { offset, value } = await consumer.getOne()
  console.log(`offset ${offset}: order ${value.number}, ${value.item}`)
}
await consumer.close()
