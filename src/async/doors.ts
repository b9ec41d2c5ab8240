/** The three doors together: everything by which the world outside can make two runs differ. */

import { systemClock, type Clock } from './clock.ts'
import { systemRandom, type Random } from './random.ts'
import type { Dialer } from './transport.ts'

export interface Doors {
  readonly clock: Clock
  readonly random: Random
  /** Undefined means real sockets: the network layer's own dialer, which this layer cannot know. */
  readonly dial: Dialer | undefined
}

export const systemDoors: Doors = { clock: systemClock, random: systemRandom, dial: undefined }
