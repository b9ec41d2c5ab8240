/**
 * Judges a run: what was sent, what the producers said of it, and what an independent reader found in the logs when all was
 * over. Finds what was lost, doubled, reordered or torn, and what was said wrongly.
 *
 * Records carry their sender's name and number (record-tag.ts), so the reader may be any client. The sender notes each record
 * before it sends it and what it is told of it; then everything is read once from the beginning; then `verdict()`. Knows
 * nothing of Kafka but partitions, offsets and transactions, and keeps some twenty bytes a record.
 */

import assert from 'node:assert/strict'
import { outcomes, ProducerHistory } from './producer-history.ts'
import { readTag } from './record-tag.ts'
import { TransactionLedger } from './transaction-ledger.ts'
import { Violations } from './violations.ts'

export interface Verdict {
  readonly sent: number
  readonly acknowledged: number
  readonly notPersisted: number
  readonly possiblyPersisted: number
  /** How many records were read. */
  readonly stored: number
  readonly transactions: { committed: number; aborted: number; unknown: number; open: number }
  readonly violations: Violations
}

export class History {
  readonly #violations = new Violations()
  readonly #producers = new Map<string, ProducerHistory>()
  readonly #writers = new Map<string, TransactionLedger>()
  /** The last offset read, by partition. */
  readonly #lastOffset = new Map<number, number>()
  #stored = 0

  /** The notes of the producer of this name. */
  producer(name: string): ProducerHistory {
    assert.ok(!name.includes('|'), `'${name}' as a name would spoil the tags of its records`)
    let found = this.#producers.get(name)
    if (found === undefined) {
      found = new ProducerHistory(name, this.#violations, (transaction) => {
        this.transactions(name).added(transaction)
      })
      this.#producers.set(name, found)
    }
    return found
  }

  /** The notes of the transactions of this writer, which may have the name of a producer. */
  transactions(writer: string): TransactionLedger {
    let found = this.#writers.get(writer)
    if (found === undefined) this.#writers.set(writer, (found = new TransactionLedger(writer)))
    return found
  }

  /** Notes a record that the reader found. Each partition in the order of the reader. */
  read(partition: number, offset: number, value: string): void {
    this.#stored++
    const last = this.#lastOffset.get(partition) ?? -1
    if (offset <= last) {
      this.#violations.add('offset-not-monotonic', () => `${partition}@${offset} was read behind ${partition}@${last}`)
    } else this.#lastOffset.set(partition, offset)
    const tag = readTag(value)
    const producer = tag && this.#producers.get(tag.producer)
    if (producer === undefined) {
      this.#violations.add('unknown', () => `'${value.slice(0, 60)}' at ${partition}@${offset}`)
      return
    }
    producer.read(tag!.sequence, partition, offset)
    if (tag!.writer === '') return
    const writer = this.#writers.get(tag!.writer)
    const where = `'${tag!.producer}' ${tag!.sequence} at ${partition}@${offset}`
    if (writer === undefined) this.#violations.add('unknown', () => `${where} is of the unknown '${tag!.writer}'`)
    else writer.read(tag!.transaction, where, this.#violations)
  }

  /** Once, when everything was read. */
  verdict(): Verdict {
    const violations = new Violations()
    violations.addAll(this.#violations)
    const counts = { sent: 0, acknowledged: 0, notPersisted: 0, possiblyPersisted: 0 }
    for (const producer of this.#producers.values()) {
      producer.finish(violations, (transaction) => this.transactions(producer.name).isCommitted(transaction))
      counts.sent += producer.length
      counts.acknowledged += producer.count(outcomes.stored)
      counts.notPersisted += producer.count(outcomes.notPersisted)
      counts.possiblyPersisted += producer.count(outcomes.possiblyPersisted)
    }
    const transactions = { committed: 0, aborted: 0, unknown: 0, open: 0 }
    for (const writer of this.#writers.values()) {
      writer.finish(violations)
      const ended = writer.counts()
      for (const end of Object.keys(transactions) as (keyof typeof transactions)[]) transactions[end] += ended[end]
    }
    return { ...counts, stored: this.#stored, transactions, violations }
  }
}

/** What two runs came to together. */
export function added(one: Verdict, other: Verdict): Verdict {
  const violations = new Violations()
  violations.addAll(one.violations)
  violations.addAll(other.violations)
  const { transactions } = one
  return {
    sent: one.sent + other.sent,
    acknowledged: one.acknowledged + other.acknowledged,
    notPersisted: one.notPersisted + other.notPersisted,
    possiblyPersisted: one.possiblyPersisted + other.possiblyPersisted,
    stored: one.stored + other.stored,
    transactions: {
      committed: transactions.committed + other.transactions.committed,
      aborted: transactions.aborted + other.transactions.aborted,
      unknown: transactions.unknown + other.transactions.unknown,
      open: transactions.open + other.transactions.open,
    },
    violations,
  }
}

/** Fails with all that is wrong. */
export function assertFaultless({ violations }: Verdict, context = ''): void {
  const description = violations.describe()
  assert.equal(description, '', `${context}\n${description}`)
}
