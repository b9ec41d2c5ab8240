import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Random } from '#src/async/random.js'
import {
  askPartitioner,
  randomPartition,
  StickyChoice,
  type PartitionView,
  type StickyPolicy,
} from '#src/producer/partitioner.js'

function view(queueLengths: readonly number[], available = queueLengths.map((_, i) => i)): PartitionView {
  return {
    name: 'orders',
    partitionCount: queueLengths.length,
    availablePartitions: available,
    queueLength: (partition) => queueLengths[partition]!,
    // Node 10 leads partition 0, node 11 partition 1, and so on.
    leader: (partition) => 10 + partition,
  }
}

/** Chance that walks evenly through [0, 1). */
function evenly(steps: number): { next(): number; uuid(): string } {
  let step = 0
  return { next: () => (step++ % steps) / steps, uuid: () => '' }
}

function policy(random: Random, given: Partial<StickyPolicy> = {}): StickyPolicy {
  return { random, batchSize: 100, isAdaptive: true, isSilent: undefined, ...given }
}

function shares(of: PartitionView, throws: number, given: Partial<StickyPolicy> = {}): number[] {
  const shared = policy(evenly(throws), given)
  const counts = new Array<number>(of.partitionCount).fill(0)
  for (let i = 0; i < throws; i++) counts[new StickyChoice(shared).partition(of)]!++
  return counts
}

test('records without a key stay with a partition for a batch and then go on', () => {
  const choice = new StickyChoice(policy(evenly(3)))
  const three = view([0, 0, 0])
  const first = choice.partition(three)
  choice.wrote(90, three)
  assert.equal(choice.partition(three), first, 'in the middle of a batch')
  assert.equal(choice.beginsBatch(9, three), first, 'a new batch, but its share is not used up')
  choice.wrote(9, three)
  assert.notEqual(choice.beginsBatch(2, three), first, 'a new batch after its share')
})

test('after twice a batch a partition is left even in the middle of a batch', () => {
  const choice = new StickyChoice(policy(evenly(3)))
  const three = view([0, 0, 0])
  const first = choice.partition(three)
  choice.wrote(150, three)
  assert.equal(choice.partition(three), first)
  choice.wrote(50, three)
  assert.notEqual(choice.partition(three), first)
})

test('partitions with short queues are chosen more often (KIP-794)', () => {
  // Weights are longest + 1 - length: 1, 3, 4.
  assert.deepEqual(shares(view([3, 1, 0]), 800), [100, 300, 400])
})

test('as long as a partition never had a queue, lengths do not count', () => {
  assert.deepEqual(shares(view([3, -1, 0]), 300), [100, 100, 100])
})

test('lengths do not count either where adaptive partitioning is off', () => {
  assert.deepEqual(shares(view([3, 1, 0]), 300, { isAdaptive: false }), [100, 100, 100])
})

test('brokers that do not answer are left out, and the others share by their queues', () => {
  const isSilent = (node: number): boolean => node === 11
  assert.deepEqual(shares(view([3, 0, 0]), 500, { isSilent }), [100, 0, 400])
  assert.deepEqual(shares(view([0, 0], [0, 1]), 30, { isSilent }), [30, 0])
})

test('when no broker answers, all are as good as any', () => {
  assert.deepEqual(shares(view([3, 1, 0]), 300, { isSilent: () => true }), [100, 100, 100])
})

test('only partitions with a leader are chosen, unless none has one', () => {
  assert.deepEqual(shares(view([0, 0, 0], [1]), 30), [0, 30, 0])
  assert.deepEqual(shares(view([0, 0, 0], []), 30), [10, 10, 10])
  assert.equal(randomPartition(view([0, 0, 0], [2]), evenly(2)), 2)
})

test('a partition of the day that is gone is chosen anew', () => {
  const choice = new StickyChoice(policy({ next: () => 0.99, uuid: () => '' }))
  assert.equal(choice.partition(view([0, 0, 0])), 2)
  assert.equal(choice.partition(view([0])), 0)
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
