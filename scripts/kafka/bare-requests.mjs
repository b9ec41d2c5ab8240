/** The two requests that scripts and test support make themselves, by hand, so that they need no client and judge ours
 *  by nothing of its own: Metadata v1 (who is in the cluster) and CreateTopics v2. */

import { connect } from 'node:net'

const clientId = 'jackdaw-probe'

class Reader {
  #bytes
  #at = 8 // after size and correlation id
  constructor(bytes) {
    this.#bytes = bytes
  }
  #advance(count) {
    this.#at += count
    return this.#at - count
  }
  boolean() {
    return this.#bytes.readInt8(this.#advance(1)) !== 0
  }
  int16() {
    return this.#bytes.readInt16BE(this.#advance(2))
  }
  int32() {
    return this.#bytes.readInt32BE(this.#advance(4))
  }
  string() {
    const length = this.int16()
    return length < 0 ? null : this.#bytes.toString('utf8', this.#advance(length), this.#at)
  }
  array(element) {
    return Array.from({ length: Math.max(this.int32(), 0) }, element)
  }
}

const int8 = (value) => Buffer.from([value])
const int16 = (value) => Buffer.from([(value >> 8) & 0xff, value & 0xff])
const int32 = (value) => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}
const string = (value) => Buffer.concat([int16(Buffer.byteLength(value)), Buffer.from(value)])
const array = (values, element) => Buffer.concat([int32(values.length), ...values.map(element)])

/** Sends one request on a connection of its own and resolves to a reader of the answer's body. */
function ask({ address, apiKey, version, body, timeoutMs }) {
  const message = Buffer.concat([int16(apiKey), int16(version), int32(1), string(clientId), ...body])
  const colon = address.lastIndexOf(':')
  return new Promise((resolve, reject) => {
    const socket = connect(Number(address.slice(colon + 1)), address.slice(0, colon))
    const chunks = []
    const timer = setTimeout(() => {
      socket.destroy(new Error(`${address} did not answer in ${timeoutMs} ms`))
    }, timeoutMs)
    socket.on('connect', () => socket.write(Buffer.concat([int32(message.length), message])))
    socket.on('error', reject)
    socket.on('close', () => {
      clearTimeout(timer)
      reject(new Error(`${address} closed the connection`))
    })
    socket.on('data', (chunk) => {
      chunks.push(chunk)
      const bytes = Buffer.concat(chunks)
      if (bytes.length < 4 || bytes.length < 4 + bytes.readInt32BE(0)) return
      resolve(new Reader(bytes))
      socket.destroy()
    })
  })
}

/**
 * What the broker at `address` (host:port) knows: `{ brokers: [{ id, host, port }], controllerId, topics: [{ name,
 * errorCode, partitions: [{ partition, errorCode, leader, replicas, inSyncReplicas }] }] }`. Asks for no topics unless
 * some are named.
 */
export async function askMetadata(address, { topics = [], timeoutMs = 3_000 } = {}) {
  const body = [array(topics, string)]
  const answer = await ask({ address, apiKey: 3, version: 1, body, timeoutMs })
  const brokers = answer.array(() => {
    const broker = { id: answer.int32(), host: answer.string(), port: answer.int32() }
    answer.string() // rack
    return broker
  })
  const controllerId = answer.int32()
  const topicsFound = answer.array(() => {
    const errorCode = answer.int16()
    const name = answer.string()
    answer.boolean() // internal
    const partitions = answer.array(() => ({
      errorCode: answer.int16(),
      partition: answer.int32(),
      leader: answer.int32(),
      replicas: answer.array(() => answer.int32()),
      inSyncReplicas: answer.array(() => answer.int32()),
    }))
    return { name, errorCode, partitions }
  })
  return { brokers, controllerId, topics: topicsFound }
}

/**
 * Makes a topic; rejects with the broker's words when it refuses. Goes to the controller, as brokers of a ZooKeeper want
 * it; of a KRaft cluster, any broker is named as that.
 */
export async function createTopic(address, { name, partitions, replicationFactor, configs = {}, timeoutMs = 20_000 }) {
  const settings = array(Object.entries(configs), ([key, value]) => Buffer.concat([string(key), string(String(value))]))
  const topic = Buffer.concat([string(name), int32(partitions), int16(replicationFactor), int32(0), settings])
  const body = [int32(1), topic, int32(timeoutMs), int8(0)]
  const { brokers, controllerId } = await askMetadata(address)
  const controller = brokers.find(({ id }) => id === controllerId)
  const target = controller === undefined ? address : `${controller.host}:${controller.port}`
  const answer = await ask({ address: target, apiKey: 19, version: 2, body, timeoutMs: timeoutMs + 1_000 })
  answer.int32() // throttle time
  answer.array(() => {
    const topicName = answer.string()
    const errorCode = answer.int16()
    const words = answer.string()
    if (errorCode !== 0) throw new Error(`making topic '${topicName}' failed with error ${errorCode}: ${words}`)
  })
}
