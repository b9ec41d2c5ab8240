/** docs/systems.md keeps its word: every system has its row, every row a state, and every path that is named is there. */

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = new URL('../../../', import.meta.url)
const page = readFileSync(new URL('docs/systems.md', root), 'utf8')
const lastSystem = 266

interface Row {
  id: string
  state: string
  where: readonly string[]
  tested: readonly string[]
}

const rows = page
  .split('\n')
  .filter((line) => /^\| S\d/.test(line))
  .map((line): Row => {
    const cells = line.slice(1, -1).split('|')
    assert.equal(cells.length, 5, line)
    const [id = '', , state = '', where = '', tested = ''] = cells.map((cell) => cell.trim())
    return { id, state, where: pathsIn(where), tested: pathsIn(tested) }
  })

function pathsIn(cell: string): string[] {
  if (cell === '–') return []
  const paths = [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1]!)
  assert.equal(paths.map((path) => `\`${path}\``).join(', '), cell, 'a cell of paths is a list of paths, or a dash')
  return paths
}

test('S1 to S266 have one row each', () => {
  const expected = Array.from({ length: lastSystem }, (_, i) => `S${i + 1}`)
  assert.deepEqual(rows.map(({ id }) => id).sort(), expected.sort())
})

test('a row is done, comes later with a capability that is named, or is superseded by something', () => {
  const capabilities = 'security|idempotence and transactions|serializers|large clusters|observability|guides'
  const states = new RegExp(`^(done|later: (${capabilities})\\b.*|superseded: .+)$`)
  for (const { id, state } of rows) assert.match(state, states, id)
})

test('every path that is named is there', () => {
  const named = rows.flatMap(({ where, tested }) => [...where, ...tested])
  assert.ok(named.length > lastSystem)
  for (const path of named) assert.ok(existsSync(fileURLToPath(new URL(path, root))), path)
})

test('what is done says where, and how that is known unless it is a text', () => {
  for (const { id, state, where, tested } of rows) {
    if (state !== 'done') continue
    assert.ok(where.length > 0, id)
    if (!where.every((path) => path.endsWith('.md'))) assert.ok(tested.length > 0, id)
  }
})
