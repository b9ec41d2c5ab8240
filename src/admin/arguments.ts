/** Checks what a caller hands to Admin before anything is sent. Each complaint says what to give instead. */

import { InvalidArgumentError } from '../errors/errors.ts'
import { checkCallOptions } from '../options/call-options.ts'
import { quote } from '../options/option-table.ts'

export const int16Most = 32_767
export const int32Most = 2_147_483_647

/** @throws InvalidArgumentError unless `value` is an array with at least one element */
export function checkList(call: string, of: string, value: unknown): asserts value is readonly unknown[] {
  if (!Array.isArray(value)) throw new InvalidArgumentError(`${call} takes an array of ${of}, not ${quote(value)}`)
  if (value.length === 0) throw new InvalidArgumentError(`${call} was given an empty array: give at least one of ${of}`)
}

/** @throws InvalidArgumentError when `value` is no object, or has a key that nobody would read */
export function checkKeys(what: string, value: unknown, known: readonly string[]): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InvalidArgumentError(`${what} must be an object with ${known.join(', ')}, not ${quote(value)}`)
  }
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) throw new InvalidArgumentError(`${what} has no '${key}'; it has ${known.join(', ')}`)
  }
}

export function checkName(what: string, value: unknown): asserts value is string {
  if (typeof value !== 'string' || value === '') {
    throw new InvalidArgumentError(`${what} must be a string that is not empty, not ${quote(value)}`)
  }
}

export function checkWholeNumber(what: string, value: unknown, least: number, most: number): void {
  if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most) {
    throw new InvalidArgumentError(`${what} must be a whole number from ${least} to ${most}, not ${quote(value)}`)
  }
}

/** Options that are on or off, beside those that every call takes. */
export function checkOptions(call: string, options: object, known: readonly string[]): void {
  checkCallOptions(call, options, [...known, 'timeoutMs', 'signal'])
  for (const [name, value] of Object.entries(options)) {
    if (known.includes(name) && value !== undefined && typeof value !== 'boolean') {
      throw new InvalidArgumentError(`option '${name}' of ${call} must be true or false, not ${quote(value)}`)
    }
  }
}

/** @throws InvalidArgumentError when two of the entities have one key: their results could not be told apart */
export function checkDistinct(call: string, names: readonly string[]): void {
  const seen = new Set<string>()
  for (const name of names) {
    if (seen.has(name)) throw new InvalidArgumentError(`${call} was given ${name} twice: name it once`)
    seen.add(name)
  }
}

/** Replicas by partition, as for new topics and new partitions. */
export function checkAssignments(what: string, value: unknown): void {
  if (!Array.isArray(value) || value.length === 0) {
    throw new InvalidArgumentError(
      `${what} must be an array with one array of broker ids per partition, not ${quote(value)}`,
    )
  }
  value.forEach((brokers: unknown, i) => {
    const place = `${what}, entry ${i},`
    if (!Array.isArray(brokers) || brokers.length === 0) {
      throw new InvalidArgumentError(`${place} must be an array of at least one broker id, not ${quote(brokers)}`)
    }
    for (const id of brokers) checkWholeNumber(`${place} names a broker that`, id, 0, int32Most)
    if (new Set(brokers).size !== brokers.length) {
      throw new InvalidArgumentError(`${place} names a broker twice: a broker holds one replica of a partition`)
    }
  })
}
