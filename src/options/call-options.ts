/** The options of a single call: an object whose names are few, and where a misspelled one must not count for nothing. */

import { InvalidArgumentError } from '../errors/errors.ts'
import { quote } from './option-table.ts'

/** @throws InvalidArgumentError naming the first option that the call does not have, and those that it has; and for a signal
 *    that is none */
export function checkCallOptions(call: string, options: object, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    throw new InvalidArgumentError(`the options of ${call} must be an object, not ${quote(options)}`)
  }
  for (const name in options) {
    if (!known.includes(name)) {
      throw new InvalidArgumentError(`${call} has no option '${name}'; it has ${known.join(', ')}`)
    }
  }
  const { signal } = options as { signal?: unknown }
  if (signal !== undefined && !isSignal(signal)) {
    throw new InvalidArgumentError(`the signal of ${call} must be an AbortSignal, not ${quote(signal)}`)
  }
}

/** By what is used of it: it may come from another realm, or be a polyfill. */
function isSignal(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Partial<AbortSignal>).aborted === 'boolean' &&
    typeof (value as Partial<AbortSignal>).throwIfAborted === 'function'
  )
}
