import assert from 'node:assert/strict'
import { test } from 'node:test'

import { ProtocolError } from '#src/errors/errors.js'
import { FrameSplitter } from '#src/network/frame-splitter.js'

const limit = 104_857_600

function frame(body: Uint8Array): Buffer {
  const size = Buffer.alloc(4)
  size.writeInt32BE(body.length)
  return Buffer.concat([size, body])
}

function splitter(): { frames: Buffer[]; splitter: FrameSplitter } {
  const frames: Buffer[] = []
  return { frames, splitter: new FrameSplitter(limit, (each) => frames.push(each)) }
}

const bodies = [Buffer.from('four'), Buffer.from('a longer one'), Buffer.alloc(300, 7)]
const stream = Buffer.concat(bodies.map(frame))

test('frames come out whole when every chunk is one byte', () => {
  const { frames, splitter: under } = splitter()
  for (const byte of stream) under.push(Uint8Array.of(byte))
  assert.deepEqual(frames, bodies)
})

test('frames come out whole wherever the stream is cut in two', () => {
  for (let cut = 0; cut <= stream.length; cut++) {
    const { frames, splitter: under } = splitter()
    under.push(stream.subarray(0, cut))
    under.push(stream.subarray(cut))
    assert.deepEqual(frames, bodies, `cut at ${cut}`)
  }
})

test('a frame is a copy in a block of its own that is exactly as long', () => {
  const { frames, splitter: under } = splitter()
  const chunk = Buffer.from(stream)
  under.push(chunk)
  chunk.fill(0)
  assert.deepEqual(frames, bodies)
  for (const each of frames) assert.equal(each.buffer.byteLength, each.length)
  assert.equal(new Set(frames.map((each) => each.buffer)).size, frames.length)
})

test('a frame far beyond the first block comes out whole and exactly as long', () => {
  const { frames, splitter: under } = splitter()
  const body = Buffer.alloc(9_000_001)
  for (let i = 0; i < body.length; i += 997) body[i] = i % 251
  const bytes = frame(body)
  for (let offset = 0; offset < bytes.length; offset += 65_536) under.push(bytes.subarray(offset, offset + 65_536))
  assert.equal(frames.length, 1)
  assert.equal(Buffer.compare(frames[0]!, body), 0)
  assert.equal(frames[0]!.buffer.byteLength, body.length)
})

for (const length of [-1, -2_147_483_648, 0, 3]) {
  test(`a length of ${length} is refused`, () => {
    const { splitter: under } = splitter()
    const bytes = Buffer.alloc(4)
    bytes.writeInt32BE(length)
    assert.throws(() => {
      under.push(bytes)
    }, ProtocolError)
  })
}

test('a length beyond the limit is refused, and the limit itself is not', () => {
  const atLimit = Buffer.alloc(4)
  atLimit.writeInt32BE(limit)
  splitter().splitter.push(atLimit)
  const beyond = Buffer.alloc(4)
  beyond.writeInt32BE(limit + 1)
  assert.throws(() => {
    splitter().splitter.push(beyond)
  }, /a frame of 104857601 bytes is longer than the 104857600 allowed/)
})

test('who announces much and sends little makes us allocate little', () => {
  // What the process really holds: a block's pages are the system's until they are written to.
  const before = process.memoryUsage.rss()
  const announced = Buffer.alloc(5)
  announced.writeInt32BE(limit)
  const kept = Array.from({ length: 8 }, () => {
    const { splitter: under } = splitter()
    under.push(announced)
    return under
  })
  const grown = process.memoryUsage.rss() - before
  assert.ok(grown < 10_000_000, `${kept.length} frames of ${limit} bytes announced cost ${grown} bytes`)
})

test('nothing comes out after stop, not even the rest of the same chunk', () => {
  const frames: Buffer[] = []
  const under: FrameSplitter = new FrameSplitter(limit, (each) => {
    frames.push(each)
    under.stop()
  })
  under.push(stream)
  under.push(stream)
  assert.equal(frames.length, 1)
})
