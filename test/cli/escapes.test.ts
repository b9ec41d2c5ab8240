import { test } from 'node:test'
import assert from 'node:assert/strict'
import { unescape } from '#src/cli/escapes.js'

test('escapes stand for bytes, and all other text for its UTF-8', () => {
  assert.deepEqual(unescape('--x', String.raw`a\tb\n\r\0\\n`), Buffer.from('a\tb\n\r\0\\n'))
  assert.deepEqual(unescape('--x', String.raw`\xff\x00é`), Buffer.from([0xff, 0x00, 0xc3, 0xa9]))
  assert.deepEqual(unescape('--x', ''), Buffer.alloc(0))
})

test('an escape that there is not is refused, naming the flag', () => {
  for (const text of [String.raw`a\q`, 'a\\', String.raw`\x`, String.raw`\xg0`, String.raw`\x1`]) {
    assert.throws(
      () => unescape('--format', text),
      { name: 'UsageError', message: /^--format has the escape '\\.?'/ },
      text,
    )
  }
})
