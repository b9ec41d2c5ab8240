/** How a record is shown: its value, a JSON object, or what a format says. Bytes stay the bytes they are. */

import { isUtf8 } from 'node:buffer'
import type { ConsumerRecord } from 'jackdaw'
import { UsageError } from './errors.ts'
import { unescape } from './escapes.ts'

export interface RecordFormatOptions {
  /** `value`, `json`, or text with directives. */
  readonly format: string
  /** Written after each record. */
  readonly delimiter: Buffer
  /** Stands for a key or value that is null. Not in JSON, which has a null of its own. */
  readonly nullMarker: Buffer
}

/** Appends what is written for the record to `chunks`. */
export type RecordFormat = (record: ConsumerRecord, chunks: Uint8Array[]) => void

type Part = (record: ConsumerRecord) => Uint8Array

/** What the help says of them. */
export const directives: readonly (readonly [directive: string, about: string])[] = [
  ['%t', 'topic'],
  ['%p', 'partition'],
  ['%o', 'offset'],
  ['%T', 'timestamp, in ms since 1970'],
  ['%k', 'key'],
  ['%v', 'value'],
  ['%h', 'headers, as name=value,…'],
  ['%K', "the key's length in bytes, -1 for null"],
  ['%V', "the value's length in bytes, -1 for null"],
  ['%%', 'a percent sign'],
]

/** @throws UsageError for a directive or an escape that there is not */
export function recordFormat({ format, delimiter, nullMarker }: RecordFormatOptions): RecordFormat {
  const parts = format === 'json' ? [json] : format === 'value' ? [valueOr(nullMarker)] : partsOf(format, nullMarker)
  if (delimiter.length > 0) parts.push(() => delimiter)
  return (record, chunks) => {
    for (const part of parts) chunks.push(part(record))
  }
}

function valueOr(nullMarker: Buffer): Part {
  return ({ value }) => value ?? nullMarker
}

function partsOf(format: string, nullMarker: Buffer): Part[] {
  if (!format.includes('%')) {
    throw new UsageError(`--format must be value, json or text with directives such as %v, not '${format}'`)
  }
  const parts: Part[] = []
  let at = 0
  while (at < format.length) {
    const next = format.indexOf('%', at)
    const literal = unescape('--format', format.slice(at, next < 0 ? undefined : next))
    if (literal.length > 0) parts.push(() => literal)
    if (next < 0) break
    parts.push(directive(format.slice(next, next + 2), nullMarker))
    at = next + 2
  }
  return parts
}

function directive(name: string, nullMarker: Buffer): Part {
  const text =
    (show: (record: ConsumerRecord) => string | number): Part =>
    (record) =>
      Buffer.from(String(show(record)))
  switch (name) {
    case '%t':
      return text(({ topic }) => topic)
    case '%p':
      return text(({ partition }) => partition)
    case '%o':
      return text(({ offset }) => offset)
    case '%T':
      return text(({ timestamp }) => timestamp)
    case '%k':
      return ({ key }) => key ?? nullMarker
    case '%v':
      return valueOr(nullMarker)
    case '%h':
      return ({ headers }) => headerList(headers, nullMarker)
    case '%K':
      return text(({ key }) => key?.length ?? -1)
    case '%V':
      return text(({ value }) => value?.length ?? -1)
    case '%%':
      return text(() => '%')
    default:
      throw new UsageError(`--format has no directive '${name}': there are ${directives.map(([one]) => one).join(' ')}`)
  }
}

const equals = Buffer.from('=')
const comma = Buffer.from(',')

function headerList(headers: ConsumerRecord['headers'], nullMarker: Buffer): Buffer {
  return Buffer.concat(
    headers.flatMap(({ key, value }, i) => [
      ...(i === 0 ? [] : [comma]),
      Buffer.from(key),
      equals,
      value ?? nullMarker,
    ]),
  )
}

function json(record: ConsumerRecord): Buffer {
  const { topic, partition, offset, timestamp, key, value, headers } = record
  return Buffer.from(
    JSON.stringify({
      topic,
      partition,
      offset,
      timestamp,
      key: textOf(key),
      value: textOf(value),
      headers: headers.map((header) => ({ key: header.key, value: textOf(header.value) })),
    }),
  )
}

/** Text where the bytes are UTF-8; what is not is kept whole as `{ base64 }`. */
function textOf(bytes: Buffer | null): string | { base64: string } | null {
  if (bytes === null) return null
  return isUtf8(bytes) ? bytes.toString() : { base64: bytes.toString('base64') }
}
