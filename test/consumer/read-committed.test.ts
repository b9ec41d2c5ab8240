import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { FetchBuffer } from '#src/consumer/fetch-buffer.js'
import { FetchedBlock, FetchedChunk } from '#src/consumer/fetched-chunk.js'
import { HandOut } from '#src/consumer/hand-out.js'
import { AbortedTransactions } from '#src/consumer/isolation.js'
import { SubscriptionState } from '#src/consumer/subscription-state.js'
import { writeTransactionMarker } from '#src/wire/records/control-record.js'
import { RecordBatchBuilder } from '#src/wire/records/record-batch-builder.js'
import { RecordBatchReader } from '#src/wire/records/record-batch-reader.js'
import { ManualClock } from '../support/manual-clock.ts'

interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: number
}

/** A partition's log as a broker has it, written step by step, with what a broker tells of aborted transactions. */
class TransactionalLog {
  readonly batches: { readonly baseOffset: number; readonly lastOffset: number; readonly bytes: Buffer }[] = []
  readonly #open = new Map<number, number>()
  readonly #aborted: (AbortedTransaction & { readonly lastOffset: number })[] = []
  /** Offsets of records, by the producer whose open transaction they are in. */
  readonly #undecided = new Map<number, number[]>()
  readonly #visible: number[] = []
  end = 0

  /** Records of a transaction, or of none. */
  write(producerId: number | undefined, count: number): this {
    const builder = new RecordBatchBuilder({ sizeLimit: 10_000 })
    for (let i = 0; i < count; i++) builder.append(1, null, String(this.end + i))
    const offsets = Array.from({ length: count }, (_, i) => this.end + i)
    if (producerId === undefined) {
      this.#append(builder.seal(), count)
      this.#visible.push(...offsets)
      return this
    }
    if (!this.#open.has(producerId)) this.#open.set(producerId, this.end)
    const undecided = this.#undecided.get(producerId) ?? []
    this.#undecided.set(producerId, [...undecided, ...offsets])
    this.#append(builder.seal({ producerId, producerEpoch: 0, baseSequence: 0, isTransactional: true }), count)
    return this
  }

  /** Ends the producer's transaction, or the one it never had. */
  mark(type: 'commit' | 'abort', producerId: number, { emptied = false } = {}): this {
    const firstOffset = this.#open.get(producerId)
    if (type === 'commit') this.#visible.push(...(this.#undecided.get(producerId) ?? []))
    else if (firstOffset !== undefined) this.#aborted.push({ producerId, firstOffset, lastOffset: this.end })
    this.#open.delete(producerId)
    this.#undecided.delete(producerId)
    const builder = new RecordBatchBuilder({ sizeLimit: 10_000 })
    const { key, value } = writeTransactionMarker(type, 0)
    builder.append(1, key, value)
    const options = { producerId, producerEpoch: 0, isTransactional: true, isControl: true }
    this.#append(emptied ? withoutRecords(builder.seal(options)) : builder.seal(options), 1)
    return this
  }

  #append(sealed: Uint8Array, count: number): void {
    const bytes = Buffer.from(sealed)
    bytes.writeBigInt64BE(BigInt(this.end), 0)
    bytes.writeInt32BE(3, 12)
    this.batches.push({ baseOffset: this.end, lastOffset: this.end + count - 1, bytes })
    this.end += count
  }

