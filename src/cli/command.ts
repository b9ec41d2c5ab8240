/** What a command is: a name, what it takes, and what it does. */

import type { FlagTable, FlagValues } from './flags.ts'
import type { Terminal } from './terminal.ts'

/** The topics that follow a command's name. */
export interface Positional {
  /** As the help shows it: `TOPIC`. */
  readonly name: string
  readonly count: 'one' | 'some' | 'any' | 'none'
}

export interface Command<Table extends FlagTable = FlagTable> {
  /** The words that call it: `topics create`. */
  readonly name: string
  /** One line for the help, beginning with a verb. */
  readonly about: string
  readonly positional: Positional
  readonly flags: Table
  /** What the help says below the flags. */
  readonly notes?: string
  run(invocation: Invocation<Table>): Promise<void>
}

export interface Invocation<Table extends FlagTable = FlagTable> {
  readonly positionals: readonly string[]
  readonly flags: FlagValues<Table>
  readonly terminal: Terminal
}

/** Keeps the names of a command's flags for the compiler, where a table of commands has forgotten them. */
export function command<const Table extends FlagTable>(definition: Command<Table>): Command {
  return definition as unknown as Command
}
