#!/usr/bin/env node
/** Runs before `npm test` and `npm start`: installs and builds what is missing, and does nothing when nothing changed. */

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { build, filesBelow, root } from './build.mjs'

const oldestNode = [20, 19]

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return
  throw new Error(`Jackdaw needs Node ${oldestNode.join('.')} or newer; this is ${process.version}`)
}

/** Does `work` unless the stamp says that it was done for the same fingerprint. */
async function unlessDone(stamp, fingerprint, work) {
  const path = join(root, stamp)
  if (existsSync(path) && readFileSync(path, 'utf8') === fingerprint()) return
  await work()
  mkdirSync(dirname(path), { recursive: true })
  // Taken after the work, which may itself touch what the fingerprint is made of.
  writeFileSync(path, fingerprint())
}

function dependenciesFingerprint() {
  const hash = createHash('sha256')
  const { dependencies, devDependencies, peerDependencies } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  )
  hash.update(JSON.stringify([dependencies, devDependencies, peerDependencies]))
  const lock = join(root, 'package-lock.json')
  if (existsSync(lock)) hash.update(readFileSync(lock))
  return hash.digest('hex')
}

function install() {
  console.log('installing the development tools …')
  // Not `npm ci`: it refuses a lock file whose optional binaries for other platforms a mirror left out.
  const args = ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']
  const { status } = spawnSync('npm', args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  if (status !== 0) throw new Error(`npm install failed (status ${status})`)
}

function sourcesFingerprint() {
  const hash = createHash('sha256')
  const folders = ['src', 'codegen', 'test'].flatMap((folder) => filesBelow(join(root, folder)))
  const settings = ['tsconfig.json', 'tsconfig.base.json', 'package.json', 'scripts/build.mjs'].map((name) =>
    join(root, name),
  )
  for (const file of [...folders, ...settings].filter((name) => /\.(ts|json|mjs)$/.test(name)).sort()) {
    const { size, mtimeMs } = statSync(file)
    hash.update(`${file} ${size} ${mtimeMs}\n`)
  }
  // Outputs that someone deleted are missing, however unchanged their sources.
  hash.update(`${existsSync(join(root, 'dist', 'index.js'))} ${existsSync(join(root, 'build', 'test'))}`)
  return hash.digest('hex')
}

try {
  checkNode()
  await unlessDone('node_modules/.jackdaw-installed', dependenciesFingerprint, install)
  await unlessDone('build/.built', sourcesFingerprint, async () => {
    if (!(await build())) throw new Error('the build failed')
  })
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
