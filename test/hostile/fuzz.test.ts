/** A few seconds of `npm run fuzz`, with a seed that stays: what it finds now, somebody has just broken. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fuzz, fuzzKinds } from './fuzz/fuzzer.ts'

test(
  'spoiled bytes come to a value or to one of our errors, soon and in little memory',
  { timeout: 60_000 },
  async () => {
    const { cases, outcomes, findings } = await fuzz({ seed: 'unit', seconds: 6 })
    assert.deepEqual(findings, [])
    for (const kind of fuzzKinds) assert.ok(cases[kind] > 0, `no case of ${kind} ran`)
    for (const outcome of ['value', 'ProtocolError', 'CorruptRecordError', 'ConnectionError']) {
      assert.ok((outcomes[outcome] ?? 0) > 0, `nothing came to ${outcome}: ${JSON.stringify(outcomes)}`)
    }
  },
)

test('a case of the fuzzer runs again by its name', async () => {
  const all = await fuzz({ seed: 'again', seconds: 1 })
  assert.ok(all.cases.records > 3)
  const one = await fuzz({ seed: 'again', seconds: 1, only: 'records/3' })
  const repeated = await fuzz({ seed: 'again', seconds: 1, only: 'records/3' })
  assert.deepEqual(one.outcomes, repeated.outcomes)
  assert.ok(Object.keys(one.outcomes).length > 0)
})
