/** What Kafka 4.3.1 said when the scripts were played on it, by script. Written by `JACKDAW_WRITE_TRANSCRIPTS=1 npm test --
 *  broker/in-process-conformance`, and held against a real broker whenever that test runs. */

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** By the finalized `transaction.version`: 2, which Kafka 4 has by itself, and 1, of the scripts that speak of transactions. */
const files = { 1: 'kafka-4.3.1-transaction.version-1.json', 2: 'kafka-4.3.1.json' }

export type Transcripts = Record<string, Record<string, unknown>>

function fileOf(transactionVersion: keyof typeof files): string {
  return fileURLToPath(new URL(`../../../../test/testing/conformance/${files[transactionVersion]}`, import.meta.url))
}

export function recorded(transactionVersion: keyof typeof files = 2): Transcripts {
  return JSON.parse(readFileSync(fileOf(transactionVersion), 'utf8')) as Transcripts
}

/** A line for each answer. */
export function record(transcripts: Transcripts, transactionVersion: keyof typeof files = 2): void {
  const parts = Object.entries(transcripts).map(([script, entries]) => {
    const lines = Object.entries(entries).map(([what, said]) => `    ${JSON.stringify(what)}: ${JSON.stringify(said)}`)
    return `  ${JSON.stringify(script)}: {\n${lines.join(',\n')}\n  }`
  })
  writeFileSync(fileOf(transactionVersion), `{\n${parts.join(',\n')}\n}\n`)
}
