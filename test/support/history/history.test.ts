/** The checker finds what it must: each fault is put into a run that is faultless but for it. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '#src/testing/index.js'
import { History } from './history.ts'
import { readTag, writeTag } from './record-tag.ts'
import type { ViolationKind } from './violations.ts'

interface Stored {
  partition: number
  offset: number
  value: string
}

/** Two producers, three partitions, all acknowledged where they are; to be spoiled before it is read. */
function faultlessRun(perProducer = 60): { history: History; stored: Stored[] } {
  const history = new History()
  const random = new SeededRandom('histories')
  const stored: Stored[] = []
  const ends = [0, 0, 0]
  for (let i = 0; i < perProducer; i++) {
    for (const name of ['a', 'b']) {
      const partition = random.integer([0, 2])
      const notes = history.producer(name)
      const sequence = notes.sent(partition)
      const offset = ends[partition]!++
      notes.acknowledged(sequence, offset)
      stored.push({ partition, offset, value: writeTag(name, sequence) })
    }
  }
  return { history, stored }
}

function judge(history: History, stored: readonly Stored[]): Partial<Record<ViolationKind, number>> {
  const inOrder = stored.toSorted((a, b) => a.partition - b.partition || a.offset - b.offset)
  for (const { partition, offset, value } of inOrder) history.read(partition, offset, value)
  return history.verdict().violations.counts()
}

test('a faultless run has no violations, and its records are counted', () => {
  const { history, stored } = faultlessRun()
  for (const { partition, offset, value } of stored) history.read(partition, offset, value)
  const { sent, acknowledged, stored: count, violations } = history.verdict()
  assert.deepEqual([sent, acknowledged, count], [120, 120, 120])
  assert.deepEqual(violations.counts(), {})
  assert.equal(violations.describe(), '')
})

test('an acknowledged record that is not stored is lost', () => {
  const { history, stored } = faultlessRun()
  stored.splice(17, 1)
  assert.deepEqual(judge(history, stored), { lost: 1 })
})

test('a record that is stored twice is doubled, and its place is that of the copy which was acknowledged', () => {
  const { history, stored } = faultlessRun()
  stored.push({ ...stored[30]!, offset: 1_000 })
  assert.deepEqual(judge(history, stored), { doubled: 1 })
})

test('a record may fail and be stored once, but not twice', () => {
  for (const copies of [0, 1, 2]) {
    const history = new History()
    history.producer('a').failed(history.producer('a').sent(0), 'possibly-persisted')
    const stored = Array.from({ length: copies }, (_, offset) => ({ partition: 0, offset, value: writeTag('a', 0) }))
    assert.deepEqual(judge(history, stored), copies === 2 ? { doubled: 1 } : {})
  }
})

test('two records of one producer that changed places are reordered, and misplaced if their offsets were told', () => {
  const { history, stored } = faultlessRun()
  const [one, other] = stored.filter(({ partition, value }) => partition === 1 && readTag(value)!.producer === 'a')
  const value = one!.value
  one!.value = other!.value
  other!.value = value
  assert.deepEqual(judge(history, stored), { reordered: 1, misplaced: 2 })

  const silent = new History()
  for (let i = 0; i < 3; i++) silent.producer('a').acknowledged(silent.producer('a').sent(0), null)
  const swapped = [0, 2, 1].map((sequence, offset) => ({ partition: 0, offset, value: writeTag('a', sequence) }))
  assert.deepEqual(judge(silent, swapped), { reordered: 1 })
})

test('records of two producers, and of one in two partitions, may come in any order', () => {
  const history = new History()
  const a = history.producer('a')
  const b = history.producer('b')
  for (let i = 0; i < 2; i++) {
    a.acknowledged(a.sent(i), 0)
    b.acknowledged(b.sent(i), 1)
  }
  const reading = [
    [1, 0, 'a', 1],
    [0, 0, 'a', 0],
    [0, 1, 'b', 0],
    [1, 1, 'b', 1],
  ] as const
  for (const [partition, offset, name, sequence] of reading) history.read(partition, offset, writeTag(name, sequence))
  assert.deepEqual(history.verdict().violations.counts(), {})
})

