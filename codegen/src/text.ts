/** Turning names and lists into source text. */

/** The widest line of generated code, as in Prettier's settings. */
export const printWidth = 120

/** `JoinGroup` as `join-group`. */
export function kebabCase(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1-$2')
    .toLowerCase()
}

/** `prefix item, item suffix` on one line if it fits, else one item a line. */
export function list(prefix: string, items: readonly string[], suffix: string, trailingComma = true): string[] {
  const line = `${prefix} ${items.join(', ')} ${suffix}`
  if (line.length <= printWidth) return [line]
  const last = items.length - 1
  const body = items.map((item, index) => `  ${item}${index < last || trailingComma ? ',' : ''}`)
  return [prefix, ...body, suffix]
}

/** A range of versions for readers: `7+`, `0-12`, `3`. `whole` is what the range is clipped to. */
export function rangeText(range: { first: number; last: number }, whole: { last: number }): string {
  if (range.last >= whole.last) return `${range.first}+`
  return range.first === range.last ? `${range.first}` : `${range.first}-${range.last}`
}

export function indent(lines: readonly string[]): string[] {
  return lines.map((line) => (line === '' ? line : `  ${line}`))
}
