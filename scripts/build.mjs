#!/usr/bin/env node
/** Compiles src/, codegen/ and test/, and leaves no output whose source is gone: it would be tested, and packed. */

import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Where each source folder's output lies. */
const outputs = [
  { from: 'src', to: 'dist', record: 'build/src.tsbuildinfo' },
  { from: 'codegen/src', to: 'build/codegen', record: 'build/codegen.tsbuildinfo' },
  { from: 'test', to: 'build/test', record: 'build/test.tsbuildinfo' },
]

/** Every file below a folder, as paths that begin with it; none when there is no such folder. */
export function filesBelow(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
}

function removeOrphans() {
  for (const { from, to } of outputs) {
    for (const output of filesBelow(join(root, to))) {
      const source = relative(join(root, to), output).replace(/(\.d)?(\.[cm]?)([jt]s)(\.map)?$/, '$2ts')
      if (source.endsWith('ts') && !existsSync(join(root, from, source))) rmSync(output)
    }
  }
}

/** tsc trusts its record of what it wrote: where some of that is gone, the record must go too, or it is never written. */
function forgetLostOutputs() {
  for (const { from, to, record } of outputs) {
    const sources = filesBelow(join(root, from)).filter((file) => /(?<!\.d)\.ts$/.test(file))
    const lost = sources.some(
      (file) => !existsSync(join(root, to, relative(join(root, from), file).replace(/ts$/, 'js'))),
    )
    if (lost) rmSync(join(root, record), { force: true })
  }
}

/** Whether all compiled; tsc has said on standard output what did not. */
export function build() {
  removeOrphans()
  forgetLostOutputs()
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  if (spawnSync(process.execPath, [tsc, '-b'], { cwd: root, stdio: 'inherit' }).status !== 0) return false
  return true
}

/** Lets the command be run; whoever calls tsc directly writes it anew without that. */
export function makeExecutable() {
  const command = join(root, 'dist', 'cli', 'main.js')
  if (existsSync(command)) chmodSync(command, 0o755)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  if (!build()) process.exitCode = 1
  makeExecutable()
}