test('a record whose error said that it is not persisted must not be there', () => {
  const history = new History()
  history.producer('a').failed(history.producer('a').sent(0), 'not-persisted')
  assert.deepEqual(judge(history, [{ partition: 0, offset: 0, value: writeTag('a', 0) }]), { 'stored-after-all': 1 })
})

test('an error that says persisted is a promise', () => {
  const history = new History()
  history.producer('a').failed(history.producer('a').sent(0), 'persisted')
  assert.deepEqual(judge(history, []), { lost: 1 })
})

test('a record at another offset than acknowledged is misplaced, and so is one in another partition', () => {
  const { history, stored } = faultlessRun()
  stored.find(({ partition, offset }) => partition === 2 && offset === 5)!.offset = 5.5
  assert.deepEqual(judge(history, stored), { misplaced: 1 })

  const elsewhere = new History()
  elsewhere.producer('a').acknowledged(elsewhere.producer('a').sent(0), null)
  assert.deepEqual(judge(elsewhere, [{ partition: 1, offset: 0, value: writeTag('a', 0) }]), { misplaced: 1 })

  const toldElsewhere = new History()
  toldElsewhere.producer('a').acknowledged(toldElsewhere.producer('a').sent(0), 0, 1)
  assert.deepEqual(judge(toldElsewhere, [{ partition: 0, offset: 0, value: writeTag('a', 0) }]), { misplaced: 1 })
})

test('the partition that a producer chose is the one it acknowledged', () => {
  const history = new History()
  history.producer('a').acknowledged(history.producer('a').sent(), 7, 3)
  assert.deepEqual(judge(history, [{ partition: 3, offset: 7, value: writeTag('a', 0) }]), {})
})

test('offsets that do not grow within a partition are told', () => {
  const { history, stored } = faultlessRun()
  const last = stored.at(-1)!
  for (const { partition, offset, value } of stored) history.read(partition, offset, value)
  history.read(last.partition, last.offset, last.value)
  assert.deepEqual(history.verdict().violations.counts(), { 'doubled': 1, 'offset-not-monotonic': 1 })
})

test('what was never told, or told twice, or never sent, is found', () => {
  const { history, stored } = faultlessRun()
  const a = history.producer('a')
  const untold = a.sent(0)
  const twice = a.sent(0)
  a.acknowledged(twice, 100)
  a.failed(twice, 'possibly-persisted')
  stored.push(
    { partition: 0, offset: 99, value: writeTag('a', untold) },
    { partition: 0, offset: 100, value: writeTag('a', twice) },
    { partition: 0, offset: 101, value: writeTag('a', 9_999) },
    { partition: 0, offset: 102, value: writeTag('c', 0) },
    { partition: 0, offset: 103, value: 'something else' },
    { partition: 0, offset: 104, value: writeTag('b', 0, { writer: 'nobody', transaction: 0 }) },
  )
  const doubledToo = { doubled: 1, misplaced: 1 } // the last one is a copy of a record in some other place
  const counts = judge(history, stored)
  assert.deepEqual({ ...doubledToo, ...counts }, counts)
  assert.deepEqual([counts['never-told'], counts['told-twice'], counts.unknown], [1, 1, 4])
})

test('of a producer that died, what was untold may be there or not', () => {
  for (const there of [true, false]) {
    const history = new History()
    history.producer('a').sent(0)
    history.producer('a').abandoned()
    assert.deepEqual(judge(history, there ? [{ partition: 0, offset: 0, value: writeTag('a', 0) }] : []), {})
  }
})

