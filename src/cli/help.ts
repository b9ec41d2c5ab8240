/** The help, written from the tables of commands and flags. */

import type { Command } from './command.ts'
import type { Flag } from './flags.ts'
import { alignColumns } from './table.ts'

/** What `jackdaw --help` prints; with a group, only its commands. */
export function overview(commands: readonly Command[], group: string | undefined): string {
  const shown = group === undefined ? commands : commands.filter(({ name }) => name.startsWith(`${group} `))
  const rows = shown.map((command) => [`  ${command.name}${positionalOf(command)}`, command.about])
  return [
    `usage: jackdaw ${group ?? 'COMMAND'} …`,
    '',
    ...alignColumns(rows),
    '',
    "'jackdaw COMMAND --help' tells a command's flags",
    '',
  ].join('\n')
}

/** What `jackdaw produce --help` prints. */
export function commandHelp(command: Command): string {
  const rows = Object.entries(command.flags).map(([name, flag]) => [
    `  ${flag.short === undefined ? '    ' : `-${flag.short}, `}--${name}${valueOf(flag)}`,
    flag.about,
  ])
  rows.push(['  -h, --help', 'print this'])
  return [
    `usage: jackdaw ${command.name} [flags]${positionalOf(command)}`,
    '',
    command.about,
    '',
    ...alignColumns(rows),
    ...(command.notes === undefined ? [] : ['', command.notes.trim()]),
    '',
  ].join('\n')
}

function positionalOf({ positional: { name, count } }: Command): string {
  switch (count) {
    case 'none':
      return ''
    case 'one':
      return ` ${name}`
    case 'some':
      return ` ${name}…`
    case 'any':
      return ` [${name}…]`
    default:
      return count satisfies never
  }
}

function valueOf(flag: Flag): string {
  if (flag.kind === 'switch') return ''
  return ` ${flag.kind === 'choice' ? flag.of.join('|') : flag.placeholder}`
}
