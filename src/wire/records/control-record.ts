/** The records of control batches: what the broker writes into a log for clients, not for users (KIP-98). */

import { CorruptRecordError } from '../../errors/errors.ts'
import { readInt16, readInt32, writeInt16, writeInt32 } from './batch-layout.ts'

/** `commit` and `abort` end a transaction; `other` is none of a client's business (a leader change, a snapshot …). */
export type ControlRecord =
  | { readonly type: 'commit' | 'abort'; readonly coordinatorEpoch: number }
  | { readonly type: 'other'; readonly typeId: number }

const ABORT = 0
const COMMIT = 1

/** Reads a control record. Throws `CorruptRecordError` when it is shorter than it must be. */
export function readControlRecord(key: Uint8Array | null, value: Uint8Array | null): ControlRecord {
  if (key === null || key.length < 4)
    throw new CorruptRecordError('a control record has no version and type in its key')
  const version = readInt16(key, 0)
  if (version < 0) throw new CorruptRecordError(`a control record's key has version ${version}`)
  const typeId = readInt16(key, 2)
  if (typeId !== ABORT && typeId !== COMMIT) return { type: 'other', typeId }
  if (value === null || value.length < 6 || readInt16(value, 0) < 0) {
    throw new CorruptRecordError('the control record that ends a transaction has no coordinator epoch in its value')
  }
  return { type: typeId === COMMIT ? 'commit' : 'abort', coordinatorEpoch: readInt32(value, 2) }
}

/** The key and value of the control record that ends a transaction, as a broker writes it. */
export function writeTransactionMarker(
  type: 'commit' | 'abort',
  coordinatorEpoch: number,
): { key: Buffer; value: Buffer } {
  const key = Buffer.alloc(4)
  writeInt16(key, 2, type === 'commit' ? COMMIT : ABORT)
  const value = Buffer.alloc(6)
  writeInt32(value, 2, coordinatorEpoch)
  return { key, value }
}
