#!/usr/bin/env node
/**
 * Independent programs that tests hold Jackdaw against. `node scripts/foreign-tools.mjs` names what is missing;
 * `install` installs it: Debian packages as root, Python packages into virtual environments in the cache. What is on the
 * list is required in CI: absence fails there.
 */

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { cacheFolder } from './kafka/distribution.mjs'

const aiokafkaVersion = '0.14.0'
const aiokafkaFolder = join(cacheFolder, 'python', `aiokafka-${aiokafkaVersion}`)

/** The interpreter that can import aiokafka, once it is installed. */
export const aiokafkaPython = join(aiokafkaFolder, 'bin', 'python')

/** Each tool, how to see that it is there, and how to have it: a Debian package, or an environment with Python packages. */
export const foreignTools = [
  {
    name: 'java',
    check: ['java', '-version'],
    debian: ['openjdk-17-jdk-headless'],
    why: "runs Kafka, and Kafka's own tools",
  },
  { name: 'mvn', check: ['mvn', '--version'], debian: ['maven'], why: "fetches Kafka's jars" },
  { name: 'kcat', check: ['kcat', '-V'], debian: ['kcat'], why: 'librdkafka as producer and consumer' },
  {
    name: 'python3',
    check: ['python3', '-c', 'import venv, ensurepip'],
    debian: ['python3', 'python3-venv'],
    why: 'makes the environment that aiokafka lives in',
  },
  {
    name: 'aiokafka',
    check: [aiokafkaPython, '-c', 'import aiokafka, cramjam'],
    python: { folder: aiokafkaFolder, packages: [`aiokafka[lz4,snappy,zstd]==${aiokafkaVersion}`] },
    why: 'the Python client as producer and consumer',
  },
]

const runs = ([command, ...args]) => spawnSync(command, args, { stdio: 'ignore' }).status === 0
const namesOf = (tools) => tools.map(({ name }) => name).join(', ')

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

/** Makes a virtual environment anew: one that is there was left half made, or it would not be missing. */
function installPythonPackages({ folder, packages }) {
  const run = (command, args) => spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] }).status === 0
  const options = ['--quiet', '--disable-pip-version-check', '--no-input']
  return (
    run('python3', ['-m', 'venv', '--clear', folder]) &&
    run(join(folder, 'bin', 'python'), ['-m', 'pip', 'install', ...options, ...packages])
  )
}

function main(command) {
  let missing = missingForeignTools()
  if (command === 'install' && missing.length > 0) {
    const debian = missing.flatMap((tool) => tool.debian ?? [])
    if (debian.length > 0) {
      if (process.getuid?.() !== 0) throw new Error(`installing the Debian packages ${debian.join(', ')} needs root`)
      installDebianPackages(debian)
    }
    for (const { python } of missing) if (python !== undefined) installPythonPackages(python)
    missing = missingForeignTools()
  }
  for (const { name, debian, python, why } of missing) {
    const packages =
      debian === undefined ? `Python package ${python.packages.join(', ')}` : `Debian package ${debian.join(', ')}`
    console.error(`missing: ${name} (${packages}): ${why}`)
  }
  if (missing.length > 0) process.exitCode = 1
  else console.log(`foreign tools: ${namesOf(foreignTools)} are here`)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    main(process.argv[2])
  } catch (error) {
    console.error(error.message)
    process.exitCode = 1
  }
}
