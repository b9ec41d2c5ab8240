import assert from 'node:assert/strict'
import { test } from 'node:test'

import { FetchBuffer } from '#src/consumer/fetch-buffer.js'
import { FetchedBlock, FetchedChunk } from '#src/consumer/fetched-chunk.js'
import { FetchedRecords } from '#src/consumer/fetched-records.js'
import { HandOut } from '#src/consumer/hand-out.js'
import { RecordIterator } from '#src/consumer/record-iterator.js'
import { filterOf, SubscriptionState } from '#src/consumer/subscription-state.js'
import { ClosedError, IllegalStateError } from '#src/errors/errors.js'
import { RecordBatchReader } from '#src/wire/records/record-batch-reader.js'
import { ManualClock } from '../support/manual-clock.ts'
import { batchOf } from './scripted-logs.ts'

function setUp(partitions = 1) {
  const clock = new ManualClock()
  const subscription = new SubscriptionState()
  const states = subscription.add(
    Array.from({ length: partitions }, (_, partition) => ({ topic: 't', partition })),
    'earliest',
  )
  subscription.wish = { kind: 'partitions' }
  for (const state of states) {
    state.announced = true
    state.moveTo(0)
  }
  const buffer = new FetchBuffer(subscription, () => {})
  let waits = 0
  const group = { groupId: 'g', generationId: 3, memberId: 'm', groupInstanceId: null }
  const host = { onWait: () => waits++, groupMetadata: () => ({ ...group }), onConsume: undefined }
  const handOut = new HandOut(clock, subscription, buffer, host)
  /** As the fetcher does it, a batch at a time. */
  const arrive = (partition: number, values: readonly string[]): void => {
    const state = states[partition]!
    const bytes = batchOf(state.fetchOffset, values)
    state.fetchOffset += values.length
    const batches = [...new RecordBatchReader(bytes)]
    const init = {
      state,
      block: new FetchedBlock(bytes.length, 1),
      batches,
      bytes: bytes.length,
      brokenBy: undefined,
      aborted: undefined,
    }
    buffer.add(new FetchedChunk(init, { checkCrcs: true, copyRecords: false }))
    handOut.serve()
  }
  const many = (options: Partial<Parameters<HandOut['many']>[0]> = {}) =>
    handOut.many({ filter: undefined, maxRecords: 500, timeoutMs: undefined, signal: undefined, ...options })
  return { clock, subscription, states, buffer, handOut, arrive, many, group, waits: () => waits }
}

test('calls that wait are served in the order in which they came', async () => {
  const { handOut, arrive } = setUp()
  const served: string[] = []
  const calls = ['first', 'second', 'third'].map((name) =>
    handOut.one(undefined, undefined).then(({ offset }) => served.push(`${name} ${offset}`)),
  )
  arrive(0, ['a', 'b'])
  await Promise.all(calls.slice(0, 2))
  assert.deepEqual(served, ['first 0', 'second 1'])
  arrive(0, ['c'])
  await Promise.all(calls)
  assert.deepEqual(served, ['first 0', 'second 1', 'third 2'])
})

test('a call that waits for one partition lets others pass that ask for another', async () => {
  const { handOut, arrive, states } = setUp(2)
  const waiting = handOut.one(filterOf([states[1]!]), undefined)
  const any = handOut.one(undefined, undefined)
  arrive(0, ['zero'])
  assert.equal((await any).partition, 0)
  arrive(1, ['one'])
  assert.equal((await waiting).partition, 1)
})

test('a call finishes what was handed out before it, of the partitions it asks for, and nothing later', async () => {
  const { handOut, arrive, states, many } = setUp(2)
  const [zero, one] = states
  arrive(0, ['a', 'b'])
  arrive(1, ['c'])
  await many()
  assert.deepEqual([zero!.finished, one!.finished], [0, 0])
  const pending = handOut.one(filterOf([zero!]), undefined)
  assert.deepEqual([zero!.finished, one!.finished], [2, 0])
  arrive(0, ['d'])
  await pending
  assert.equal(zero!.finished, 2)
})

