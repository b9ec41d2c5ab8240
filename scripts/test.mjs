#!/usr/bin/env node
/**
 * The test launcher behind `npm test`. Lists the compiled test files itself, runs them suite by suite with Node's own
 * runner, counts what really ran, and fails when that is less than the committed minimum: tests that vanish are noticed.
 *
 *     npm test                          all suites that this machine can run
 *     npm test -- unit broker           some suites
 *     npm test -- in-process            scenarios of real Kafka on the in-process cluster (also in-process/group)
 *     npm test -- foreign               other clients on `jackdaw broker`
 *     npm test -- wire/records          test files whose path contains this
 *     npm test -- --write-minimum       commits to the number of tests that ran
 *
 * Environment: JACKDAW_REQUIRE_BROKERS=1 makes missing Java or Maven a failure, JACKDAW_REQUIRE_TOOLS=1 the same of
 * foreign tools; JACKDAW_TEST_BOOTSTRAP points the broker suite at a broker of yours; JACKDAW_TEST_KAFKA_VERSION chooses
 * what is started (default 4.3.1).
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { finished } from 'node:stream/promises'
import { filesBelow, root } from './build.mjs'
import { missingForeignTools } from './foreign-tools.mjs'
import { defaultVersion, fetchKafka, howToHaveKafka, missingForKafka, startKafka } from './kafka.mjs'
import { startDevelopmentBroker } from './test/development-broker.mjs'
import { startKeeper } from './test/keeper.mjs'

const minute = 60_000
const testFolder = join(root, 'build', 'test')
const minimumFile = join(root, 'scripts', 'test-minimum.json')

/** Scenarios of real brokers that the in-process cluster goes through as well. */
const inProcess = [
  'admin',
  'cluster/transactions-through-a-restart',
  'command-line',
  'command-line-codecs',
  'consuming',
  'consuming-failures',
  'consuming-transactions',
  'group',
  'partitioners',
  'producing',
  'producing-batches',
  'producing-errors',
  'producing-through-a-crash',
  'producing-topics',
  'schema-registry',
  'transactions',
]

/** In the order they run. A file belongs to the first suite that takes it. `budgetMs` bounds the suite, `fileMs` a file. */
const suites = [
  {
    name: 'package',
    takes: (path) => path.startsWith('package/'),
    concurrency: 1,
    budgetMs: 4 * minute,
    fileMs: 3 * minute,
  },
  {
    name: 'cluster',
    takes: (path) => path.startsWith('broker/cluster/'),
    concurrency: 1,
    budgetMs: 6 * minute,
    fileMs: 4 * minute,
    kafka: true,
  },
  {
    name: 'versions',
    takes: (path) => path.startsWith('broker/versions/'),
    concurrency: 2, // each file starts a broker of its own
    budgetMs: 4 * minute,
    fileMs: 3 * minute,
    kafka: true,
  },
  {
    name: 'broker',
    takes: (path) => path.startsWith('broker/'),
    concurrency: 3, // they wait more than they work
    budgetMs: 6 * minute,
    fileMs: 3 * minute,
    kafka: true,
  },
  {
    name: 'foreign',
    takes: (path) => path.startsWith('foreign/'),
    concurrency: 2,
    budgetMs: 3 * minute,
    fileMs: 2.5 * minute,
    tools: true,
  },
  {
    // The same files once more, under names of their own.
    name: 'in-process',
    again: new RegExp(`^broker/(?=(${inProcess.join('|')})\\.test\\.js$)`),
    takes: () => false,
    concurrency: 2,
    budgetMs: 4 * minute,
    fileMs: 3 * minute,
    kafka: true, // for Kafka's own clients
  },
  { name: 'unit', takes: () => true, concurrency: true, budgetMs: 4 * minute, fileMs: 2 * minute },
].reverse()

function listFiles() {
  const order = [...suites].reverse()
  return filesBelow(testFolder)
    .filter((file) => file.endsWith('.test.js'))
    .sort()
    .flatMap((file) => {
      const path = relative(testFolder, file).split(sep).join('/')
      return [
        { file, path, suite: order.find((suite) => suite.takes(path)) },
        ...order
          .filter(({ again }) => again?.test(path))
          .map((suite) => ({ file, path: path.replace(suite.again, `${suite.name}/`), suite })),
      ]
    })
}

