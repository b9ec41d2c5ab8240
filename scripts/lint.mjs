#!/usr/bin/env node
/** `npm run lint`: oxlint over the whole project, and the proof that its rules are alive: files that must be refused. */

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from './build.mjs'
import { fixtures } from './lint/fixtures.mjs'

const oxlint = join(root, 'node_modules', 'oxlint', 'bin', 'oxlint')

function runOxlint(args, options) {
  return spawnSync(process.execPath, [oxlint, '--type-aware', ...args], { maxBuffer: 256 * 1024 * 1024, ...options })
}

function lintProject() {
  const args = ['-c', join(root, 'oxlint.config.mjs'), '--deny-warnings', ...process.argv.slice(2)]
  const { status } = runOxlint(args, { cwd: root, stdio: 'inherit' })
  return status === 0
}

/** Lays the fixtures out as a project of their own, with our configuration. */
function layOut(folder, files) {
  const config = pathToFileURL(join(root, 'oxlint.config.mjs')).href
  writeFileSync(join(folder, 'oxlint.config.mjs'), `export { default } from '${config}'\n`)
  const compilerOptions = {
    target: 'es2023',
    module: 'nodenext',
    strict: true,
    types: ['node'],
    allowImportingTsExtensions: true,
    noEmit: true,
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['src', 'test'] }))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  for (const [path, code] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), code)
  }
}

/** What is wrong with the rules: a fixture that passes though it must not, or the other way round. */
function proveRules() {
  const all = fixtures()
  const files = new Map()
  for (const { path, code } of all) files.set(path, (files.get(path) ?? '') + code)
  const folder = mkdtempSync(join(tmpdir(), 'jackdaw-lint-'))
  try {
    layOut(folder, files)
    const { stdout, stderr } = runOxlint(['-c', 'oxlint.config.mjs', '-f', 'json', '.'], { cwd: folder })
    let diagnostics
    try {
      ;({ diagnostics } = JSON.parse(stdout))
    } catch {
      return [`oxlint did not report on the fixtures:\n${stdout}${stderr}`]
    }
    const refusals = new Map()
    for (const { filename, code } of diagnostics) {
      const rule = /\(([^)]+)\)$/.exec(code)?.[1] ?? code
      refusals.set(filename, (refusals.get(filename) ?? new Set()).add(rule))
    }
    return all.flatMap(({ path, refusedBy }) => {
      const rules = refusals.get(path) ?? new Set()
      if (refusedBy === undefined)
        return rules.size === 0 ? [] : [`${path} must pass, and ${[...rules].join(', ')} refused it`]
      return rules.has(refusedBy) ? [] : [`${path} must be refused by ${refusedBy}, and was not`]
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const problems = proveRules()
for (const problem of problems.slice(0, 30)) console.error(`✖ ${problem}`)
if (problems.length > 30) console.error(`✖ and ${problems.length - 30} more`)
if (problems.length === 0) console.log(`the lint rules are alive: ${fixtures().length} fixtures`)
if (!lintProject() || problems.length > 0) process.exitCode = 1
