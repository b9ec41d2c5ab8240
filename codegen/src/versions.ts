/** Ranges of versions, as definitions write them: `3`, `0-4`, `7+`, `none`. The empty range is null. */

/** A range of versions, both ends included; `last` may be Infinity. */
export interface Versions {
  readonly first: number
  readonly last: number
}

export function parseVersions(text: string): Versions | null {
  if (text === 'none') return null
  const match = /^(\d+)(?:(\+)|-(\d+))?$/.exec(text.trim())
  if (match === null) throw new Error(`'${text}' is no range of versions`)
  const first = Number(match[1])
  const last = match[2] === '+' ? Infinity : Number(match[3] ?? first)
  return first <= last ? { first, last } : null
}

export function formatVersions(versions: Versions | null): string {
  if (versions === null) return 'none'
  if (versions.last === Infinity) return `${versions.first}+`
  return versions.first === versions.last ? `${versions.first}` : `${versions.first}-${versions.last}`
}

export function from(first: number): Versions {
  return { first, last: Infinity }
}

export function below(end: number): Versions {
  return { first: 0, last: end - 1 }
}

export function intersect(left: Versions | null, right: Versions | null): Versions | null {
  if (left === null || right === null) return null
  const first = Math.max(left.first, right.first)
  const last = Math.min(left.last, right.last)
  return first <= last ? { first, last } : null
}

/** The union, which must not have a gap. `what` names the field in the error. */
export function union(left: Versions | null, right: Versions | null, what: string): Versions | null {
  if (left === null) return right
  if (right === null) return left
  if (left.first > right.last + 1 || right.first > left.last + 1) throw new Error(`${what} has a gap in its versions`)
  return { first: Math.min(left.first, right.first), last: Math.max(left.last, right.last) }
}

export function includes(versions: Versions | null, version: number): boolean {
  return versions !== null && version >= versions.first && version <= versions.last
}

/** Whether `outer` has every version of `inner`. */
export function covers(outer: Versions | null, inner: Versions | null): boolean {
  if (inner === null) return true
  return outer !== null && outer.first <= inner.first && outer.last >= inner.last
}
