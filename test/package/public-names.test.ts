/** The public face, name by name: it changes only together with public-names.json. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { publicNames, publicNamesFile } from '#scripts/public-names.mjs'

const accepted = JSON.parse(readFileSync(publicNamesFile, 'utf8')) as Record<string, string[]>

test('each entry point exports what was accepted, and nothing else', () => {
  const hint = 'when this is meant, accept it: node scripts/public-names.mjs --write'
  assert.deepEqual(publicNames(), accepted, hint)
})

for (const [entry, names] of Object.entries(accepted)) {
  test(`'jackdaw${entry.slice(1)}' loads, and exports no value that its types do not tell of`, async () => {
    const values = Object.keys((await import(`jackdaw${entry.slice(1)}`)) as object)
    assert.ok(values.length > 0)
    assert.deepEqual(
      values.filter((name) => !names.includes(name)),
      [],
    )
  })
}

test('bundling leaves every class its name, for errors are told apart by it', async () => {
  const classes = Object.entries((await import('jackdaw')) as Record<string, unknown>).filter(
    (entry): entry is [string, { name: string }] => typeof entry[1] === 'function',
  )
  assert.ok(classes.length > 10)
  assert.deepEqual(
    classes.filter(([name, value]) => value.name !== name).map(([name]) => name),
    [],
  )
})
