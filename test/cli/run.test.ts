import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import { Readable, Writable } from 'node:stream'
import { command, type Command } from '#src/cli/command.js'
import { commands } from '#src/cli/commands.js'
import { CommandError } from '#src/cli/errors.js'
import { run, type ExitStatus } from '#src/cli/run.js'

class Collected extends Writable {
  text = ''
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

async function runHere(list: Command[], args: string[]): Promise<{ status: ExitStatus; out: string; err: string }> {
  const stdout = new Collected()
  const stderr = new Collected()
  const terminal = { stdin: Readable.from([]), stdout, stderr, env: {}, onInterrupt: () => () => {} }
  const status = await run(list, args, terminal)
  return { status, out: stdout.text, err: stderr.text }
}

const failing = (error: unknown): Command =>
  command({
    name: 'fail',
    about: 'Fail',
    positional: { name: '', count: 'none' },
    flags: {},
    run: () => Promise.reject(error as Error),
  })

test('what fails has status 1 and its lines on standard error', async () => {
  assert.deepEqual(await runHere([failing(new CommandError('one\ntwo'))], ['fail']), {
    status: 1,
    out: '',
    err: 'jackdaw: one\njackdaw: two\n',
  })
})

test('bad usage has status 2 and names the help', async () => {
  assert.deepEqual(await runHere([failing(undefined)], ['fail', '--hard']), {
    status: 2,
    out: '',
    err: "jackdaw: 'fail' has no flag --hard\nsee 'jackdaw fail --help'\n",
  })
})

test('every command has a help that names its flags', async () => {
  const overview = await runHere([...commands], ['--help'])
  assert.equal(overview.status, 0)
  for (const { name, flags } of commands) {
    assert.ok(overview.out.includes(`  ${name}`), name)
    const { status, out, err } = await runHere([...commands], [...name.split(' '), '--help'])
    assert.equal(status, 0)
    assert.equal(err, '')
    assert.ok(out.startsWith(`usage: jackdaw ${name} [flags]`), out)
    for (const flag of Object.keys(flags)) assert.ok(out.includes(`--${flag}`), `${name} --${flag}`)
  }
})

test('the published command answers for itself, with its own exit status', () => {
  const main = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url))
  const jackdaw = (...args: string[]) => spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' })
  assert.match(jackdaw('--version').stdout, /^\d+\.\d+\.\d+\n$/)
  assert.equal(jackdaw('--help').status, 0)
  assert.equal(jackdaw('nonsense').status, 2)
  const unreadable = jackdaw('topics', 'list', '--bootstrap-servers', '127.0.0.1:99999')
  assert.equal(unreadable.status, 2)
  assert.match(unreadable.stderr, /^jackdaw: .*99999.*\nsee 'jackdaw topics list --help'\n$/)
  assert.equal(unreadable.stdout, '')
  // Nothing listens at port 1.
  const unreachable = jackdaw('topics', 'list', '--bootstrap-servers', '127.0.0.1:1')
  assert.equal(unreachable.status, 1)
  assert.match(unreachable.stderr, /^jackdaw: .*127\.0\.0\.1:1: nothing listens there/)
  assert.equal(unreachable.stdout, '')
})
