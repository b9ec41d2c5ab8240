/** Turning names and versions into source text. Prettier does the rest: lines, commas, indentation. */

/** `JoinGroup` as `join-group`. */
export function kebabCase(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1-$2')
    .toLowerCase()
}

/** A range of versions for readers: `7+`, `0-12`, `3`. `whole` is what the range is clipped to. */
export function rangeText(range: { first: number; last: number }, whole: { last: number }): string {
  if (range.last >= whole.last) return `${range.first}+`
  return range.first === range.last ? `${range.first}` : `${range.first}-${range.last}`
}
