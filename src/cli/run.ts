/** From a command line to an exit status: 0 done, 1 failed, 2 bad usage. */

import { readFileSync } from 'node:fs'
import { readCommandLine, type CommandLine } from './command-line.ts'
import type { Command } from './command.ts'
import { UsageError } from './errors.ts'
import { commandHelp, overview } from './help.ts'
import type { Terminal } from './terminal.ts'

export type ExitStatus = 0 | 1 | 2

/** Does what the arguments say. Never rejects: what goes wrong is told on standard error. */
export async function run(
  commands: readonly Command[],
  args: readonly string[],
  terminal: Terminal,
): Promise<ExitStatus> {
  const complain = (error: unknown): void => {
    const message = error instanceof Error ? error.message : String(error)
    for (const line of message.split('\n')) terminal.stderr.write(`jackdaw: ${line}\n`)
  }
  try {
    const line = readCommandLine(commands, args)
    if (line.kind === 'run') await line.command.run({ ...line.given, terminal })
    else terminal.stdout.write(information(commands, line))
    return 0
  } catch (error) {
    complain(error)
    if (!isBadUsage(error)) return 1
    terminal.stderr.write(`${hint(commands, args)}\n`)
    return 2
  }
}

/** Also an option that a client refuses: whatever a command gives it comes from the command line or the environment. */
function isBadUsage(error: unknown): boolean {
  return error instanceof UsageError || (error as { code?: unknown } | undefined)?.code === 'INVALID_OPTION'
}

function information(commands: readonly Command[], line: Exclude<CommandLine, { kind: 'run' }>): string {
  if (line.kind === 'version') return `${version()}\n`
  return line.command === undefined ? overview(commands, line.group) : commandHelp(line.command)
}

function hint(commands: readonly Command[], args: readonly string[]): string {
  const named = commands.find(({ name }) => args.slice(0, name.split(' ').length).join(' ') === name)
  return `see 'jackdaw ${named === undefined ? '' : `${named.name} `}--help'`
}

function version(): string {
  const file = new URL('../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
