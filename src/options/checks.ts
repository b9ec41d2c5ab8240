/** The checks that option tables are written with. Each gives the end of the sentence "option 'x' …". */

import type { Check } from './option-table.ts'

export const anyFunction: Check = (value) => (typeof value === 'function' ? undefined : 'must be a function')

export const boolean: Check = (value) => (typeof value === 'boolean' ? undefined : 'must be true or false')

export const nonEmptyString: Check = (value) =>
  typeof value === 'string' && value.length > 0 ? undefined : 'must be a string that is not empty'

export const anyObject: Check = (value) =>
  typeof value === 'object' && value !== null ? undefined : 'must be an object'

export function atLeast(least: number, most: number = Number.MAX_SAFE_INTEGER): Check {
  const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`
  return (value) =>
    Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most
      ? undefined
      : `must be a whole number ${range}`
}

export function oneOf(...allowed: readonly (string | number | boolean)[]): Check {
  const list = allowed.map((item) => (typeof item === 'string' ? `'${item}'` : String(item))).join(', ')
  return (value) => (allowed.includes(value as string) ? undefined : `must be one of ${list}`)
}

/** Right when any of the checks says so; the complaint is that of all. */
export function either(complaint: string, ...checks: readonly Check[]): Check {
  return (value) => (checks.some((check) => check(value) === undefined) ? undefined : complaint)
}

/** An object with these methods, such as a logger or a codec. */
export function having(...methods: readonly string[]): Check {
  return (value) =>
    typeof value === 'object' &&
    value !== null &&
    methods.every((method) => typeof (value as Record<string, unknown>)[method] === 'function')
      ? undefined
      : `must be an object with the methods ${methods.join(', ')}`
}
