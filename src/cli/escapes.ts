/** Backslash escapes in what people type, so that a shell's arguments can name any byte. */

import { UsageError } from './errors.ts'

const named: Readonly<Record<string, string>> = { 'n': '\n', 'r': '\r', 't': '\t', '0': '\0', '\\': '\\' }

/**
 * The bytes that a text with `\n`, `\r`, `\t`, `\0`, `\\` and `\xHH` in it stands for; the rest is UTF-8.
 *
 * @param what where the text is from, for the message: `--format`
 * @throws UsageError for any other escape
 */
export function unescape(what: string, text: string): Buffer {
  const parts: Buffer[] = []
  let at = 0
  while (at < text.length) {
    const next = text.indexOf('\\', at)
    if (next < 0) break
    parts.push(Buffer.from(text.slice(at, next)))
    const hex = /^x([0-9a-fA-F]{2})/.exec(text.slice(next + 1, next + 4))
    const plain = named[text[next + 1] ?? '']
    if (hex !== null) parts.push(Buffer.from(hex[1]!, 'hex'))
    else if (plain !== undefined) parts.push(Buffer.from(plain))
    else {
      const escape = text.slice(next, next + 2)
      throw new UsageError(`${what} has the escape '${escape}': there are \\n, \\r, \\t, \\0, \\\\ and \\xHH`)
    }
    at = next + (hex === null ? 2 : 4)
  }
  parts.push(Buffer.from(text.slice(at)))
  return Buffer.concat(parts)
}