/** What runs: `{ suite, files, whole }` for each suite with files that the command line asks for. */
function plan(wanted) {
  const names = new Set(suites.map(({ name }) => name))
  const fragments = wanted.filter((word) => !names.has(word))
  const files = listFiles()
  return suites
    .map((suite) => {
      const own = files.filter((one) => one.suite === suite)
      const whole = wanted.length === 0 || wanted.includes(suite.name)
      const chosen = whole ? own : own.filter(({ path }) => fragments.some((fragment) => path.includes(fragment)))
      return { suite, files: chosen.map(({ file }) => file), whole }
    })
    .filter(({ files: chosen, whole }) => chosen.length > 0 || (whole && wanted.length > 0))
}

/** Runs files and resolves to what happened to the tests in them: files and suites are not counted, skips apart. */
async function runFiles({ suite, files }) {
  const counts = { tests: 0, pass: 0, fail: 0, skipped: 0, todo: 0 }
  const empty = []
  const startedAt = performance.now()
  const budget = new AbortController()
  const timer = setTimeout(() => budget.abort(), suite.budgetMs)
  // The runner reports a file that failed as a whole, or that has no tests, as a test whose name is the file's path.
  const isFile = ({ name }) => files.includes(name) || files.includes(join(process.cwd(), name))
  const count = (kind) => (data) => {
    if (data.details?.type === 'suite' || isFile(data)) {
      if (kind === 'fail') counts.fail++
      else if (isFile(data)) empty.push(relative(root, data.name))
    } else if (data.skip !== undefined && data.skip !== false) counts.skipped++
    else if (data.todo !== undefined && data.todo !== false) counts.todo++
    else {
      counts.tests++
      counts[kind]++
    }
  }
  const stream = run({ files, concurrency: suite.concurrency, timeout: suite.fileMs, signal: budget.signal })
  stream.on('test:pass', count('pass')).on('test:fail', count('fail'))
  const reported = stream.compose(new spec())
  reported.pipe(process.stdout, { end: false })
  await finished(reported).catch((error) => {
    if (!budget.signal.aborted) throw error
  })
  clearTimeout(timer)
  if (budget.signal.aborted) counts.fail++
  return { ...counts, seconds: (performance.now() - startedAt) / 1_000, empty, overBudget: budget.signal.aborted }
}

/** Starts what broker suites share and announces it to them by environment; resolves to how to stop it. */
async function startBrokers(names) {
  const version = process.env.JACKDAW_TEST_KAFKA_VERSION || defaultVersion
  process.env.JACKDAW_TEST_KAFKA_VERSION = version
  const stops = []
  if (names.includes('broker') && !process.env.JACKDAW_TEST_BOOTSTRAP) {
    const broker = await startKafka({ version })
    process.env.JACKDAW_TEST_BOOTSTRAP = broker.bootstrapServers
    stops.push(() => broker.stop())
  }
  const keeper = await startKeeper({ version })
  process.env.JACKDAW_TEST_KEEPER = keeper.address
  stops.push(() => keeper.stop())
  return async () => {
    await Promise.all(stops.map((stop) => stop()))
  }
}

/** Runs files that else run on real Kafka on the in-process cluster. */
async function runInProcess(part) {
  const before = { ...process.env }
  const broker = await startDevelopmentBroker()
  process.env.JACKDAW_TEST_BOOTSTRAP = broker.bootstrapServers
  process.env.JACKDAW_TEST_TARGET = 'in-process'
  try {
    return await runFiles(part)
  } finally {
    for (const name of ['JACKDAW_TEST_BOOTSTRAP', 'JACKDAW_TEST_TARGET']) {
      if (before[name] === undefined) delete process.env[name]
      else process.env[name] = before[name]
    }
    await broker.stop()
  }
}

function readMinimum() {
  return existsSync(minimumFile) ? JSON.parse(readFileSync(minimumFile, 'utf8')) : {}
}

/** Rounded down to tens, so that a test that a Node version skips does not fall below it. */
function writeMinimum(results) {
  const minimum = readMinimum()
  for (const { suite, whole, counts } of results) {
    if (whole) minimum[suite.name] = counts.tests < 20 ? counts.tests : Math.floor(counts.tests / 10) * 10
  }
  writeFileSync(minimumFile, `${JSON.stringify(minimum, null, 2)}\n`)
}