test('leaving a loop finishes nothing', async () => {
  const { handOut, arrive, states } = setUp()
  arrive(0, ['a', 'b', 'c'])
  const iterator = new RecordIterator(handOut)
  for await (const { offset } of iterator) if (offset === 1) break
  assert.equal(states[0]!.finished, 1)
  assert.equal(states[0]!.position, 2)
  assert.equal((await iterator.next()).done, true)
})

test('time runs for getMany only: what is there comes at once, and nothing when it is up', async () => {
  const { clock, many, arrive } = setUp()
  let ended: number | undefined
  const pending = many({ timeoutMs: 100 }).then(({ size }) => (ended = size))
  await clock.advance(99)
  assert.equal(ended, undefined)
  await clock.advance(1)
  await pending
  assert.equal(ended, 0)
  arrive(0, ['a'])
  assert.equal((await many({ timeoutMs: 100 })).size, 1)
  assert.equal(clock.pendingTimers, 0)
  assert.equal((await many({ timeoutMs: 0 })).size, 0)
})

test('an application that never waits leaves room for the rest of the process', async () => {
  const { arrive, handOut } = setUp()
  arrive(
    0,
    Array.from({ length: 3_000 }, (_, i) => String(i)),
  )
  let turns = 0
  const tick = (): void => {
    turns++
    immediate = setImmediate(tick)
  }
  let immediate = setImmediate(tick)
  for (let n = 0; n < 3_000; n++) await handOut.next()
  clearImmediate(immediate)
  assert.ok(turns >= 2, `${turns} turns in 3000 records`)
})

test('closing ends each kind of wait in its way, and refuses later calls', async () => {
  const { handOut, many } = setUp()
  const [walk, batch, single] = [handOut.next(), many(), handOut.one(undefined, undefined)]
  const error = new ClosedError('over')
  handOut.close(error, false)
  assert.equal((await walk).done, true)
  assert.equal((await batch).size, 0)
  await assert.rejects(single, ClosedError)
  await assert.rejects(many(), error)
  assert.equal((await handOut.next()).done, true)
})

test('an error is told to one call, a fatal one to all until it is forgiven', async () => {
  const { handOut, many, arrive } = setUp()
  const [once, always] = [new Error('once'), new Error('always')]
  const waiting = many()
  handOut.failOnce(once)
  await assert.rejects(waiting, once)
  handOut.fail(always)
  arrive(0, ['a'])
  for (let i = 0; i < 2; i++) await assert.rejects(many(), always)
  handOut.forgive()
  assert.equal((await many()).size, 1)
})

test('the buffer counts memory until the last of a block has been read, and drops what is stale', async () => {
  const { buffer, arrive, states, many, handOut } = setUp(2)
  arrive(0, ['a'])
  arrive(1, ['b'])
  const both = buffer.heldBytes
  assert.ok(both > 0)
  states[1]!.moveTo(1)
  buffer.dropStale()
  assert.ok(buffer.heldBytes > 0 && buffer.heldBytes < both)
  assert.equal((await many()).size, 1)
  await handOut.many({ filter: undefined, maxRecords: 1, timeoutMs: 0, signal: undefined })
  assert.equal(buffer.heldBytes, 0)
  assert.deepEqual([states[0]!.bufferedBytes, states[0]!.bufferedChunks], [0, 0])
})

test('handed out records know what to commit once they are done, whatever happens afterwards', async () => {
  const { arrive, many, group, states } = setUp(2)
  arrive(0, ['a', 'b'])
  arrive(1, ['c'])
  const member = { ...group }
  const records = await many()
  group.generationId++
  states[0]!.moveTo(0)
  assert.equal(records.size, 3)
  assert.deepEqual(
    Array.from(records, ({ value }) => String(value)),
    ['a', 'b', 'c'],
  )
  assert.deepEqual(records.nextOffsets(), [
    { topic: 't', partition: 0, offset: 2, leaderEpoch: 1 },
    { topic: 't', partition: 1, offset: 1, leaderEpoch: 1 },
  ])
  assert.deepEqual(records.partitions(), [
    { topic: 't', partition: 0 },
    { topic: 't', partition: 1 },
  ])
  assert.deepEqual(records.groupMetadata, member)
  assert.throws(() => new FetchedRecords([], [], undefined).groupMetadata, IllegalStateError)
})
