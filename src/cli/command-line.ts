/** Reads a command line: which command, its topics, its flags. Runs nothing. */

import { parseArgs, type ParseArgsConfig } from 'node:util'
import type { Command, Invocation } from './command.ts'
import { UsageError } from './errors.ts'
import { readFlag, takesMany } from './flags.ts'

export type CommandLine =
  | { readonly kind: 'run'; readonly command: Command; readonly given: Omit<Invocation, 'terminal'> }
  /** `command` undefined: all of them, or those that begin with `group`. */
  | { readonly kind: 'help'; readonly command: Command | undefined; readonly group: string | undefined }
  | { readonly kind: 'version' }

/** @throws UsageError saying what is wrong, with the command whose help would tell, when it is known */
export function readCommandLine(commands: readonly Command[], args: readonly string[]): CommandLine {
  const [first] = args
  if (first === undefined) throw new UsageError('no command given')
  if (first === '--version' || first === '-V') return { kind: 'version' }
  if (first === '--help' || first === '-h') return { kind: 'help', command: undefined, group: undefined }
  if (first === 'help') return helpFor(commands, args.slice(1))
  const command = findCommand(commands, args)
  if (command === undefined) {
    const group = groupOf(commands, first)
    if (group.length === 0) throw new UsageError(`there is no command '${first}'`)
    if (args.includes('--help') || args.includes('-h')) return { kind: 'help', command: undefined, group: first }
    const second = args[1]
    const complaint = second === undefined || second.startsWith('-') ? 'needs' : `has no '${second}': it has`
    throw new UsageError(`'${first}' ${complaint} one of ${group.map(({ name }) => name.split(' ')[1]).join(', ')}`)
  }
  return readArguments(command, args.slice(command.name.split(' ').length))
}

function helpFor(commands: readonly Command[], words: readonly string[]): CommandLine {
  const [first] = words
  if (first === undefined) return { kind: 'help', command: undefined, group: undefined }
  const command = findCommand(commands, words)
  if (command !== undefined) return { kind: 'help', command, group: undefined }
  if (groupOf(commands, first).length > 0) return { kind: 'help', command: undefined, group: first }
  throw new UsageError(`there is no command '${words.join(' ')}'`)
}

function findCommand(commands: readonly Command[], words: readonly string[]): Command | undefined {
  return commands.find(({ name }) => name.split(' ').every((word, i) => words[i] === word))
}

function groupOf(commands: readonly Command[], word: string): Command[] {
  return commands.filter(({ name }) => name.startsWith(`${word} `))
}

function readArguments(command: Command, args: readonly string[]): CommandLine {
  const { values, positionals } = parse(command, args)
  if (values['help'] === true) return { kind: 'help', command, group: undefined }
  const flags: Record<string, unknown> = {}
  for (const [name, flag] of Object.entries(command.flags)) {
    const given = values[name]
    flags[name] = given === undefined ? undefined : readFlag(name, flag, given)
  }
  checkPositionals(command, positionals)
  return { kind: 'run', command, given: { positionals, flags: flags as Invocation['flags'] } }
}

function checkPositionals({ name, positional }: Command, given: readonly string[]): void {
  const { name: what, count } = positional
  if (given.includes('')) throw new UsageError(`'${name}' was given an empty ${what}`)
  if (count === 'none' && given.length > 0)
    throw new UsageError(`'${name}' takes no argument, but was given '${given[0]}'`)
  if ((count === 'one' || count === 'some') && given.length === 0) throw new UsageError(`'${name}' needs a ${what}`)
  if (count === 'one' && given.length > 1) {
    throw new UsageError(`'${name}' takes one ${what}, but was given ${given.map((one) => `'${one}'`).join(' and ')}`)
  }
}

type ParsedValues = Readonly<Record<string, string | boolean | readonly string[] | undefined>>

function parse(command: Command, args: readonly string[]): { values: ParsedValues; positionals: string[] } {
  const options: NonNullable<ParseArgsConfig['options']> = { help: { type: 'boolean', short: 'h' } }
  for (const [name, flag] of Object.entries(command.flags)) {
    options[name] = {
      type: flag.kind === 'switch' ? 'boolean' : 'string',
      multiple: takesMany(flag),
      ...(flag.short === undefined ? {} : { short: flag.short }),
    }
  }
  try {
    const parsed = parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
    return { values: parsed.values as ParsedValues, positionals: parsed.positionals }
  } catch (error) {
    throw toUsageError(command, error)
  }
}

/** Node's own complaints in our words; only the flag's name is taken from them. */
function toUsageError({ name }: Command, error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const flag = /'(-[^'\s]*)/.exec(error.message)?.[1]
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ERR_PARSE_ARGS_UNKNOWN_OPTION':
      return new UsageError(`'${name}' has no flag ${flag}`)
    case 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE':
      return new UsageError(invalidValue(error.message))
    default:
      return error
  }
}

function invalidValue(message: string): string {
  const long = /--[a-z-]+/.exec(message)?.[0] ?? 'a flag'
  if (message.includes('does not take an argument')) return `${long} takes no value`
  if (message.includes('ambiguous')) return `${long} needs a value: when it begins with a dash, write ${long}=VALUE`
  return `${long} needs a value`
}
