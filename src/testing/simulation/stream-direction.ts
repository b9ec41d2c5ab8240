/**
 * One direction of a simulated connection: takes writes, cuts them into segments, and lets each arrive after its time.
 *
 * Bytes are read out of the writer's memory one turn after the write, and the reader's view is scribbled over after it was
 * handed out: who overwrites what is still to be sent, or keeps what it was only shown, is found out. What is on its way is
 * bounded as by a TCP window. Knows neither hosts nor listeners.
 */

import type { Timer } from '../../async/clock.ts'
import type { Link } from './link.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { SimulatedClock } from './simulated-clock.ts'

/** How many bytes may be under way, or wait for a reader that has paused. */
const windowBytes = 262_144
const scribble = 0xdb

interface Write {
  readonly chunks: readonly Uint8Array[]
  /** The chunk that is taken next, and how many of its bytes are taken already. */
  chunk: number
  offset: number
  readonly written: ((error?: Error | null) => void) | undefined
}

interface Segment {
  readonly bytes: Uint8Array
  readonly arrivesAt: number
}

export interface DirectionSettings {
  readonly clock: SimulatedClock
  readonly random: SeededRandom
  /** As it is now: it may change at any time. */
  readonly link: () => Link
  /** Whether nothing passes between the hosts now. */
  readonly blocked: () => boolean
  readonly onSegment: (bytes: Uint8Array) => void
  /** All that was sent has arrived, and nothing more will come. */
  readonly onEnd: () => void
  /** Chance would have it that the connection is reset. */
  readonly onReset: () => void
  readonly onSilence: () => void
}

export class StreamDirection {
  readonly #settings: DirectionSettings
  readonly #writes: Write[] = []
  readonly #segments: Segment[] = []
  #pendingBytes = 0
  #travellingBytes = 0
  /** When the line is free for the next segment, and before when none may arrive. */
  #freeAt: number
  #lastArrivesAt: number
  #timer: Timer | undefined
  #takeScheduled = false
  #paused = false
  #silent = false
  #ending = false
  #closed = false

  /** @param earliestMs nothing arrives before this moment */
  constructor(settings: DirectionSettings, earliestMs: number) {
    this.#settings = settings
    this.#freeAt = settings.clock.now()
    this.#lastArrivesAt = earliestMs
  }

  /** Bytes written and not yet taken. */
  get pendingBytes(): number {
    return this.#pendingBytes
  }

  write(chunks: readonly Uint8Array[], written?: (error?: Error | null) => void): void {
    if (this.#closed || this.#ending) {
      if (written !== undefined)
        this.#settings.clock.nextTurn(() => {
          written(brokenPipe())
        })
      return
    }
    for (const { length } of chunks) this.#pendingBytes += length
    this.#writes.push({ chunks, chunk: 0, offset: 0, written })
    this.#scheduleTake()
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#schedule()
  }

  /** Nothing passes from now on, and nobody is told. */
  silence(): void {
    this.#silent = true
    this.#disarm()
  }

  /** The network may let bytes pass again that it held back. */
  poke(): void {
    this.#schedule()
  }

  /** The writer is gone: what was taken still arrives, and then the end. */
  end(): void {
    if (this.#ending || this.#closed) return
    this.#ending = true
    this.#failWrites(brokenPipe())
    this.#schedule()
  }

  /** The reader is gone, or the connection is: nothing arrives any more. */
  close(error: Error): void {
    if (this.#closed) return
    this.#closed = true
    this.#segments.length = 0
    this.#disarm()
    this.#failWrites(error)
  }

  #failWrites(error: Error): void {
    const { clock } = this.#settings
    this.#pendingBytes = 0
    for (const { written } of this.#writes.splice(0)) {
      if (written !== undefined) {
        clock.nextTurn(() => {
          written(error)
        })
      }
    }
  }

  #scheduleTake(): void {
    if (this.#takeScheduled) return
    this.#takeScheduled = true
    this.#settings.clock.nextTurn(() => {
      this.#takeScheduled = false
      this.#take()
    })
  }

  #take(): void {
    const { clock, random, link } = this.#settings
    while (this.#writes.length > 0 && this.#travellingBytes < windowBytes) {
      const { segmentBytes, latencyMs, bytesPerSecond } = link()
      const limit = Math.min(random.integer(segmentBytes), windowBytes - this.#travellingBytes)
      const bytes = this.#takeBytes(limit)
      if (bytes.length === 0) continue
      this.#freeAt = Math.max(this.#freeAt, clock.now()) + (bytes.length * 1_000) / bytesPerSecond
      const arrivesAt = Math.max(this.#lastArrivesAt, this.#freeAt + random.number(latencyMs))
      this.#lastArrivesAt = arrivesAt
      this.#travellingBytes += bytes.length
      this.#segments.push({ bytes, arrivesAt })
    }
    this.#schedule()
  }

  /** Up to `limit` bytes of the writes in front; those that are taken whole are told so. */
  #takeBytes(limit: number): Uint8Array {
    const parts: Uint8Array[] = []
    let count = 0
    while (count < limit && this.#writes.length > 0) {
      const write = this.#writes[0]!
      const chunk = write.chunks[write.chunk]
      if (chunk === undefined) {
        this.#writes.shift()
        const { written } = write
        if (written !== undefined) {
          this.#settings.clock.nextTurn(() => {
            written()
          })
        }
        continue
      }
      const part = chunk.subarray(write.offset, write.offset + limit - count)
      parts.push(part)
      count += part.length
      write.offset += part.length
      if (write.offset === chunk.length) {
        write.chunk++
        write.offset = 0
      }
    }
    this.#pendingBytes -= count
    return Buffer.concat(parts)
  }

  #schedule(): void {
    const { clock, blocked } = this.#settings
    if (this.#timer !== undefined || this.#closed || this.#silent || this.#paused || blocked()) return
    const next = this.#segments[0]
    if (next !== undefined) this.#timer = clock.setTimer(this.#arrive, next.arrivesAt - clock.now())
    else if (this.#ending) this.#timer = clock.setTimer(this.#arriveEnd, this.#lastArrivesAt - clock.now())
  }

  readonly #arrive = (): void => {
    const { random, link, blocked, onSegment, onReset, onSilence } = this.#settings
    this.#timer = undefined
    if (this.#closed || this.#silent || this.#paused || blocked()) return
    const { resetChance, silenceChance } = link()
    if (random.chance(resetChance)) {
      onReset()
      return
    }
    if (random.chance(silenceChance)) {
      this.silence()
      onSilence()
      return
    }
    const { bytes } = this.#segments.shift()!
    this.#travellingBytes -= bytes.length
    if (this.#writes.length > 0) this.#scheduleTake()
    onSegment(bytes)
    bytes.fill(scribble)
    this.#schedule()
  }

  readonly #arriveEnd = (): void => {
    this.#timer = undefined
    if (this.#closed || this.#silent || this.#paused || this.#settings.blocked()) return
    this.#closed = true
    this.#settings.onEnd()
  }

  #disarm(): void {
    this.#settings.clock.clearTimer(this.#timer)
    this.#timer = undefined
  }
}

function brokenPipe(): Error {
  return Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })
}
