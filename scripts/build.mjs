#!/usr/bin/env node
/**
 * Compiles src/, codegen/ and test/, and bundles what is published.
 *
 * `dist/` is the package: declarations as tsc writes them, one file a source, and code as esbuild bundles it, because 120
 * small modules take a program 70 ms to import and one file 25. Source maps lead from the bundle to `src/`. Tests import
 * single modules (`#src/…`) from `build/src/`, which tsc writes. No output is left whose source is gone: it would be
 * tested, or packed.
 */

import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Where the outputs of each source folder lie, and what they end in. */
const outputs = [
  { from: 'src', to: 'build/src', ending: 'js', record: 'build/src.tsbuildinfo' },
  { from: 'src', to: 'dist', ending: 'd.ts', record: 'build/src.tsbuildinfo' },
  { from: 'codegen/src', to: 'build/codegen', ending: 'js', record: 'build/codegen.tsbuildinfo' },
  { from: 'test', to: 'build/test', ending: 'js', record: 'build/test.tsbuildinfo' },
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
      const source = relative(join(root, to), output).replace(/(\.d)?\.[jt]s(\.map)?$/, '.ts')
      if (source.endsWith('.ts') && !existsSync(join(root, from, source))) rmSync(output)
    }
  }
}

/** tsc trusts its record of what it wrote: where some of that is gone, the record must go too, or it is never written. */
function forgetLostOutputs() {
  for (const { from, to, ending, record } of outputs) {
    const sources = filesBelow(join(root, from)).filter((file) => /(?<!\.d)\.ts$/.test(file))
    const lost = sources.some(
      (file) => !existsSync(join(root, to, relative(join(root, from), file).replace(/ts$/, ending))),
    )
    if (lost) rmSync(join(root, record), { force: true })
  }
}

/** The published code: one file for each entry point, and one for whatever they share or load later. */
async function bundle() {
  // Only now: this script is also what tells that esbuild is not installed yet.
  const { build: runEsbuild } = await import('esbuild')
  const { outputFiles } = await runEsbuild({
    absWorkingDir: root,
    entryPoints: ['src/index.ts', 'src/wire/index.ts', 'src/testing/index.ts', 'src/cli/main.ts'],
    outdir: 'dist',
    outbase: 'src',
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    packages: 'external',
    // An error's and a class's name are part of what users see.
    legalComments: 'none',
    sourcemap: true,
    sourcesContent: false,
    write: false,
    logLevel: 'warning',
  })
  const bundled = new Set(outputFiles.map(({ path }) => path))
  for (const file of filesBelow(join(root, 'dist'))) {
    if (/\.js(\.map)?$/.test(file) && !bundled.has(file)) rmSync(file)
  }
  for (const { path, contents } of outputFiles) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, contents)
  }
}

/** Whether all compiled; tsc has said on standard output what did not. */
export async function build() {
  removeOrphans()
  forgetLostOutputs()
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  if (spawnSync(process.execPath, [tsc, '-b'], { cwd: root, stdio: 'inherit' }).status !== 0) return false
  await bundle()
  chmodSync(join(root, 'dist', 'cli', 'main.js'), 0o755)
  return true
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  if (!(await build())) process.exitCode = 1
}
