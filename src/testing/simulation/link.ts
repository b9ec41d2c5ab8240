/** How one direction between two hosts behaves. Data only: the network reads it whenever something is sent. */

import type { Range } from './seeded-random.ts'

export interface LinkFaults {
  /** How long bytes travel, in ms: drawn for each segment, but none overtakes another. Default 0.25 to 1. */
  latencyMs?: Range
  /** How much passes in a second, per connection. Default unlimited. */
  bytesPerSecond?: number
  /** The stream is cut into segments of so many bytes, wherever messages begin and end. Default: whole writes, up to 64 KiB. */
  segmentBytes?: Range
  /** The probability that a segment resets its connection in place of arriving. Default 0. */
  resetChance?: number
  /** The probability that with a segment its direction of the connection falls silent for ever: a half-open connection.
   *  Default 0. */
  silenceChance?: number
  /** The probability that a dial is refused though somebody listens. Default 0. */
  refuseChance?: number
}

export type Link = Required<LinkFaults>

export const perfectLink: Link = {
  latencyMs: [0.25, 1],
  bytesPerSecond: Infinity,
  segmentBytes: [65_536, 65_536],
  resetChance: 0,
  silenceChance: 0,
  refuseChance: 0,
}

/** The link with what was given in place of what it had. */
export function changedLink(link: Link, faults: LinkFaults): Link {
  const given = Object.entries(faults).filter(([, value]) => value !== undefined)
  const changed: Link = { ...link, ...(Object.fromEntries(given) as LinkFaults) }
  const { latencyMs, segmentBytes, bytesPerSecond } = changed
  if (!(latencyMs[0] >= 0 && latencyMs[1] >= latencyMs[0] && latencyMs[1] < Infinity)) {
    throw new RangeError(
      `latencyMs cannot be ${String(latencyMs)}: it must be two numbers from 0 up, the lower one first`,
    )
  }
  if (!(segmentBytes[0] >= 1 && segmentBytes[1] >= segmentBytes[0])) {
    throw new RangeError(
      `segmentBytes cannot be ${String(segmentBytes)}: it must be two numbers from 1 up, the lower one first`,
    )
  }
  if (!(bytesPerSecond > 0)) throw new RangeError(`bytesPerSecond cannot be ${bytesPerSecond}: it must be above 0`)
  for (const name of ['resetChance', 'silenceChance', 'refuseChance'] as const) {
    const chance = changed[name]
    if (!(chance >= 0 && chance <= 1)) throw new RangeError(`${name} cannot be ${chance}: it must be from 0 to 1`)
  }
  return changed
}
