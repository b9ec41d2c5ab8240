/** What Kafka 4.3.1 said when the scripts were played on it, by script. Written by `JACKDAW_WRITE_TRANSCRIPTS=1 npm test --
 *  broker/in-process-conformance`, and held against a real broker whenever that test runs. */

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const file = fileURLToPath(new URL('../../../../test/testing/conformance/kafka-4.3.1.json', import.meta.url))

export type Transcripts = Record<string, Record<string, unknown>>

export function recorded(): Transcripts {
  return JSON.parse(readFileSync(file, 'utf8')) as Transcripts
}

export function record(transcripts: Transcripts): void {
  writeFileSync(file, `${JSON.stringify(transcripts, null, 1)}\n`)
}
