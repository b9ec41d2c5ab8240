// What a record costs the producer in CPU, without a broker: a cluster that acknowledges every request at once, so that
// what is measured is checking, partitioning, encoding, sealing and settling, but no socket.
//
//   node bench/produce.mjs [--records 1000000] [--size 100] [--idempotent false] [--brokers host:port --topic name]
//
// With --brokers the same loops run against a real cluster, on a topic that exists.
import { parseArgs } from 'node:util'
import { Cluster } from '#src/cluster/cluster.js'
import { MetadataSnapshot } from '#src/cluster/metadata.js'
import { Producer } from '#src/producer/producer.js'

const { values: options } = parseArgs({
  options: {
    records: { type: 'string', default: '1000000' },
    size: { type: 'string', default: '100' },
    partitions: { type: 'string', default: '6' },
    compression: { type: 'string', default: 'none' },
    idempotent: { type: 'string', default: 'true' },
    brokers: { type: 'string' },
    topic: { type: 'string', default: 'bench' },
    only: { type: 'string' },
  },
})
const total = Number(options.records)
const size = Number(options.size)
const { topic } = options
const inFlight = 20_000

/** Knows one topic, led by one broker, and acknowledges whatever it is sent. */
class InstantCluster extends Cluster {
  #snapshot
  #offsets = new Map()

  constructor() {
    super({})
    const partitions = Array.from({ length: Number(options.partitions) }, (_, partition) => ({
      partition,
      leader: 1,
      leaderEpoch: 1,
      replicas: [1],
      isr: [1],
      offlineReplicas: [],
      error: 'NONE',
    }))
    this.#snapshot = new MetadataSnapshot({
      version: 1,
      clusterId: 'instant',
      controllerId: 1,
      brokers: [{ id: 1, host: 'nowhere', port: 1, rack: null }],
      topics: [{ name: topic, topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', isInternal: false, error: 'NONE', partitions }],
    })
  }

  get metadata() {
    return this.#snapshot
  }

  async start() {
    return this
  }

  async topic(name) {
    return this.#snapshot.topics.get(name)
  }

  useTopics() {}

  async send(_target, api, request) {
    if (api.name === 'InitProducerId') return { throttleTimeMs: 0, errorCode: 0, producerId: 1, producerEpoch: 0 }
    const { topicData } = request
    await new Promise((resolve) => setImmediate(resolve))
    return {
      throttleTimeMs: 0,
      nodeEndpoints: [],
      responses: topicData.map(({ name, partitionData }) => ({
        name,
        partitionResponses: partitionData.map(({ index, records }) => {
          const baseOffset = this.#offsets.get(index) ?? 0
          this.#offsets.set(index, baseOffset + Buffer.from(records.buffer, records.byteOffset).readInt32BE(57))
          return {
            index,
            errorCode: 0,
            baseOffset,
            logAppendTimeMs: -1,
            recordErrors: [],
            errorMessage: null,
            currentLeader: { leaderId: -1, leaderEpoch: -1 },
          }
        }),
      })),
    }
  }
}

const keys = Array.from({ length: 1024 }, (_, i) => Buffer.from(`key-${String(i).padStart(4, '0')}`))
const values = Array.from({ length: 1024 }, (_, i) => Buffer.alloc(size, `value ${i} `))
const textKeys = keys.map(String)
const textValues = values.map(String)

const loops = {
  async send(producer, record) {
    let acknowledged = 0
    let sent = 0
    let wake
    const done = () => {
      acknowledged++
      if (wake !== undefined && sent - acknowledged <= inFlight * 0.75) wake()
    }
    while (sent < total) {
      if (sent - acknowledged >= inFlight) await new Promise((resolve) => (wake = resolve))
      wake = undefined
      producer.send(record(sent++)).then(done)
    }
    await producer.flush()
  },
  async sendBatch(producer, record) {
    let next = 0
    await Promise.all(
      Array.from({ length: inFlight / 1000 }, async () => {
        while (next < total) {
          const from = next
          next += 1000
          await producer.sendBatch(
            topic,
            Array.from({ length: 1000 }, (_, i) => record(from + i)),
          )
        }
      }),
    )
  },
  async enqueue(producer, record) {
    for (let i = 0; i < total; i++) {
      while (!producer.enqueue(record(i))) await producer.drained()
      if ((i & 0x3fff) === 0x3fff) await producer.flush()
    }
    await producer.flush()
  },
}
const records = {
  'buffers': (i) => ({ topic, key: keys[i & 1023], value: values[i & 1023] }),
  'strings': (i) => ({ topic, key: textKeys[i & 1023], value: textValues[i & 1023] }),
  'no key': (i) => ({ topic, value: values[i & 1023] }),
}

console.log(`Node ${process.version}, ${total} records of ${size} bytes, ${options.brokers ?? 'no broker'}`)
for (const [what, record] of Object.entries(records)) {
  for (const [how, loop] of Object.entries(loops)) {
    if (options.only !== undefined && !`${how} ${what}`.includes(options.only)) continue
    const best = { cpu: Infinity, wall: Infinity }
    for (let round = 0; round < 3; round++) {
      const where =
        options.brokers === undefined ? { cluster: new InstantCluster() } : { bootstrapServers: options.brokers }
      const producer = new Producer({
        ...where,
        compression: options.compression,
        idempotent: options.idempotent === 'true',
      })
      await producer.start()
      const before = process.cpuUsage()
      const startedAt = performance.now()
      await loop(producer, record)
      const wall = performance.now() - startedAt
      const { user, system } = process.cpuUsage(before)
      best.cpu = Math.min(best.cpu, ((user + system) * 1_000) / total)
      best.wall = Math.min(best.wall, (wall * 1e6) / total)
      await producer.close()
    }
    const line = `${how.padEnd(10)} ${what.padEnd(8)} ${best.cpu.toFixed(0).padStart(6)} ns CPU ${best.wall.toFixed(0).padStart(6)} ns wall per record`
    console.log(line)
  }
}