/** One producer, transactions of four records over two partitions; `readOf` says how many of each are found. */
function transactionalRun(
  ends: readonly ('committed' | 'aborted' | 'asked' | 'open')[],
  readOf: readonly number[],
): Partial<Record<ViolationKind, number>> {
  const history = new History()
  const notes = history.producer('t')
  const ledger = history.transactions('t')
  const stored: Stored[] = []
  ends.forEach((end, i) => {
    const transaction = ledger.began()
    for (let k = 0; k < 4; k++) {
      const sequence = notes.sent(k % 2, transaction)
      notes.acknowledged(sequence, null)
      const value = writeTag('t', sequence, { writer: 't', transaction })
      if (k < readOf[i]!) stored.push({ partition: k % 2, offset: sequence, value })
    }
    if (end !== 'open' && end !== 'aborted') ledger.commitAsked(transaction)
    if (end === 'committed') ledger.committed(transaction)
    if (end === 'aborted') ledger.aborted(transaction)
  })
  return judge(history, stored)
}

test('committed transactions are read whole, aborted and open ones not at all, unknown ones either way', () => {
  assert.deepEqual(transactionalRun(['committed', 'aborted', 'open', 'asked', 'asked'], [4, 0, 0, 4, 0]), {})
})

test('a transaction of which a part is read is torn', () => {
  assert.deepEqual(transactionalRun(['committed', 'asked'], [3, 1]), { lost: 1, torn: 2 })
})

test('records of an aborted transaction, or of one that nobody asked to commit, must not be read', () => {
  assert.deepEqual(transactionalRun(['aborted', 'open'], [4, 4]), { 'aborted-but-read': 8 })
})

test('a committed transaction of which nothing is read is lost', () => {
  assert.deepEqual(transactionalRun(['committed'], [0]), { lost: 4, torn: 1 })
})

test('a writer may copy what others sent: each must come out once, and its transactions whole', () => {
  const run = (read: readonly (readonly [sequence: number, transaction: number])[]) => {
    const history = new History()
    const source = history.producer('source')
    for (let i = 0; i < 4; i++) source.acknowledged(source.sent(0), null)
    const ledger = history.transactions('worker')
    for (const transaction of [0, 1]) {
      ledger.added(transaction, 2)
      ledger.commitAsked(transaction)
      ledger.committed(transaction)
    }
    const stored = read.map(([sequence, transaction], offset) => {
      return { partition: 0, offset, value: writeTag('source', sequence, { writer: 'worker', transaction }) }
    })
    return judge(history, stored)
  }
  const whole = [[0, 0], [1, 0], [2, 1], [3, 1]] as const // prettier-ignore
  assert.deepEqual(run(whole), {})
  assert.deepEqual(run(whole.slice(0, 3)), { lost: 1, torn: 1 })
  assert.deepEqual(run([...whole, [1, 1]]), { doubled: 1 })
})

test('tags are read as they were written, padding aside', () => {
  assert.deepEqual(readTag(writeTag('a', 7)), { producer: 'a', sequence: 7, writer: '', transaction: -1 })
  const full = writeTag('a', 7, { writer: 'w.1', transaction: 3, paddedTo: 100 })
  assert.equal(full.length, 100)
  assert.deepEqual(readTag(full), { producer: 'a', sequence: 7, writer: 'w.1', transaction: 3 })
  assert.equal(readTag('hello'), undefined)
})

test('half a million records cost the checker little memory', () => {
  const count = 500_000
  const before = process.memoryUsage()
  const history = new History()
  const notes = history.producer('a')
  for (let i = 0; i < count; i++) notes.acknowledged(notes.sent(i % 12), Math.floor(i / 12))
  for (let i = 0; i < count; i++) history.read(i % 12, Math.floor(i / 12), writeTag('a', i))
  assert.deepEqual(history.verdict().violations.counts(), {})
  const after = process.memoryUsage()
  const perRecord = (after.arrayBuffers - before.arrayBuffers) / count
  assert.ok(perRecord < 64, `${perRecord} bytes a record`)
})
