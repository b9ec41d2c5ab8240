/** How every command reaches Kafka: one flag, or one variable of the environment. */

import type { ClusterOptions } from 'jackdaw'
import { UsageError } from './errors.ts'
import type { Terminal } from './terminal.ts'

export const bootstrapVariable = 'JACKDAW_BOOTSTRAP_SERVERS'

export interface ConnectionFlags {
  readonly 'bootstrap-servers': {
    readonly kind: 'text'
    readonly short: 'b'
    readonly placeholder: string
    readonly about: string
  }
}

export const connectionFlags: ConnectionFlags = {
  'bootstrap-servers': {
    kind: 'text',
    short: 'b',
    placeholder: 'HOST:PORT,…',
    about: `the brokers to ask first; else $${bootstrapVariable}, else localhost:9092`,
  },
}

/** The connection options that the flags and the environment ask for. */
export function connectionOptions(
  flags: { readonly 'bootstrap-servers': string | undefined },
  { env }: Terminal,
): ClusterOptions {
  const given = flags['bootstrap-servers']
  if (given === '') throw new UsageError('--bootstrap-servers is empty: give HOST:PORT,…')
  return { bootstrapServers: given ?? (env[bootstrapVariable] || 'localhost:9092'), clientId: 'jackdaw-command-line' }
}
