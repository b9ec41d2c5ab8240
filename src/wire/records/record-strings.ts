/** Strings to UTF-8 inside a larger buffer, without a view or an allocation per string. Knows no record. */

/** Shorter strings than this are always flat in V8, where reading characters is quick; a longer one may be a slice or a
 *  rope of others, and then `charCodeAt` costs ten times as much (18 ns for 8 characters, 124 ns for 24 on Node 20). */
const FLAT_LENGTH = 13

/** What Buffer has on every supported Node and does not document: no encoding to look up, no options to check. */
interface Utf8Writable {
  utf8Write(text: string, offset: number, length: number): number
}
const hasUtf8Write = typeof (Buffer.prototype as Buffer & Partial<Utf8Writable>).utf8Write === 'function'

/** Writes `text` at `position` in at most `maxBytes`, never half a character; returns the number of bytes written.
 *  A lone surrogate becomes U+FFFD, as everywhere in Node. */
export function writeString(target: Buffer, position: number, text: string, maxBytes: number): number {
  const length = text.length
  if (length < FLAT_LENGTH) {
    let index = 0
    for (; index < length; index++) {
      const code = text.charCodeAt(index)
      if (code > 0x7f) break
      target[position + index] = code
    }
    if (index === length) return length
  }
  return hasUtf8Write
    ? (target as Buffer & Utf8Writable).utf8Write(text, position, maxBytes)
    : target.write(text, position, maxBytes, 'utf8')
}

/** The bytes of `text` as UTF-8. */
export function utf8Size(text: string): number {
  const length = text.length
  if (length >= FLAT_LENGTH) return Buffer.byteLength(text)
  for (let index = 0; index < length; index++) if (text.charCodeAt(index) > 0x7f) return Buffer.byteLength(text)
  return length
}
