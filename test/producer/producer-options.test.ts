import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Cluster } from '#src/cluster/cluster.js'
import { readClusterOptions } from '#src/cluster/cluster-options.js'
import { Producer } from '#src/producer/producer.js'
import { readProducerOptions, type ProducerOptions } from '#src/producer/producer-options.js'

const connection = readClusterOptions('Producer', {})

function refusal(options: Record<string, unknown>): { option: string; message: string } {
  try {
    new Producer(options as ProducerOptions)
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'INVALID_OPTION')
    return error as { option: string; message: string }
  }
  throw new assert.AssertionError({ message: `nothing is wrong with ${JSON.stringify(options)}` })
}

test("the defaults are Kafka's", () => {
  assert.deepEqual(readProducerOptions({}, connection), {
    acks: 'all',
    idempotent: true,
    lingerMs: 5,
    batchSize: 16_384,
    maxRequestSize: 1_048_576,
    maxInFlightRequests: 5,
    deliveryTimeoutMs: 120_000,
    bufferMemory: 33_554_432,
    maxBlockMs: 60_000,
    metadataMaxIdleMs: 300_000,
    compression: 'none',
    partitioner: 'default',
    partitionerIgnoreKeys: false,
    partitionerAdaptivePartitioning: true,
    partitionerAvailabilityTimeoutMs: 0,
  })
})

test('a wrong value is refused with the option and what it may be', () => {
  assert.match(refusal({ acks: 2 }).message, /option 'acks' of Producer must be one of 'all', -1, 0, 1, not 2/)
  assert.match(refusal({ compression: 'zip' }).message, /'gzip'.*\{ codec, level \}.*not 'zip'/)
  assert.match(refusal({ compression: { codec: 'gzip', level: 1.5 } }).message, /level that is a whole number/)
  assert.match(refusal({ compression: { codec: 'gzip', lvl: 1 } }).message, /'lvl'/)
  assert.match(refusal({ partitioner: 'crc' }).message, /'murmur2-random', 'consistent-random' or a function/)
  for (const option of ['lingerMs', 'batchSize', 'maxRequestSize', 'bufferMemory', 'maxBlockMs', 'deliveryTimeoutMs']) {
    assert.equal(refusal({ [option]: -1 }).option, option)
  }
})

test('a level that a codec does not have is refused', () => {
  assert.match(refusal({ compression: { codec: 'gzip', level: 10 } }).message, /gzip.*-1.*1 to 9, not 10$/)
  assert.match(refusal({ compression: { codec: 'lz4', level: 18 } }).message, /lz4.*1 to 17/)
  assert.match(refusal({ compression: { codec: 'zstd', level: 23 } }).message, /zstd.*-131072 to 22/)
  assert.match(refusal({ compression: { codec: 'snappy', level: 1 } }).message, /snappy.*no levels/)
  assert.match(refusal({ compression: { codec: 'none', level: 1 } }).message, /none.*no levels/)
  for (const [codec, level] of [
    ['gzip', -1],
    ['gzip', 9],
    ['lz4', 1],
    ['zstd', -5],
  ] as const) {
    new Producer({ compression: { codec, level } }).destroy()
  }
})

test('an option that does not exist is refused, also one of a later Kafka feature', () => {
  for (const option of ['ackz', 'transactionalId', 'keyDeserializer']) {
    assert.equal(refusal({ [option]: true }).option, option)
  }
})

test('options that contradict each other are refused', () => {
  const { option, message } = refusal({ deliveryTimeoutMs: 1_000, lingerMs: 5, requestTimeoutMs: 1_000 })
  assert.equal(option, 'deliveryTimeoutMs')
  assert.match(message, /must be at least lingerMs \+ requestTimeoutMs \(5 \+ 1000 = 1005\)/)
  assert.equal(refusal({ bufferMemory: 100, batchSize: 101 }).option, 'bufferMemory')
  for (const partitioner of ['consistent-random', 'murmur2-random', () => 0]) {
    assert.equal(refusal({ partitioner, partitionerIgnoreKeys: true }).option, 'partitionerIgnoreKeys')
    assert.equal(
      refusal({ partitioner, partitionerAvailabilityTimeoutMs: 9 }).option,
      'partitionerAvailabilityTimeoutMs',
    )
  }
  assert.equal(
    refusal({ partitionerAdaptivePartitioning: false, partitionerAvailabilityTimeoutMs: 9 }).option,
    'partitionerAvailabilityTimeoutMs',
  )
  const cluster = new Cluster({})
  assert.equal(refusal({ cluster, clientId: 'x' }).option, 'clientId')
  cluster.destroy()
})

test('acks other than all turn idempotence off, and contradict it when both are asked for', () => {
  assert.equal(readProducerOptions({ acks: 1 }, connection).idempotent, false)
  assert.equal(readProducerOptions({ acks: 0 }, connection).idempotent, false)
  assert.equal(readProducerOptions({ acks: -1 }, connection).idempotent, true)
  assert.equal(readProducerOptions({ acks: 1, idempotent: false }, connection).idempotent, false)
  const { option, message } = refusal({ acks: 1, idempotent: true })
  assert.equal(option, 'idempotent')
  assert.match(message, /'idempotent' of Producer \(true\) contradicts 'acks' \(1\)/)
})

test('a long request timeout alone raises the default of the delivery timeout', () => {
  const patient = readClusterOptions('Producer', { requestTimeoutMs: 300_000 })
  assert.equal(readProducerOptions({}, patient).deliveryTimeoutMs, 300_005)
})
