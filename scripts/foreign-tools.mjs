#!/usr/bin/env node
/**
 * Independent programs that tests hold Jackdaw against. `node scripts/foreign-tools.mjs` names what is missing;
 * `install` installs it (Debian, as root). What is on the list is required in CI: absence fails there.
 */

import { spawnSync } from 'node:child_process'
import { pathToFileURL } from 'node:url'

/** Each tool, how to see that it is there, and how to have it. */
export const foreignTools = [
  {
    name: 'java',
    check: ['java', '-version'],
    debian: 'openjdk-17-jdk-headless',
    why: "runs Kafka, and Kafka's own tools",
  },
  { name: 'mvn', check: ['mvn', '--version'], debian: 'maven', why: "fetches Kafka's jars" },
  { name: 'openssl', check: ['openssl', 'version'], debian: 'openssl', why: 'makes certificates for TLS tests' },
  { name: 'kcat', check: ['kcat', '-V'], debian: 'kcat', why: 'librdkafka as producer and consumer' },
]

const runs = ([command, ...args]) => spawnSync(command, args, { stdio: 'ignore' }).status === 0

/** The tools that are not there. */
export function missingForeignTools() {
  return foreignTools.filter(({ check }) => !runs(check))
}

function installDebianPackages(packages) {
  const run = (args) =>
    spawnSync('apt-get', args, {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    })
  const install = () => run(['install', '-y', '-q', '--no-install-recommends', ...packages]).status === 0
  // Without a list of packages, or with an old one, the first attempt fails.
  return install() || (run(['update', '-q']).status === 0 && install())
}

function main(command) {
  let missing = missingForeignTools()
  if (command === 'install' && missing.length > 0) {
    if (process.getuid?.() !== 0) throw new Error(`installing ${missing.map(({ name }) => name).join(', ')} needs root`)
    installDebianPackages(missing.map(({ debian }) => debian))
    missing = missingForeignTools()
  }
  for (const { name, debian, why } of missing) console.error(`missing: ${name} (Debian package ${debian}): ${why}`)
  if (missing.length > 0) process.exitCode = 1
  else console.log(`foreign tools: ${foreignTools.map(({ name }) => name).join(', ')} are here`)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    main(process.argv[2])
  } catch (error) {
    console.error(error.message)
    process.exitCode = 1
  }
}
