import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulatedScenario } from '../support/chaos/simulated-scenario.ts'
import { assertFaultless } from '../support/history/history.ts'

const seeds = Array.from({ length: 12 }, (_, i) => `history-${i}`)

test('through refusals, lost answers, crashes and leader moves every record is stored once, in order, where it was said', async (t) => {
  let retries = 0
  for (const seed of seeds) {
    const report = await simulatedScenario({ seed })
    assertFaultless(report.verdict, `seed '${seed}'`)
    assert.deepEqual(report.failures, {}, `seed '${seed}'`)
    assert.deepEqual([report.verdict.stored, report.verdict.sent], [900, 900])
    retries += report.retries
  }
  t.diagnostic(`${retries} batches tried again in ${seeds.length} runs`)
  assert.ok(retries > 100)
})

test('records that run out of time say truly whether they are stored, and those behind them keep their order', async (t) => {
  const failures: Record<string, number> = {}
  let told = { notPersisted: 0, possiblyPersisted: 0 }
  for (const seed of seeds) {
    const { verdict, failures: found } = await simulatedScenario({ seed, impatient: true })
    assertFaultless(verdict, `seed '${seed}'`)
    for (const [code, count] of Object.entries(found)) failures[code] = (failures[code] ?? 0) + count
    told = {
      notPersisted: told.notPersisted + verdict.notPersisted,
      possiblyPersisted: told.possiblyPersisted + verdict.possiblyPersisted,
    }
  }
  t.diagnostic(`${JSON.stringify(told)} ${JSON.stringify(failures)}`)
  assert.ok(told.notPersisted > 100 && told.possiblyPersisted > 100)
  for (const code of Object.keys(failures)) assert.doesNotMatch(code, /without persistence/)
})

test('a seed that finds something finds it again', async () => {
  const [first, again] = [await simulatedScenario({ seed: 'again' }), await simulatedScenario({ seed: 'again' })]
  assert.equal(again.digest, first.digest)
  assert.notEqual((await simulatedScenario({ seed: 'other' })).digest, first.digest)
})
