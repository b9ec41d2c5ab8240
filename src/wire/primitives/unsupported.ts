/** What an encoder throws when a value cannot be said in the version that is being written. */

import { UnsupportedVersionError } from '../../errors/errors.ts'

/** The error for a field that has a value other than its default in a version that has no such field. */
export function unsupportedField(message: string, field: string, version: number): UnsupportedVersionError {
  return new UnsupportedVersionError(`${message} version ${version} has no field '${field}', which is set`)
}

/** Returns `value` unless it is null. For fields that only other versions allow to be null. */
export function notNull<T>(value: T | null, message: string, field: string, version: number): T {
  if (value !== null) return value
  throw new UnsupportedVersionError(`${message} version ${version} does not allow '${field}' to be null`)
}
