import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runCommand } from '#scripts/kafka.mjs'
import { kafka } from '../support/kafka/kafka.ts'
import { transactionScenarios } from './transaction-scenarios.ts'

const broker = await kafka()

transactionScenarios(broker)

test('the example of exactly-once processing does what it says', async () => {
  const program = new URL('../../../examples/exactly-once.mjs', import.meta.url).pathname
  const env = { BOOTSTRAP_SERVERS: broker.bootstrapServers }
  const { code, stdout, stderr } = await runCommand([process.execPath, program], { env, timeoutMs: 60_000 })
  assert.equal(code, 0, stdout + stderr)
  assert.match(stdout, /1000 orders, 1000 invoices, 1000 of them different, after [1-9]/)
})
