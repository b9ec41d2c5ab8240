import assert from 'node:assert/strict'
import { test } from 'node:test'
import { askPartitioner, randomPartition, StickyChoice, type PartitionView } from '#src/producer/partitioner.js'

function view(queueLengths: readonly number[], available = queueLengths.map((_, i) => i)): PartitionView {
  return {
    name: 'orders',
    partitionCount: queueLengths.length,
    availablePartitions: available,
    queueLength: (partition) => queueLengths[partition]!,
  }
}

/** Chance that walks evenly through [0, 1). */
function evenly(steps: number): { next(): number; uuid(): string } {
  let step = 0
  return { next: () => (step++ % steps) / steps, uuid: () => '' }
}

function shares(of: PartitionView, throws: number): number[] {
  const random = evenly(throws)
  const counts = new Array<number>(of.partitionCount).fill(0)
  for (let i = 0; i < throws; i++) counts[new StickyChoice().partition(of, random)]!++
  return counts
}

test('records without a key stay with a partition for a batch and then go on', () => {
  const choice = new StickyChoice()
  const random = evenly(3)
  const three = view([0, 0, 0])
  const first = choice.partition(three, random)
  choice.wrote(90, 100, three, random)
  assert.equal(choice.partition(three, random), first, 'in the middle of a batch')
  assert.equal(choice.beginsBatch(9, 100, three, random), first, 'a new batch, but its share is not used up')
  choice.wrote(9, 100, three, random)
  assert.notEqual(choice.beginsBatch(2, 100, three, random), first, 'a new batch after its share')
})

test('after twice a batch a partition is left even in the middle of a batch', () => {
  const choice = new StickyChoice()
  const random = evenly(3)
  const three = view([0, 0, 0])
  const first = choice.partition(three, random)
  choice.wrote(150, 100, three, random)
  assert.equal(choice.partition(three, random), first)
  choice.wrote(50, 100, three, random)
  assert.notEqual(choice.partition(three, random), first)
})

test('partitions with short queues are chosen more often (KIP-794)', () => {
  // Weights are longest + 1 - length: 1, 3, 4.
  assert.deepEqual(shares(view([3, 1, 0]), 800), [100, 300, 400])
})

test('as long as a partition never had a queue, lengths do not count', () => {
  assert.deepEqual(shares(view([3, -1, 0]), 300), [100, 100, 100])
})

test('only partitions with a leader are chosen, unless none has one', () => {
  assert.deepEqual(shares(view([0, 0, 0], [1]), 30), [0, 30, 0])
  assert.deepEqual(shares(view([0, 0, 0], []), 30), [10, 10, 10])
  assert.equal(randomPartition(view([0, 0, 0], [2]), evenly(2)), 2)
})

test('a partition of the day that is gone is chosen anew', () => {
  const choice = new StickyChoice()
  const random = { next: () => 0.99, uuid: () => '' }
  assert.equal(choice.partition(view([0, 0, 0]), random), 2)
  assert.equal(choice.partition(view([0]), random), 0)
})

test("a partitioner of the user's own must give a partition that exists", () => {
  const context = {
    topic: 'orders',
    key: 'k',
    value: 'v',
    headers: [],
    partitionCount: 3,
    availablePartitions: [0, 1, 2],
  }
  assert.equal(
    askPartitioner(({ key, partitionCount }) => String(key).length % partitionCount, context),
    1,
  )
  for (const wrong of [3, -1, 1.5, NaN, '1', undefined]) {
    assert.throws(() => askPartitioner(() => wrong as number, context), {
      code: 'INVALID_ARGUMENT',
      persistence: 'not-persisted',
      message: /the partitioner must give a partition of 'orders' from 0 to 2/,
    })
  }
  const cause = new Error('no idea')
  assert.throws(
    () =>
      askPartitioner(() => {
        throw cause
      }, context),
    { code: 'INVALID_ARGUMENT', cause },
  )
})
