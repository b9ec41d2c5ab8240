#!/usr/bin/env node
/** The `jackdaw` command. */

import { commands } from './commands.ts'
import { run } from './run.ts'
import { processTerminal } from './terminal.ts'

void run(commands, process.argv.slice(2), processTerminal()).then((status) => {
  // Not exit(): what is still on its way to a pipe must arrive.
  process.exitCode = status
})
