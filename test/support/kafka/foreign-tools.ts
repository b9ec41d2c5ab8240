/** Whether the independent clients that tests compare with are on this machine. */

import { spawnSync } from 'node:child_process'

const known = new Map<string, string | false>()

/**
 * For a test's `skip` option: `test('…', { skip: without('kcat') }, …)`. A reason when the command is not there, else
 * false; always false where tools are required (JACKDAW_REQUIRE_TOOLS=1), so that absence fails.
 */
export function without(command: string): string | false {
  if (process.env['JACKDAW_REQUIRE_TOOLS'] === '1') return false
  let reason = known.get(command)
  if (reason === undefined) {
    const found = spawnSync(command, ['-V'], { stdio: 'ignore' }).error === undefined
    reason = found ? false : `no ${command} here: node scripts/foreign-tools.mjs install`
    known.set(command, reason)
  }
  return reason
}
