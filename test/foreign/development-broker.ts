/**
 * `jackdaw broker` as a process of its own, for clients that are not ours.
 *
 * JACKDAW_FOREIGN_BOOTSTRAP puts a broker of yours in its place, which makes topics by itself: held against real Kafka,
 * these tests must pass too, or they ask for what no client can expect.
 */

import { once } from 'node:events'
import { foreignTools } from '#scripts/foreign-tools.mjs'
import { defaultVersion, runCommand } from '#scripts/kafka.mjs'
import { startBrokerProcess } from '../support/broker-process.ts'
import type { Ending } from '../support/kafka/kafka-cluster.ts'
import { Kafka } from '../support/kafka/kafka.ts'

/** A development broker until the test (or, given `{ after }` of node:test, the file) has ended. */
export async function developmentBroker(ending: Ending, args: readonly string[] = []): Promise<Kafka> {
  const given = process.env['JACKDAW_FOREIGN_BOOTSTRAP']
  if (given !== undefined) return new Kafka(defaultVersion, given)
  const { child, bootstrapServers } = await startBrokerProcess(['--port', '0', ...args])
  ending.after(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  })
  return new Kafka(defaultVersion, bootstrapServers)
}

/**
 * For a test's `skip` option: a reason that names the tools that are not here, else false; always false where tools are
 * required (JACKDAW_REQUIRE_TOOLS=1), so that absence fails.
 */
export async function withoutTools(...names: readonly string[]): Promise<string | false> {
  if (process.env['JACKDAW_REQUIRE_TOOLS'] === '1') return false
  const missing: string[] = []
  for (const name of names) {
    const tool = foreignTools.find((one) => one.name === name)
    if (tool === undefined) throw new Error(`there is no foreign tool '${name}'`)
    const isHere = await runCommand(tool.check).then(
      ({ code }) => code === 0,
      () => false,
    )
    if (!isHere) missing.push(name)
  }
  return missing.length === 0 ? false : `no ${missing.join(' and no ')} here: node scripts/foreign-tools.mjs install`
}
