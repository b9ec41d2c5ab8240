/** What a record of a checked run says of itself: who sent it, the how-manieth of this sender it is, and in whose
 *  transaction it was written. It is the record's value, as text that any client can print. */

export interface RecordTag {
  /** Who sent it; no name has a `|`. */
  readonly producer: string
  /** Counted from 0 by each producer, in the order of its calls. */
  readonly sequence: number
  /** Who wrote it in a transaction, when that was done; else empty. */
  readonly writer: string
  /** The writer's transactions are counted from 0; -1 outside any. */
  readonly transaction: number
}

/** `paddedTo` makes the text as long as records usually are. */
export function writeTag(
  producer: string,
  sequence: number,
  options: { writer?: string; transaction?: number; paddedTo?: number } = {},
): string {
  const { writer = '', transaction = -1, paddedTo = 0 } = options
  return `${producer}|${sequence}|${writer}|${transaction}|`.padEnd(paddedTo, '.')
}

/** undefined for what no checked producer wrote. */
export function readTag(value: string): RecordTag | undefined {
  const [producer, sequence, writer, transaction, padding] = value.split('|')
  if (padding === undefined) return undefined
  return { producer: producer!, sequence: Number(sequence), writer: writer!, transaction: Number(transaction) }
}
