/** Kafka's compression levels: one that a codec cannot honour is an error, never ignored. */

import { InvalidOptionError } from '../../errors/errors.ts'
import type { CodecName } from './codec.ts'

interface Levels {
  readonly min: number
  readonly max: number
  /** A level outside the range that stands for the library's own default. */
  readonly alsoDefault?: number
}

/** None for snappy, which has no levels. */
const levelsOf: Record<CodecName, Levels | undefined> = {
  gzip: { min: 1, max: 9, alsoDefault: -1 },
  snappy: undefined,
  lz4: { min: 1, max: 17 },
  zstd: { min: -131_072, max: 22 },
}

/** Throws `InvalidOptionError` for a level that the codec does not have. */
export function checkCompressionLevel(codec: CodecName, level: number): void {
  const levels = levelsOf[codec]
  if (levels === undefined) {
    throw new InvalidOptionError('compression', `${codec} has no compression levels, so level ${level} means nothing`)
  }
  const { min, max, alsoDefault } = levels
  if (Number.isInteger(level) && ((level >= min && level <= max) || level === alsoDefault)) return
  const range = alsoDefault === undefined ? `${min} to ${max}` : `${min} to ${max}, or ${alsoDefault} for its default`
  throw new InvalidOptionError('compression', `compression level ${level} of ${codec} is not one of ${range}`)
}
