/** Users of CommonJS need nothing else: what we publish has no top-level await, so `require` takes it. */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from './support/packed.ts'

const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { exports: Record<string, unknown> }

for (const entry of Object.keys(exports)) {
  const name = `jackdaw${entry.slice(1)}`
  test(`require('${name}') gives what import gives`, async () => {
    const script = `process.stdout.write(JSON.stringify(Object.keys(require('${name}')).sort()))`
    const args = ['--input-type=commonjs', '-e', script]
    const output = execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8', timeout: 30_000, stdio: 'pipe' })
    const required = (JSON.parse(output) as string[]).filter(isOurs)
    if (name.endsWith('.json')) {
      assert.ok(required.includes('version'))
      return
    }
    assert.deepEqual(
      required,
      Object.keys((await import(name)) as object)
        .filter(isOurs)
        .sort(),
    )
  })
}

// Node adds a name of its own to what is required.
function isOurs(name: string): boolean {
  return name !== '__esModule' && name !== 'module.exports'
}
