/** What a command sees of the world: the three streams, the environment, and Ctrl-C. */

import type { Readable, Writable } from 'node:stream'

export interface Terminal {
  readonly stdin: Readable
  readonly stdout: Writable & { readonly isTTY?: boolean }
  readonly stderr: Writable & { readonly isTTY?: boolean }
  readonly env: Readonly<Record<string, string | undefined>>
  /** Calls back at the first interrupt (Ctrl-C, SIGTERM); the second one ends the process as ever. Gives back the end of it. */
  onInterrupt(callback: () => void): () => void
}

/** The process's own. */
export function processTerminal(): Terminal {
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    onInterrupt: (callback) => {
      const signals = ['SIGINT', 'SIGTERM'] as const
      const stop = (): void => {
        for (const signal of signals) process.removeListener(signal, heard)
      }
      const heard = (): void => {
        stop()
        callback()
      }
      for (const signal of signals) process.on(signal, heard)
      return stop
    },
  }
}
