import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MetadataSnapshot } from '#src/cluster/metadata.js'
import { PartitionSequences, sequenceAfter, type NumberedBatch } from '#src/producer/partition-sequences.js'
import { anonymous, type ProducerIdentity } from '#src/producer/producer-identity.js'

const last = 2 ** 31 - 1

function identity(producerId = 7): ProducerIdentity {
  return {
    ...anonymous,
    current: { producerId, producerEpoch: 0 },
    successor: (of) => ({ ...of, producerEpoch: of.producerEpoch + 1 }),
  }
}

let number = 0
function batch(count: number): NumberedBatch {
  return { number: number++, count, possiblyPersisted: true, keepsNumbers: false, stamp: undefined, lonelyRefusals: 0 }
}

test('rule 8: after 2^31 - 1 comes 0, between batches and within one', () => {
  assert.equal(sequenceAfter(last, 1), 0)
  assert.equal(sequenceAfter(last - 1, 1), last)
  assert.equal(sequenceAfter(last - 2, 5), 2)
  assert.equal(sequenceAfter(0, last), last)
  const sequences = new PartitionSequences()
  // The last one's records have the numbers 2^31 - 2, 2^31 - 1, 0 and 1.
  const batches = [batch(last - 1), batch(4), batch(1)]
  for (const one of batches) assert.equal(sequences.number(one, identity()), 'numbered')
  assert.deepEqual(
    batches.map(({ stamp }) => stamp!.baseSequence),
    [0, last - 1, 2],
  )
})

test('rule 8: exactly at the end the next batch begins at 0, and what surely is nowhere gives its number back', () => {
  const sequences = new PartitionSequences()
  const first = batch(last)
  const nowhere: NumberedBatch = { ...batch(1), possiblyPersisted: false }
  const [next, after] = [batch(1), batch(1)]
  sequences.number(first, identity())
  sequences.number(nowhere, identity())
  assert.equal(nowhere.stamp!.baseSequence, last)
  sequences.lost(nowhere)
  sequences.number(next, identity())
  sequences.number(after, identity())
  assert.deepEqual([next.stamp!.baseSequence, after.stamp!.baseSequence], [last, 0])
})

test('a partition takes another id, or a later epoch of a transaction, when none of its numbered batches is left', () => {
  const sequences = new PartitionSequences()
  const queue = (batches: NumberedBatch[], inFlight: number) => ({ topic: 'orders', partition: 0, batches, inFlight })
  const [old, fresh] = [batch(1), batch(1)]
  sequences.number(old, identity(7))
  const { current } = identity(8)
  assert.equal(sequences.maySend(queue([fresh], 1), 5, 1, MetadataSnapshot.empty, current!), false)
  // The old one is tried again with what it has.
  assert.equal(sequences.number(old, identity(8)), 'numbered')
  assert.equal(old.stamp!.producerId, 7)
  assert.equal(sequences.maySend(queue([fresh], 0), 5, 1, MetadataSnapshot.empty, current!), true)
  sequences.number(fresh, identity(8))
  assert.deepEqual(fresh.stamp, { producerId: 8, producerEpoch: 0, baseSequence: 0 })
})

test('without a next epoch a doubt has no way on until the id changes', () => {
  const sequences = new PartitionSequences()
  const transactional = { ...identity(), successor: () => undefined }
  const [sent, next] = [batch(1), batch(1)]
  sequences.number(sent, transactional)
  sequences.lost(sent)
  assert.equal(sequences.number(next, transactional), 'gap')
  assert.equal(next.stamp, undefined)
  const later = { ...transactional, current: { producerId: 7, producerEpoch: 1 } }
  assert.equal(sequences.number(next, later), 'numbered')
  assert.deepEqual(next.stamp, { producerId: 7, producerEpoch: 1, baseSequence: 0 })
})
