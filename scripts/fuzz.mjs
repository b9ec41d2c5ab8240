#!/usr/bin/env node
/**
 * Spoiled bytes for everything that reads a peer's bytes: decoders of every API at every version, record batches, a
 * connection, whole clients. Prints figures; fails when anything came of it but values and our own errors, in time and in
 * little memory. The tests were compiled before (`npm run build`).
 *
 *     npm run fuzz                                  a minute, with a seed of today's
 *     npm run fuzz -- --seconds 600 --seed 42       as long as you please; a seed gives the same cases in the same order
 *     npm run fuzz -- --seed 42 --only records/17   one case again, by the name that a finding has
 */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { root } from './build.mjs'

const fuzzer = join(root, 'build', 'test', 'hostile', 'fuzz', 'fuzzer.js')

async function main() {
  const { values } = parseArgs({
    options: { seconds: { type: 'string' }, seed: { type: 'string' }, only: { type: 'string' } },
  })
  const seconds = Number(values.seconds ?? 60)
  if (!(seconds > 0)) throw new Error(`--seconds must be a number above 0, not '${values.seconds}'`)
  if (values.only !== undefined && !/^(message|records|connection|client)\/\d+$/.test(values.only)) {
    throw new Error(`--only must name a case, such as records/17, not '${values.only}'`)
  }
  if (values.only !== undefined && values.seed === undefined) throw new Error('--only needs the --seed of its run')
  if (!existsSync(fuzzer)) throw new Error('the tests are not compiled: npm run build')
  const { fuzz } = await import(pathToFileURL(fuzzer).href)
  const seed = values.seed ?? new Date().toISOString().slice(0, 10)
  const { cases, outcomes, slowestMs, grownBytes, findings, ...run } = await fuzz({ seed, seconds, only: values.only })
  const total = Object.values(cases).reduce((sum, count) => sum + count, 0)
  const list = (counts) =>
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ')
  console.log(
    `seed ${seed}: ${total} cases in ${run.seconds.toFixed(1)} s, ${Math.round(total / run.seconds)} a second`,
  )
  console.log(`cases: ${list(cases)}`)
  console.log(`came to: ${list(outcomes)}`)
  console.log(`slowest case ${slowestMs.toFixed(1)} ms, the process grew by ${(grownBytes / 1e6).toFixed(1)} MB`)
  for (const { name, what } of findings) {
    console.error(`\n✖ ${what}\n  again: npm run fuzz -- --seed '${seed}' --only ${name}`)
  }
  console.log(`${findings.length} findings`)
  process.exitCode = findings.length > 0 ? 1 : 0
}

main().catch((error) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 2
})
