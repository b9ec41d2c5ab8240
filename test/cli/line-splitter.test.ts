import { test } from 'node:test'
import assert from 'node:assert/strict'
import { LineSplitter } from '#src/cli/line-splitter.js'

function split(bytes: Buffer, chunkBytes: number, longestBytes = 1_000): Buffer[] {
  const splitter = new LineSplitter(longestBytes)
  const lines: Buffer[] = []
  for (let at = 0; at < bytes.length; at += chunkBytes)
    lines.push(...splitter.push(bytes.subarray(at, at + chunkBytes)))
  return [...lines, ...splitter.end()]
}

test('lines are the same however the input is cut into chunks', () => {
  const lines = [
    Buffer.from('plain'),
    Buffer.alloc(0),
    Buffer.from([0xff, 0x00, 0xc3]),
    Buffer.from('carriage return\r'),
    Buffer.from('größe'),
  ]
  const input = Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')]))
  for (let chunkBytes = 1; chunkBytes <= input.length; chunkBytes++) {
    assert.deepEqual(split(input, chunkBytes), lines, `chunks of ${chunkBytes} bytes`)
  }
})

test('a last line without line feed counts, and nothing follows a last line feed', () => {
  assert.deepEqual(split(Buffer.from('a\nb'), 100).map(String), ['a', 'b'])
  assert.deepEqual(split(Buffer.from('a\nb\n'), 100).map(String), ['a', 'b'])
  assert.deepEqual(split(Buffer.from(''), 100), [])
  assert.deepEqual(split(Buffer.from('\n'), 100).map(String), [''])
})

test('a line that is too long is refused by its number, before its end is seen', () => {
  const splitter = new LineSplitter(4)
  assert.deepEqual([...splitter.push(Buffer.from('1234\n123'))].map(String), ['1234'])
  assert.throws(() => [...splitter.push(Buffer.from('45'))], { message: 'line 2 is longer than 4 bytes' })
  assert.throws(() => split(Buffer.from('12345\n'), 100, 4), { message: 'line 1 is longer than 4 bytes' })
})

test('the lines before one that is too long are not lost with it', () => {
  const seen: string[] = []
  assert.throws(() => {
    for (const line of new LineSplitter(4).push(Buffer.from('a\nb\n12345\nc\n'))) seen.push(line.toString())
  }, /^CommandError: line 3 is longer/)
  assert.deepEqual(seen, ['a', 'b'])
})