  get lastStableOffset(): number {
    return Math.min(this.end, ...this.#open.values())
  }

  /** What a committed reader may see from there on, in order. */
  visibleFrom(offset: number): number[] {
    return this.#visible.filter((at) => at >= offset && at < this.lastStableOffset).sort((a, b) => a - b)
  }

  /** An answer of at most so many batches; undefined behind the last stable offset. */
  fetch(
    offset: number,
    maxBatches: number,
  ): { batches: Buffer; aborted: AbortedTransaction[]; next: number } | undefined {
    const stable = this.batches.filter(({ lastOffset }) => lastOffset >= offset && lastOffset < this.lastStableOffset)
    const part = stable.slice(0, maxBatches)
    const last = part.at(-1)
    if (last === undefined) return undefined
    const aborted = this.#aborted.filter((one) => one.lastOffset >= offset && one.firstOffset <= last.lastOffset)
    return { batches: Buffer.concat(part.map(({ bytes }) => bytes)), aborted, next: last.lastOffset + 1 }
  }
}

/** What compaction leaves of a batch whose records are gone. */
function withoutRecords(sealed: Uint8Array): Uint8Array {
  const header = Buffer.from(sealed.subarray(0, 61))
  header.writeInt32BE(61 - 12, 8)
  header.writeInt32BE(0, 57)
  return header
}

/** Reads a log from an offset on, over answers of so many batches, by hand-outs of so many records. */
async function read(
  log: TransactionalLog,
  { from = 0, maxBatches = 100, maxRecords = 500, aborted = (list: readonly AbortedTransaction[]) => list } = {},
) {
  const subscription = new SubscriptionState()
  const [state] = subscription.add([{ topic: 't', partition: 0 }], 'earliest')
  subscription.wish = { kind: 'partitions' }
  state!.announced = true
  state!.moveTo(from)
  const buffer = new FetchBuffer(subscription, () => {})
  const host = { onWait: () => {}, groupMetadata: () => undefined, onConsume: undefined }
  const handOut = new HandOut(new ManualClock(), subscription, buffer, host)
  const offsets: number[] = []
  const steps: { last: number; next: number }[] = []
  for (;;) {
    const answer = log.fetch(state!.fetchOffset, maxBatches)
    if (answer === undefined) break
    const init = {
      state: state!,
      block: new FetchedBlock(answer.batches.length, 1),
      batches: [...new RecordBatchReader(answer.batches, { checkCrcs: false })],
      bytes: answer.batches.length,
      brokenBy: undefined,
      aborted: new AbortedTransactions(aborted(answer.aborted)),
    }
    buffer.add(new FetchedChunk(init, { checkCrcs: false, copyRecords: false }))
    state!.fetchOffset = answer.next
    for (;;) {
      const records = await handOut.many({ filter: undefined, maxRecords, timeoutMs: 0, signal: undefined })
      if (records.size === 0) break
      for (const { offset, value } of records) {
        assert.equal(String(value), String(offset))
        offsets.push(offset)
      }
      steps.push({ last: offsets.at(-1)!, next: records.nextOffsets()[0]!.offset })
    }
  }
  return { offsets, steps, position: state!.position, finished: state!.finished, leaderEpoch: state!.leaderEpoch }
}

test('of one producer that aborts, aborts, commits and aborts within one fetch, only the committed records are seen', async () => {
  const log = new TransactionalLog()
  log
    .write(1, 2)
    .mark('abort', 1)
    .write(1, 2)
    .mark('abort', 1)
    .write(1, 2)
    .mark('commit', 1)
    .write(1, 1)
    .mark('abort', 1)
  const { offsets, position } = await read(log)
  assert.deepEqual(offsets, [6, 7])
  assert.equal(position, log.end, 'the position passes what is hidden behind the last record')
})

test('an aborted transaction is hidden in every one of the fetches that it spans', async () => {
  const log = new TransactionalLog().write(1, 2)
  for (let n = 0; n < 5; n++) log.write(2, 3).write(undefined, 1)
  log.mark('abort', 2).write(2, 1).mark('commit', 2).mark('commit', 1)
  for (const maxBatches of [1, 2, 3]) {
    assert.deepEqual((await read(log, { maxBatches })).offsets, log.visibleFrom(0), `${maxBatches} batches a fetch`)
  }
})

test('a seek into the middle of an aborted transaction brings none of it, into a committed one the rest of it', async () => {
  const log = new TransactionalLog().write(1, 3).write(1, 3).mark('abort', 1).write(2, 4).mark('commit', 2)
  for (let from = 0; from <= log.end; from++) {
    assert.deepEqual((await read(log, { from, maxBatches: 1 })).offsets, log.visibleFrom(from), `from ${from}`)
  }
})

test('an answer of markers alone moves the position, and counts as finished', async () => {
  const log = new TransactionalLog().write(1, 1).mark('commit', 1).mark('abort', 7).mark('commit', 8)
  const { offsets, position, finished, leaderEpoch } = await read(log, { from: 1 })
  assert.deepEqual([offsets, position, finished, leaderEpoch], [[], 4, 4, 3])
})

test('an abort marker without a transaction hides nothing', async () => {
  const log = new TransactionalLog().mark('abort', 1).write(1, 2).mark('commit', 1).mark('abort', 1).write(1, 1)
  log.mark('commit', 1)
  assert.deepEqual((await read(log)).offsets, [1, 2, 5])
})

test('a transaction whose marker is not in the answer is hidden to its end, and nobody else is', async () => {
  const log = new TransactionalLog().write(1, 1).write(2, 1).write(undefined, 1).write(1, 1).mark('commit', 2)
  log.mark('abort', 1)
  assert.deepEqual((await read(log, { maxBatches: 4 })).offsets, [1, 2])
})

test('the list of aborted transactions may come in any order', async () => {
  const log = new TransactionalLog()
  for (let n = 0; n < 3; n++)
    log.write(1, 1).write(2, 1).mark('abort', 1).mark('commit', 2).write(1, 1).mark('abort', 1)
  assert.deepEqual((await read(log, { aborted: (list) => list.toReversed() })).offsets, log.visibleFrom(0))
})

test('a marker that compaction has emptied ends the transaction all the same', async () => {
  const log = new TransactionalLog().write(1, 2).mark('abort', 1, { emptied: true }).write(1, 2).mark('commit', 1)
  assert.deepEqual((await read(log)).offsets, [3, 4])
  const alone = new TransactionalLog().mark('commit', 1, { emptied: true }).mark('abort', 1, { emptied: true })
  assert.equal((await read(alone)).position, 2)
})

test('the offset to commit lies behind the marker of what was handed out, however many records were asked for', async () => {
  const log = new TransactionalLog().write(1, 2).mark('commit', 1).write(2, 2).mark('abort', 2).write(3, 2)
  log.mark('commit', 3)
  for (const maxRecords of [1, 2, 500]) {
    const { steps, finished } = await read(log, { maxRecords })
    assert.equal(steps.find(({ last }) => last === 1)?.next ?? 6, 6, 'behind the marker, and behind what was aborted')
    assert.deepEqual(steps.at(-1), { last: 7, next: 9 })
    assert.equal(finished, 9)
  }
  const [first] = (await read(log, { maxRecords: 1 })).steps
  assert.deepEqual(first, { last: 0, next: 1 })
})

test('whatever producers write between each other, however it is fetched and wherever it begins: all that is committed, once, in order', async () => {
  const step = fc.record({
    producerId: fc.integer({ min: 1, max: 3 }),
    action: fc.constantFrom('write', 'write', 'write', 'plain', 'commit', 'abort'),
    count: fc.integer({ min: 1, max: 3 }),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40 }),
      fc.record({ maxBatches: fc.integer({ min: 1, max: 5 }), maxRecords: fc.integer({ min: 1, max: 5 }) }),
      fc.nat({ max: 60 }),
      fc.boolean(),
      async (steps, limits, seek, reversed) => {
        const log = new TransactionalLog()
        for (const { producerId, action, count } of steps) {
          if (action === 'write') log.write(producerId, count)
          else if (action === 'plain') log.write(undefined, count)
          else log.mark(action, producerId)
        }
        const from = Math.min(seek, log.lastStableOffset)
        const aborted = (list: readonly AbortedTransaction[]) => (reversed ? list.toReversed() : list)
        const { offsets, position } = await read(log, { ...limits, from, aborted })
        assert.deepEqual(offsets, log.visibleFrom(from))
        assert.equal(position, log.lastStableOffset)
      },
    ),
    { numRuns: 300 },
  )
})
