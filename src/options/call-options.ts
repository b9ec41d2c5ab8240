/** The options of a single call: an object whose names are few, and where a misspelled one must not count for nothing. */

import { InvalidArgumentError } from '../errors/errors.ts'

/** @throws InvalidArgumentError naming the first option that the call does not have, and those that it has */
export function checkCallOptions(call: string, options: object, known: readonly string[]): void {
  for (const name in options) {
    if (!known.includes(name)) {
      throw new InvalidArgumentError(`${call} has no option '${name}'; it has ${known.join(', ')}`)
    }
  }
}
