import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readCommandLine } from '#src/cli/command-line.js'
import { command, type Command } from '#src/cli/command.js'

const commands: Command[] = [
  command({
    name: 'fly',
    about: 'Fly',
    positional: { name: 'PLACE', count: 'one' },
    flags: {
      high: { kind: 'switch', short: 'H', about: '' },
      to: { kind: 'text', short: 't', placeholder: 'TEXT', about: '' },
      end: { kind: 'bytes', placeholder: 'TEXT', about: '' },
      times: { kind: 'number', placeholder: 'N', least: 1, about: '' },
      over: { kind: 'numbers', placeholder: 'N', least: 0, about: '' },
      bird: { kind: 'choice', of: ['crow', 'jackdaw'], about: '' },
      with: { kind: 'pairs', placeholder: 'NAME=VALUE', about: '' },
    },
    run: () => Promise.resolve(),
  }),
  ...['build', 'line'].map((word) =>
    command({
      name: `nest ${word}`,
      about: 'Nest',
      positional: { name: 'TREE', count: word === 'build' ? 'some' : 'none' },
      flags: {},
      run: () => Promise.resolve(),
    }),
  ),
]

const given = (...args: string[]) => {
  const line = readCommandLine(commands, args)
  assert.equal(line.kind, 'run')
  return line.kind === 'run' ? { name: line.command.name, ...line.given } : assert.fail()
}

const refused = (args: string[], message: string | RegExp): void => {
  assert.throws(() => readCommandLine(commands, args), { name: 'UsageError', message }, args.join(' '))
}

test('flags become values of their kinds, wherever they stand', () => {
  const line = given(
    ...['fly', '--times', '3', 'home', '-H', '-t', 'x y', '--over=1', '--over', '2'],
    ...['--bird', 'jackdaw', '--with', 'a=1=2', '--with', 'b=', '--end', String.raw`\n`],
  )
  assert.equal(line.name, 'fly')
  assert.deepEqual(line.positionals, ['home'])
  assert.deepEqual(
    { ...line.flags },
    {
      high: true,
      to: 'x y',
      end: Buffer.from('\n'),
      times: 3,
      over: [1, 2],
      bird: 'jackdaw',
      with: [
        ['a', '1=2'],
        ['b', ''],
      ],
    },
  )
})

test('a flag that is left out is undefined', () => {
  assert.deepEqual(new Set(Object.values(given('fly', 'home').flags)), new Set([undefined]))
})

test('a command of two words is found, and what follows -- is no flag', () => {
  assert.equal(given('nest', 'line').name, 'nest line')
  assert.deepEqual(given('nest', 'build', 'oak', '--', '--elm').positionals, ['oak', '--elm'])
})

test('what makes no sense is refused with what would', () => {
  refused([], 'no command given')
  refused(['swim'], "there is no command 'swim'")
  refused(['nest'], "'nest' needs one of build, line")
  refused(['nest', 'burn'], "'nest' has no 'burn': it has one of build, line")
  refused(['help', 'swim'], "there is no command 'swim'")
  refused(['fly'], "'fly' needs a PLACE")
  refused(['fly', ''], "'fly' was given an empty PLACE")
  refused(['fly', 'a', 'b'], "'fly' takes one PLACE, but was given 'a' and 'b'")
  refused(['nest', 'line', 'oak'], "'nest line' takes no argument, but was given 'oak'")
  refused(['nest', 'build'], "'nest build' needs a TREE")
  refused(['fly', 'a', '--low'], "'fly' has no flag --low")
  refused(['fly', 'a', '-z'], "'fly' has no flag -z")
  refused(['fly', 'a', '--to'], '--to needs a value')
  refused(['fly', 'a', '--times', '-5'], '--times needs a value: when it begins with a dash, write --times=VALUE')
  refused(['fly', 'a', '--high=yes'], '--high takes no value')
  refused(['fly', 'a', '--times', '0'], "--times must be a whole number of at least 1, not '0'")
  refused(['fly', 'a', '--times', '1.5'], "--times must be a whole number of at least 1, not '1.5'")
  refused(['fly', 'a', '--over', 'x'], "--over must be a whole number of at least 0, not 'x'")
  refused(['fly', 'a', '--bird', 'rook'], "--bird must be one of crow, jackdaw, not 'rook'")
  refused(['fly', 'a', '--with', 'b'], "--with must be NAME=VALUE, not 'b'")
  refused(['fly', 'a', '--with', '=b'], "--with must be NAME=VALUE, not '=b'")
})

test('help is asked for before, after or beside a command, and wins over what is missing', () => {
  const [fly] = commands
  for (const args of [
    ['fly', '--help'],
    ['fly', 'a', '-h'],
    ['help', 'fly'],
  ]) {
    assert.deepEqual(readCommandLine(commands, args), { kind: 'help', command: fly, group: undefined })
  }
  for (const args of [['--help'], ['-h'], ['help']]) {
    assert.deepEqual(readCommandLine(commands, args), { kind: 'help', command: undefined, group: undefined })
  }
  for (const args of [
    ['nest', '--help'],
    ['help', 'nest'],
  ]) {
    assert.deepEqual(readCommandLine(commands, args), { kind: 'help', command: undefined, group: 'nest' })
  }
  assert.deepEqual(readCommandLine(commands, ['--version']), { kind: 'version' })
})
