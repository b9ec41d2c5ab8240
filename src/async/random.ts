/** The door to chance: the only file that asks the system for randomness. */

import { randomUUID } from 'node:crypto'

export interface Random {
  /** A number in [0, 1). */
  next(): number
  /** A fresh version 4 UUID. */
  uuid(): string
}

export const systemRandom: Random = {
  next: () => Math.random(),
  uuid: () => randomUUID(),
}
