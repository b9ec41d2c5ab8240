/** Checks on compression levels: one that a codec cannot honour is an error, never ignored. */

import { InvalidOptionError } from '../../errors/errors.ts'
import type { CodecName } from './codec.ts'

/** A check that throws `InvalidOptionError` for a level that is not an integer or does not satisfy `isValid`. */
export function levelCheck(
  codec: CodecName,
  isValid: (level: number) => boolean,
  range: string,
): (level: number) => void {
  return (level) => {
    if (!Number.isInteger(level) || !isValid(level)) {
      throw new InvalidOptionError('compression', `compression level ${level} of ${codec} is not one of ${range}`)
    }
  }
}
