/** Packages that are wanted beside the development dependencies (other Node versions, older TypeScripts): fetched with
 *  npm into the cache, because 190 MB or a second `tsc` have no place in node_modules. */

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder } from './kafka/distribution.mjs'

function run(command, args, options) {
  const { status, stderr, stdout, error } = spawnSync(command, args, { encoding: 'utf8', timeout: 600_000, ...options })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed (status ${status}):\n${stdout}${stderr}`)
  return stdout
}

/** The folder of an unpacked package, `name@range`, without its dependencies; fetched when the cache lacks it. */
export function fetchPackage(specifier) {
  const parent = join(cacheFolder, 'npm')
  const folder = join(parent, specifier.replaceAll('/', '+'))
  if (existsSync(folder)) return folder
  mkdirSync(parent, { recursive: true })
  const work = mkdtempSync(join(parent, '.fetching-'))
  try {
    run('npm', ['pack', specifier, '--pack-destination', work, '--loglevel=error'], { cwd: work })
    const archive = readdirSync(work).find((name) => name.endsWith('.tgz'))
    run('tar', ['-xzf', archive, '--no-same-owner'], { cwd: work })
    const unpacked = readdirSync(work, { withFileTypes: true }).find((entry) => entry.isDirectory())
    try {
      renameSync(join(work, unpacked.name), folder)
    } catch (error) {
      if (!existsSync(folder)) throw error // someone else was quicker, which is as good
    }
    return folder
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
