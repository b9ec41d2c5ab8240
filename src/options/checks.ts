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

const interceptorMethods = ['onSend', 'onAcknowledged', 'onConsume', 'onCommit'] as const

/** A list of interceptors, of producers or consumers: one object may serve both. */
export const listOfInterceptors: Check = (value) => {
  const names = interceptorMethods.join(', ')
  if (!Array.isArray(value)) return `must be an array of objects with some of the methods ${names}`
  for (const [i, one] of (value as unknown[]).entries()) {
    if (typeof one !== 'object' || one === null) return `must have objects in it, and number ${i} is none`
    const given = interceptorMethods.filter((name) => (one as Record<string, unknown>)[name] !== undefined)
    if (given.length === 0) return `must have objects with some of the methods ${names}, and number ${i} has none`
    const wrong = given.find((name) => typeof (one as Record<string, unknown>)[name] !== 'function')
    if (wrong !== undefined) return `must have functions as methods, and ${wrong} of number ${i} is none`
  }
  return undefined
}
