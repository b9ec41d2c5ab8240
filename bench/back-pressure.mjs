// What the producer's memory is bounded by when a broker is slower than its caller: RSS of a process that does nothing but
// send, against a broker in a process of its own that lets every Produce wait.
//
//   node bench/back-pressure.mjs [--records 10000000] [--size 100] [--delay-ms 10] [--heedless] [--limit-mib 200]
//
// Heedful (default): every send() is followed by `await drained()`, and nothing else is awaited. With --heedless nothing
// is awaited at all: the records that find no room are refused, and every promise must settle. Exits with 1 when RSS went
// over the limit, or when a promise did not settle as it must. Prints one line of JSON.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values: options } = parseArgs({
  options: {
    'records': { type: 'string', default: '10000000' },
    'size': { type: 'string', default: '100' },
    'partitions': { type: 'string', default: '6' },
    'delay-ms': { type: 'string', default: '10' },
    'heedless': { type: 'boolean', default: false },
    'limit-mib': { type: 'string', default: '200' },
    'verbose': { type: 'boolean', default: false },
    'broker': { type: 'boolean', default: false },
  },
})
const topic = 'slow'

/** Answers each Produce only after a while, keeps next to nothing, and ends with its parent. */
async function runBroker() {
  const { TestCluster } = await import('jackdaw/testing')
  const { Produce } = await import('jackdaw/wire')
  const cluster = await TestCluster.start({
    topics: { [topic]: Number(options.partitions) },
    maxLogBytes: 1_048_576,
    keepRequests: 1,
  })
  const wait = async (request, { delay }) => {
    await delay(Number(options['delay-ms']))
    return undefined
  }
  cluster.control(Produce, wait, { keep: true })
  process.once('disconnect', () => process.exit(0))
  process.send(cluster.bootstrapServers)
}

async function main() {
  const broker = fork(fileURLToPath(import.meta.url), ['--broker', ...process.argv.slice(2)])
  const [bootstrapServers] = await once(broker, 'message')
  const { Producer } = await import('jackdaw')
  const total = Number(options.records)
  const producer = new Producer({ bootstrapServers })
  await producer.start()
  await producer.partitionsFor(topic)

  const startedAt = performance.now()
  const startRss = process.memoryUsage.rss()
  let peakRss = startRss
  let acknowledged = 0
  let refused = 0
  let failed = 0
  let firstFailure
  const settled = () => acknowledged + refused + failed
  const onAcknowledged = () => {
    acknowledged++
  }
  const onFailed = (error) => {
    if (error.code === 'BUFFER_FULL') refused++
    else {
      failed++
      firstFailure ??= error
    }
  }
  let lookedAt = 0
  const look = () => {
    const rss = process.memoryUsage.rss()
    if (rss > peakRss) peakRss = rss
    if (!options.verbose || performance.now() - lookedAt < 1_000) return
    lookedAt = performance.now()
    const { heapUsed, external, arrayBuffers } = process.memoryUsage()
    const mib = (bytes) => Math.round(bytes / 1_048_576)
    console.error(
      `${settled()} settled: rss ${mib(rss)}, heap ${mib(heapUsed)}, external ${mib(external)}, buffers ${mib(arrayBuffers)} MiB`,
    )
  }
  const value = Buffer.alloc(Number(options.size), 'x')
  for (let i = 0; i < total; i++) {
    producer.send({ topic, value }).then(onAcknowledged, onFailed)
    if (!options.heedless) await producer.drained()
    if (i % 10_000 === 0) {
      look()
      // Whoever heeds nothing still lets the process breathe now and then, or nothing would ever be sent.
      if (options.heedless) await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const sentAt = performance.now()
  while (settled() < total) {
    await Promise.race([producer.flush(), new Promise((resolve) => setTimeout(resolve, 100))])
    look()
    if (performance.now() - sentAt > 300_000) break
  }
  const { bufferUsedBytes, waitingBytes } = producer.metrics()
  await producer.close()
  broker.disconnect()

  const problems = []
  const limit = Number(options['limit-mib'])
  const peakMib = Math.round(peakRss / 1_048_576)
  if (peakMib > limit) problems.push(`RSS went up to ${peakMib} MiB, and ${limit} are the limit`)
  if (settled() !== total) problems.push(`${total - settled()} promises did not settle`)
  if (failed > 0) problems.push(`${failed} records failed: ${firstFailure.message}`)
  if (!options.heedless && refused > 0) problems.push(`${refused} records were refused although drained() was awaited`)
  const seconds = (performance.now() - startedAt) / 1_000
  console.log(
    JSON.stringify({
      records: total,
      size: Number(options.size),
      heedless: options.heedless,
      node: process.versions.node,
      acknowledged,
      refused,
      startRssMib: Math.round(startRss / 1_048_576),
      peakRssMib: peakMib,
      seconds: Math.round(seconds * 10) / 10,
      leftBytes: bufferUsedBytes + (waitingBytes ?? 0),
      problems,
    }),
  )
  if (problems.length > 0) process.exitCode = 1
}

await (options.broker ? runBroker() : main())
