/** What `import { Producer, Consumer } from 'jackdaw'` costs a program before it did anything. */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from './support/packed.ts'

const mostModules = 60

interface Cost {
  found: string[]
  ms: number
  rssBytes: number
  modules: string[]
}

function measure(...args: string[]): Cost {
  const script = join(root, 'build', 'test', 'package', 'support', 'import-and-count.js')
  const output = execFileSync(process.execPath, [script, ...args], { cwd: root, encoding: 'utf8', timeout: 60_000 })
  return JSON.parse(output) as Cost
}

test(`importing the producer and the consumer loads at most ${mostModules} modules`, (t) => {
  const { found, modules } = measure('--count')
  assert.deepEqual(found, ['function', 'function'])
  const { ms, rssBytes } = measure()
  t.diagnostic(`${modules.length} modules, ${ms.toFixed(0)} ms, ${(rssBytes / 1_048_576).toFixed(1)} MiB`)
  // One is certain, or the hook heard nothing and the count means nothing.
  assert.ok(modules.some((url) => url.endsWith('/dist/index.js')))
  assert.ok(modules.length <= mostModules, `${modules.length} modules:\n${modules.sort().join('\n')}`)
})
