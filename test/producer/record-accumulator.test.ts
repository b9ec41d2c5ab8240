import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BufferMemory } from '#src/producer/buffer-memory.js'
import { FlushEpochs } from '#src/producer/flush-epochs.js'
import { PartitionQueue } from '#src/producer/partition-queue.js'
import type { BatchQueue, ProducerBatch } from '#src/producer/producer-batch.js'
import { RecordAccumulator } from '#src/producer/record-accumulator.js'
import { ManualClock } from '../support/manual-clock.ts'

function make(options: { lingerMs?: number; batchSize?: number; memory?: number; deliveryTimeoutMs?: number } = {}) {
  const { lingerMs = 5, batchSize = 1_000, memory = 10_000, deliveryTimeoutMs = 500 } = options
  const clock = new ManualClock()
  const bufferMemory = new BufferMemory(memory, batchSize)
  const epochs = new FlushEpochs()
  const accumulator = new RecordAccumulator({
    clock,
    memory: bufferMemory,
    epochs,
    batchSize,
    lingerMs,
    deliveryTimeoutMs,
  })
  const ready: BatchQueue[] = []
  const expired: ProducerBatch[] = []
  let roomMade = 0
  accumulator.events = {
    ready: (queue) => {
      ready.push(queue)
    },
    expired: (batch) => {
      expired.push(batch)
      batch.fail(() => new Error('expired'))
      accumulator.settled(batch)
    },
    room: () => {
      roomMade++
    },
  }
  const append = (queue: BatchQueue, value = 'x'.repeat(100)) => accumulator.append(queue, 1, null, value, undefined)
  return { clock, memory: bufferMemory, epochs, accumulator, ready, expired, append, roomMade: () => roomMade }
}

test('a batch that is not full lingers, and is ready when its time has come', async () => {
  const { clock, ready, append } = make()
  const queue = new PartitionQueue<ProducerBatch>('orders', 0)
  append(queue)
  await clock.advance(4)
  append(queue)
  assert.deepEqual(ready, [])
  await clock.advance(1)
  assert.deepEqual(ready, [queue])
  assert.equal(queue.hasReady, true)
  assert.equal(queue.batches.length, 1)
  assert.equal(queue.batches[0]!.count, 2)
})

test('a batch that has no room for the next record is ready at once', () => {
  const { ready, append } = make()
  const queue = new PartitionQueue<ProducerBatch>('orders', 0)
  while (queue.batches.length < 2) append(queue)
  assert.deepEqual(ready, [queue])
  assert.ok(queue.batches[0]!.builder.sizeInBytes <= 1_000)
  assert.equal(queue.batches[0]!.ready, true)
  assert.equal(queue.batches[1]!.ready, false)
})

test('without linger a batch is ready with its first record, and takes more until it is drained', () => {
  const { accumulator, ready, append } = make({ lingerMs: 0 })
  const queue = new PartitionQueue<ProducerBatch>('orders', 0)
  const batch = append(queue)
  assert.deepEqual(ready, [queue])
  assert.equal(append(queue), batch)
  assert.equal(accumulator.takeFirst(queue), batch)
  assert.notEqual(append(queue), batch)
})

test('only partitions whose time has come are looked at', async () => {
  const { clock, ready, append } = make()
  const early = new PartitionQueue<ProducerBatch>('orders', 0)
  const late = new PartitionQueue<ProducerBatch>('orders', 1)
  append(early)
  await clock.advance(3)
  append(late)
  await clock.advance(2)
  assert.deepEqual(ready, [early])
  await clock.advance(3)
  assert.deepEqual(ready, [early, late])
})

test('a record larger than a batch gets one of its own, which is ready', () => {
  const { accumulator, memory, ready, append } = make()
  const queue = new PartitionQueue<ProducerBatch>('orders', 0)
  const small = append(queue)
  const large = append(queue, 'x'.repeat(3_000))
  assert.notEqual(large, small)
  assert.equal(large!.ready, true)
  assert.equal(large!.builder.sizeInBytes > 3_000, true)
  assert.equal(ready.length, 2)
  assert.ok(memory.available < 10_000 - 1_000 - 3_000)
  assert.notEqual(append(queue), large)
  assert.equal(accumulator.incompleteCount, 3)
})

test('no batch is opened beyond the memory, and settling one makes room', () => {
  const { accumulator, memory, append, roomMade } = make({ memory: 2_000, lingerMs: 0 })
  const queues = [0, 1, 2].map((partition) => new PartitionQueue<ProducerBatch>('orders', partition))
  assert.notEqual(append(queues[0]!), undefined)
  assert.notEqual(append(queues[1]!), undefined)
  assert.equal(append(queues[2]!), undefined)
  assert.equal(memory.available, 0)
  const batch = accumulator.takeFirst(queues[0]!)
  batch.acknowledge(0, -1)
  accumulator.settled(batch)
  assert.equal(memory.available, 0, 'its request has not ended: a socket may still read its memory')
  accumulator.returned(batch)
  assert.equal(memory.available, 1_000)
  assert.equal(roomMade(), 1)
  assert.notEqual(append(queues[2]!), undefined)
})