/** What went wrong, in sentences; nothing when all is well. */
function complaints(results) {
  const minimum = readMinimum()
  return results.flatMap(({ suite, whole, counts }) => {
    const found = []
    if (counts.fail > 0) found.push(`${counts.fail} failed in suite '${suite.name}'`)
    if (counts.overBudget) found.push(`suite '${suite.name}' was ended after its ${suite.budgetMs / minute} minutes`)
    found.push(...counts.empty.map((file) => `${file} has no tests`))
    if (counts.tests === 0 && counts.fail === 0) found.push(`no test ran in suite '${suite.name}'`)
    const least = minimum[suite.name] ?? 0
    // Where foreign tools may be missing, what was left out for want of them is there all the same.
    const known = process.env.JACKDAW_REQUIRE_TOOLS === '1' ? counts.tests : counts.tests + counts.skipped
    if (whole && known < least) {
      found.push(`only ${counts.tests} tests ran in suite '${suite.name}', and ${least} are the committed minimum`)
    }
    return found
  })
}

async function main() {
  const args = process.argv.slice(2)
  const write = args.includes('--write-minimum')
  const wanted = args.filter((word) => word !== '--write-minimum')
  const planned = plan(wanted)
  if (planned.length === 0) throw new Error(`no test file matches ${wanted.map((word) => `'${word}'`).join(', ')}`)

  const skipped = []
  const toRun = []
  const lacking = planned.some(({ suite }) => suite.kafka) ? missingForKafka() : []
  for (const part of planned) {
    if (!part.suite.kafka || lacking.length === 0) toRun.push(part)
    else skipped.push(part)
  }
  const problems = []
  if (skipped.length > 0 && process.env.JACKDAW_REQUIRE_BROKERS === '1') {
    problems.push(`suites on real brokers are required, and this machine has no ${lacking.join(', no ')}`)
  }
  const withTools = toRun.filter(({ suite }) => suite.tools).map(({ suite }) => suite.name)
  const requireTools = process.env.JACKDAW_REQUIRE_TOOLS === '1'
  const missingTools = withTools.length > 0 || requireTools ? missingForeignTools() : []
  if (requireTools) {
    problems.push(...missingTools.map(({ name }) => `the foreign tool '${name}' is required and missing`))
  }

  const kafkaSuites = toRun.filter(({ suite }) => suite.kafka).map(({ suite }) => suite.name)
  const stopBrokers = kafkaSuites.length > 0 ? await startBrokers(kafkaSuites) : async () => {}
  const results = []
  try {
    // Once, and before the clock of any test runs: Kafka's own tools are in the same jars.
    if (toRun.some(({ suite }) => suite.tools || suite.again) && missingForKafka().length === 0) {
      await fetchKafka(process.env.JACKDAW_TEST_KAFKA_VERSION || defaultVersion)
    }
    for (const part of toRun) {
      console.log(`\n── ${part.suite.name}: ${part.files.length} files ──`)
      results.push({ ...part, counts: await (part.suite.again === undefined ? runFiles(part) : runInProcess(part)) })
    }
  } finally {
    await stopBrokers()
  }
  if (write) writeMinimum(results)
  problems.push(...complaints(results))
  if (toRun.length === 0) problems.push('nothing ran')

  console.log('')
  for (const { suite, counts } of results) {
    const apart = counts.skipped + counts.todo > 0 ? `, ${counts.skipped} skipped, ${counts.todo} to do` : ''
    console.log(
      `${suite.name}: ${counts.tests} tests, ${counts.pass} passed, ${counts.fail} failed${apart}, ${counts.seconds.toFixed(1)} s`,
    )
  }
  for (const { suite, files } of skipped) {
    console.log(
      `SKIPPED: suite '${suite.name}' (${files.length} files): no ${lacking.join(', no ')}. ${howToHaveKafka}`,
    )
  }
  for (const suite of withTools) {
    for (const { name } of missingTools) {
      console.log(
        `SKIPPED: what suite '${suite}' does with ${name}, for it is missing: node scripts/foreign-tools.mjs install`,
      )
    }
  }
  const total = (key) => results.reduce((sum, { counts }) => sum + counts[key], 0)
  for (const key of ['tests', 'pass', 'fail', 'skipped', 'todo']) console.log(`ℹ ${key} ${total(key)}`)
  for (const problem of problems) console.error(`✖ ${problem}`)
  process.exitCode = problems.length > 0 ? 1 : 0
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
