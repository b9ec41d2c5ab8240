/**
 * What handing out one record costs, without a broker and without a socket: fetched blocks are made once and put into
 * the buffer again and again. Figures are ns per record, the best of several rounds; key and value lengths are read.
 *
 *     node bench/consume-hand-out.mjs [records]
 */

import { systemClock } from '#src/async/clock.js'
import { DeserializingBuffer } from '#src/consumer/deserializing-buffer.js'
import { FetchBuffer } from '#src/consumer/fetch-buffer.js'
import { FetchedBlock, FetchedChunk } from '#src/consumer/fetched-chunk.js'
import { HandOut } from '#src/consumer/hand-out.js'
import { RecordDeserializer } from '#src/consumer/record-deserializer.js'
import { RecordIterator } from '#src/consumer/record-iterator.js'
import { SubscriptionState } from '#src/consumer/subscription-state.js'
import { RecordBatchBuilder } from '#src/wire/records/record-batch-builder.js'
import { RecordBatchReader } from '#src/wire/records/record-batch-reader.js'

const total = Number(process.argv[2] ?? 1_000_000)
const perBatch = 140
const batchesPerBlock = 60
const rounds = 5

function block(baseOffset) {
  const parts = []
  for (let b = 0; b < batchesPerBlock; b++) {
    const builder = new RecordBatchBuilder({ sizeLimit: 65_536 })
    for (let i = 0; i < perBatch; i++) builder.append(1_700_000_000_000 + i, `key${10_000 + i}`, Buffer.alloc(100, i))
    const bytes = Buffer.from(builder.seal())
    bytes.writeBigInt64BE(BigInt(baseOffset + b * perBatch), 0)
    parts.push(bytes)
  }
  return Buffer.concat(parts)
}

const perBlock = perBatch * batchesPerBlock
const blocks = Array.from({ length: 12 }, (_, i) => block(i * perBlock))

/** A consumer's inside whose buffer is refilled as the fetcher would, from blocks that are there already. */
function setUp(valueDeserializer) {
  const subscription = new SubscriptionState()
  const [state] = subscription.add([{ topic: 'bench', partition: 0 }], 'earliest')
  subscription.wish = { kind: 'partitions' }
  state.announced = true
  state.moveTo(0)
  let next = 0
  const refill = () => {
    if (state.bufferedChunks >= 2) return
    const records = blocks[next % blocks.length]
    if (next > 0 && next % blocks.length === 0) state.moveTo(0)
    next++
    const batches = [...new RecordBatchReader(records, { checkCrcs: false })]
    const init = { state, block: new FetchedBlock(records.length, 1), batches, bytes: records.length }
    buffer.add(new FetchedChunk(init, { checkCrcs: true, copyRecords: false }))
  }
  const buffer = new FetchBuffer(subscription, refill)
  const deserializer = new RecordDeserializer({ valueDeserializer, onDeserializationError: 'throw' })
  const events = { onReady: () => handOut.serve() }
  const supply = valueDeserializer && new DeserializingBuffer(subscription, buffer, deserializer, events)
  const handOut = new HandOut(systemClock, subscription, supply ?? buffer, {
    onWait: refill,
    groupMetadata: () => undefined,
    onConsume: undefined,
  })
  refill()
  return handOut
}

/** getMany(500) with a deserializer of values. */
async function made(count, valueDeserializer) {
  const handOut = setUp(valueDeserializer)
  let bytes = 0
  for (let n = 0; n < count;) {
    const records = await handOut.many({ filter: undefined, maxRecords: 500, timeoutMs: 100 })
    for (const { key, value } of records) bytes += key.length + value.length
    n += records.size
  }
  return bytes
}

const ways = {
  async 'getMany(5000)'(count) {
    const handOut = setUp()
    let bytes = 0
    for (let n = 0; n < count;) {
      const records = await handOut.many({ filter: undefined, maxRecords: 5_000, timeoutMs: 100 })
      for (const { key, value } of records) bytes += key.length + value.length
      n += records.size
    }
    return bytes
  },
  async 'getMany(500)'(count) {
    const handOut = setUp()
    let bytes = 0
    for (let n = 0; n < count;) {
      const records = await handOut.many({ filter: undefined, maxRecords: 500, timeoutMs: 100 })
      for (const { key, value } of records) bytes += key.length + value.length
      n += records.size
    }
    return bytes
  },
  async 'made at once'(count) {
    return await made(count, (_topic, data) => data)
  },
  async 'made later'(count) {
    return await made(count, async (_topic, data) => data)
  },
  async 'for await'(count) {
    let bytes = 0
    let n = 0
    for await (const { key, value } of new RecordIterator(setUp())) {
      bytes += key.length + value.length
      if (++n === count) break
    }
    return bytes
  },
  async 'getOne'(count) {
    const handOut = setUp()
    let bytes = 0
    for (let n = 0; n < count; n++) {
      const { key, value } = await handOut.one(undefined, undefined)
      bytes += key.length + value.length
    }
    return bytes
  },
}

console.log(`Node ${process.versions.node}: ns per record (108 bytes, ${perBatch} per batch, sums checked)`)
for (const [name, run] of Object.entries(ways)) {
  let best = Infinity
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage()
    await run(total)
    const { user, system } = process.cpuUsage(before)
    best = Math.min(best, ((user + system) * 1000) / total)
  }
  console.log(`${name.padEnd(16)}${best.toFixed(0).padStart(6)}`)
}