test('a batch that comes back stands before those opened after it', () => {
  const { accumulator, append } = make({ lingerMs: 0 })
  const queue = new PartitionQueue<ProducerBatch>('orders', 0)
  const batches = [0, 1, 2].map(() => {
    accumulator.close(queue)
    return append(queue)!
  })
  assert.deepEqual(
    [0, 1].map(() => accumulator.takeFirst(queue)),
    batches.slice(0, 2),
  )
  for (const batch of [batches[1]!, batches[0]!]) {
    accumulator.returned(batch)
    accumulator.putBack(batch)
  }
  assert.deepEqual(queue.batches, batches)
})

test('a batch expires at its deadline, in its queue or under way, and a later one does not', async () => {
  const { clock, accumulator, memory, append, expired } = make()
  const queue = new PartitionQueue<ProducerBatch>('orders', 0)
  const other = new PartitionQueue<ProducerBatch>('orders', 1)
  const lost = append(queue)!
  const underWay = append(other)!
  accumulator.expedite(other)
  accumulator.takeFirst(other)
  await clock.advance(100)
  accumulator.close(queue)
  const later = append(queue)!
  await clock.advance(399)
  assert.deepEqual(expired, [])
  await clock.advance(1)
  assert.deepEqual(expired, [lost, underWay])
  assert.deepEqual(queue.batches, [later])
  assert.equal(memory.available, 10_000 - 2_000, 'what is under way keeps its memory')
  accumulator.returned(underWay)
  assert.equal(memory.available, 10_000 - 1_000)
  await clock.advance(100)
  assert.deepEqual(expired, [lost, underWay, later])
  assert.equal(clock.pendingTimers, 0)
})

test('a partition that waits to try again is ready when the time has come', async () => {
  const { clock, accumulator, ready, append } = make({ lingerMs: 0 })
  const queue = new PartitionQueue<ProducerBatch>('orders', 0)
  append(queue)
  ready.length = 0
  accumulator.delay(queue, clock.now() + 50)
  await clock.advance(49)
  assert.deepEqual(ready, [])
  await clock.advance(1)
  assert.deepEqual(ready, [queue])
  assert.equal(queue.retryAt, 0)
})

test('a flush waits for what was accepted before it and nothing else', async () => {
  const { accumulator, epochs, append } = make()
  const queue = new PartitionQueue<ProducerBatch>('orders', 0)
  const other = new PartitionQueue<ProducerBatch>('orders', 1)
  const before = append(queue)!
  let flushed = false
  const flush = epochs.flush().then(() => {
    flushed = true
  })
  accumulator.expediteAll()
  const after = append(other)!
  assert.equal(before.ready, true)
  assert.equal(after.ready, false)
  accumulator.takeFirst(queue)
  before.acknowledge(0, -1)
  accumulator.settled(before)
  await flush
  assert.equal(flushed, true)
  assert.equal(after.settled, false)
})

test('a record that waited before a flush is flushed with whatever batch it joins', async () => {
  const { accumulator, epochs, append } = make()
  const waited = epochs.accepted()
  let flushed = false
  const flush = epochs.flush().then(() => {
    flushed = true
  })
  const queue = new PartitionQueue<ProducerBatch>('orders', 0)
  const batch = append(queue)!
  accumulator.joined(batch, waited)
  epochs.settled(waited)
  assert.equal(batch.ready, true, 'it must not linger')
  await Promise.resolve()
  assert.equal(flushed, false)
  accumulator.takeFirst(queue)
  batch.acknowledge(0, -1)
  accumulator.settled(batch)
  await flush
})

test('each record is told its own offset and timestamp, in the order of sending', async () => {
  const { accumulator } = make()
  const queue = new PartitionQueue<ProducerBatch>('orders', 3)
  const told: Promise<unknown>[] = []
  let batch!: ProducerBatch
  for (const [timestamp, isSend] of [
    [10, true],
    [10, true],
    [11, false],
    [11, true],
    [9, true],
  ] as const) {
    batch = accumulator.append(queue, timestamp, null, 'v', undefined)!
    if (isSend) told.push(batch.promise(timestamp))
  }
  assert.equal(batch.unownedCount, 1)
  batch.acknowledge(100, -1)
  assert.deepEqual(
    await Promise.all(told),
    [
      [100, 10],
      [101, 10],
      [103, 11],
      [104, 9],
    ].map(([offset, timestamp]) => ({ topic: 'orders', partition: 3, offset, timestamp })),
  )
})

test('each record of a failed batch is told its own error', async () => {
  const { append } = make()
  const queue = new PartitionQueue<ProducerBatch>('orders', 3)
  const told = [0, 1, 2].map(() => append(queue)!.promise(1))
  queue.open!.fail((index) => new Error(`record ${index}`))
  const results = await Promise.allSettled(told)
  assert.deepEqual(
    results.map((result) => (result as PromiseRejectedResult).reason.message),
    ['record 0', 'record 1', 'record 2'],
  )
})
