#!/usr/bin/env node
/**
 * The long proof of what docs/reliability.md promises, on real three-broker clusters: producers, transactions and
 * exactly-once processing under crashes, cut connections, moved leaders and killed processes, judged by the history checker.
 * A line for each run; fails when anything was lost, doubled, reordered, torn, or said wrongly. The tests were compiled
 * before (`npm run build`).
 *
 *     npm run soak                              every scenario once
 *     npm run soak -- 120                       again and again with further seeds, until two hours are over
 *     npm run soak -- producing                 one scenario, or all whose name begins so
 *     npm run soak -- --seed 7 transactions     the same kind of trouble again
 *     npm run soak -- --list
 *
 * A seed repeats what chance decides here. When brokers and processes do what they do is their own, so a run does not replay.
 */

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { root } from './build.mjs'
import { missingForeignTools } from './foreign-tools.mjs'
import { howToHaveKafka, missingForKafka } from './kafka.mjs'

const scenarioFile = join(root, 'build', 'test', 'support', 'chaos', 'soak.js')

function readArguments(scenarios) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { seed: { type: 'string' }, list: { type: 'boolean' } },
  })
  const numbers = positionals.filter((word) => /^\d+(\.\d+)?$/.test(word))
  const names = positionals.filter((word) => !numbers.includes(word))
  if (numbers.length > 1) throw new Error(`one number of minutes, not ${numbers.join(' and ')}`)
  for (const name of names) {
    if (!scenarios.some((one) => one.name.startsWith(name))) {
      throw new Error(`no scenario begins with '${name}': ${scenarios.map((one) => one.name).join(', ')}`)
    }
  }
  const chosen = scenarios.filter((one) => names.length === 0 || names.some((name) => one.name.startsWith(name)))
  const seed = values.seed ?? new Date().toISOString().slice(0, 10)
  return { chosen, minutes: numbers.length > 0 ? Number(numbers[0]) : undefined, seed, list: values.list === true }
}

function commit() {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], { cwd: root, encoding: 'utf8' }).trim()
  } catch {
    return 'unknown'
  }
}

async function main() {
  if (!existsSync(scenarioFile)) throw new Error('the tests are not compiled: npm run build')
  const { soakScenarios, soak } = await import(pathToFileURL(scenarioFile).href)
  const { chosen, minutes, seed, list } = readArguments(soakScenarios)
  if (list) {
    for (const { name, about, version } of chosen)
      console.log(`${name.padEnd(26)} ${about}${version === undefined ? '' : ` (Kafka ${version})`}`)
    return
  }
  const lacking = [...missingForKafka(), ...missingForeignTools().map(({ name }) => name)]
  if (missingForKafka().length > 0 || lacking.includes('kcat')) {
    throw new Error(`no ${lacking.join(', no ')}. ${howToHaveKafka}`)
  }
  console.log(`commit ${commit()}, Node ${process.version}, seed ${seed}`)
  const startedAt = performance.now()
  const elapsedMinutes = () => (performance.now() - startedAt) / 60_000
  let failed = 0
  let runs = 0
  for (let round = 0; round === 0 || (minutes !== undefined && elapsedMinutes() < minutes); round++) {
    for (const scenario of chosen) {
      if (round > 0 && elapsedMinutes() >= minutes) break
      const ownSeed = round === 0 ? seed : `${seed}/${round}`
      const before = performance.now()
      const { line, faults } = await soak(scenario, ownSeed)
      const seconds = Math.round((performance.now() - before) / 1_000)
      runs++
      console.log(`${faults.length === 0 ? '✔' : '✖'} ${scenario.name} (seed ${ownSeed}, ${seconds} s): ${line}`)
      for (const fault of faults) console.error(fault.replaceAll(/^/gm, '    '))
      if (faults.length > 0) failed++
    }
  }
  console.log(`${runs} runs in ${elapsedMinutes().toFixed(1)} minutes, ${failed} with faults`)
  process.exitCode = failed > 0 ? 1 : 0
  // What a run that took too long has left behind must not keep this process.
  process.exit()
}

// Brokers and workers end when this process does.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))

main().catch((error) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 2
})
