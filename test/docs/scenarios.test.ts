/** docs/scenarios.md keeps its word: every scenario names a test, and the test is there. */

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'

const root = new URL('../../../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')

const rows = read('docs/scenarios.md')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| Id '))
  .map((line) => {
    const cells = line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim())
    assert.equal(cells.length, 4, line)
    const [id = '', right = '', file = '', name = ''] = cells
    assert.match(file, /^`test\/[\w./-]+\.ts`$/, line)
    return { id, right, file: file.slice(1, -1), name }
  })

test('every scenario of producing and of transactions that was collected has its row', () => {
  const expected = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 31, 32].map((n) => `T${n}`)
  for (let n = 42; n <= 57; n++) expected.push(`A${n}`)
  expected.push(...[1101, 759, 1017, 1134, 1137, 943, 510, 924].map((n) => `aiokafka #${n}`))
  const ids = new Set(rows.map(({ id }) => id))
  assert.deepEqual(
    expected.filter((id) => !ids.has(id)),
    [],
  )
})

test('every test that is named is in the file that is named', () => {
  const missing = rows.filter(({ file, name }) => {
    if (name === '' || !existsSync(new URL(file, root))) return true
    // A title, whole, or up to what is filled in.
    const titles = [`'${name}`, `"${name}`, `\`${name}`]
    const source = read(file)
    return !titles.some((title) => source.includes(title))
  })
  assert.deepEqual(missing, [])
})

test('what is right is said in words', () => {
  for (const { id, right } of rows) assert.ok(right.length > 20, id)
})
